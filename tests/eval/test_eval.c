/* Evaluation: what counts as right, what never does, how sure a rate is; results files that are
 * gone on with, refused, compared. */
#include "azr/eval.h"

#include "../executor/sandbox.h"
#include "../support/models.h"
#include "../support/tiny_model.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"
#include "eval/statistics.h"

#include <math.h>
#include <unistd.h>

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = tiny_folder();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    azr_directory_remove(folder, NULL);
    azr_free(folder);
    return 0;
}

static char *put_file(const char *name, const char *text)
{
    char *path = azr_path_join(folder, name);
    assert_int_equal(azr_file_write(path, text, strlen(text), NULL), AZR_OK);
    return path;
}

/* --- items of our own ------------------------------------------------------------------------- */

static const char humaneval_item[] =
    "{\"task_id\": \"T/0\", \"entry_point\": \"mean\","
    " \"prompt\": \"def size(xs):\\n    return len(xs)\\n\\ndef mean(xs):\\n    \\\"\\\"\\\"Mean "
    "of "
    "xs.\\\"\\\"\\\"\\n\","
    " \"canonical_solution\": \"    return sum(xs) / size(xs)\\n\","
    " \"test\": \"def check(candidate):\\n    assert candidate([1, 2]) == 1.5\\n"
    "    assert abs(candidate([1, 1, 2]) - 4 / 3) < 1e-6\\n"
    "    assert size([1]) == 1\\n\"}\n";

static const char plus_item[] =
    "{\"task_id\": \"T/0\", \"entry_point\": \"mean\", \"contract\": \"\", \"atol\": 0,"
    " \"prompt\": \"def size(xs):\\n    return len(xs)\\n\\ndef mean(xs):\\n    \\\"\\\"\\\"Mean "
    "of "
    "xs.\\\"\\\"\\\"\\n\","
    " \"canonical_solution\": \"    return sum(xs) / size(xs)\\n\","
    " \"base_input\": [[[1, 2]], [[1, 1, 2]]], \"plus_input\": [[[7]], [[0, 0, 1e300]]]}\n";

static const char mbpp_item[] =
    "{\"task_id\": \"Mbpp/1\", \"entry_point\": \"mean\", \"contract\": \"\", \"atol\": 0,"
    " \"prompt\": \"\\\"\\\"\\\"\\nWrite a function for the mean.\\nassert mean([1, 2]) == 1.5\\n"
    "\\\"\\\"\\\"\\n\","
    " \"canonical_solution\": \"\\ndef mean(xs):\\n    return sum(xs) / len(xs)\\n\","
    " \"base_input\": [[[1, 2]]], \"plus_input\": [[[7]], [[0, 0, 1]]]}\n";

static azr_executor *sandbox(void)
{
    return open_sandbox(AZR_EXEC_LEVEL_LIMITS);
}

/* Judges one answer of one item; out_why: of the results' JSON line. */
static azr_eval_verdict verdict_of(azr_executor *executor, const char *suite, const char *item,
                                   const char *answer, char **out_line)
{
    azr_error error = {0};
    char *data = put_file("items.jsonl", item), *lines = azr_path_join(folder, "out.jsonl");
    azr_eval_options options = azr_eval_default_options();
    options.suite = suite;
    options.data = data;
    azr_eval *eval;
    assert_ok(azr_eval_open(&options, ":memory:", &eval, &error), &error);
    if (answer == NULL) {
        assert_ok(azr_eval_take_canonical(eval, &error), &error);
    } else {
        char *given = put_file("given.jsonl", answer);
        assert_ok(azr_eval_read_solutions(eval, given, &error), &error);
        azr_free(given);
    }
    assert_ok(azr_eval_judge(eval, executor, NULL, &error), &error);
    azr_eval_summary summary;
    azr_eval_summarize(eval, &summary);
    assert_int_equal(summary.n_items, 1);
    azr_eval_verdict verdict = AZR_N_EVAL_VERDICTS;
    for (int v = 0; v < AZR_N_EVAL_VERDICTS; v++)
        if (summary.n_verdicts[v] == 1)
            verdict = (azr_eval_verdict)v;
    if (out_line != NULL) {
        assert_ok(azr_eval_write_jsonl(eval, lines, &error), &error);
        size_t size;
        assert_ok(azr_file_read(lines, 1 << 20, out_line, &size, &error), &error);
    }
    azr_eval_close(eval);
    azr_free(data);
    azr_free(lines);
    return verdict;
}

