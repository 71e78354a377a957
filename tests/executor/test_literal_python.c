/* test_literal_python.c: Python literals against Python itself: a fixture made by
 * literal_oracle.py, fresh random ones where python3 is there, limits, and sizes that must not go
 * quadratic. */
#include "azr/literal.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- against Python --------------------------------------------------------------------------- */

/* Hexadecimal to bytes in place; "" stands for the empty text. */
static size_t unhex(char *text)
{
    if (strcmp(text, "\"\"") == 0) {
        text[0] = '\0';
        return 0;
    }
    size_t n = strlen(text) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        text[i] = (char)byte;
    }
    text[n] = '\0';
    return n;
}

static azr_literal *parsed(char kind, const char *text, size_t size)
{
    azr_literal *value = NULL;
    azr_error error = {0};
    azr_status status = kind == 'A' ? azr_arguments_parse(text, size, &value, &error)
                                    : azr_literal_parse(text, size, &value, &error);
    assert_int_equal(status == AZR_OK, value != NULL);
    if (status != AZR_OK) {
        assert_int_equal(status, error.status);
        assert_true(error.text[0] != '\0');
    }
    return value;
}

/* A text and its canonical form, which must be its own canonical form and equal to it. */
static bool check_value(char kind, char *text, char *expected)
{
    bool refused = strcmp(expected, "-") == 0;
    size_t size = unhex(text);
    if (!refused)
        unhex(expected);
    azr_literal *value = parsed(kind, text, size);
    bool ok = (value == NULL) == refused;
    if (value != NULL && !refused) {
        char *canonical = azr_literal_print(value);
        azr_literal *again = parsed(kind, canonical, strlen(canonical));
        assert_non_null(again);
        char *twice = azr_literal_print(again);
        ok = strcmp(canonical, expected) == 0 && strcmp(twice, canonical) == 0 &&
             azr_literal_equal(value, again) == azr_literal_equal(value, value);
        if (!ok)
            print_message("got %s, again %s\n", canonical, twice);
        azr_free(twice);
        azr_free(canonical);
        azr_literal_destroy(again);
    }
    if (!ok)
        print_message("%c |%s| expected %s\n", kind, text, refused ? "a refusal" : expected);
    azr_literal_destroy(value);
    return ok;
}

static bool check_equality(char *a, char *b, const char *expected)
{
    size_t n_a = unhex(a), n_b = unhex(b);
    azr_literal *x = parsed('L', a, n_a), *y = parsed('L', b, n_b);
    assert_non_null(x);
    assert_non_null(y);
    bool equal = azr_literal_equal(x, y);
    bool ok = equal == (expected[0] == '1') && azr_literal_equal(y, x) == equal;
    if (!ok)
        print_message("%s == %s: expected %s\n", a, b, expected);
    azr_literal_destroy(x);
    azr_literal_destroy(y);
    return ok;
}

static size_t check_lines(FILE *file)
{
    char *line = NULL, *rest;
    size_t capacity = 0, n = 0, n_bad = 0;
    while (getline(&line, &capacity, file) > 0) {
        char *kind = strtok_r(line, " \n", &rest);
        char *a = strtok_r(NULL, " \n", &rest), *b = strtok_r(NULL, " \n", &rest);
        char *c = strtok_r(NULL, " \n", &rest);
        assert_non_null(b);
        n++;
        if (!(kind[0] == 'E' ? check_equality(a, b, c) : check_value(kind[0], a, b)))
            n_bad++;
    }
    free(line);
    assert_int_equal(n_bad, 0);
    return n;
}

static void fixture(void **state)
{
    (void)state;
    FILE *file = fopen("tests/executor/fixtures/literals.txt", "r");
    assert_non_null(file);
    assert_true(check_lines(file) > 700);
    fclose(file);
}

