/* test_compose.c: programs made of others: which can be a part, how f is renamed, and whether a
 * program uses its parts as it must. */
#include "azr/claim.h"
#include "azr/program.h"
#include "azr/tasks.h"

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

static void test_parts(void **state)
{
    (void)state;
    static const struct {
        const char *program, *part; /* NULL: it cannot be one */
    } cases[] = {
        {"def f(a):\n    return a\n", "def g_3(a):\n    return a\n"},
        {"def f(a): return a", "def g_3(a): return a\n"},
        {"import math\nfrom re import sub\ndef f(a):\n    return math.gcd(a, 2)\n\n\n",
         "import math\nfrom re import sub\ndef g_3(a):\n    return math.gcd(a, 2)\n"},
        {"def f(a):\n    return 1 if a < 1 else f(a - 1)\nimport math\n",
         "def g_3(a):\n    return 1 if a < 1 else g_3(a - 1)\nimport math\n"},
        {"\"\"\"f is f\"\"\"\n# f(x)\ndef f(a):\n    return 'f(x)', a.f, f\n",
         "\"\"\"f is f\"\"\"\n# f(x)\ndef g_3(a):\n    return 'f(x)', a.f, g_3\n"},
        {"def f(a):\n    def ff(f_, f=1, f2=2):\n        return f_\n    return ff(a)\n", NULL},
        {"def f(a):\n    for f in a:\n        a = [f]\n    return a\n",
         "def g_3(a):\n    for g_3 in a:\n        a = [g_3]\n    return a\n"},
        {"def f(a):\n    return f'{a}: {f.__name__}'\n", NULL},
        {"def f(a):\n    return f'{a} if of'\n", "def g_3(a):\n    return f'{a} if of'\n"},
        {"def f(a):\n    return f'{a} of f'\n", NULL}, /* only text, but who knows */
        {"def f(a):\n    return rf'''\n{f}'''\n", NULL},
        {"def f(a):\n    return b'f', 'f'\n", "def g_3(a):\n    return b'f', 'f'\n"},
        {"def f(a):\n    return dict(f=a)\n", NULL},
        {"def f(a):\n    return dict(a == f)\n", "def g_3(a):\n    return dict(a == g_3)\n"},
        {"def f(a):\n    from m import f\n    return a\n", NULL},
        {"import m as f\ndef f(a):\n    return a\n", NULL},
        /* Something else at the margin. */
        {"def f(a):\n    return a\ndef h(a):\n    return a\n", NULL},
        {"def f(a):\n    return a\nx = 1\n", NULL},
        {"import math; x = 1\ndef f(a):\n    return a\n", NULL},
        {"class C:\n    pass\ndef f(a):\n    return a\n", NULL},
        {"@cache\ndef f(a):\n    return a\n", NULL},
        {"async def f(a):\n    return a\n", NULL},
        {"def f(a):\n    return a\ndef f(b):\n    return b\n", NULL},
        {"if True:\n    def f(a):\n        return a\n", NULL},
        {"from __future__ import annotations\ndef f(a):\n    return a\n", NULL},
        {"def h(a):\n    return a\n", NULL},
        {"", NULL},
        {"f", NULL},
        {"def", NULL},
        /* Composites. */
        {"def g_0(a):\n    return a\ndef f(a):\n    return g_0(a)\n", NULL},
        {"def f(a):\n    g_1 = a\n    return g_1\n", NULL},
        {"def f(a):\n    return a.g_1\n", "def g_3(a):\n    return a.g_1\n"},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_strbuf out = {0};
        bool good = azr_program_as_part(cases[i].program, 3, &out);
        assert_int_equal(good, azr_program_as_part(cases[i].program, 0, NULL));
        if (good != (cases[i].part != NULL))
            fail_msg("%s: %s", good ? "a part" : "no part", cases[i].program);
        assert_string_equal(azr_strbuf_text(&out), good ? cases[i].part : "");
        azr_strbuf_deinit(&out);
    }
}