/* {"task_id": ..., "solution": ...} with escapes made. */
static char *solution_line(const char *id, const char *program)
{
    azr_strbuf line = {0};
    azr_strbuf_printf(&line, "{\"task_id\": \"%s\", \"solution\": \"", id);
    for (const char *c = program; *c != '\0'; c++)
        if (*c == '\n')
            azr_strbuf_puts(&line, "\\n");
        else if (*c == '"' || *c == '\\')
            azr_strbuf_printf(&line, "\\%c", *c);
        else
            azr_strbuf_append(&line, c, 1);
    azr_strbuf_puts(&line, "\"}\n");
    return azr_strbuf_steal(&line);
}

static const struct {
    const char *name, *suite, *item, *id;
} program_suites[] = {
    {"humaneval", "humaneval", humaneval_item, "T/0"},
    {"humaneval+", "humaneval+", plus_item, "T/0"},
    {"mbpp+", "mbpp+", mbpp_item, "Mbpp/1"},
};

static void test_right_programs(void **state)
{
    (void)state;
    static const char *const programs[] = {
        "def size(xs): return len(xs)\ndef mean(xs): return sum(xs) / size(xs)\n",
        "import statistics\ndef mean(xs): return float(statistics.mean(xs))\n",
        "print('noise')\nmean = lambda xs: sum(xs) / len(xs)\nprint(mean([1]))\n",
        "def mean(xs):\n    n = sum(xs) / len(xs)\n    xs.clear()\n    return n\n",
        "def mean(xs): return sum(xs) / len(xs) + 1e-9\n", /* near enough, by the benchmarks */
    };
    azr_executor *executor = sandbox();
    for (size_t i = 0; i < AZR_COUNT(program_suites); i++) {
        assert_int_equal(
            verdict_of(executor, program_suites[i].suite, program_suites[i].item, NULL, NULL),
            AZR_EVAL_RIGHT);
        for (size_t j = 0; j < AZR_COUNT(programs); j++) {
            if (j == 4 && i == 0) /* HumanEval's own test asks for == here */
                continue;
            char *line = solution_line(program_suites[i].id, programs[j]), *rows;
            azr_eval_verdict verdict =
                verdict_of(executor, program_suites[i].suite, program_suites[i].item, line, &rows);
            if (verdict != AZR_EVAL_RIGHT)
                fail_msg("%s is %s by %s: %s", programs[j], azr_eval_verdict_name(verdict),
                         program_suites[i].name, rows);
            azr_free(rows);
            azr_free(line);
        }
    }
    azr_executor_destroy(executor);
}

