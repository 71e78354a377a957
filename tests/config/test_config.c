/* test_config.c: the config room keeps its contract: defaults, files, --set, errors, printing. */
#include "azr/config.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A config file in a fresh folder. */
typedef struct fixture {
    char folder[64], path[128];
    azr_config config;
    azr_error error;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/azr-config-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/c.yaml", f->folder);
    azr_config_init(&f->config);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    azr_config_deinit(&f->config);
    assert_int_equal(azr_directory_remove(f->folder, NULL), AZR_OK);
    free(f);
    return 0;
}

static azr_status load_bytes(fixture *f, const char *text, size_t size)
{
    assert_int_equal(azr_file_write(f->path, text, size, NULL), AZR_OK);
    return azr_config_load(&f->config, f->path, &f->error);
}

static azr_status load(fixture *f, const char *text)
{
    return load_bytes(f, text, strlen(text));
}

/* The file is refused, and the sentence is the path followed by `expected`. */
static void assert_refused(fixture *f, const char *text, const char *expected)
{
    f->error = (azr_error){0};
    assert_int_equal(load(f, text), AZR_ERROR_INPUT);
    assert_int_equal(f->error.status, AZR_ERROR_INPUT);
    assert_memory_equal(f->error.text, f->path, strlen(f->path));
    assert_string_equal(f->error.text + strlen(f->path), expected);
}

static void test_defaults(void **state)
{
    fixture *f = *state;
    assert_string_equal(f->config.model, "");
    assert_string_equal(f->config.template, "transcript");
    assert_string_equal(f->config.kinds, "deduction,abduction,induction");
    assert_int_equal(f->config.dtype, AZR_CONFIG_DTYPE_AUTO);
    assert_int_equal(f->config.advantage, AZR_ADVANTAGE_TOKEN);
    assert_int_equal(f->config.references, 6);
    assert_int_equal(f->config.estimate_samples, 8);
    assert_true(f->config.learning_rate == 1e-6);
    assert_true(f->config.propose_zero_reward == -0.5);
    assert_true(f->config.adam_beta2 == 0.999);
}

static void test_load(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "# a comment\n"
                             "model: models/a b   # spaces inside\n"
                             "seed: 42\n"
                             "dtype: bf16\n"
                             "learning_rate: 5.0e-6\n"
                             "advantage: sequence\n"
                             "kinds: [deduction, induction]\n"
                             "run: \"a \\\"quoted\\\" \\u00e9\"\n"),
                     AZR_OK);
    assert_string_equal(f->config.model, "models/a b");
    assert_int_equal(f->config.seed, 42);
    assert_int_equal(f->config.dtype, AZR_CONFIG_DTYPE_BF16);
    assert_true(f->config.learning_rate == 5.0e-6);
    assert_int_equal(f->config.advantage, AZR_ADVANTAGE_SEQUENCE);
    assert_string_equal(f->config.kinds, "deduction,induction");
    assert_string_equal(f->config.run, "a \"quoted\" \xc3\xa9");
    assert_int_equal(f->config.batch_size, 16);
    assert_int_equal(azr_config_validate(&f->config, &f->error), AZR_OK);
}

static void test_load_empty(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, ""), AZR_OK);
    assert_int_equal(load(f, "# nothing\n"), AZR_OK);
    assert_int_equal(load(f, "---\n"), AZR_OK);
    assert_int_equal(f->config.seed, 1);
}

static void test_bad_files(void **state)
{
    fixture *f = *state;
    assert_refused(f, "seed: 1\nbatchsize: 4\n",
                   ":2: unknown key 'batchsize': did you mean 'batch_size'?");
    assert_refused(f, "lerning_rate: 1\n",
                   ":1: unknown key 'lerning_rate': did you mean 'learning_rate'?");
    assert_refused(f, "seed: 1\n\nbatch_size: 0\n",
                   ":3: batch_size must be from 1 to 32768 prompts, not 0");
    assert_refused(f, "batch_size: 99999999999999999999\n",
                   ":1: batch_size must be from 1 to 32768 prompts, not 99999999999999999999");
    assert_refused(f, "top_p: 1.5\n", ":1: top_p must be from 0.01 to 1, not 1.5");
    assert_refused(f, "top_p: nan\n", ":1: top_p must be a number, not 'nan'");
    assert_refused(f, "grad_clip: .inf\n", ":1: grad_clip must be a number, not '.inf'");
    assert_refused(f, "grad_clip: inf\n", ":1: grad_clip must be from 0 to 1000000, not inf");
    assert_refused(f, "seed: 1.5\n", ":1: seed must be a whole number, not '1.5'");
    assert_refused(f, "seed:\n", ":1: seed must be a whole number, not ''");
    assert_refused(f, "seed: 1\nseed: 2\n", ":2: key seed stands twice");
    assert_refused(f, "dtype: fp16\n", ":1: dtype must be one of auto, f32, bf16, not 'fp16'");
    assert_refused(f, "exec_require: none\n",
                   ":1: exec_require must be one of limits, seccomp, namespaces, not 'none'");
    assert_refused(f, "seed: [1, 2]\n", ":1: seed must be a single value");
    assert_refused(f, "seed: {a: 1}\n", ":1: seed must be a single value");
    assert_refused(f, "kinds: [[deduction]]\n", ":1: a list may hold words only");
    assert_refused(f, "? [a]\n: 1\n", ":1: a key must be a single word");
    assert_refused(f, "- seed\n", ":1: must be a map of 'key: value' lines");
    assert_refused(f, "seed\n", ":1: must be a map of 'key: value' lines");
    assert_refused(f, "seed: 1\n---\nseed: 2\n", ":2: a second document in one file");
    assert_refused(f, "model: \"a\\0b\"\n", ":1: model holds a NUL byte");
}

