/* test_commands.c: generate, score, propose, solve and info on the small shipped model: the shapes
 * of what they print, and that they agree with each other. Skipped where the model was not fetched.
 */
#include "../support/process.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

enum { MAX_ARGS = 32 };

static const char *small_model(void)
{
    static char path[512];
    const char *models = getenv("AZR_MODELS");
    snprintf(path, sizeof path, "%s/smollm2-135m", models != NULL ? models : "models");
    return azr_directory_exists(path) ? path : NULL;
}

/* azr <command> -m <small model> <arguments up to NULL>; must succeed. Returns what it printed. */
static char *run(const char *command, ...)
{
    const char *argv[MAX_ARGS + 1] = {azr_test_binary(), command, "-m", small_model()};
    va_list args;
    va_start(args, command);
    for (size_t n = 4; n < MAX_ARGS && (argv[n] = va_arg(args, const char *)) != NULL; n++)
        ;
    va_end(args);
    azr_test_process process = azr_test_process_run(argv, NULL);
    if (process.code != 0)
        fail_msg("azr %s: exit code %d: %s", command, process.code, process.err);
    char *out = azr_copy_text(process.out, strlen(process.out));
    azr_test_process_deinit(&process);
    return out;
}

/* The objects, one a line, as an array. */
static json_t *parse_lines(const char *text)
{
    json_t *array = json_array();
    for (const char *line = text; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        json_error_t error;
        json_t *object = json_loadb(line, size, 0, &error);
        if (!json_is_object(object))
            fail_msg("no JSON object: %s: %.*s", error.text, (int)size, line);
        json_array_append_new(array, object);
        line += size + (line[size] == '\n');
    }
    return array;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        fail_msg("no text '%s' in the object", key);
    return text;
}

/* The array of numbers as "1,2,3". */
static char *join(const json_t *array)
{
    azr_strbuf text = {0};
    for (size_t i = 0; i < json_array_size(array); i++)
        azr_strbuf_printf(&text, "%s%lld", i > 0 ? "," : "",
                          (long long)json_integer_value(json_array_get(array, i)));
    return azr_strbuf_steal(&text);
}

static void test_info(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char *text = run("info", NULL);
    static const char *const facts[] = {"llama",
                                        "layers             30, d_model 576, d_ff 1536",
                                        "9 heads of 64, 3 key-value heads",
                                        "vocabulary         49152",
                                        "134.5 million",
                                        "Q4_1",
                                        "<|im_end|> (2)"};
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
        if (strstr(text, facts[i]) == NULL)
            fail_msg("azr info does not say '%s':\n%s", facts[i], text);
    azr_free(text);
}

/* tokens and logprobs of one length, the first logprob null; special tokens recognised; and the
 * same numbers for the same ids. */
static void test_score(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char *text = run("score", "--text", "<|im_start|>user\nHi there", "--json", NULL);
    json_t *lines = parse_lines(text);
    assert_int_equal(json_array_size(lines), 1);
    json_t *tokens = json_object_get(json_array_get(lines, 0), "tokens");
    json_t *logprobs = json_object_get(json_array_get(lines, 0), "logprobs");
    assert_int_equal(json_array_size(tokens), json_array_size(logprobs));
    assert_int_equal(json_integer_value(json_array_get(tokens, 0)), 1);
    assert_true(json_is_null(json_array_get(logprobs, 0)));
    for (size_t i = 1; i < json_array_size(logprobs); i++)
        assert_true(json_number_value(json_array_get(logprobs, i)) < 0);
    char *ids = join(tokens);
    char *again = run("score", "--tokens", ids, "--json", "-t", "1", NULL);
    assert_string_equal(text, again);
    azr_free(again);
    azr_free(ids);
    json_decref(lines);
    azr_free(text);
}

/* What is printed token by token is the text of sample 0, and score gives the logprobs of greedy
 * generation back. */
static void test_generate(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    const char *prompt = "def add(a, b):\n";
    char *text = run("generate", "-p", prompt, "-n", "12", "--temp", "0", "--json", NULL);
    json_t *lines = parse_lines(text);
    assert_int_equal(json_array_size(lines), 1);
    json_t *sample = json_array_get(lines, 0);
    json_t *tokens = json_object_get(sample, "tokens");
    json_t *logprobs = json_object_get(sample, "logprobs");
    assert_int_equal(json_array_size(tokens), 12);
    assert_int_equal(json_array_size(logprobs), 12);
    assert_string_equal(text_of(sample, "stop"), "limit");
    char *streamed = run("generate", "-p", prompt, "-n", "12", "--temp", "0", NULL);
    assert_int_equal(strlen(streamed), strlen(text_of(sample, "text")) + 1);
    assert_memory_equal(streamed, text_of(sample, "text"), strlen(text_of(sample, "text")));
    azr_free(streamed);
    /* Score prompt and completion together. */
    char *scored = run("score", "--text", prompt, "--json", NULL);
    json_t *prompt_lines = parse_lines(scored);
    json_t *all = json_object_get(json_array_get(prompt_lines, 0), "tokens");
    size_t n_prompt = json_array_size(all);
    json_array_extend(all, tokens);
    char *ids = join(all);
    char *together = run("score", "--tokens", ids, "--json", NULL);
    json_t *scored_lines = parse_lines(together);
    json_t *expected = json_object_get(json_array_get(scored_lines, 0), "logprobs");
    for (size_t i = 0; i < 12; i++)
        assert_true(json_number_value(json_array_get(logprobs, i)) ==
                    json_number_value(json_array_get(expected, n_prompt + i)));
    json_decref(scored_lines);
    azr_free(together);
    azr_free(ids);
    json_decref(prompt_lines);
    azr_free(scored);
    json_decref(lines);
    azr_free(text);
}

