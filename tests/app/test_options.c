/* test_options.c: the forms in which a command's options may be written. */
#include "app/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What a command would read. */
typedef struct values {
    bool flag;
    const char *text;
    azr_option_texts texts;
    int64_t integer;
    double number;
    const char *operands[2];
    size_t n_operands;
} values;

static azr_status parse(values *v, azr_error *error, int argc, const char *const *argv)
{
    const azr_option rows[] = {
        {.name = "flag", .letter = 'f', .type = AZR_OPTION_FLAG, .value = &v->flag},
        {.name = "text",
         .letter = 't',
         .type = AZR_OPTION_TEXT,
         .value = &v->text,
         .argument = "TEXT"},
        {.name = "texts", .type = AZR_OPTION_TEXTS, .value = &v->texts, .argument = "TEXT"},
        {.name = "integer",
         .letter = 'n',
         .type = AZR_OPTION_INTEGER,
         .value = &v->integer,
         .argument = "N",
         .min = -5,
         .max = 5},
        {.name = "number",
         .type = AZR_OPTION_NUMBER,
         .value = &v->number,
         .argument = "X",
         .min = 0,
         .max = 1},
    };
    const azr_usage usage = {.synopsis = "test",
                             .about = "",
                             .options = rows,
                             .n_options = sizeof rows / sizeof rows[0],
                             .operands = v->operands,
                             .max_operands = 2,
                             .n_operands = &v->n_operands};
    bool help;
    azr_status status = azr_options_parse(&usage, argc, (char **)(uintptr_t)argv, &help, error);
    assert_false(help);
    return status;
}

#define PARSE(v, error, ...)                                                              \
    parse(v, error, (int)(sizeof((const char *[]){"cmd", __VA_ARGS__}) / sizeof(char *)), \
          (const char *[]){"cmd", __VA_ARGS__})

static void test_forms(void **state)
{
    (void)state;
    values v = {0};
    azr_error error;
    assert_int_equal(PARSE(&v, &error, "--flag", "--text", "a b", "-n", "-3", "--number=0.25", "x",
                           "--texts", "1", "--texts=2", "--texts="),
                     AZR_OK);
    assert_true(v.flag);
    assert_string_equal(v.text, "a b");
    assert_int_equal(v.integer, -3);
    assert_true(v.number == 0.25);
    assert_int_equal(v.texts.n, 3);
    assert_string_equal(v.texts.texts[0], "1");
    assert_string_equal(v.texts.texts[1], "2");
    assert_string_equal(v.texts.texts[2], "");
    assert_null(v.texts.texts[3]);
    assert_int_equal(v.n_operands, 1);
    assert_string_equal(v.operands[0], "x");
}

static void test_short_forms(void **state)
{
    (void)state;
    values v = {0};
    azr_error error;
    assert_int_equal(PARSE(&v, &error, "-n5", "-f", "-ttext=1", "-"), AZR_OK);
    assert_int_equal(v.integer, 5);
    assert_true(v.flag);
    assert_string_equal(v.text, "text=1");
    assert_string_equal(v.operands[0], "-");
    /* A value may look like an option. */
    assert_int_equal(PARSE(&v, &error, "--text", "--flag"), AZR_OK);
    assert_string_equal(v.text, "--flag");
}

static void test_operands(void **state)
{
    (void)state;
    values v = {0};
    azr_error error;
    assert_int_equal(PARSE(&v, &error, "--", "--flag", "-n"), AZR_OK);
    assert_false(v.flag);
    assert_int_equal(v.n_operands, 2);
    assert_string_equal(v.operands[0], "--flag");
    values w = {0};
    assert_int_equal(PARSE(&w, &error, "a", "b", "c"), AZR_ERROR_INPUT);
    assert_string_equal(error.text, "unexpected argument 'c': usage: test");
}

static void test_ranges(void **state)
{
    (void)state;
    values v = {.integer = 1, .number = 0.5};
    azr_error error;
    assert_int_equal(PARSE(&v, &error, "-n", "6"), AZR_ERROR_INPUT);
    assert_string_equal(error.text, "option --integer must be from -5 to 5, not 6");
    assert_int_equal(PARSE(&v, &error, "-n", "9223372036854775808"), AZR_ERROR_INPUT);
    assert_int_equal(PARSE(&v, &error, "-n", ""), AZR_ERROR_INPUT);
    assert_int_equal(PARSE(&v, &error, "--number", "inf"), AZR_ERROR_INPUT);
    assert_int_equal(PARSE(&v, &error, "--number", "-nan"), AZR_ERROR_INPUT);
    assert_int_equal(PARSE(&v, &error, "--number", "0.5x"), AZR_ERROR_INPUT);
    assert_int_equal(v.integer, 1);
    assert_true(v.number == 0.5);
}

static void test_too_many_texts(void **state)
{
    (void)state;
    values v = {0};
    azr_error error;
    for (int i = 0; i < AZR_OPTION_MAX_TEXTS; i++)
        assert_int_equal(PARSE(&v, &error, "--texts", "a"), AZR_OK);
    assert_int_equal(PARSE(&v, &error, "--texts", "a"), AZR_ERROR_LIMIT);
    assert_string_equal(error.text, "option --texts may be given 64 times at most");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_short_forms),
        cmocka_unit_test(test_operands),       cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_too_many_texts),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