static void test_use(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        size_t n;
        bool good;
    } cases[] = {
        {"def f(a):\n    return g_0(a)\n", 1, true},
        {"def f(a): return g_0(a)\n", 1, true},
        {"def f(a): b = a; return g_0(b)\n", 1, true},
        {"def f(a):\n    return g_0(a)\n", 2, false},
        {"def f(a):\n    return g_1(g_0(a))\n", 2, true},
        {"def f(a):\n    return g_1(a)\n", 1, false},
        {"def f(a):\n    return g_0(a) + g_00(a)\n", 1, false},
        {"def f(a):\n    return g_99999999999999999999(a)\n", 1, false},
        {"def f(a):\n    return a\n", 1, false},
        /* Elsewhere than in f. */
        {"def h(a):\n    return g_0(a)\ndef f(a):\n    return h(a)\n", 1, false},
        {"def f(a):\n    return a\nx = g_0(1)\n", 1, false},
        {"def f(a):\n    return g_0(a)\ndef f(a):\n    return a\n", 1, false},
        {"def f(a):\n    def h(b):\n        return g_0(b)\n    return h(a)\n", 1, true},
        {"class C:\n    def f(a):\n        return g_0(a)\ndef f(a):\n    return a\n", 1, false},
        /* Defined anew, or no call. */
        {"def g_0(a):\n    return a\ndef f(a):\n    return g_0(a)\n", 1, false},
        {"class g_0(int):\n    pass\ndef f(a):\n    return g_0(a)\n", 1, false},
        {"g_0 = int\ndef f(a):\n    return g_0(a)\n", 1, false},
        {"import math as g_0\ndef f(a):\n    return g_0(a)\n", 1, false},
        {"def f(a, g_0=int):\n    return g_0(a)\n", 1, false},
        {"def f(a):\n    for g_0 in a:\n        return g_0(a)\n", 1, false},
        {"def f(a):\n    return a.g_0(a)\n", 1, false},
        {"def f(a):\n    return 'g_0(a)'\n", 1, false},
        {"def f(a):\n    # g_0(a)\n    return a\n", 1, false},
        {"def f(a):\n    return f'{g_0(a)}'\n", 1, false},
        /* Bare names as arguments. */
        {"def f(a):\n    return g_0(b)\n", 1, false},
        {"def f(a):\n    return g_0(a, b)\n", 1, false},
        {"def f(a):\n    return g_0(x=b)\n", 1, false},
        {"def f(a):\n    b = a\n    return g_0(b)\n", 1, true},
        {"def f(a):\n    b, c = a\n    return g_0(b, c)\n", 1, true},
        {"def f(a):\n    b == a\n    return g_0(b)\n", 1, false},
        {"def f(a):\n    b: int = a\n    return g_0(b)\n", 1, true},
        {"def f(a):\n    b += a\n    return g_0(b)\n", 1, true},
        {"def f(a):\n    if (b := a):\n        return g_0(b)\n", 1, true},
        {"def f(a):\n    for b, c in a:\n        return g_0(b, x=c)\n", 1, true},
        {"def f(a):\n    return [g_0(b) for b in a]\n", 1, true},
        {"def f(a):\n    return [g_0(c) for b in a]\n", 1, false},
        {"def f(a):\n    return map(lambda b: g_0(b), a)\n", 1, true},
        {"def f(a):\n    try:\n        pass\n    except Exception as e:\n        return g_0(e)\n",
         1, true},
        {"def f(a):\n    def b():\n        pass\n    return g_0(b)\n", 1, true},
        {"import math\ndef f(a):\n    return g_0(math)\n", 1, true},
        {"N = 3\ndef f(a):\n    return g_0(N)\n", 1, true},
        {"def f(a):\n    return g_0(len)\n", 1, false},
        {"def f(a):\n    return g_0(len(a) + b, [b], -b, b.c, None)\n", 1, true},
        {"def f(*a, **k):\n    return g_0(*a, **k)\n", 1, true},
        {"def f(a):\n    match a:\n        case [b, *c]:\n            return g_0(b, c)\n", 1, true},
        /* No program. */
        {"", 1, false},
        {"def f(", 1, false},
        {"g_0(", 1, false},
        {"def f(a):\n    return g_0(((((a", 1, true}, /* fails when it is run */
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        bool good = azr_program_uses_parts(cases[i].program, cases[i].n);
        if (good != cases[i].good)
            fail_msg("%s: %s", good ? "good" : "refused", cases[i].program);
    }
}