static void test_no_yaml(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "seed: 1\nkinds: [deduction\n"), AZR_ERROR_INPUT);
    assert_non_null(strstr(f->error.text, "no YAML"));
    assert_int_equal(load_bytes(f, "seed: \xff\xfe\n", 9), AZR_ERROR_INPUT);
    assert_non_null(strstr(f->error.text, "no YAML"));
    assert_int_equal(load(f, "seed: *there\n"), AZR_ERROR_INPUT);
    assert_int_equal(load(f, "seed: 1\n\tmodel: b\n"), AZR_ERROR_INPUT);
    /* The first bytes of a file that is something else. */
    assert_int_equal(load_bytes(f, "GGUF\3\0\0\0\1\0\0\0", 12), AZR_ERROR_INPUT);
}

static void test_unreadable_files(void **state)
{
    fixture *f = *state;
    assert_int_equal(azr_config_load(&f->config, f->path, &f->error), AZR_ERROR_IO);
    assert_non_null(strstr(f->error.text, f->path));
    assert_int_equal(azr_config_load(&f->config, f->folder, &f->error), AZR_ERROR_INPUT);
    char *big = calloc(1, (1 << 20) + 1);
    assert_non_null(big);
    memset(big, '#', 1 << 20);
    assert_int_equal(load(f, big), AZR_OK);
    big[1 << 20] = '\0';
    assert_int_equal(load_bytes(f, big, (1 << 20) + 1), AZR_ERROR_LIMIT);
    free(big);
}

static void test_set(void **state)
{
    fixture *f = *state;
    assert_int_equal(azr_config_set(&f->config, "model=a=b", &f->error), AZR_OK);
    assert_string_equal(f->config.model, "a=b");
    assert_int_equal(azr_config_set(&f->config, "total_steps=4", &f->error), AZR_OK);
    assert_int_equal(f->config.total_steps, 4);
    assert_int_equal(azr_config_set(&f->config, "total_steps", &f->error), AZR_ERROR_INPUT);
    assert_string_equal(f->error.text, "--set needs key=value, not 'total_steps'");
    assert_int_equal(azr_config_set(&f->config, "total_step=4", &f->error), AZR_ERROR_INPUT);
    assert_string_equal(f->error.text,
                        "--set: unknown key 'total_step': did you mean 'total_steps'?");
    assert_int_equal(azr_config_set(&f->config, "total_steps=-1", &f->error), AZR_ERROR_INPUT);
    assert_string_equal(f->error.text,
                        "--set: total_steps must be from 0 to 1000000000 steps, not -1");
    assert_int_equal(azr_config_set(&f->config, "run=\xc3(", &f->error), AZR_ERROR_INPUT);
    assert_string_equal(f->error.text, "--set: run is not UTF-8");
    assert_int_equal(azr_config_set(&f->config, "train_propose=no", &f->error), AZR_ERROR_INPUT);
    assert_string_equal(f->error.text, "--set: train_propose must be true or false, not 'no'");
    assert_true(f->config.train_propose);
    assert_int_equal(azr_config_set(&f->config, "train_propose=false", &f->error), AZR_OK);
    assert_false(f->config.train_propose);
    assert_int_equal(f->config.total_steps, 4);
    assert_string_equal(f->config.run, "");
}

