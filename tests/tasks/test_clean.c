/* test_clean.c: what is done to proposed programs before they are judged, and what refuses them. */
#include "tasks/clean.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct test_case {
    const char *program, *cleaned;
} test_case;

static void check(const azr_program_rules *rules, const test_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *program = azr_copy_text(cases[i].program, strlen(cases[i].program));
        assert_int_equal(azr_tasks__clean_program(rules, &program), AZR_VERDICT_VALID);
        assert_string_equal(program, cases[i].cleaned);
        azr_free(program);
    }
}

static void test_nothing(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"", ""},
        {"\n# c\n\ndef h(a):\n    '''d'''\n    print(a)  \nx = 1\n",
         "\n# c\n\ndef h(a):\n    '''d'''\n    print(a)  \nx = 1\n"},
    };
    const azr_program_rules rules = {0};
    check(&rules, cases, AZR_COUNT(cases));
}

static void test_entry_function(void **state)
{
    (void)state;
    static const char two[] = "def g(a):\n    return a\ndef h(a):\n    return g(a) + h.n\n";
    static const char with_f[] = "def g(a):\n    return f(a)\ndef f(a):\n    return a\n"
                                 "def h(a, f=f):\n    return g(a=a, f=f, h=h, x=a.h)\n";
    static const struct {
        azr_function_choice choice;
        const char *program, *renamed;
    } cases[] = {
        {AZR_FUNCTION_F, two, two},
        {AZR_FUNCTION_FIRST, two, "def f(a):\n    return a\ndef h(a):\n    return f(a) + h.n\n"},
        {AZR_FUNCTION_LAST, two, "def g(a):\n    return a\ndef f(a):\n    return g(a) + f.n\n"},
        {AZR_FUNCTION_F_OR_FIRST, two,
         "def f(a):\n    return a\ndef h(a):\n    return f(a) + h.n\n"},
        {AZR_FUNCTION_F_OR_LAST, two,
         "def g(a):\n    return a\ndef f(a):\n    return g(a) + f.n\n"},
        {AZR_FUNCTION_F_OR_FIRST, with_f, with_f},
        {AZR_FUNCTION_F_OR_LAST, with_f, with_f},
        {AZR_FUNCTION_FIRST, with_f,
         "def f(a):\n    return f_other(a)\ndef f_other(a):\n    return a\n"
         "def h(a, f_other=f_other):\n    return f(a=a, f=f_other, h=h, x=a.h)\n"},
        {AZR_FUNCTION_LAST, with_f,
         "def g(a):\n    return f_other(a)\ndef f_other(a):\n    return a\n"
         "def f(a, f_other=f_other):\n    return g(a=a, f=f_other, h=f, x=a.h)\n"},
        /* Only functions at the margin. */
        {AZR_FUNCTION_FIRST,
         "class C:\n    def m(self):\n        pass\ndef h(a):\n    return 'h'\n",
         "class C:\n    def m(self):\n        pass\ndef f(a):\n    return 'h'\n"},
        {AZR_FUNCTION_LAST, "x = 1\n", "x = 1\n"},
        {AZR_FUNCTION_LAST, "def", "def"},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        const azr_program_rules rules = {.function = cases[i].choice};
        const test_case one = {cases[i].program, cases[i].renamed};
        check(&rules, &one, 1);
    }
}

static void test_comments(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"# head\n\n\ndef f(a):  # what\n    # it does\n\n    return a # end\n# tail\n",
         "def f(a):\n    return a\n"},
        {"'''Module.'''\nimport math\ndef f(a):\n    \"\"\"Doc\n    # string.\"\"\"\n    return "
         "a\n",
         "import math\ndef f(a):\n    return a\n"},
        {"def f(a):\n    '''All there is.'''\ndef h():\n    return '# no', \"\"\"#\n#\"\"\"\n",
         "def f(a):\n    pass\ndef h():\n    return '# no', \"\"\"#\n#\"\"\"\n"},
        {"def f(a):\n    b = [1, # one\n\n         2]\n    return a + \\\n        b\n",
         "def f(a):\n    b = [1,\n         2]\n    return a +         b\n"},
        {"def f(a): # \\\n    return a\n", "def f(a):\n    return a\n"},
        {"def f(a): return a\n", "def f(a): return a\n"},
        {"def f(a):\n    return a\n    '''no docstring'''\n",
         "def f(a):\n    return a\n    '''no docstring'''\n"},
        {"class C:\n    'doc'\n    x = 1\n", "class C:\n    x = 1\n"},
    };
    const azr_program_rules rules = {.drop_comments = true};
    check(&rules, cases, AZR_COUNT(cases));
}