static void test_adds_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        bool nothing;
    } cases[] = {
        {"def f(a):\n    return g_0(a)\n", true},
        {"def f(a): return g_0(a)\n", true},
        {"def f(a):\n    '''More.'''\n    # more\n    return g_0(a, 'x', -1, k=None)\n", true},
        {"def g_0(a):\n    return a + 1\ndef f(*a):\n    return g_0(*a)\n", true},
        {"def f(a):\n    return g_0(a) + 1\n", false},
        {"def f(a):\n    return g_0(a + 1)\n", false},
        {"def f(a):\n    return g_0(g_1(a))\n", false},
        {"def f(a):\n    return g_0(a), g_1(a)\n", false},
        {"def f(a):\n    b = g_0(a)\n    return b\n", false},
        {"def f(a):\n    return (g_0(a))\n", false},
        {"def f(a):\n    return h(a)\n", false},
        {"def f(a):\n    return\n", false},
        {"def f(a):\n", false},
        {"def f(a: 'x' = 1): return g_0(a)\n", true},
        {"", false},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++)
        if (azr_program_adds_nothing(cases[i].program) != cases[i].nothing)
            fail_msg("%s", cases[i].program);
}

static void test_own_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"def f(a):\n    return a\n", "def f(a):\n    return a\n"},
        {"import math\ndef g_0(a):\n    return a\n\nimport re\ndef g_1(a): return a\n"
         "import os\ndef f(a):\n    return g_1(g_0(a))\n",
         "import math\nimport re\nimport os\ndef f(a):\n    return g_1(g_0(a))\n"},
        {"def g_0(a):\n    def g_1():\n        return '''\nx\n'''\n    return a\n", ""},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_strbuf out = {0};
        azr_program_own_text(cases[i][0], &out);
        assert_string_equal(azr_strbuf_text(&out), cases[i][1]);
        azr_strbuf_deinit(&out);
    }
}

/* As the reference implementation's files have them. */
static void test_reference_json(void **state)
{
    (void)state;
    static const char line[] = "{\"kind\": \"error\", \"program\": \"import re\\ndef g_0(a):\\n    "
                               "return a\\n\\ndef g_1(a): "
                               "return a\\ndef f(a):\\n    return g_1(g_0(a))\", \"input\": \"1\", "
                               "\"output\": \"NoError\"}";
    azr_task task;
    assert_int_equal(azr_task_from_json(line, strlen(line), &task, NULL), AZR_OK);
    char *text = azr_task_to_reference_json(&task);
    assert_non_null(strstr(text, "\"original_snippet\": \"import re\\ndef f(a):\\n    return "
                                 "g_1(g_0(a))\""));
    assert_non_null(strstr(text, "\"composite_functions\": [\"def g_0(a):\\n    return a\\n\", "
                                 "\"def g_1(a): return a\\n\"]"));
    assert_non_null(strstr(text, "\"error\": \"NoError\""));
    azr_task again;
    assert_int_equal(azr_task_from_json(text, strlen(text), &again, NULL), AZR_OK);
    assert_string_equal(again.program, task.program);
    assert_int_equal(again.kind, AZR_KIND_ERROR);
    azr_task_deinit(&again);
    azr_task_deinit(&task);
    azr_free(text);
}