static void test_broken_programs(void **state)
{
    (void)state;
    static const char *const programs[] = {
        "def mean(xs): return sum(xs) / len(xs) + 1\n",     /* another value */
        "def mean(xs): return str(sum(xs) / len(xs))\n",    /* another type */
        "def mean(xs): return [sum(xs) / len(xs)]\n",       /* the same in a list */
        "def mean(xs): return sum(xs) / len(xs) + 1e-4\n",  /* near */
        "def mean(xs): return float('nan')\n",              /* no number */
        "def mean(xs): return None\n",                      /* nothing */
        "def mean(xs): raise ValueError('x')\n",            /* an exception */
        "def mean(xs):\n    while True: pass\n",            /* endless */
        "while True: pass\n",                               /* endless before it starts */
        "import sys\nsys.exit(0)\n",                        /* exits well */
        "def mean(xs):\n    import sys\n    sys.exit(0)\n", /* exits well when called */
        "import os\nos._exit(0)\n",                         /* and at once */
        "def mean(xs):\n    import os\n    os._exit(0)\n",  /* when called */
        "def mean(xs): print(sum(xs) / len(xs))\n",         /* prints only */
        "print('True')\n",                                  /* says so */
        "def mean(xs) return 1\n",                          /* no Python */
        "",                                                 /* empty */
        "def average(xs): return sum(xs) / len(xs)\n",      /* another name */
        "mean = 1.5\n",                                     /* no function */
        "import builtins\nbuiltins.AssertionError = ()\nbuiltins.abs = lambda x: 0\n"
        "builtins.isinstance = lambda *a: True\nbuiltins.all = lambda *a: True\n"
        "def mean(xs): return 0\n", /* changes builtins */
        "class A(float):\n    def __eq__(s, o): return True\n    def __ne__(s, o): return False\n"
        "    def __sub__(s, o): return 0\n    __rsub__ = __sub__\n    __hash__ = None\n"
        "def mean(xs): return A(9)\n", /* equals everything */
        "class A:\n    def __eq__(s, o): return True\n    def __sub__(s, o): return 0\n"
        "def mean(xs): return A()\n",                           /* likewise */
        "def check(candidate): pass\ndef mean(xs): return 0\n", /* a check of its own */
        "import sys\nsys.modules['__main__'].check = lambda c: None\n"
        "def mean(xs): return 0\n",
        "import inspect\ndef mean(xs):\n    for f in inspect.stack():\n"
        "        f.frame.f_globals['check'] = lambda c: None\n"
        "        f.frame.f_locals['expected'] = 0\n    return 0\n",
        "import unittest.mock, json\njson.loads = lambda t: []\ndef mean(xs): return 0\n",
        "def mean(xs):\n    return xs.__class__.__mro__ and 10 ** 400\n", /* no float at all */
        "def mean(xs): return [0] * 10 ** 10\n",                          /* too large */
        "def mean(xs): return mean(xs)\n",                                /* too deep */
    };
    azr_executor *executor = sandbox();
    for (size_t i = 0; i < AZR_COUNT(program_suites); i++) {
        /* EvalPlus's suites have a minute for each: one endless program is enough here. */
        for (size_t j = 0; j < AZR_COUNT(programs); j++) {
            if (i > 0 && strstr(programs[j], "while True") != NULL)
                continue;
            char *line = solution_line(program_suites[i].id, programs[j]);
            azr_eval_verdict verdict =
                verdict_of(executor, program_suites[i].suite, program_suites[i].item, line, NULL);
            if (verdict != AZR_EVAL_WRONG)
                fail_msg("%s is %s by %s", programs[j], azr_eval_verdict_name(verdict),
                         program_suites[i].name);
            azr_free(line);
        }
    }
    azr_executor_destroy(executor);
}