static void test_globals(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"import a\nfrom b import c\nx = 1\ndef f(a):\n    y = 1\n    return a\nf(2)\nclass C:\n"
         "    z = 3\n@dec\nasync def h():\n    pass\nif x:\n    def k(): pass\nelse:\n    k = 1\n",
         "import a\nfrom b import c\ndef f(a):\n    y = 1\n    return a\nclass C:\n"
         "    z = 3\n@dec\nasync def h():\n    pass\n"},
        {"def f(a): return a\nprint(f(1))", "def f(a): return a\n"},
        {"x = (1,\n2)\ndef f(a):\n    return a\n", "def f(a):\n    return a\n"},
    };
    const azr_program_rules rules = {.drop_globals = true};
    check(&rules, cases, AZR_COUNT(cases));
}

static void test_prints(void **state)
{
    (void)state;
    static const test_case cases[] = {
        {"def f(a):\n    print(a, (1,\n  2))\n    return a\n",
         "def f(a):\n    pass\n    return a\n"},
        {"def f(a):\n    if a:\n        print('x'); b = 1\n    return a\n",
         "def f(a):\n    if a:\n        pass; b = 1\n    return a\n"},
        {"def f(a):\n    x = print(a)\n    print(a) or 1\n    a.print(1)\n    print\n    return "
         "a\n",
         "def f(a):\n    x = print(a)\n    print(a) or 1\n    a.print(1)\n    print\n    return "
         "a\n"},
        {"print(", "print("},
    };
    const azr_program_rules rules = {.drop_prints = true};
    check(&rules, cases, AZR_COUNT(cases));
}

static azr_verdict verdict_of(const azr_program_rules *rules, const char *text)
{
    char *program = azr_copy_text(text, strlen(text));
    azr_verdict verdict = azr_tasks__clean_program(rules, &program);
    azr_free(program);
    return verdict;
}

static void test_several(void **state)
{
    (void)state;
    const azr_program_rules rules = {.one_function = true};
    static const char one[] = "def f(a):\n    h = lambda x: 'def g()'\n    return h(a)\n";
    static const char nested[] = "def f(a):\n    def h(): pass\n    return a\n";
    static const char method[] = "class C:\n    def m(self): pass\ndef f(a):\n    return a\n";
    assert_int_equal(verdict_of(&rules, one), AZR_VERDICT_VALID);
    assert_int_equal(verdict_of(&rules, nested), AZR_VERDICT_SEVERAL_FUNCTIONS);
    assert_int_equal(verdict_of(&rules, method), AZR_VERDICT_SEVERAL_FUNCTIONS);
}

static void test_tests(void **state)
{
    (void)state;
    const azr_program_rules rules = {.no_tests = true};
    static const struct {
        const char *program;
        bool tests;
    } cases[] = {
        {"def f(a):\n    return a\n", false},
        {"# Example\ndef f(a):\n    return a\n", true},
        {"def f(a):\n    return a\n# a TEST\n", true},
        {"def f(a): # testing\n    return a\n", true},
        {"def f(a):\n    return 'test # test'\n", false},
        {"def f(test):\n    return test\n", false},
        {"def f(a):\n    return a\ntest_input = 3\n", true},
        {"def f(a):\n    result = a\n    return result\n", true},
        {"def f(a):\n    result == a\n    return a\n", false},
        {"def f(a):\n    expected = output = a\n    return a\n", true},
        {"def f(a):\n    assert a\n    return a\n", true},
        {"def f(a):\n    return f(a - 1)\n", false},
        {"def f(a): return f(a)\n", false},
        {"def f(a):\n    return a\nf(1)\n", true},
        {"def f(a):\n    return a\nx = f((1,\n2))\n", true},
        {"def f(a):\n    return a\nx = f(1) + 1\n", false},
        {"def f(a):\n    print(f(1))\n    return a\n", true},
        {"f(", false},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++)
        if ((verdict_of(&rules, cases[i].program) == AZR_VERDICT_HAS_TESTS) != cases[i].tests)
            fail_msg("%s", cases[i].program);
}

static void test_banned_imports(void **state)
{
    (void)state;
    const azr_program_rules rules = {.banned = "random,os.path,time"};
    static const struct {
        const char *program;
        bool banned;
    } cases[] = {
        {"import random\n", true},
        {"import math, random\n", true},
        {"from x import time\n", true},
        {"from random import *\n", true},
        {"import numpy.random\n", true},
        {"def f(a):\n    import time as t\n", true},
        {"import math as random\n", false},
        {"import randoms\n", false},
        {"import os.path\n", false}, /* a component has no dot */
        {"random = 'import random'\n", false},
        {"import math; random = 1\n", false},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++)
        if ((verdict_of(&rules, cases[i].program) == AZR_VERDICT_FORBIDDEN) != cases[i].banned)
            fail_msg("%s", cases[i].program);
}

