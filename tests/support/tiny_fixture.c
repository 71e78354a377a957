#include "tiny_fixture.h"

tiny_run tiny;

int tiny_run_set_up(void **state)
{
    (void)state;
    tiny_run_create(&tiny);
    return 0;
}

int tiny_run_tear_down(void **state)
{
    (void)state;
    tiny_run_remove(&tiny);
    return 0;
}