static void fresh_values(void **state)
{
    (void)state;
    if (access("/usr/bin/python3", X_OK) != 0)
        skip();
    const char *n = getenv("AZR_LITERAL_CASES");
    char command[200];
    snprintf(command, sizeof command,
             "/usr/bin/python3 tests/executor/fixtures/literal_oracle.py %s %u",
             n != NULL ? n : "3000", (unsigned)getpid());
    print_message("%s\n", command);
    FILE *file = popen(command, "r");
    assert_non_null(file);
    assert_true(check_lines(file) > 700);
    assert_int_equal(pclose(file), 0);
}

/* --- what differs from ast.literal_eval on purpose, and limits ----------------------------------
 */

static void expect(char kind, const char *text, const char *expected)
{
    azr_literal *value = parsed(kind, text, strlen(text));
    if (expected == NULL) {
        if (value != NULL)
            fail_msg("%s was accepted", text);
        return;
    }
    if (value == NULL)
        fail_msg("%s was refused", text);
    char *canonical = azr_literal_print(value);
    assert_string_equal(canonical, expected);
    azr_free(canonical);
    azr_literal_destroy(value);
}

static void edges(void **state)
{
    (void)state;
    expect('L', " \n # note\n 1 # one\n\n", "1");
    expect('L', "-inf", "-inf");
    expect('L', "[nan, -nan]", "[nan, nan]");
    expect('L', "(1+infj)", "(1+infj)");
    expect('L', "frozenset({2, 1, 1.0})", "frozenset({1, 2})");
    expect('L', "frozenset([1])", NULL);
    expect('L', "frozenset({1: 2})", NULL);
    expect('L', "set([1])", NULL);
    expect('L', "float('inf')", NULL);
    expect('L', "...", NULL);
    expect('L', "'\\N{DASH}'", NULL);
    expect('L', "f'a'", NULL);
    expect('L', "", NULL);
    expect('L', "1; 2", NULL);
    expect('L', "[1, 2", NULL);
    expect('L', "'\xff'", NULL);
    expect('L', "'\\ud800'", "'\\ud800'");
    expect('L', "{1: 'a', True: 'b', 1.0: 'c'}", "{1: 'c'}");
    expect('A', "", "");
    expect('A', " 1, *[2]", NULL);
    expect('A', "**{}", NULL);
    expect('A', "a=1, 2", NULL);
    expect('A', "a=1, a=2", NULL);
    expect('A', "a=1, b = 2,", "a=1, b=2");
    expect('A', "None=1", NULL);
    expect('A', "1) or (7", NULL);
    expect('A', "1)", NULL);
    expect('A', ",", NULL);
    expect('A', "x", NULL);
    expect('A', "1,\n 2 # two\n", "1, 2");
}

