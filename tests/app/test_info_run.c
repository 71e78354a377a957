/* test_info_run.c: azr info of a run: a made-up folder, summed up. */
#include "app/series.h"

#include "../support/process.h"

#include "azr/buffer.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char folder[] = "/tmp/azr-info-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char *path = azr_path_join(folder, name);
    assert_int_equal(azr_file_write(path, text, strlen(text), NULL), AZR_OK);
    azr_free(path);
}

static void add(azr_buffer *buffer, azr_kind kind, int64_t step)
{
    azr_stored_task row = {.step = step};
    azr_task_identity(kind, &row.task);
    assert_int_equal(azr_buffer_add_task(buffer, &row, 0, NULL), AZR_OK);
    azr_stored_task_deinit(&row);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file("config.yaml", "model: m\ntotal_steps: 9\nnovelty: true\ninterest: true\n");
    write_file("metrics.jsonl",
               "{\"step\": 0, \"val/tasks/pass@1\": 0.25, \"val/tasks/n\": 4, "
               "\"timing_s/testing\": 1.0}\n"
               "{\"step\": 0, \"timing_s/save_checkpoint\": 1.0}\n"
               "{\"step\": 1, \"gen_code_o/valid_ratio\": 0.0, \"actor/entropy\": 2.0, "
               "\"proposer/verdict/valid\": 1.0, \"proposer/refused/common\": 2, "
               "\"timing_s/propose\": 3.0, \"timing_s/solve\": 1.0, \"timing_s/step\": 4.0}\n"
               "{\"step\": 2, \"gen_code_o/valid_ratio\": 0.99, \"actor/entropy\": 1.0, "
               "\"proposer/verdict/valid\": 3.0, \"proposer/verdict/no_call\": 5, "
               "\"timing_s/propose\": 3.0, \"timing_s/solve\": 1.0, \"timing_s/step\": 4.0, "
               "\"actor/mismatch\": 0.0, \"actor/loss\": 0.5, \"tokens\": 77}\n"
               "{\"step\": 2, \"val/tasks/pass@1\": 0.5, \"val/tasks/pass@1_low\": 0.15, "
               "\"val/tasks/pass@1_high\": 0.85, \"val/tasks/n\": 4, "
               "\"val/cruxeval-o/pass@1\": 0.125, \"timing_s/testing\": 2.0}\n"
               "{\"step\": 3, \"gen_co");
    char *path = azr_path_join(folder, "run.db");
    azr_buffer *buffer = NULL;
    assert_int_equal(azr_buffer_open(path, &buffer, NULL), AZR_OK);
    add(buffer, AZR_KIND_DEDUCTION, 0);
    add(buffer, AZR_KIND_DEDUCTION, 1);
    add(buffer, AZR_KIND_ABDUCTION, 2);
    azr_buffer_close(buffer);
    azr_free(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    azr_directory_remove(folder, NULL);
    return 0;
}

/* What a command prints, and its exit code is 0. */
static void run(char *out, size_t size, const char *options)
{
    char command[512];
    snprintf(command, sizeof command, "%s info %s %s", azr_test_binary(), options, folder);
    FILE *pipe = popen(command, "r"); /* NOLINT */
    assert_non_null(pipe);
    size_t n = fread(out, 1, size - 1, pipe);
    out[n] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

static void test_screen(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "steps                    2 of 9,",
        "gate                     novelty interest\n",
        "deduction 2 (1 seeds), abduction 1 (0 seeds), induction 0 (0 seeds)",
        "newest checkpoint        none yet",
        "valid, deduction         ▁█ ",
        "0 to 0.99\n",
        "entropy                  █▁ ",
        "proposals                no_call 5, valid 4\n",
        "refused at the gate      common 2\n",
        "12 in all: testing 3 (25%) save_checkpoint 1 (8%) propose 6 (50%) solve 2 (17%)\n",
        "evaluation, tasks        ▃▅ ",
        "0.25 to 0.5\n",
        "  0.5 of 4 after step 2, 95 % interval 0.15 to 0.85\n",
        "evaluation, cruxeval-o   ▂ ",
        "last step                loss 0.5, mismatch 0, 77 tokens;",
    };
    char text[8192];
    run(text, sizeof text, "");
    for (size_t i = 0; i < AZR_COUNT(parts); i++)
        if (strstr(text, parts[i]) == NULL)
            fail_msg("no '%s' in:\n%s", parts[i], text);
}

static void test_json(void **state)
{
    (void)state;
    char text[8192];
    run(text, sizeof text, "--json");
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    json_t *last = json_object_get(object, "last");
    assert_int_equal(json_integer_value(json_object_get(last, "step")), 2);
    /* All lines of the step. */
    assert_true(json_real_value(json_object_get(last, "gen_code_o/valid_ratio")) == 0.99);
    assert_true(json_real_value(json_object_get(last, "val/tasks/pass@1")) == 0.5);
    int n = 0;
    assert_int_equal(json_unpack(object, "{s: {s: {s: i}}}", "tasks", "deduction", "n", &n), 0);
    assert_int_equal(n, 2);
    json_decref(object);
}

/* A hundred steps in ten bars, however many lines they have; what was never said is a dot. */
static void test_bars(void **state)
{
    (void)state;
    azr_strbuf text = {0}, bars = {0};
    for (int i = 0; i < 100; i++)
        azr_strbuf_printf(&text, "{\"step\": %d, \"x\": %s, \"one\": 1}\n", i,
                          i < 20   ? "null"
                          : i < 60 ? "1"
                                   : "3.0");
    for (int i = 0; i < 9; i++)
        azr_strbuf_puts(&text, "{\"step\": 99, \"late\": 5}\n");
    char *path = azr_path_join(folder, "bars.jsonl");
    assert_int_equal(azr_file_write(path, text.data, text.size, NULL), AZR_OK);
    azr_series series;
    assert_int_equal(azr_series_read(path, &series, NULL), AZR_OK);
    assert_int_equal(series.n, 100);
    azr_series_bars(&series, "x", 10, 0.0, 0.0, &bars);
    assert_string_equal(bars.data, "··▁▁▁▁████");
    azr_strbuf_reset(&bars);
    azr_series_bars(&series, "x", 10, 0.0, 4.0, &bars);
    assert_string_equal(bars.data, "··▃▃▃▃▇▇▇▇");
    azr_strbuf_reset(&bars);
    azr_series_bars(&series, "one", 3, 0.0, 0.0, &bars);
    assert_string_equal(bars.data, "▁▁▁");
    azr_strbuf_reset(&bars);
    azr_series_bars(&series, "late", 3, 0.0, 8.0, &bars);
    assert_string_equal(bars.data, "▆");
    azr_series late = azr_series_with(&series, "late");
    assert_int_equal(late.n, 1);
    assert_true(azr_series_last(&late, "one") == 1.0);
    azr_series_deinit(&late);
    assert_true(azr_series_sum(&series, "x") == 160.0);
    assert_true(azr_series_last(&series, "x") == 3.0);
    assert_true(isnan(azr_series_last(&series, "y")));
    azr_series_deinit(&series);
    azr_strbuf_deinit(&text);
    azr_strbuf_deinit(&bars);
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_screen),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_bars),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