static void test_restored_arguments(void **state)
{
    (void)state;
    /* JSON has no tuples, sets or complex numbers: the numbers of the tasks say what they are. */
    static const struct {
        const char *id, *inputs, *program;
    } cases[] = {
        {"Mbpp/2", "[[[3, 4], [4, 5]]]", "def f(a, b): return type(a) is tuple is type(b)\n"},
        {"Mbpp/63", "[[[[1, 2], [3, 4]]]]",
         "def f(x): return type(x) is list and "
         "type(x[0]) is tuple\n"},
        {"Mbpp/115", "[[[[1], []]]]", "def f(x): return type(x[0]) is set and x[1] == {}\n"},
        {"Mbpp/124", "[[1, \"1j\"]]", "def f(a, b): return type(a) is float and b == 1j\n"},
        {"Mbpp/252", "[[\"1+2j\"]]", "def f(z): return z == 1 + 2j\n"},
        {"Mbpp/580", "[[[1, [2, [3]]]]]", "def f(x): return x == (1, (2, (3,)))\n"},
        {"Mbpp/722", "[[{\"a\": [1, 2]}, 3]]", "def f(d, n): return d == {'a': (1, 2)}\n"},
        {"Mbpp/9", "[[[1, 2]]]", "def f(x): return type(x) is list\n"},
    };
    azr_executor *executor = sandbox();
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_strbuf item = {0};
        azr_strbuf_printf(&item,
                          "{\"task_id\": \"%s\", \"entry_point\": \"f\", \"atol\": 0, \"prompt\": "
                          "\"\\\"\\\"\\\"\\nx\\n\\\"\\\"\\\"\\n\", \"canonical_solution\": "
                          "\"def f(*a): return True\\n\", \"base_input\": %s, "
                          "\"plus_input\": []}\n",
                          cases[i].id, cases[i].inputs);
        char *line = solution_line(cases[i].id, cases[i].program), *rows;
        azr_eval_verdict verdict =
            verdict_of(executor, "mbpp+", azr_strbuf_text(&item), line, &rows);
        if (verdict != AZR_EVAL_RIGHT)
            fail_msg("%s: %s", cases[i].id, rows);
        azr_free(rows);
        azr_free(line);
        azr_strbuf_deinit(&item);
    }
    azr_executor_destroy(executor);
}

/* --- values and maths ------------------------------------------------------------------------- */

static const char crux_item[] =
    "{\"id\": \"c\", \"code\": \"def f(a, b=2):\\n    return sorted(a) * b\", \"input\": \"{1, 2}, "
    "b=1\", \"output\": \"[1, 2]\"}\n";

static void check_answers(const char *suite, const char *item, const char *id,
                          const char *const *answers, azr_eval_verdict wanted)
{
    azr_executor *executor = sandbox();
    for (size_t i = 0; answers[i] != NULL; i++) {
        char *line = solution_line(id, answers[i]), *rows;
        azr_eval_verdict verdict = verdict_of(executor, suite, item, line, &rows);
        if (verdict != wanted)
            fail_msg("%s: %s: %s", suite, answers[i], rows);
        azr_free(rows);
        azr_free(line);
    }
    azr_executor_destroy(executor);
}

static void test_cruxeval(void **state)
{
    (void)state;
    azr_executor *executor = sandbox();
    assert_int_equal(verdict_of(executor, "cruxeval-o", crux_item, NULL, NULL), AZR_EVAL_RIGHT);
    assert_int_equal(verdict_of(executor, "cruxeval-i", crux_item, NULL, NULL), AZR_EVAL_RIGHT);
    azr_executor_destroy(executor);
    static const char *const outputs[] = {"[1, 2]", " [1,2] # so", "[1.0, 2]", NULL};
    static const char *const no_outputs[] = {"[2, 1]",    "(1, 2)", "[1, 2", "f({1, 2}, b=1)",
                                             "[1, 2][:]", "",       "True",  NULL};
    static const char *const inputs[] = {"{1, 2}, b=1",
                                         "[2, 1], 1",
                                         "range(1, 3), b=1",
                                         "a=(1, 2), b=1",
                                         "list(range(1, 3)), len([0])",
                                         NULL};
    static const char *const no_inputs[] = {
        "{1, 2}",
        "[1, 2], 2",
        "",
        "[1, 2], 1) + f([], 1",
        "*[[1, 2]], __import__('os')",
        "[1, 2], 1); f = lambda *a: [1, 2]; f(1",
        "(lambda: [1, 2])(), f",
        "open('x')",
        NULL,
    };
    check_answers("cruxeval-o", crux_item, "c", outputs, AZR_EVAL_RIGHT);
    check_answers("cruxeval-o", crux_item, "c", no_outputs, AZR_EVAL_WRONG);
    check_answers("cruxeval-i", crux_item, "c", inputs, AZR_EVAL_RIGHT);
    check_answers("cruxeval-i", crux_item, "c", no_inputs, AZR_EVAL_WRONG);
}

