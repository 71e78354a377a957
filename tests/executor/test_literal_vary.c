/* test_literal_vary.c: other values of the same types, as arguments to try a program on. */
#include "azr/literal.h"

#include "base/check.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static azr_literal *arguments_of(const char *text)
{
    azr_literal *literal = NULL;
    azr_error error;
    assert_int_equal(azr_arguments_parse(text, strlen(text), &literal, &error), AZR_OK);
    return literal;
}

static void assert_varied(const char *text, unsigned variant, const char *expected)
{
    azr_literal *literal = arguments_of(text);
    char *varied = azr_arguments_vary(literal, variant);
    assert_string_equal(varied, expected);
    azr_free(varied);
    azr_literal_destroy(literal);
}

static void test_values(void **state)
{
    (void)state;
    static const char *const rows[][AZR_N_VARIANTS + 1] = {
        {"5", "6", "-7", "13", "25"},
        {"-123456789012345678901234567890", "-123456789012345678901234567891",
         "-123456789012345678901234567892", "-123456789012345678901234567893",
         "-123456789012345678901234567894"},
        {"2.0", "3.5", "-4.5", "7.0", "16.25"},
        {"True, None", "False, None", "True, None", "False, None", "True, None"},
        {"'aé', b''", "'aéb7', b'b7'", "'Z3 aé', b'Z3 '", "'aéaé', b'b7'", "'é', b'b7'"},
        {"[1, 2], (0,)", "[2, 3, 1], (1, 0)", "[-4], (-2,)", "[7, 5], (3,)", "[13, 16], (10,)"},
        {"[], {}, ()", "[0], {'k': 0}, (0,)", "[1], {'k': 1}, (1,)", "[2], {'k': 2}, (2,)",
         "[3], {'k': 3}, (3,)"},
        {"{'a': 1}, k=3", "{'a': 2}, k=4", "{'Z3 a': -3}, k=-5", "{'a': 5}, k=9",
         "{'ab7': 13}, k=19"},
        {"{1}", "{1, 2}", "{-3}", "{5}", "{13}"},
    };
    for (size_t i = 0; i < AZR_COUNT(rows); i++)
        for (unsigned variant = 0; variant < AZR_N_VARIANTS; variant++)
            assert_varied(rows[i][0], variant, rows[i][variant + 1]);
}

static void test_have(void **state)
{
    (void)state;
    azr_literal *arguments = arguments_of("1, [2], key='x'");
    static const char *const values[] = {"1", "[2]", "'x'", "True", "1.0"};
    for (size_t i = 0; i < AZR_COUNT(values); i++) {
        azr_literal *value = NULL;
        assert_int_equal(azr_literal_parse(values[i], strlen(values[i]), &value, NULL), AZR_OK);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(azr_arguments_have(arguments, k, value), k == i);
        azr_literal_destroy(value);
    }
    azr_literal_destroy(arguments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
