/* test_bench.c: azr bench says what it did: tokens that the options ask for, shares of a limit,
 * one JSON object a line. How fast it was is nobody's business here. */
#include "../support/process.h"
#include "../support/tiny_model.h"

#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

enum { MAX_ARGUMENTS = 24 };

/* Runs azr bench WHAT -m FOLDER --json --repeats 1 with the further arguments. */
static azr_test_process run_bench(const char *what, const char *folder, const char *const *more,
                                  int code)
{
    const char *argv[MAX_ARGUMENTS + 1] = {azr_test_binary(), "bench",     what, "-m", folder,
                                           "--json",          "--repeats", "1"};
    size_t n = 8;
    while (*more != NULL && n < MAX_ARGUMENTS)
        argv[n++] = *more++;
    azr_test_process process = azr_test_process_run(argv, NULL);
    if (process.code != code)
        fail_msg("azr bench %s ended with %d, not %d: %s", what, process.code, code, process.err);
    return process;
}

/* The line whose "bench" is name; fails the test when there is none, or when a line is no JSON. */
static json_t *find_line(const char *out, const char *name)
{
    json_t *found = NULL;
    while (*out != '\0') {
        const char *end = strchr(out, '\n');
        assert_non_null(end);
        json_t *line = json_loadb(out, (size_t)(end - out), 0, NULL);
        assert_non_null(line);
        const char *bench = json_string_value(json_object_get(line, "bench"));
        if (bench != NULL && strcmp(bench, name) == 0) {
            assert_null(found);
            found = json_incref(line);
        }
        json_decref(line);
        out = end + 1;
    }
    assert_non_null(found);
    return found;
}

static double number_of(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    if (!json_is_number(value))
        fail_msg("no number %s", key);
    return json_number_value(value);
}

/* The line is there, has so many tokens, and a share that follows from its other numbers. */
static void check_result(const char *out, const char *name, double n_tokens)
{
    json_t *line = find_line(out, name), *limit = find_line(out, "limit");
    assert_true(number_of(line, "tokens") == n_tokens);
    double share = number_of(line, "gflops") / number_of(limit, "gflops");
    assert_true(share > 0);
    assert_true(number_of(line, "share") > share * 0.999 &&
                number_of(line, "share") < share * 1.001);
    json_decref(line);
    json_decref(limit);
}

static void test_results(void **state)
{
    const char *folder = *state;
    static const char *const none[] = {NULL};
    static const char *const decode[] = {"--streams", "3", "--prompt", "7", "--new", "5", NULL};
    static const char *const packed[] = {"--sequences", "3", "--tokens", "20", NULL};
    azr_test_process process = run_bench("limit", folder, none, 0);
    json_decref(find_line(process.out, "limit"));
    azr_test_process_deinit(&process);
    process = run_bench("decode", folder, decode, 0);
    check_result(process.out, "prefill", 3 * 7);
    check_result(process.out, "decode", 3 * 5);
    azr_test_process_deinit(&process);
    process = run_bench("train", folder, packed, 0);
    check_result(process.out, "train", 3 * 20);
    json_t *train = find_line(process.out, "train");
    assert_true(number_of(json_object_get(train, "parts"), "forward and backward") > 0);
    json_decref(train);
    azr_test_process_deinit(&process);
}

/* Each prompt once, or once for each answer; in passes of few tokens or of many. */
static void test_forest(void **state)
{
    const char *folder = *state;
    static const char *const passes[] = {"micro_batch_tokens=16", "micro_batch_tokens=2048"};
    for (int i = 0; i < 2; i++) {
        const char *const forest[] = {"--prompts", "2", "--answers",  "3",     "--prompt", "40",
                                      "--new",     "4", "--unshared", "--set", passes[i],  NULL};
        azr_test_process process = run_bench("train", folder, forest, 0);
        /* Passes of one sequence have nothing to share. */
        check_result(process.out, "train", i == 0 ? 2 * 3 * 44 : 2 * (40 + 3 * 4));
        check_result(process.out, "unshared", 2 * 3 * 44);
        json_t *line = find_line(process.out, "sharing");
        assert_true(number_of(line, "speedup") > 0);
        json_decref(line);
        azr_test_process_deinit(&process);
    }
}

