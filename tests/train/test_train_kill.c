/* test_train_kill.c: SIGKILL at random moments of a run, again and again: it always goes on, and
 * ends with the same bytes as the run that was left alone. */
#include "../support/tiny_run.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

enum { N_KILLS = 50 };

/* Whether there is a run to go on with; a start that was killed before that is made again. */
static bool has_begun(const tiny_run *tiny, const char *name)
{
    char *folder = tiny_run_path(tiny, name), *path = azr_path_join(folder, "config.yaml");
    bool begun = azr_file_exists(path);
    azr_free(path);
    azr_free(folder);
    return begun;
}

static void wait_seconds(double seconds)
{
    const struct timespec time = {.tv_sec = (time_t)seconds,
                                  .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

/* Kills the run over and over until it ends; each pause is longer than the last, so that it does.
 */
static size_t kill_until_done(const tiny_run *tiny, const char *name, const char *const *sets,
                              double straight_seconds, uint32_t i_run)
{
    const azr_rng_key key = {.seed = 11, .purpose = AZR_RNG_TEST, .sequence = i_run};
    for (uint32_t i = 0;; i++) {
        pid_t pid = tiny_run_start(tiny, name, has_begun(tiny, name), sets);
        wait_seconds((double)azr_rng_uniform(&key, i) * straight_seconds * (0.5 + 0.1 * i));
        kill(pid, SIGKILL);
        int code = tiny_run_wait(pid);
        if (code == 0)
            return i;
        if (code != 128 + SIGKILL)
            fail_msg("run %u ended with exit code %d by itself: see %s/log", i_run, code,
                     tiny->folder);
    }
}

static void test_kills(void **state)
{
    (void)state;
    const char *const sets[] = {"total_steps=3", "checkpoint_every=1", "keep_checkpoints=1", NULL};
    tiny_run tiny;
    tiny_run_create(&tiny);
    double started = azr_clock_seconds();
    tiny_run_train(&tiny, "straight", false, sets);
    double seconds = azr_clock_seconds() - started;
    size_t n_kills = 0;
    for (uint32_t i = 0; n_kills < N_KILLS; i++) {
        char name[32];
        snprintf(name, sizeof name, "killed-%u", i);
        n_kills += kill_until_done(&tiny, name, sets, seconds, i);
        tiny_run_equal(&tiny, "straight", name, 3);
    }
    tiny_run_remove(&tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
