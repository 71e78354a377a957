/* test_imports.c: the imports of a task's program, which stand before a solver's program: found as
 * statements, put where they may stand, the same way for all templates. */
#include "tasks/imports.h"

#include "azr/claim.h"
#include "azr/tasks.h"

#include "base/check.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static azr_error error;

static void test_statements(void **state)
{
    (void)state;
    static const struct {
        const char *program, *imports;
    } cases[] = {
        {"def f(a):\n    return a\n", ""},
        {"import math\nfrom re import sub as s\ndef f(a):\n    return a\n",
         "import math\nfrom re import sub as s\n"},
        {"from math import (\n    sqrt,  # a root\n    floor)\ndef f(a):\n    return a\n",
         "from math import (\n    sqrt,  # a root\n    floor)\n"},
        {"from math import sqrt, \\\n    floor\nx = 1\n", "from math import sqrt, \\\n    floor\n"},
        {"\"\"\"What it does:\nfrom a to b\nimport nothing\n\"\"\"\nimport math\n",
         "import math\n"},
        {"import math; import re; x = 1\n", "import math\nimport re\n"},
        {"import math  # for pi\n", "import math\n"},
        {"import math", "import math\n"},
        {"# import math\nfromage = 1\nimported = 2\n", ""},
        {"def f(a):\n    import math\n    return a\n", ""},
        {"if 1: import math\ntry:\n    import re\nexcept ImportError:\n    pass\n", ""},
        {"x = (1,\nimport math\n)\n", ""}, /* no Python: no statement begins there */
        {"import", "import\n"},
        {"", ""},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_strbuf out = {0};
        azr_tasks__append_imports(cases[i].program, &out);
        assert_string_equal(azr_strbuf_text(&out), cases[i].imports);
        azr_strbuf_deinit(&out);
    }
}

static void test_place(void **state)
{
    (void)state;
    static const struct {
        const char *of, *program, *whole;
    } cases[] = {
        {"import math\nx = 1\n", "def f(a): pass\n", "import math\ndef f(a): pass\n"},
        {"x = 1\n", "from __future__ import annotations\nx = 2\n",
         "from __future__ import annotations\nx = 2\n"},
        {"from __future__ import division\nimport math\n",
         "\"\"\"f\"\"\"\nfrom __future__ import annotations  # c\nimport re\n",
         "\"\"\"f\"\"\"\nfrom __future__ import annotations\nfrom __future__ import division\n"
         "import math\n  # c\nimport re\n"},
        {"import math\n", "", "import math\n"},
        {"import math\n", "# from __future__ import x\n",
         "import math\n# from __future__ import x\n"},
    };
    for (size_t i = 0; i < AZR_COUNT(cases); i++) {
        azr_strbuf out = {0};
        azr_tasks__append_with_imports(cases[i].of, cases[i].program, &out);
        assert_string_equal(azr_strbuf_text(&out), cases[i].whole);
        azr_strbuf_deinit(&out);
    }
}

/* An induction task whose program begins with `imports`, and roots as its values. */
static azr_task task_of(const char *imports)
{
    azr_strbuf line = {0};
    azr_task task;
    azr_strbuf_printf(&line,
                      "{\"kind\": \"induction\", \"program\": \"%sdef f(a):\\n    return 0.0\\n\", "
                      "\"inputs\": [\"4\", \"9\"], \"outputs\": [\"2.0\", \"3.0\"], \"message\": "
                      "\"root\"}",
                      imports);
    if (azr_task_from_json(line.data, line.size, &task, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_strbuf_deinit(&line);
    return task;
}

static azr_verdict verdict_of(azr_executor *executor, const char *name, const azr_task *task,
                              const char *text)
{
    const azr_template *template;
    azr_answer answer;
    const char *inputs[2];
    azr_exec_job job;
    azr_exec_reply reply = {0};
    assert_int_equal(azr_template_find(name, &template, &error), AZR_OK);
    azr_template_parse_answer(template, task, text, strlen(text), "", &answer);
    bool runs = azr_answer_job(task, &answer, azr_exec_default_limits(), inputs, &job);
    if (runs && azr_executor_run(executor, &job, &reply, &error) != AZR_OK)
        fail_msg("%s", error.text);
    azr_verdict verdict = azr_answer_judge(task, &answer, runs ? &reply : NULL, NULL, NULL);
    azr_exec_reply_deinit(&reply);
    azr_answer_deinit(&answer);
    return verdict;
}

/* A solver never saw what the hidden program imports: it may use it without saying so. */
static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *template, *answer;
    } ways[] = {
        {"transcript", "a):\n    return math.sqrt(a)\n"},
        {"chat", "```python\ndef f(a):\n    return math.sqrt(a)\n```"},
        {"azr", "</think><answer>```python\ndef f(a):\n    return math.sqrt(a)\n```</answer>"},
        {"chat", "```python\nfrom __future__ import annotations\ndef f(a: x):\n"
                 "    return math.sqrt(a)\n```"},
    };
    static const struct {
        const char *imports;
        bool good;
    } tasks[] = {
        {"import math\\n", true},
        {"from math import (\\n    pi,\\n    e)\\nimport math\\n", true},
        {"'''A root,\\nfrom floats'''\\nimport math\\n", true},
        {"'''\\nimport math\\n'''\\n", false},
        {"", false},
    };
    azr_executor_options options = azr_executor_default_options();
    azr_executor *executor;
    if (azr_executor_create(&options, &executor, &error) != AZR_OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < AZR_COUNT(tasks); i++) {
        azr_task task = task_of(tasks[i].imports);
        for (size_t j = 0; j < AZR_COUNT(ways); j++) {
            azr_verdict verdict = verdict_of(executor, ways[j].template, &task, ways[j].answer);
            if ((verdict == AZR_VERDICT_CORRECT) != tasks[i].good)
                fail_msg("task %zu, %s: %s", i, ways[j].template, azr_verdict_name(verdict));
        }
        azr_task_deinit(&task);
    }
    azr_executor_destroy(executor);
}

/* Written for the reference implementation and read again, a program is what it was. */
static void test_files(void **state)
{
    (void)state;
    azr_task task = task_of("from math import (\\n    pi,\\n    e)\\n'''\\nimport no\\n'''\\n"),
             back;
    char *line = azr_task_to_reference_json(&task);
    assert_non_null(strstr(line, "\"imports\": [\"from math import (\\n    pi,\\n    e)\"]"));
    if (azr_task_from_json(line, strlen(line), &back, &error) != AZR_OK)
        fail_msg("%s", error.text);
    assert_string_equal(back.program, task.program);
    azr_free(line);
    azr_task_deinit(&back);
    azr_task_deinit(&task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
