/* test_judged_replies.c: propose, solve and eval of a tiny model whose tokens are whole replies:
 * what they say of replies that end in different ways, and by which pairs they judge programs. */
#include "../support/process.h"
#include "../support/tiny_fixture.h"

#include "base/check.h"
#include "base/files.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define CLOSED " closed </think><answer>"
#define OPEN " open </think><answer>"
#define TASK "```python\\ndef f(a):\\n    return [a, 5]\\n```\\n```input\\n2\\n```"
#define ANSWER "```output\\n[2, 5]\\n```"

static char *model, *tasks;

static int set_up(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        CLOSED TASK "</answer>", OPEN TASK "\\nUser:", OPEN TASK, CLOSED ANSWER "</answer>",
        OPEN ANSWER "\\nUser:",  OPEN ANSWER,          NULL};
    static const char lines[] =
        "{\"kind\": \"deduction\", \"program\": \"def f(a):\\n    return [a, 5]\", \"input\": "
        "\"2\", \"output\": \"[2, 5]\"}\n";
    tiny_run_create_with(&tiny, pieces);
    model = tiny_run_path(&tiny, "model");
    tasks = tiny_run_path(&tiny, "tasks.jsonl");
    return azr_file_write(tasks, lines, strlen(lines), NULL) == AZR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    azr_free(model);
    azr_free(tasks);
    tiny_run_remove(&tiny);
    return 0;
}

/* azr <arguments> with the model, 160 samples of at most 12 tokens that are mostly pieces. */
static azr_test_process run(const char *const *arguments)
{
    static const char *const own[] = {"-n",     "160",  "--max-tokens", "12",
                                      "--temp", "0.25", "--set",        "exec_require=limits"};
    enum { MAX_ARGUMENTS = 32 };
    const char *argv[MAX_ARGUMENTS + 1] = {azr_test_binary()};
    size_t n = 1;
    for (; *arguments != NULL; arguments++)
        argv[n++] = *arguments;
    argv[n++] = "-m";
    argv[n++] = model;
    for (size_t i = 0; i < AZR_COUNT(own); i++)
        argv[n++] = own[i];
    AZR_CHECK(n <= MAX_ARGUMENTS);
    azr_test_process process = azr_test_process_run(argv, NULL);
    if (process.code != 0)
        fail_msg("azr %s: exit code %d: %s", argv[1], process.code, process.err);
    return process;
}

typedef struct seen {
    size_t n_closed, n_other_turn, n_limit;
} seen;

/* One sample of n_tokens. A closed piece ends it at once: a text that has one was closed. */
static void see(seen *s, const json_t *object, const char *text, bool formed)
{
    int64_t n_tokens = json_integer_value(json_object_get(object, "n_tokens"));
    bool closed = strstr(text, " closed </think>") != NULL;
    if (closed != formed)
        fail_msg("%s reply: %s", formed ? "a" : "no", text);
    s->n_closed += closed;
    s->n_other_turn += !closed && n_tokens == 1;
    s->n_limit += !closed && n_tokens == 12;
}

static void each_line(const char *text, void (*line_of)(seen *s, const json_t *object), seen *s)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        json_t *object = json_loadb(text, size, 0, NULL);
        assert_true(json_is_object(object));
        line_of(s, object);
        json_decref(object);
        text += size + (text[size] == '\n');
    }
    assert_true(s->n_closed > 0 && s->n_other_turn > 0 && s->n_limit > 0);
}

static void see_verdict(seen *s, const json_t *object)
{
    const char *verdict = json_string_value(json_object_get(object, "verdict"));
    const char *text = json_string_value(json_object_get(object, "text"));
    if (strcmp(verdict, "bad_text") != 0)
        see(s, object, text, strcmp(verdict, "no_reply") != 0);
}

static void see_answer(seen *s, const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "completion"));
    const char *answer = json_string_value(json_object_get(object, "answer"));
    if (strstr(text, " closed </think><answer>```python") == NULL)
        see(s, object, text, answer != NULL);
}

/* Only a reply that closed its answer is one: not one that ended at the limit, with the end token
 * or in another turn. */
static void closed_and_open(void **state)
{
    (void)state;
    char *results = tiny_run_path(&tiny, "results.db");
    char *lines = tiny_run_path(&tiny, "results.jsonl"), *text;
    const char *const propose[] = {"propose", "--json", "--set", "template=azr", NULL};
    const char *const solve[] = {"solve", "--task", tasks, "--json", "--set", "template=azr", NULL};
    const char *const eval[] = {"eval",       "--suite", "tasks", "--data", tasks,
                                "--template", "azr",     "-o",    results,  NULL};
    const char *const *commands[] = {propose, solve, eval};
    for (size_t i = 0; i < AZR_COUNT(commands); i++) {
        azr_test_process process = run(commands[i]);
        seen s = {0};
        if (i < 2)
            each_line(process.out, see_verdict, &s);
        azr_test_process_deinit(&process);
    }
    seen s = {0};
    assert_int_equal(azr_file_read(lines, 1 << 26, &text, NULL, NULL), AZR_OK);
    each_line(text, see_answer, &s);
    azr_free(text);
    azr_free(lines);
    azr_free(results);
}

/* induction_check: the pair that is shown is one that the function which returns its argument gets
 * wrong, the hidden one is not. */
static void pairs(void **state)
{
    (void)state;
    static const char lines[] = "{\"kind\": \"induction\", \"program\": \"def f(a):\\n    return 5 "
                                "if a == 1 else a\", \"message\": \"m\", \"inputs\": [\"1\", "
                                "\"2\"], \"outputs\": [\"5\", \"2\"]}\n";
    char *path = tiny_run_path(&tiny, "induction.jsonl");
    assert_int_equal(azr_file_write(path, lines, strlen(lines), NULL), AZR_OK);
    const char *const hidden[] = {"solve", "--task", path, "--json", NULL};
    const char *const all[] = {"solve", "--task", path, "--json", "--set", "induction_check=all",
                               NULL};
    azr_test_process process = run(hidden);
    assert_non_null(strstr(process.out, "\"verdict\":\"correct\""));
    azr_test_process_deinit(&process);
    process = run(all);
    assert_null(strstr(process.out, "\"verdict\":\"correct\""));
    assert_non_null(strstr(process.out, "\"verdict\":\"wrong\""));
    azr_test_process_deinit(&process);
    azr_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_and_open),
        cmocka_unit_test(pairs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