/* Eight prompts with eight answers each, or as many as asked for; the same tokens every time. */
static void test_step(void **state)
{
    const char *folder = *state;
    static const char *const usual[] = {"--new", "6", NULL};
    static const char *const few[] = {"--new", "6", "--prompts", "2", "--answers", "3", NULL};
    double tokens[3], answers[3];
    for (int i = 0; i < 3; i++) {
        azr_test_process process = run_bench("step", folder, i < 2 ? usual : few, 0);
        json_t *step = find_line(process.out, "step"), *drawn = find_line(process.out, "answers");
        tokens[i] = number_of(step, "tokens");
        answers[i] = number_of(drawn, "tokens");
        assert_true(number_of(step, "share") > 0);
        assert_true(number_of(json_object_get(step, "parts"), "rollout") > 0);
        json_decref(step);
        json_decref(drawn);
        azr_test_process_deinit(&process);
    }
    assert_true(tokens[0] == tokens[1] && answers[0] == answers[1]);
    assert_true(answers[0] > 6 * 6 && answers[0] <= 8 * 8 * 6 && tokens[0] > answers[0]);
    assert_true(answers[2] >= 6 && answers[2] <= 2 * 3 * 6);
}

static void test_memory(void **state)
{
    const char *folder = *state;
    static const char *const sets[] = {"recompute=false", "recompute=true"};
    double planned[2];
    for (int i = 0; i < 2; i++) {
        const char *const more[] = {"--sequences", "40",    "--tokens", "100",
                                    "--set",       sets[i], "--set",    "micro_batch_tokens=4000",
                                    NULL};
        azr_test_process process = run_bench("train", folder, more, 0);
        json_t *line = find_line(process.out, "memory");
        planned[i] = number_of(line, "planned_bytes");
        assert_true(number_of(line, "peak_bytes") > 0);
        assert_int_equal(json_is_true(json_object_get(line, "recompute")), i);
        json_decref(line);
        azr_test_process_deinit(&process);
    }
    assert_true(planned[1] < planned[0]);
}

/* Without any peer the comparison says so and gives azr's own numbers. */
static void test_compare(void **state)
{
    const char *folder = *state;
    if (!azr_file_exists("bench/compare.sh"))
        skip(); /* run from elsewhere */
    const char *const argv[] = {"bench/compare.sh", "-m", folder, "-r", "1", "-w",
                                "train step",       "-s", folder, NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    if (process.code != 0)
        fail_msg("compare.sh ended with %d: %s", process.code, process.err);
    assert_non_null(strstr(process.out, "skipped: PyTorch: "));
    assert_non_null(strstr(process.out, "skipped: TRL: "));
    const char *train = strstr(process.out, "\ntrain "), *step = strstr(process.out, "\nstep ");
    assert_true(train != NULL && strtod(train + 6, NULL) > 0);
    assert_true(step != NULL && strtod(step + 5, NULL) > 0);
    azr_test_process_deinit(&process);
}

static void test_refused(void **state)
{
    const char *folder = *state;
    static const char *const none[] = {NULL};
    static const char *const long_one[] = {"--tokens", "4000", NULL};
    azr_test_process process = run_bench("nothing", folder, none, 1);
    assert_non_null(strstr(process.err, "nothing"));
    azr_test_process_deinit(&process);
    process = run_bench("train", folder, long_one, 1);
    assert_non_null(strstr(process.err, "4000"));
    azr_test_process_deinit(&process);
}

static int make_model(void **state)
{
    char *folder = tiny_folder();
    tiny_model_write(folder, 3);
    *state = folder;
    return 0;
}

static int remove_model(void **state)
{
    azr_error error;
    int failed = azr_directory_remove(*state, &error) != AZR_OK;
    azr_free(*state);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results), cmocka_unit_test(test_forest),
        cmocka_unit_test(test_step),    cmocka_unit_test(test_memory),
        cmocka_unit_test(test_compare), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
