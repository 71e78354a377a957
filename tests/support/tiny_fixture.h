/* tiny_fixture.h: one tiny_run for all tests of a program, and the functions around their group. */
#ifndef AZR_TEST_TINY_FIXTURE_H
#define AZR_TEST_TINY_FIXTURE_H

#include "tiny_run.h"

extern tiny_run tiny;
int tiny_run_set_up(void **state);
int tiny_run_tear_down(void **state);

#endif
