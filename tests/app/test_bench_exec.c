/* test_bench_exec.c: azr bench exec measures what it was asked for; its ratios follow from its
 * rates. How high they are is not tested: machines differ. */
#include "../support/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static double number_of(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    if (!json_is_number(value))
        fail_msg("no number %s", key);
    return json_number_value(value);
}

static void measures_an_engine(void **state)
{
    (void)state;
    const char *argv[] = {azr_test_binary(), "bench", "exec",   "--rounds", "2", "--ms", "20",
                          "--engine",        "fork",  "--json", NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    if (process.code != 0)
        fail_msg("%s", process.err);
    size_t n_lines = 0, n_workers[3] = {0}, n_loops = 0;
    for (const char *at = process.out, *end; *at != '\0'; at = end + 1, n_lines++) {
        end = strchr(at, '\n');
        assert_non_null(end);
        json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);
        assert_non_null(line);
        assert_true(number_of(line, "runs_per_second") > 0);
        const char *engine = json_string_value(json_object_get(line, "engine"));
        if (n_lines == 0) {
            assert_string_equal(engine, "python");
            assert_true(number_of(line, "rounds") == 2);
        } else {
            assert_string_equal(engine, "fork");
            double ratio = number_of(line, "ratio");
            assert_true(ratio > 0 && ratio >= number_of(line, "ratio_min") &&
                        ratio <= number_of(line, "ratio_max"));
            n_workers[(int)number_of(line, "workers")]++;
            n_loops += strcmp(json_string_value(json_object_get(line, "workload")), "loops") == 0;
        }
        json_decref(line);
    }
    assert_int_equal(n_lines, 9);
    assert_int_equal(n_workers[1], 4);
    assert_int_equal(n_workers[2], 4);
    assert_int_equal(n_loops, 2);
    azr_test_process_deinit(&process);
}

static void refuses(void **state)
{
    (void)state;
    const char *argv[] = {azr_test_binary(), "bench", "exec", "--engine", "steam", NULL};
    azr_test_process process = azr_test_process_run(argv, NULL);
    assert_int_equal(process.code, 1);
    assert_non_null(strstr(process.err, "steam"));
    azr_test_process_deinit(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(measures_an_engine),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