static void test_maths(void **state)
{
    (void)state;
    static const char item[] = "{\"question\": \"How many?\", \"answer\": \"So 2 * 600 = 1200.\\n"
                               "#### 1,200\"}\n";
    static const char *const right[] = {"1200",          "1,200",    "so\n#### 1200",
                                        "\\boxed{1200}", "$1200.00", NULL};
    static const char *const wrong[] = {"1201", "-1200", "1200.5", "", "#### 12", NULL};
    check_answers("gsm8k", item, "1", right, AZR_EVAL_RIGHT);
    check_answers("gsm8k", item, "1", wrong, AZR_EVAL_WRONG);
    static const char hard[] = "{\"problem\": \"x\", \"answer\": \"\\\\frac{1}{2}\"}\n";
    static const char *const half[] = {"0.5", "1/2", "\\boxed{\\frac12}", NULL};
    static const char *const open[] = {"\\int_0^1 x", "as many as before", NULL};
    check_answers("math", hard, "1", half, AZR_EVAL_RIGHT);
    check_answers("math", hard, "1", open, AZR_EVAL_UNDECIDED);
}

/* --- files ------------------------------------------------------------------------------------ */

static void refuse(const char *suite, const char *text, const char *part)
{
    char *data = put_file("bad.jsonl", text);
    azr_eval_options options = azr_eval_default_options();
    options.suite = suite;
    options.data = data;
    azr_eval *eval;
    azr_error error = {0};
    azr_status status = azr_eval_open(&options, ":memory:", &eval, &error);
    azr_free(data);
    assert_null(eval);
    if (status == AZR_OK || strstr(error.text, part) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, part);
}

static void test_bad_items(void **state)
{
    (void)state;
    refuse("cruxeval-p", crux_item, "did you mean cruxeval-");
    refuse("humaneval", "", "is empty");
    refuse("humaneval", "\n\n", "holds no item");
    refuse("humaneval", "[]\n", "line 1");
    refuse("humaneval", "{\"task_id\": 3}\n", "task_id");
    refuse("humaneval", "{\"task_id\": \"a\", \"prompt\": \"x\"}\n", "entry_point");
    refuse("humaneval",
           "{\"task_id\": \"a\", \"prompt\": \"x\", \"entry_point\": \"f(\", "
           "\"canonical_solution\": \"\", \"test\": \"\"}\n",
           "entry_point is no name");
    refuse("cruxeval-o", "{\"id\": \"c\", \"code\": \"def f(): 1\", \"input\": \"\"}\n", "output");
    refuse("cruxeval-o",
           "{\"id\": \"c\", \"code\": \"def f(): 1\", \"input\": \"\", \"output\": "
           "\"f()\"}\n",
           "output");
    refuse("math", "{\"problem\": \"x\", \"answer\": \"\"}\n", "answer is empty");
    refuse("tasks", "{\"program\": \"g\"}\n", "no function f");
    refuse("math",
           "{\"problem\": \"x\", \"id\": \"1\", \"answer\": \"2\"}\n"
           "{\"problem\": \"y\", \"id\": \"1\", \"answer\": \"2\"}\n",
           "two items have the id '1'");
}

static void open_results(const char *path, uint64_t seed, azr_eval **out_eval, azr_error *error)
{
    char *data = put_file("set.jsonl", "{\"problem\": \"x\", \"answer\": \"1\"}\n"
                                       "{\"problem\": \"y\", \"answer\": \"2\"}\n"
                                       "{\"problem\": \"z\", \"answer\": \"3\"}\n");
    azr_eval_options options = azr_eval_default_options();
    options.suite = "math";
    options.data = data;
    options.seed = seed;
    *error = (azr_error){0};
    azr_eval_open(&options, path, out_eval, error);
    azr_free(data);
}