static void test_validate(void **state)
{
    static const struct {
        const char *assignment, *expected;
    } rows[] = {
        {"model=", "no model given: set model to a folder or a .gguf file"},
        {"kinds=",
         "kinds must be a list of deduction, abduction, induction and error: '' is none of them"},
        {"kinds=deduction,abductions", "kinds must be a list of deduction, abduction, induction "
                                       "and error: 'abductions' is none of them"},
        {"kinds=deduction,",
         "kinds must be a list of deduction, abduction, induction and error: '' is none "
         "of them"},
        {"kinds=deduction,deduction", "kinds names deduction twice"},
        {"error_banned=raise,raise", "error_banned names raise twice"},
        {"error_banned=raise,with", "error_banned must be a list of raise, assert, try and except: "
                                    "'with' is none of them"},
        {"max_answer_tokens=129",
         "max_answer_tokens (129) must not be above max_response_tokens (128)"},
        {"proposals_per_prompt=17", "proposals_per_prompt (17) must not be above batch_size (16)"},
        {"learning_rate_schedule=cosine", "learning_rate_schedule needs decay_steps: the step at "
                                          "which the learning rate has come down"},
        {"dual_clip=0.5", "dual_clip must be 0 or above 1, not 0.5"},
        {"exec_cpu_ms=5001", "exec_cpu_ms (5001) must not be above exec_wall_ms (5000)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        azr_config config;
        azr_error error = {0};
        azr_config_init(&config);
        assert_int_equal(azr_config_set(&config, "model=m", &error), AZR_OK);
        assert_int_equal(azr_config_validate(&config, &error), AZR_OK);
        assert_int_equal(azr_config_set(&config, rows[i].assignment, &error), AZR_OK);
        assert_int_equal(azr_config_validate(&config, &error), AZR_ERROR_INPUT);
        assert_string_equal(error.text, rows[i].expected);
        azr_config_deinit(&config);
    }
}

/* What is printed reads back as the same config, whatever the values. */
static void test_print_round_trip(void **state)
{
    fixture *f = *state;
    static const char *const assignments[] = {
        "model=a \"b\" \\ # c: \t\n\x01 \xc3\xa9 - ?",
        "run=~",
        "seed=9007199254740991",
        "dtype=f32",
        "learning_rate=3.3333333333333335e-7",
        "entropy_coef=0.1",
        "kinds=induction",
        "advantage=sequence",
        "propose_zero_reward=0",
        "train_propose=false",
    };
    for (size_t i = 0; i < sizeof assignments / sizeof assignments[0]; i++)
        assert_int_equal(azr_config_set(&f->config, assignments[i], &f->error), AZR_OK);
    char *text = azr_config_print(&f->config);
    azr_config again;
    azr_config_init(&again);
    assert_int_equal(azr_file_write(f->path, text, strlen(text), NULL), AZR_OK);
    if (azr_config_load(&again, f->path, &f->error) != AZR_OK)
        fail_msg("%s\n%s", f->error.text, text);
    char *text_again = azr_config_print(&again);
    assert_string_equal(text, text_again);
    assert_string_equal(again.model, f->config.model);
    assert_string_equal(again.run, "~");
    assert_false(again.train_propose);
    assert_int_equal(again.seed, 9007199254740991);
    assert_true(again.learning_rate == 3.3333333333333335e-7);
    azr_free(text);
    azr_free(text_again);
    azr_config_deinit(&again);
}

/* Every key of the printed config is a line of the help, with a comment on each line. */
static void test_help_lists_every_key(void **state)
{
    fixture *f = *state;
    char *help = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&help, &size);
    assert_non_null(out);
    azr_config_help(out);
    fclose(out);
    char *text = azr_config_print(&f->config);
    size_t n = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), n++) {
        assert_non_null(strstr(line, " # "));
        char key[80];
        snprintf(key, sizeof key, "\n%.*s ", (int)strcspn(line, ":"), line);
        assert_non_null(strstr(help, key));
    }
    assert_true(n >= 45);
    azr_free(text);
    free(help);
}

/* docs/options.md names every key, with its name in the reference implementation or why it has
 * none.
 */
static void test_every_key_is_documented(void **state)
{
    fixture *f = *state;
    char *document = NULL, *text = azr_config_print(&f->config);
    if (azr_file_read("docs/options.md", 1 << 20, &document, NULL, &f->error) != AZR_OK)
        fail_msg("%s", f->error.text);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char key[80];
        snprintf(key, sizeof key, "`%.*s`", (int)strcspn(line, ":"), line);
        if (strstr(document, key) == NULL)
            fail_msg("docs/options.md says nothing about %s", key);
    }
    azr_free(text);
    azr_free(document);
}

static void test_name_distance(void **state)
{
    (void)state;
    assert_int_equal(azr_name_distance("", ""), 0);
    assert_int_equal(azr_name_distance("", "abc"), 3);
    assert_int_equal(azr_name_distance("abc", ""), 3);
    assert_int_equal(azr_name_distance("kitten", "sitting"), 3);
    assert_int_equal(azr_name_distance("seed", "sede"), 1);
    assert_int_equal(azr_name_distance("top_p", "topp"), 1);
    assert_int_equal(azr_name_distance("ca", "abc"), 3);
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(azr_name_distance(longest, "x"), AZR_NEAREST_MAX_NAME - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_yaml, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unreadable_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set, setup, teardown),
        cmocka_unit_test(test_validate),
        cmocka_unit_test_setup_teardown(test_print_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_help_lists_every_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_key_is_documented, setup, teardown),
        cmocka_unit_test(test_name_distance),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