static void counts_and_types(void **state)
{
    (void)state;
    azr_literal *value = parsed('A', "1, 'x', k=[2]", 13);
    assert_int_equal(azr_arguments_count(value), 3);
    assert_string_equal(azr_literal_type(value), "arguments");
    azr_literal_destroy(value);
    static const char *const cases[][2] = {
        {"None", "NoneType"}, {"True", "bool"}, {"0x10", "int"},  {"1.", "float"},
        {"1j", "complex"},    {"''", "str"},    {"b''", "bytes"}, {"[]", "list"},
        {"()", "tuple"},      {"{}", "dict"},   {"{1}", "set"},   {"frozenset()", "frozenset"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        value = parsed('L', cases[i][0], strlen(cases[i][0]));
        assert_string_equal(azr_literal_type(value), cases[i][1]);
        azr_literal_destroy(value);
    }
    /* Keywords have no order, positional arguments have one. */
    azr_literal *a = parsed('A', "1, a=1, b=2", 11), *b = parsed('A', "1.0, b=2, a=1", 13);
    azr_literal *c = parsed('A', "a=1, b=2", 8);
    assert_true(azr_literal_equal(a, b));
    assert_false(azr_literal_equal(a, c));
    azr_literal_destroy(a);
    azr_literal_destroy(b);
    azr_literal_destroy(c);
}

static void repeated(azr_strbuf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        azr_strbuf_puts(out, text);
}

static void limits(void **state)
{
    (void)state;
    azr_strbuf text = {0};
    azr_literal *value;
    azr_error error;
    repeated(&text, "[", AZR_LITERAL_MAX_DEPTH);
    repeated(&text, "]", AZR_LITERAL_MAX_DEPTH);
    assert_int_equal(azr_literal_parse(text.data, text.size, &value, &error), AZR_OK);
    azr_literal_destroy(value);
    azr_strbuf_reset(&text);
    repeated(&text, "(", AZR_LITERAL_MAX_DEPTH + 1);
    assert_int_equal(azr_literal_parse(text.data, text.size, &value, &error), AZR_ERROR_LIMIT);
    azr_strbuf_reset(&text);
    repeated(&text, "9", 4300);
    assert_int_equal(azr_literal_parse(text.data, text.size, &value, &error), AZR_OK);
    azr_literal_destroy(value);
    repeated(&text, "9", 1);
    assert_int_equal(azr_literal_parse(text.data, text.size, &value, &error), AZR_ERROR_LIMIT);
    assert_non_null(strstr(error.text, "4300"));
    azr_strbuf_reset(&text);
    repeated(&text, "1,", 300000);
    assert_int_equal(azr_literal_parse(text.data, text.size, &value, &error), AZR_ERROR_LIMIT);
    repeated(&text, " ", AZR_LITERAL_MAX_BYTES);
    assert_int_equal(azr_literal_parse(text.data, text.size, &value, &error), AZR_ERROR_LIMIT);
    assert_int_equal(azr_literal_parse("1\0", 2, &value, &error), AZR_ERROR_INPUT);
    azr_strbuf_deinit(&text);
}

/* A set of 30,000 integers that all have one CPython hash, and of tuples with long equal
 * beginnings: a quadratic search would take minutes. */
static void large_sets(void **state)
{
    (void)state;
    azr_strbuf text = {0};
    azr_strbuf_puts(&text, "{");
    for (size_t i = 0; i < 30000; i++)
        azr_strbuf_printf(&text, "%llu, ", (unsigned long long)i * ((1ull << 61) - 1));
    azr_strbuf_puts(&text, "}");
    azr_literal *value = parsed('L', text.data, text.size);
    assert_non_null(value);
    char *canonical = azr_literal_print(value);
    azr_literal *again = parsed('L', canonical, strlen(canonical));
    assert_true(azr_literal_equal(value, again));
    azr_literal_destroy(again);
    azr_literal_destroy(value);
    azr_free(canonical);
    azr_strbuf_reset(&text);
    azr_strbuf_puts(&text, "{");
    for (size_t i = 0; i < 4000; i++) {
        azr_strbuf_puts(&text, "(");
        repeated(&text, "1,", 50);
        azr_strbuf_printf(&text, "%zu):1,", i);
    }
    azr_strbuf_puts(&text, "}");
    value = parsed('L', text.data, text.size);
    assert_true(azr_literal_equal(value, value));
    azr_literal_destroy(value);
    /* Hexadecimal digits, all at their limit. */
    azr_strbuf_reset(&text);
    azr_strbuf_puts(&text, "[");
    for (size_t i = 0; i < 250; i++) {
        azr_strbuf_puts(&text, "0x");
        repeated(&text, "f", 3570);
        azr_strbuf_puts(&text, ",");
    }
    azr_strbuf_puts(&text, "]");
    value = parsed('L', text.data, text.size);
    assert_non_null(value);
    azr_literal_destroy(value);
    azr_strbuf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixture), cmocka_unit_test(fresh_values),
        cmocka_unit_test(edges),   cmocka_unit_test(counts_and_types),
        cmocka_unit_test(limits),  cmocka_unit_test(large_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