/* Through a template: parts go before what was written for them. */
static void test_proposals(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"program\": \"import math\\ndef f(a):\\n    return math.sqrt(a)\", \"input\": \"4\", "
        "\"output\": \"2.0\"}",
        "{\"program\": \"def f(a):\\n    return -a\", \"input\": \"a=3\", \"output\": \"-3\"}"};
    azr_part parts[2];
    for (size_t i = 0; i < 2; i++) {
        azr_task task;
        assert_int_equal(azr_task_from_json(rows[i], strlen(rows[i]), &task, NULL), AZR_OK);
        assert_true(azr_part_init(&parts[i], &task, i));
        task.kind = AZR_KIND_ERROR;
        azr_part none;
        assert_false(azr_part_init(&none, &task, i));
        azr_task_deinit(&task);
    }
    const azr_template *template;
    azr_proposal proposal;
    assert_int_equal(azr_template_find("transcript", &template, NULL), AZR_OK);
    azr_proposal_request request = {.kind = AZR_KIND_ABDUCTION, .parts = parts, .n_parts = 2};
    azr_strbuf prompt = {0};
    azr_template_propose(template, &request, &prompt);
    static const char end[] = ">>> import math\n>>> def g_0(a):\n...     return math.sqrt(a)\n"
                              ">>> g_0(4)\n2.0\n\n>>> def g_1(a):\n...     return -a\n"
                              ">>> g_1(a=3)\n-3\n\n>>> # f calls g_0 and g_1, and does more\n"
                              ">>> def f(";
    assert_true(prompt.size > strlen(end));
    assert_string_equal(prompt.data + prompt.size - strlen(end), end);
    azr_strbuf_deinit(&prompt);

    static const char good[] = "a):\n...     return g_0(a) + g_1(a)\n>>> f(4)\n";
    azr_template_parse_proposal(template, &request, good, strlen(good), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_VALID);
    assert_string_equal(proposal.program,
                        "import math\ndef g_0(a):\n    return math.sqrt(a)\n"
                        "def g_1(a):\n    return -a\ndef f(a):\n    return g_0(a) + g_1(a)\n");
    azr_proposal_deinit(&proposal);

    static const char *const bad[] = {
        "a):\n...     return g_0(a)\n>>> f(4)\n",
        "a):\n...     return a\n>>> f(4)\n",
        "a):\n...     return g_0(a) + g_1(a)\n>>> def g_1(a):\n...     return 3\n>>> f(4)\n",
    };
    for (size_t i = 0; i < AZR_COUNT(bad); i++) {
        azr_template_parse_proposal(template, &request, bad[i], strlen(bad[i]), "", &proposal);
        assert_int_equal(proposal.verdict, AZR_VERDICT_NOT_COMPOSED);
        azr_proposal_deinit(&proposal);
    }
    /* What is badly formed for another reason stays so. */
    static const char no_call[] = "a):\n...     return a\n";
    azr_template_parse_proposal(template, &request, no_call, strlen(no_call), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_NO_CALL);
    azr_proposal_deinit(&proposal);
    /* Too long only together. */
    azr_strbuf large = {0};
    azr_strbuf_puts(&large, "def g_0(a):\n    return a\n");
    while (large.size < AZR_TASK_MAX_PROGRAM_BYTES - 20)
        azr_strbuf_puts(&large, "#\n");
    const azr_part large_part = {.program = large.data};
    request.parts = &large_part;
    request.n_parts = 1;
    static const char small[] = "a):\n...     return g_0(a)\n>>> f(4)\n";
    azr_template_parse_proposal(template, &request, small, strlen(small), "", &proposal);
    assert_int_equal(proposal.verdict, AZR_VERDICT_TOO_LONG);
    azr_proposal_deinit(&proposal);
    azr_strbuf_deinit(&large);
    azr_part_deinit(&parts[0]);
    azr_part_deinit(&parts[1]);
}

/* Any bytes, and programs with bytes changed: no crash, no endless loop. */
static void test_noise(void **state)
{
    (void)state;
    static const char seed[] = "import math\ndef g_0(a):\n    return a\ndef f(a, *b):\n"
                               "    c, d = g_0(a), f'{f}'\n    return [g_0(x) for x in (c, d)]\n";
    static const char bytes[] = "()[]{}:;,.=\n\t '\"\\#f_0g\xc3 \n    def ";
    const azr_rng_key key = {.seed = 5, .purpose = AZR_RNG_TEST};
    for (uint32_t i = 0, at = 0; i < 20000; i++) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        for (int j = 0; j < 6; j++, at += 2)
            text[azr_rng_below(&key, at, sizeof seed - 1)] =
                bytes[azr_rng_below(&key, at + 1, sizeof bytes - 1)];
        azr_strbuf out = {0};
        azr_program_as_part(text, i, &out);
        azr_program_own_text(text, &out);
        azr_program_uses_parts(text, 2);
        azr_program_adds_nothing(text);
        azr_strbuf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),          cmocka_unit_test(test_use),
        cmocka_unit_test(test_adds_nothing),   cmocka_unit_test(test_own_text),
        cmocka_unit_test(test_reference_json), cmocka_unit_test(test_proposals),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
