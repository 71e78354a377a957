/* test_fallbacks.c: where the templates azr and chat look for an answer that stands in no block of
 * its label. */
#include "azr/tasks.h"

#include "base/check.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static azr_error error;

/* Where an answer is looked for: each way is taken only where all that go before it find nothing,
 * wherever in the reply they stand. */
static void test_order_of_fallbacks(void **state)
{
    (void)state;
    static const char *const ways[][6] = {
        {"```output\n1\n```\n", "# Output: 2\n``` ```\n", "output(3)\n", "<output>4</output>\n",
         "The output is 5.\n", "6\n"},
        {"```input\n1\n```\n", "# Input: 2\n``` ```\n", "input(3)\n", "<input>4</input>\n",
         "the INPUT is: 5\n", "6\n"},
    };
    static const char program[] = "```python\n# Input: 7\n# Output: 7\ndef f(a):\n    return a\n"
                                  "```\n";
    enum { N_WAYS = 6 };
    const azr_template *template;
    assert_int_equal(azr_template_find("chat", &template, &error), AZR_OK);
    for (int kind = 0; kind < 2; kind++) {
        azr_task task;
        azr_task_identity(kind == 0 ? AZR_KIND_DEDUCTION : AZR_KIND_ABDUCTION, &task);
        /* From the i-th on, forwards and backwards, alone and behind a program. */
        for (size_t k = 0; k < 4 * N_WAYS; k++) {
            size_t i = k % N_WAYS;
            bool backwards = k / N_WAYS % 2 == 1, behind = k / N_WAYS / 2 == 1 && i < N_WAYS - 1;
            azr_strbuf text = {0};
            azr_answer answer;
            char wanted[2] = {(char)('1' + i), '\0'};
            azr_strbuf_puts(&text, behind ? program : "");
            for (size_t j = i; j < N_WAYS - 1; j++)
                azr_strbuf_puts(&text, ways[kind][backwards ? N_WAYS - 2 - (j - i) : j]);
            if (i == N_WAYS - 1)
                azr_strbuf_puts(&text, ways[kind][i]);
            azr_template_parse_answer(template, &task, azr_strbuf_text(&text), text.size, "",
                                      &answer);
            if (answer.text == NULL || strcmp(answer.text, wanted) != 0)
                fail_msg("%s, not %s: %s", answer.text, wanted, azr_strbuf_text(&text));
            azr_answer_deinit(&answer);
            azr_strbuf_deinit(&text);
        }
        azr_task_deinit(&task);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_fallbacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
