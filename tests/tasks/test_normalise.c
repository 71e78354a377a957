/* test_normalise.c: programs that differ in writing alone have one form, programs that differ in
 * more have two. */
#include "azr/program.h"

#include "base/check.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct pair {
    const char *a, *b;
} pair;

static bool same(const pair *p, bool shape)
{
    azr_strbuf a[2] = {{0}}, b[2] = {{0}};
    azr_program_normalise(p->a, &a[0], &a[1]);
    azr_program_normalise(p->b, &b[0], &b[1]);
    bool is = strcmp(azr_strbuf_text(&a[shape]), azr_strbuf_text(&b[shape])) == 0;
    for (int i = 0; i < 2; i++) {
        azr_strbuf_deinit(&a[i]);
        azr_strbuf_deinit(&b[i]);
    }
    return is;
}

static void test_forms(void **state)
{
    (void)state;
    const char *program = "def f(a, *b):\n\t'''Doc\n\n  string'''\n\n\tif a: return -0x10 # x\n"
                          "\tx = ['a'\n  'b',\n 1.50]; y = lambda k: k\n\treturn x[1:], y\n";
    azr_strbuf normal = {0}, shape = {0};
    azr_program_normalise(program, &normal, &shape);
    assert_string_equal(normal.data, "def f ( a , * b ) :\n{\nif a :\n{\nreturn - 16\n}\n"
                                     "x = [ 'a' 'b' , 1.5 ]\ny = lambda k : k\n"
                                     "return x [ 1 : ] , y\n}\n");
    assert_string_equal(shape.data,
                        "def n ( n , * n ) : \n{\nif n : \n{\nreturn c \n}\n"
                        "n = [ c , c ] \nn = lambda n : n \nreturn n [ c : ] , n \n}\n");
    azr_strbuf_deinit(&normal);
    azr_strbuf_deinit(&shape);
}

static void test_same_program(void **state)
{
    (void)state;
    static const pair pairs[] = {
        {"def f(a):\n    return a+1\n", "def f( a ):\n\n  # add\n  return a + 1  # one\n"},
        {"def f(a): return a", "def f(a):\n    return a\n"},
        {"def f(a):\n    return 'x'\n", "def f(a):\n    \"\"\"Gives x.\"\"\"\n    return \"x\"\n"},
        {"def f(a):\r\n    return 255\r\n", "def f(a):\n    return 0xff\n"},
        {"def f(a):\n    b = 1\n    return b\n", "def f(a):\n    b = 1; return b\n"},
        {"def f(a):\n    return (a +\n            1)\n", "def f(a):\n    return (a + \\\n 1)\n"},
        {"def f(a):\n    return a", "def f(a):\n    'doc'; return a\n"},
        {"def f(a):\n    if a:\n        a = 2\n    return a\n",
         "def f(a):\n    if a: a = 2\n    return a\n"},
    };
    for (size_t i = 0; i < AZR_COUNT(pairs); i++)
        assert_true(same(&pairs[i], false) && same(&pairs[i], true));
}

static void test_like_programs(void **state)
{
    (void)state;
    static const pair pairs[] = {
        {"def f(a):\n    return a + 1\n", "def f(number):\n    return number + 17\n"},
        {"def f(a):\n    return a + 1\n", "def f(a):\n    return a + -1.5e-3\n"},
        {"def f(a):\n    return a.upper()\n", "def f(a):\n    return a.lower()\n"},
        {"def f(a):\n    return 'x' + a\n", "def f(b):\n    return rb'y' 'z' + b\n"},
        {"def f(a):\n    return None\n", "def f(a):\n    return False\n"},
    };
    for (size_t i = 0; i < AZR_COUNT(pairs); i++)
        assert_true(!same(&pairs[i], false) && same(&pairs[i], true));
}

static void test_other_programs(void **state)
{
    (void)state;
    static const pair pairs[] = {
        {"def f(a):\n    return a + 1\n", "def f(a):\n    return a - 1\n"},
        {"def f(a):\n    return a\n", "def f(a):\n    return -a\n"},
        {"def f(a):\n    return a\n", "def f(a, b):\n    return a\n"},
        {"def f(a):\n    if a:\n        a = 2\n        a = 3\n    return a\n",
         "def f(a):\n    if a:\n        a = 2\n    a = 3\n    return a\n"},
        {"def f(a):\n    return a\n", "def f(a):\n    return [a]\n"},
        {"def f(a):\n    return (a, a)\n", "def f(a):\n    return (a)\n"},
        {"def f(a):\n    return a and a\n", "def f(a):\n    return a or a\n"},
        {"def f(a):\n    for i in a: a = i\n    return a\n",
         "def f(a):\n    while a: a = i\n    return a\n"},
        {"def f(a):\n    return a - 1\n", "def f(a):\n    return a, -1\n"},
    };
    for (size_t i = 0; i < AZR_COUNT(pairs); i++)
        assert_true(!same(&pairs[i], false) && !same(&pairs[i], true));
}

/* Whatever the text: an end, and brackets of blocks that match. */
static void test_any_text(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "\n", "  ", "\t", "def f(", ")", ":",      "'", "\"\"\"", "\\",   "#",  "\r", "0x",
        "1e", "[",  "]",  "{",      "}", "return", ";", "lambda", "\xFF", "f'", "->", "if a:"};
    for (uint32_t round = 0; round < 2000; round++) {
        const azr_rng_key key = {.seed = 7, .purpose = AZR_RNG_TEST, .sequence = round};
        azr_strbuf text = {0}, normal = {0}, shape = {0};
        size_t n = 1 + azr_rng_below(&key, 0, 60);
        for (uint32_t i = 0; i < n; i++)
            azr_strbuf_puts(&text, pieces[azr_rng_below(&key, i + 1, AZR_COUNT(pieces))]);
        azr_program_normalise(text.data, &normal, &shape);
        int depth = 0;
        for (const char *line = azr_strbuf_text(&shape); *line != '\0';
             line = strchr(line, '\n') + 1) {
            depth += line[0] == '{' && line[1] == '\n';
            depth -= line[0] == '}' && line[1] == '\n';
            assert_true(depth >= 0);
        }
        assert_int_equal(depth, 0);
        azr_strbuf_deinit(&text);
        azr_strbuf_deinit(&normal);
        azr_strbuf_deinit(&shape);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),         cmocka_unit_test(test_same_program),
        cmocka_unit_test(test_like_programs), cmocka_unit_test(test_other_programs),
        cmocka_unit_test(test_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