/* Samples differ by seed and index, and repeat with the seed; a stop string is not part of the
 * text. */
static void test_generate_samples(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char *one =
        run("generate", "-p", "The", "-n", "8", "--samples", "4", "--seed", "7", "--json", NULL);
    char *two = run("generate", "-p", "The", "-n", "8", "--samples", "4", "--seed", "7", "--json",
                    "--set", "streams=1", "-t", "1", NULL);
    assert_string_equal(one, two);
    char *other =
        run("generate", "-p", "The", "-n", "8", "--samples", "4", "--seed", "8", "--json", NULL);
    assert_string_not_equal(one, other);
    json_t *lines = parse_lines(one);
    assert_int_equal(json_array_size(lines), 4);
    json_decref(lines);
    azr_free(one);
    azr_free(two);
    azr_free(other);
    char *stopped = run("generate", "-p", "1, 2, 3, 4, 5,", "-n", "40", "--temp", "0", "--stop",
                        "9,", "--stop", "zzz", "--json", NULL);
    lines = parse_lines(stopped);
    json_t *sample = json_array_get(lines, 0);
    assert_string_equal(text_of(sample, "stop"), "string");
    assert_null(strstr(text_of(sample, "text"), "9,"));
    char *streamed = run("generate", "-p", "1, 2, 3, 4, 5,", "-n", "40", "--temp", "0", "--stop",
                         "9,", "--stop", "zzz", NULL);
    assert_memory_equal(streamed, text_of(sample, "text"), strlen(text_of(sample, "text")));
    azr_free(streamed);
    json_decref(lines);
    azr_free(stopped);
}

/* The chat format ends in the assistant's turn, and the model ends its own. */
static void test_generate_chat(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char *text = run("generate", "--chat", "-p", "What is the capital of France?", "-n", "40",
                     "--temp", "0", "--json", NULL);
    json_t *lines = parse_lines(text);
    assert_string_equal(text_of(json_array_get(lines, 0), "stop"), "eos");
    assert_non_null(strstr(text_of(json_array_get(lines, 0), "text"), "Paris"));
    json_decref(lines);
    azr_free(text);
}

static void test_propose(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    static const char *const kinds[] = {"deduction", "abduction", "induction"};
    for (size_t k = 0; k < 3; k++) {
        char *text =
            run("propose", "--kind", kinds[k], "-n", "3", "--max-tokens", "48", "--json", NULL);
        json_t *lines = parse_lines(text);
        assert_int_equal(json_array_size(lines), 3);
        for (size_t i = 0; i < 3; i++) {
            json_t *object = json_array_get(lines, i);
            assert_string_equal(text_of(object, "kind"), kinds[k]);
            assert_true(strlen(text_of(object, "verdict")) > 0);
            assert_true(strlen(text_of(object, "reason")) > 0);
            text_of(object, "text");
            assert_non_null(json_object_get(object, "program"));
        }
        json_decref(lines);
        azr_free(text);
    }
}

static void test_solve(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    char path[] = "/tmp/azr-tasks-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char tasks[] =
        "{\"kind\": \"deduction\", \"program\": \"def f(a):\\n    return a\\n\", \"input\": "
        "\"'x'\", "
        "\"output\": \"'x'\"}\n\n"
        "{\"kind\": \"abduction\", \"program\": \"def f(a):\\n    return a\\n\", \"input\": \"3\", "
        "\"output\": \"3\"}\n";
    assert_int_equal(write(fd, tasks, sizeof tasks - 1), sizeof tasks - 1);
    close(fd);
    char *text = run("solve", "--task", path, "-n", "4", "--max-tokens", "16", "--json", NULL);
    json_t *lines = parse_lines(text);
    assert_int_equal(json_array_size(lines), 8);
    for (size_t i = 0; i < 8; i++) {
        json_t *object = json_array_get(lines, i);
        assert_int_equal(json_integer_value(json_object_get(object, "task")), i / 4 + 1);
        assert_true(strlen(text_of(object, "verdict")) > 0);
        assert_string_equal(text_of(object, "program"), "def f(a):\n    return a\n");
        assert_string_equal(text_of(object, "output"), i < 4 ? "'x'" : "3");
    }
    json_decref(lines);
    azr_free(text);
    unlink(path);
}

/* Ctrl-C ends a long generation with 130. */
static void test_interrupt(void **state)
{
    (void)state;
    if (small_model() == NULL)
        skip();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        FILE *nowhere = freopen("/dev/null", "w", stdout);
        nowhere = nowhere != NULL ? freopen("/dev/null", "w", stderr) : NULL;
        alarm(60);
        if (nowhere != NULL)
            execl(azr_test_binary(), "azr", "generate", "-m", small_model(), "-p", "a", "-n",
                  "4000", "--samples", "8", (char *)NULL);
        _exit(126);
    }
    sleep(3);
    assert_int_equal(kill(pid, SIGINT), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),          cmocka_unit_test(test_score),
        cmocka_unit_test(test_generate),      cmocka_unit_test(test_generate_samples),
        cmocka_unit_test(test_generate_chat), cmocka_unit_test(test_propose),
        cmocka_unit_test(test_solve),         cmocka_unit_test(test_interrupt),
    };
    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
