/* test_train_stops.c: what ends a run before its time: Ctrl-C, a full disk in the middle of a
 * checkpoint, numbers that are none. What was there stays good, and the run goes on from it to the
 * bytes of a run that was never disturbed. */
#include "../support/tiny_fixture.h"

#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

static int set_up(void **state)
{
    (void)state;
    tiny_run_create(&tiny);
    tiny_run_train(&tiny, "straight", false, NULL);
    return 0;
}

/* Waits until the run has said numbers of a step, so that it is in the middle of its steps. */
static void wait_for_first_step(const char *run)
{
    char name[64];
    snprintf(name, sizeof name, "%s/metrics.jsonl", run);
    char *path = tiny_run_path(&tiny, name);
    for (int i = 0; i < 6000; i++) {
        char *text = NULL;
        size_t size = 0;
        azr_error error;
        if (azr_file_read(path, 1 << 20, &text, &size, &error) != AZR_OK)
            size = 0;
        bool stepped = size > 0 && strstr(text, "\"actor/loss\"") != NULL;
        azr_free(text);
        if (stepped)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    azr_free(path);
}

static void test_interrupt(void **state)
{
    (void)state;
    /* Many steps, so that it cannot end by itself first. */
    const char *const long_run[] = {"total_steps=100000", "checkpoint_every=1000", NULL};
    pid_t pid = tiny_run_start(&tiny, "interrupted", false, long_run);
    wait_for_first_step("interrupted");
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(tiny_run_wait(pid), 130);
    /* It wrote a checkpoint of the last whole step, though none was due. */
    int64_t step = (int64_t)tiny_run_query(&tiny, "interrupted",
                                           "SELECT max(step) FROM metrics WHERE step > 0");
    assert_true(step > 0);
    /* Up to the same step without interruption: the same bytes. */
    char total[32];
    snprintf(total, sizeof total, "total_steps=%lld", (long long)step);
    const char *const same[] = {total, "checkpoint_every=1000", NULL};
    if (step > 200)
        return; /* a machine that stood still: too long to repeat */
    tiny_run_train(&tiny, "again", false, same);
    tiny_run_equal(&tiny, "interrupted", "again", step);
}

/* No file may grow beyond what a checkpoint's weights take: as when the disk is full. */
static void test_full_disk(void **state)
{
    (void)state;
    const char *const two[] = {"total_steps=2", NULL};
    tiny_run_train(&tiny, "full", false, two);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    char *model = tiny_run_path(&tiny, "full/checkpoints/step-000002/optimizer.safetensors");
    size_t size = 0;
    char *bytes = NULL;
    azr_error error;
    assert_int_equal(azr_file_read(model, 1 << 28, &bytes, &size, &error), AZR_OK);
    azr_free(bytes);
    azr_free(model);
    small = (struct rlimit){.rlim_cur = size - 1, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    pid_t pid = tiny_run_start(&tiny, "full", true, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(tiny_run_wait(pid), 1);
    /* The checkpoint before it is whole, and the run goes on from there. */
    tiny_run_train(&tiny, "full", true, NULL);
    tiny_run_equal(&tiny, "straight", "full", 4);
}

/* Weights so large that what is computed with them overflows: the run says where, and stores none
 * of it. */
static void test_numbers_that_are_none(void **state)
{
    (void)state;
    enum { N = 32 }; /* the head's row of the last token */
    float old[N], huge[N];
    for (int i = 0; i < N; i++)
        huge[i] = i % 2 == 0 ? 3e38F : -3e38F;
    char *weights = tiny_run_path(&tiny, "model/model.safetensors");
    FILE *file = fopen(weights, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -(long)sizeof old, SEEK_END), 0);
    assert_int_equal(fread(old, sizeof(float), N, file), N);
    assert_int_equal(fseek(file, -(long)sizeof huge, SEEK_END), 0);
    assert_int_equal(fwrite(huge, sizeof(float), N, file), N);
    assert_int_equal(fflush(file), 0);
    tiny_run_refused(&tiny, "wild", false, NULL, "log-probability");
    assert_int_equal(fseek(file, -(long)sizeof old, SEEK_END), 0);
    assert_int_equal(fwrite(old, sizeof(float), N, file), N);
    fclose(file);
    azr_free(weights);
    tiny_run_train(&tiny, "tame", false, NULL);
    tiny_run_equal(&tiny, "straight", "tame", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_numbers_that_are_none),
    };
    return cmocka_run_group_tests(tests, set_up, tiny_run_tear_down);
}
