/* Python literals: parsing, printing, equality, against worked cases and against Python itself. */
#include "azr/literal.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static azr_literal *parse(const char *text)
{
    azr_literal *literal = NULL;
    azr_error error = {0};
    if (azr_literal_parse(text, strlen(text), &literal, &error) != AZR_OK)
        fail_msg("%s: %s", text, error.text);
    return literal;
}

static void assert_prints(const char *text, const char *want)
{
    azr_literal *literal = parse(text);
    char *got = azr_literal_print(literal);
    assert_string_equal(got, want);
    azr_free(got);
    azr_literal_destroy(literal);
}

static void test_print(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {" None ", "None"},
        {"0x_ff", "255"},
        {"1_000", "1000"},
        {"-0", "0"},
        {"0b101", "5"},
        {"0o17", "15"},
        {"00", "0"},
        {"0xffffffffffffffffffffffff", "79228162514264337593543950335"},
        {"1e16", "1e+16"},
        {"1e15", "1000000000000000.0"},
        {"0.0001", "0.0001"},
        {"0.00001", "1e-05"},
        {"-0.0", "-0.0"},
        {"1.", "1.0"},
        {".5", "0.5"},
        {"5e-324", "5e-324"},
        {"0.1", "0.1"},
        {"inf", "inf"},
        {"-inf", "-inf"},
        {"1e400", "inf"},
        {"2j", "2j"},
        {"1+2j", "(1+2j)"},
        {"(1-2j)", "(1-2j)"},
        {"'a' \"b\" '''c'''", "'abc'"},
        {"'it\\'s'", "\"it's\""},
        {"'\\x41\\u00e9\\n\\0'", "'Aé\\n\\x00'"},
        {"r'\\n'", "'\\\\n'"},
        {"b'\\xff' b'a'", "b'\\xffa'"},
        {"'\\ud800'", "'\\ud800'"},
        {"()", "()"},
        {"(1)", "1"},
        {"(1,)", "(1,)"},
        {"1, 2", "(1, 2)"},
        {"[1, [2,], ]", "[1, [2]]"},
        {"{2, 1, 1.0, True}", "{1, 2}"},
        {"{'a': 1, 'a': 2, 'b': 3}", "{'a': 2, 'b': 3}"},
        {"{}", "{}"},
        {"set()", "set()"},
        {"frozenset({3})", "frozenset({3})"},
        {"[\n1,\n2 # two\n]  # end", "[1, 2]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_prints(cases[i][0], cases[i][1]);
}

static void test_refuse(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "f(1)",
        "x",
        "1 2",
        "[1",
        "1)",
        "(1",
        "{1: 2, 3}",
        "{[]: 1}",
        "{[1]}",
        "01",
        "1__0",
        "1_",
        "0x",
        "'a",
        "'a\nb'",
        "f'a'",
        "'\\N{DIGIT ONE}'",
        "'a' b'b'",
        "b'\u00e9'",
        "1 if 1 else 2",
        "--1",
        "-True",
        "1j+1",
        "a.b",
        "__import__('os')",
        "[1 for x in y]",
        "{**{}}",
        "*a",
        "1 + 1",
        "lambda: 0",
        "'\\x4'",
        "1abc",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        azr_literal *literal = NULL;
        azr_error error = {0};
        if (azr_literal_parse(cases[i], strlen(cases[i]), &literal, &error) == AZR_OK)
            fail_msg("accepted: %s", cases[i]);
        assert_null(literal);
        assert_true(error.text[0] != '\0');
    }
}

static void assert_equality(const char *a, const char *b, bool want)
{
    azr_literal *x = parse(a), *y = parse(b);
    if (azr_literal_equal(x, y) != want || azr_literal_equal(y, x) != want)
        fail_msg("%s == %s is not %d", a, b, want);
    azr_literal_destroy(x);
    azr_literal_destroy(y);
}

static void test_equal(void **state)
{
    (void)state;
    assert_equality("{1, 2}", "{2, 1}", true);
    assert_equality("[1, 2]", "(1, 2)", false);
    assert_equality("1", "1.0", true);
    assert_equality("True", "1", true);
    assert_equality("[True, 0.0]", "[1, -0.0]", true);
    assert_equality("nan", "nan", false);
    assert_equality("[nan]", "[nan]", false);
    assert_equality("9007199254740993", "9007199254740992.0", false);
    assert_equality("9007199254740992", "9007199254740992.0", true);
    assert_equality("1e300", "1", false);
    assert_equality("1+0j", "1", true);
    assert_equality("{1: 'a', 2: 'b'}", "{2.0: 'b', True: 'a'}", true);
    assert_equality("{1: 'a'}", "{1: 'b'}", false);
    assert_equality("{(1, 2), frozenset({3})}", "{frozenset({3.0}), (1.0, 2)}", true);
    assert_equality("{1}", "frozenset({1})", true);
    assert_equality("'a'", "b'a'", false);
    assert_equality("''", "None", false);
    assert_equality("0", "False", true);
    assert_equality("0", "None", false);
}