static void make_results(const char *path, const char *answers)
{
    azr_error error;
    azr_eval *eval;
    azr_executor *executor = sandbox();
    open_results(path, 1, &eval, &error);
    char *given = put_file("answers.jsonl", answers);
    assert_ok(azr_eval_read_solutions(eval, given, &error), &error);
    assert_ok(azr_eval_judge(eval, executor, NULL, &error), &error);
    assert_ok(azr_eval_finish(eval, &error), &error);
    azr_eval_close(eval);
    azr_executor_destroy(executor);
    azr_free(given);
}

static void test_results_file(void **state)
{
    (void)state;
    char *path = azr_path_join(folder, "a.db"), *other = azr_path_join(folder, "b.db");
    make_results(path,
                 "{\"id\": \"1\", \"solution\": \"1\"}\n{\"id\": \"2\", \"solution\": \"5\"}\n"
                 "{\"id\": \"3\", \"solution\": \"3\"}\n");
    make_results(other, "{\"id\": \"3\", \"solution\": \"3\"}\n{\"id\": \"1\", \"solution\": "
                        "\"0\"}\n{\"id\": \"2\", \"solution\": \"2\"}\n");
    azr_error error;
    azr_eval *eval;
    open_results(path, 1, &eval, &error); /* the same: gone on with */
    assert_non_null(eval);
    assert_int_equal(azr_eval_n_missing(eval), 0);
    azr_eval_summary summary;
    azr_eval_summarize(eval, &summary);
    assert_int_equal(summary.n_verdicts[AZR_EVAL_RIGHT], 2);
    assert_int_equal(summary.n_verdicts[AZR_EVAL_WRONG], 1);
    azr_eval_close(eval);
    open_results(path, 2, &eval, &error); /* another seed: refused, naming it */
    assert_null(eval);
    assert_non_null(strstr(error.text, "seed"));
    azr_eval_comparison c;
    assert_ok(azr_eval_compare(path, other, &c, &error), &error);
    assert_int_equal(c.n_items, 3);
    assert_int_equal(c.n_better, 1);
    assert_int_equal(c.n_worse, 1);
    assert_true(c.difference == 0.0 && c.p == 1.0);
    assert_int_equal(c.n_changes, 2);
    assert_string_equal(c.changes[0].id, "1");
    azr_eval_comparison_deinit(&c);
    char *junk = put_file("junk.db", "no database at all, but some bytes of text, one hundred of "
                                     "them, so that it is none of SQLite's");
    assert_int_not_equal(azr_eval_compare(path, junk, &c, &error), AZR_OK);
    open_results(junk, 1, &eval, &error);
    assert_null(eval);
    azr_free(junk);
    azr_free(path);
    azr_free(other);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void assert_near(double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-6))
        fail_msg("%.9g is not %.9g", value, wanted);
}

/* Against SciPy 1.17.1 (binomtest: pvalue, and proportion_ci with method "wilson"),
 * and the definition of pass@k by counting. */
