/* test_fuzz_literal.c: damaged literals: parsing returns, and what is accepted prints as a text
 * that reads back as the same text. */
#include "azr/literal.h"

#include "../support/fuzz_mutate.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

typedef struct seen {
    size_t n_accepted, n_refused;
} seen;

typedef azr_status parse_function(const char *, size_t, azr_literal **, azr_error *);

static bool try_one(parse_function *parse, const char *text, size_t size)
{
    azr_literal *value, *again;
    azr_error error = {0};
    azr_status status = parse(text, size, &value, &error);
    if (status != AZR_OK) {
        assert_null(value);
        assert_int_equal(status, error.status);
        assert_true(error.text[0] != '\0');
        return false;
    }
    char *canonical = azr_literal_print(value);
    assert_int_equal(parse(canonical, strlen(canonical), &again, &error), AZR_OK);
    char *twice = azr_literal_print(again);
    assert_string_equal(canonical, twice);
    assert_int_equal(azr_literal_equal(value, again), azr_literal_equal(value, value));
    azr_free(twice);
    azr_free(canonical);
    azr_literal_destroy(again);
    azr_literal_destroy(value);
    return true;
}

static void try_both(void *context, const uint8_t *bytes, size_t size)
{
    seen *s = context;
    bool any = try_one(azr_literal_parse, (const char *)bytes, size);
    any = try_one(azr_arguments_parse, (const char *)bytes, size) || any;
    *(any ? &s->n_accepted : &s->n_refused) += 1;
}

static void damaged_literals(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[1, -2.5e-3, 0x_ff, 1_000, (1+2j), .5, 5., 1e400]",
        "{'a': b'\\x00\\377', \"it's\": '''x\ny''', u'\\u20ac': r'\\d', None: {True: ()}}",
        "{1, 1.0, frozenset({2, (3,)}), 9007199254740993, 9007199254740992.0, -inf, nan}",
        "1, 'x' 'y', [[[]]], key=(1, 2), other={'k': set()}",
        "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\ud800\\U0010ffff'",
        "123456789012345678901234567890 # note\n",
    };
    static const char *const words[] = {
        "0x",         "0b1", "0o7", "_", "e",    "j",  "-",        "+",   "(",      ")",    "[",
        "]",          "{",   "}",   ",", ":",    "'",  "\"",       "'''", "\"\"\"", "\\",   "\\x",
        "\\u",        "\\U", "\\N", "b", "r",    "f",  "None",     "inf", "nan",    "set(", "infj",
        "frozenset(", "=",   "k=",  "#", "\r\n", "\f", "\xe2\x82", "1.0", "99999"};
    enum { N = sizeof texts / sizeof texts[0] };
    fuzz_bytes seeds[N];
    for (size_t i = 0; i < N; i++)
        seeds[i] = (fuzz_bytes){(const uint8_t *)texts[i], strlen(texts[i])};
    seen s = {0};
    fuzz_run(&(fuzz_options){.seeds = seeds,
                             .n_seeds = N,
                             .words = words,
                             .n_words = sizeof words / sizeof words[0],
                             .n_iterations = 150000,
                             .seed = 21},
             try_both, &s);
    assert_true(s.n_accepted > 1000);
    assert_true(s.n_refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_literals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