static void assert_arguments(const char *text, const char *want, size_t n)
{
    azr_literal *arguments = NULL;
    azr_error error = {0};
    if (azr_arguments_parse(text, strlen(text), &arguments, &error) != AZR_OK)
        fail_msg("%s: %s", text, error.text);
    char *got = azr_literal_print(arguments);
    assert_string_equal(got, want);
    assert_int_equal(azr_arguments_count(arguments), n);
    azr_free(got);
    azr_literal_destroy(arguments);
}

static void test_arguments(void **state)
{
    (void)state;
    assert_arguments("", "", 0);
    assert_arguments("  ", "", 0);
    assert_arguments("1,\n 'a' , [2]", "1, 'a', [2]", 3);
    assert_arguments("1, key = {'a': 1},", "1, key={'a': 1}", 2);
    static const char *const refused[] = {"1) or (7", "x", "a=1, 2", "a=1, a=2", "*[1]",
                                          "**{}",     ",", "a==1",   "1,,2",     "1 2"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        azr_literal *arguments = NULL;
        if (azr_arguments_parse(refused[i], strlen(refused[i]), &arguments, NULL) == AZR_OK)
            fail_msg("accepted: %s", refused[i]);
    }
}

static void test_limits(void **state)
{
    (void)state;
    azr_strbuf text = {0};
    azr_literal *literal = NULL;
    azr_error error = {0};
    for (int i = 0; i < AZR_LITERAL_MAX_DEPTH + 1; i++)
        azr_strbuf_puts(&text, "[");
    assert_int_equal(azr_literal_parse(text.data, text.size, &literal, &error), AZR_ERROR_LIMIT);
    azr_strbuf_reset(&text);
    for (int i = 0; i < 4301; i++)
        azr_strbuf_puts(&text, "9");
    assert_int_not_equal(azr_literal_parse(text.data, text.size, &literal, &error), AZR_OK);
    assert_int_equal(azr_literal_parse(text.data, 4300, &literal, &error), AZR_OK);
    azr_literal_destroy(literal);
    azr_strbuf_reset(&text);
    azr_strbuf_puts(&text, "{");
    for (int i = 0; i < 40000; i++)
        azr_strbuf_printf(&text, "%d: %d.0, ", i, i);
    azr_strbuf_puts(&text, "}");
    assert_int_equal(azr_literal_parse(text.data, text.size, &literal, &error), AZR_OK);
    assert_true(azr_literal_equal(literal, literal));
    azr_literal_destroy(literal);
    azr_strbuf_deinit(&text);
}

/* Random values made by Python: what repr says is what we print; equality is Python's. */
static void test_against_python(void **state)
{
    (void)state;
    FILE *python = popen("/usr/bin/python3 tests/executor/fixtures/literals.py 3000", "r");
    if (python == NULL || access("/usr/bin/python3", 1) != 0)
        skip();
    char *line = NULL;
    size_t capacity = 0, n = 0;
    ssize_t size;
    azr_literal *previous = NULL;
    while ((size = getline(&line, &capacity, python)) > 0) {
        /* equal-to-previous flag, tab, repr, line feed */
        line[size - 1] = '\0';
        azr_literal *literal = parse(line + 2);
        char *text = azr_literal_print(literal);
        if (strchr(line, '{') == NULL)
            assert_string_equal(text, line + 2);
        azr_literal *again = parse(text);
        char *text_again = azr_literal_print(again);
        assert_string_equal(text, text_again);
        if (previous != NULL && azr_literal_equal(previous, literal) != (line[0] == '1'))
            fail_msg("equality with the line before: %s", line);
        azr_free(text);
        azr_free(text_again);
        azr_literal_destroy(again);
        azr_literal_destroy(previous);
        previous = literal;
        n++;
    }
    azr_literal_destroy(previous);
    free(line);
    pclose(python);
    assert_int_equal(n, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print),  cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_equal),  cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_against_python),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