static void test_statistics(void **state)
{
    (void)state;
    assert_near(azr_eval__pass_at_k(10, 3, 1), 0.3);
    assert_near(azr_eval__pass_at_k(10, 3, 5), 1.0 - 21.0 / 252.0);
    assert_near(azr_eval__pass_at_k(10, 0, 10), 0.0);
    assert_near(azr_eval__pass_at_k(10, 6, 5), 1.0);
    azr_interval w = azr_eval__wilson(10, 50);
    assert_near(w.low, 0.1124375);
    assert_near(w.high, 0.3303711);
    w = azr_eval__wilson(0, 20);
    assert_near(w.low, 0.0);
    assert_near(w.high, 0.1611252);
    w = azr_eval__wilson(20, 20);
    assert_near(w.low, 0.8388748);
    assert_near(w.high, 1.0);
    assert_near(azr_eval__mcnemar(10, 3), 0.0922852);
    assert_near(azr_eval__mcnemar(0, 6), 0.03125);
    assert_near(azr_eval__mcnemar(5, 5), 1.0);
    assert_near(azr_eval__mcnemar(0, 0), 1.0);
    /* Half ones: the bootstrap's interval is the binomial's, here of 100 draws. */
    double values[100];
    for (size_t i = 0; i < 100; i++)
        values[i] = (double)(i % 2);
    azr_interval b = azr_eval__bootstrap_mean(values, 100, 7);
    assert_true(fabs(b.low - 0.40) <= 0.0101 && fabs(b.high - 0.60) <= 0.0101);
    azr_interval again = azr_eval__bootstrap_mean(values, 100, 7);
    assert_true(b.low == again.low && b.high == again.high);
    azr_interval other = azr_eval__bootstrap_mean(values, 3, 8);
    assert_true(other.low >= 0.0 && other.high <= 1.0 && other.low < other.high);
    double differences[20] = {1, 1, 1, 1, -1};
    azr_interval d = azr_eval__paired_interval(differences, 20);
    /* Bonett and Price: p = 5/22, q = 2/22. */
    double p = 5.0 / 22.0, q = 2.0 / 22.0, m = p - q;
    assert_near(d.low, m - 1.959963985 * sqrt((p + q - m * m) / 22.0));
    assert_near(d.high, m + 1.959963985 * sqrt((p + q - m * m) / 22.0));
}

/* --- the benchmarks themselves, where they lie -------------------------------------------------
 */

static void test_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *suite, *file;
        int64_t limit;
        size_t n_items;
    } sets[] = {
        {"humaneval", "humaneval/HumanEval.jsonl.gz", 0, 164},
        {"cruxeval-o", "cruxeval-dev/cruxeval-dev.jsonl", 0, 400},
        {"cruxeval-i", "cruxeval-dev/cruxeval-dev.jsonl", 0, 400},
        {"gsm8k", "gsm8k/test.jsonl", 0, 1319},
        {"humaneval+", "humanevalplus/HumanEvalPlus.jsonl.gz", 15, 164},
        {"mbpp+", "mbppplus/MbppPlus.jsonl.gz", 30, 378},
    };
    const char *shared = getenv("AZR_SHARED"), *whole = getenv("AZR_EVAL_WHOLE");
    shared = shared != NULL ? shared : "../shared";
    azr_executor *executor = sandbox();
    size_t n_there = 0;
    for (size_t i = 0; i < AZR_COUNT(sets); i++) {
        azr_strbuf data = {0};
        azr_strbuf_printf(&data, "%s/data/%s", shared, sets[i].file);
        azr_eval_options options = azr_eval_default_options();
        options.suite = sets[i].suite;
        options.data = azr_strbuf_text(&data);
        options.limit = whole != NULL ? 0 : sets[i].limit;
        if (access(options.data, R_OK) == 0) {
            azr_error error = {0};
            azr_eval *eval;
            n_there++;
            assert_ok(azr_eval_open(&options, ":memory:", &eval, &error), &error);
            assert_ok(azr_eval_take_canonical(eval, &error), &error);
            assert_ok(azr_eval_judge(eval, executor, NULL, &error), &error);
            azr_eval_summary summary;
            azr_eval_summarize(eval, &summary);
            size_t n = options.limit > 0 ? (size_t)options.limit : sets[i].n_items;
            if (summary.n_items != n || summary.n_verdicts[AZR_EVAL_RIGHT] != n)
                fail_msg("%s: %zu of %zu right, not %zu", sets[i].suite,
                         summary.n_verdicts[AZR_EVAL_RIGHT], summary.n_items, n);
            azr_eval_close(eval);
        }
        azr_strbuf_deinit(&data);
    }
    azr_executor_destroy(executor);
    if (n_there == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_programs),
        cmocka_unit_test(test_broken_programs),
        cmocka_unit_test(test_restored_arguments),
        cmocka_unit_test(test_cruxeval),
        cmocka_unit_test(test_maths),
        cmocka_unit_test(test_bad_items),
        cmocka_unit_test(test_results_file),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_canonical),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