/* Through a template: the renamed function is found, an induction's program is left alone. */
static void test_proposals(void **state)
{
    (void)state;
    const azr_template *template;
    azr_proposal proposal;
    assert_int_equal(azr_template_find("transcript", &template, NULL), AZR_OK);
    const azr_program_rules rules = {
        .function = AZR_FUNCTION_LAST, .drop_comments = true, .one_function = true};
    azr_proposal_request request = {.kind = AZR_KIND_DEDUCTION, .rules = &rules};
    static const char text[] = "a): # c\n    return a\n>>> f(1)\n";
    azr_template_parse_proposal(template, &request, text, strlen(text), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    assert_string_equal(proposal.program, "def f(a):\n    return a\n");
    azr_proposal_deinit(&proposal);
    static const char two[] = "a):\n    return a\ndef h(a):\n    return a\n>>> f(1)\n";
    azr_template_parse_proposal(template, &request, two, strlen(two), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_SEVERAL_FUNCTIONS);
    azr_proposal_deinit(&proposal);
    static const char program[] = "def f(a): # c\n    def h(): pass\n    return a\n";
    request = (azr_proposal_request){
        .kind = AZR_KIND_INDUCTION, .program = program, .n_inputs = 2, .rules = &rules};
    static const char calls[] = " hint\n>>> f(1)\n>>> f(2)\n";
    azr_template_parse_proposal(template, &request, calls, strlen(calls), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    assert_string_equal(proposal.program, program);
    azr_proposal_deinit(&proposal);
}

static void test_config(void **state)
{
    (void)state;
    azr_config config;
    azr_config_init(&config);
    azr_program_rules rules = azr_program_rules_of(&config, true);
    assert_int_equal(rules.function, AZR_FUNCTION_F);
    assert_false(rules.drop_comments || rules.drop_globals || rules.drop_prints);
    assert_false(rules.one_function || rules.no_tests || rules.last_block || rules.constructors);
    assert_string_equal(rules.banned, "");
    static const char *const sets[] = {"entry_function=f_or_last",      "remove_comments=seeds",
                                       "remove_globals=always",         "remove_prints=seeds",
                                       "reject_several_functions=true", "reject_tests=true",
                                       "banned_imports=random,time",    "program_block=last",
                                       "allow_constructors=true"};
    for (size_t i = 0; i < AZR_COUNT(sets); i++)
        assert_int_equal(azr_config_set(&config, sets[i], NULL), AZR_OK);
    rules = azr_program_rules_of(&config, false);
    assert_int_equal(rules.function, AZR_FUNCTION_F_OR_LAST);
    assert_true(!rules.drop_comments && rules.drop_globals && !rules.drop_prints);
    assert_true(rules.one_function && rules.no_tests && rules.last_block && rules.constructors);
    assert_string_equal(rules.banned, "random,time");
    rules = azr_program_rules_of(&config, true);
    assert_true(rules.drop_comments && rules.drop_globals && rules.drop_prints);
    azr_config_deinit(&config);
}

/* Any bytes: no crash, no endless loop, and twice is once. */
static void test_noise(void **state)
{
    (void)state;
    static const char seed[] = "'''d'''\nimport math # c\nx = 1\ndef h(a, *b):\n    'd'\n"
                               "    print(a)\n    return [f'{h}', \\\n 2]\nh(1) # test\n";
    static const char bytes[] = "()[]{}:;,.=\n\t '\"\\#f_0h\xc3\r \n    def ";
    const azr_rng_key key = {.seed = 6, .purpose = AZR_RNG_TEST};
    const azr_program_rules rules = {.function = AZR_FUNCTION_LAST,
                                     .drop_comments = true,
                                     .drop_globals = true,
                                     .drop_prints = true};
    const azr_program_rules refusals = {.one_function = true, .no_tests = true, .banned = "math"};
    for (uint32_t i = 0, at = 0; i < 20000; i++) {
        char *text = azr_copy_text(seed, sizeof seed - 1);
        for (int j = 0; j < 6; j++, at += 2)
            text[azr_rng_below(&key, at, sizeof seed - 1)] =
                bytes[azr_rng_below(&key, at + 1, sizeof bytes - 1)];
        azr_tasks__clean_program(&refusals, &text);
        azr_tasks__clean_program(&rules, &text);
        azr_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),   cmocka_unit_test(test_entry_function),
        cmocka_unit_test(test_comments),  cmocka_unit_test(test_globals),
        cmocka_unit_test(test_prints),    cmocka_unit_test(test_several),
        cmocka_unit_test(test_tests),     cmocka_unit_test(test_banned_imports),
        cmocka_unit_test(test_proposals), cmocka_unit_test(test_config),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
