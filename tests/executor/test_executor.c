/* test_executor.c: the sandbox as a service: determinism, limits, queues, levels of protection,
 * what is left behind, and servers that are killed while they work. */
#include "sandbox.h"

#include "../support/process.h"
#include "base/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- processes and descriptors ------------------------------------------------------------------
 */

/* There, and no zombie that its new parent has not buried yet. */
static bool is_alive(pid_t pid)
{
    char path[64], text[512] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *behind_name = strrchr(text, ')');
    return behind_name != NULL && behind_name[2] != 'Z';
}

static size_t count_descriptors(void)
{
    size_t n = 0;
    DIR *open_files = opendir("/proc/self/fd");
    assert_non_null(open_files);
    while (readdir(open_files) != NULL)
        n++;
    closedir(open_files);
    return n;
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void nothing_is_left(void **state)
{
    (void)state;
    pid_t pids[256];
    size_t n_fds = count_descriptors(), n_before = azr_test_descendants(getpid(), pids, 256),
           n_serving = 0;
    for (int round = 0; round < 3; round++) {
        azr_executor *executor = open_engine_at("fork", AZR_EXEC_LEVEL_SECCOMP);
        check_sentinel(executor);
        size_t n = azr_test_descendants(getpid(), pids, 256), n_open = count_descriptors();
        if (round == 0)
            n_serving = n;
        assert_int_equal(n, n_serving);
        for (int i = 0; i < 40; i++) {
            azr_exec_reply reply = run_program(
                executor, i % 2 ? "def f(x): return x\n" : "def f(x): raise ValueError(x)\n", "1",
                i % 4 == 0);
            azr_exec_reply_deinit(&reply);
        }
        assert_int_equal(azr_test_descendants(getpid(), pids, 256), n_serving);
        assert_int_equal(count_descriptors(), n_open);
        /* A run under way and runs in the queue end with the sandbox. */
        const char *input = "";
        azr_exec_job job = {.program = "def f():\n    while True: pass\n",
                            .inputs = &input,
                            .n_inputs = 1,
                            .limits = azr_exec_default_limits()};
        uint64_t ticket;
        for (int i = 0; i < 10; i++)
            assert_int_equal(azr_executor_submit(executor, &job, &ticket, NULL), AZR_OK);
        pause_ms(50);
        azr_executor_destroy(executor);
        assert_int_equal(count_descriptors(), n_fds);
        size_t n_left = azr_test_descendants(getpid(), pids, 256);
        for (int i = 0; i < 200 && n_left > n_before; i++) {
            pause_ms(10);
            n_left = azr_test_descendants(getpid(), pids, 256);
        }
        assert_int_equal(n_left, n_before);
    }
}

/* azr is killed while programs run: its sandbox goes with it. */
static void dies_with_its_owner(void **state)
{
    (void)state;
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t owner = fork();
    if (owner == 0) {
        azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
        const char *input = "";
        azr_exec_job job = {.program = "def f():\n    while True: pass\n",
                            .inputs = &input,
                            .n_inputs = 1,
                            .limits = azr_exec_default_limits()};
        job.limits.cpu_ms = job.limits.wall_ms = 60000;
        uint64_t ticket;
        for (int i = 0; i < 4; i++)
            azr_executor_submit(executor, &job, &ticket, NULL);
        pause_ms(200);
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    pid_t pids[256];
    size_t n = azr_test_descendants(owner, pids, 256), n_left = n;
    assert_true(n >= 2); /* a server and a run, at least */
    kill(owner, SIGKILL);
    assert_int_equal(waitpid(owner, NULL, 0), owner);
    for (int patience = 0; patience < 500 && n_left > 0; patience++) {
        pause_ms(10);
        n_left = 0;
        for (size_t i = 0; i < n; i++)
            n_left += is_alive(pids[i]) ? 1 : 0;
    }
    assert_int_equal(n_left, 0);
    close(ready[0]);
    close(ready[1]);
}

/* --- determinism --------------------------------------------------------------------------------
 */

static void determinism(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        azr_exec_status expected;
    } cases[] = {
        {"def f(): return list({'alpha', 'beta'})\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return list({'a', 'b'})\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return [x for x in frozenset(['x', 'yy', 'zzz'])]\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return str({'a', 'c'})\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return ''.join({'p', 'q'})\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return max({'aa', 'bb'}, key=len)\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return hash('a')\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return id(f)\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return id(int)\n", AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return str(object())\n", AZR_EXEC_NONDETERMINISTIC},
        {"import statistics\ndef f(): return statistics.NormalDist().samples(1)\n",
         AZR_EXEC_NONDETERMINISTIC},
        {"import collections\ndef f(): return collections._sys.modules['time'].time()\n",
         AZR_EXEC_NONDETERMINISTIC},
        {"import collections\ndef f(): return int(collections._sys.modules['time'].time()) // "
         "3600\n",
         AZR_EXEC_NONDETERMINISTIC},
        {"def f():\n    if hash('a') % 3: raise ValueError\n    raise TypeError\n",
         AZR_EXEC_NONDETERMINISTIC},
        {"def f(): return {'b', 'a', 'c'}\n", AZR_EXEC_OK},
        {"def f(): return sorted({'b', 'a'})\n", AZR_EXEC_OK},
        {"def f(): return {x: 1 for x in {'a', 'b', 'c'}}\n", AZR_EXEC_OK}, /* an equal dict */
        {"def f(): return list({3, 1, 2})\n", AZR_EXEC_OK},
        {"def f(): return float('nan')\n", AZR_EXEC_OK},
        {"def f(): return hash((1, 2.5))\n", AZR_EXEC_OK},
        {"def f(): raise ValueError(id(f))\n", AZR_EXEC_EXCEPTION},
    };
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    size_t n_bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        azr_exec_reply reply = run_program(executor, cases[i].program, "", true);
        if (reply.runs[0].status != cases[i].expected) {
            print_message("%s%s\n", cases[i].program, azr_exec_status_name(reply.runs[0].status));
            n_bad++;
        }
        azr_exec_reply_deinit(&reply);
        /* Without the check it is a value as any other. */
        reply = run_program(executor, cases[i].program, "", false);
        assert_true(reply.runs[0].status == AZR_EXEC_OK ||
                    reply.runs[0].status == AZR_EXEC_EXCEPTION);
        azr_exec_reply_deinit(&reply);
    }
    azr_executor_destroy(executor);
    assert_int_equal(n_bad, 0);
}

/* --- values and arguments -----------------------------------------------------------------------
 */

static void arguments_arrive(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        "",
        "1, -2, 3.5, None, True",
        "'\\ud800\\x00\xc3\xa9', b'\\x00\\xff', \"it's\"",
        "[1, (2, [3]), {4: {'a': set()}}], key={1, 'x'}, other=frozenset({(1, 2)})",
        "123456789012345678901234567890, -0x_ff, 1e400, -inf, (1+2j), -0.0, 5e-324",
        "[[[[[[[[]]]]]]]], ((),), {}, {'b': 1, 'a': 2}",
    };
    enum { N = sizeof inputs / sizeof inputs[0] };
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    azr_exec_job job = {.program = "def f(*a, **k): return (a, k)\n",
                        .inputs = inputs,
                        .n_inputs = N,
                        .limits = small_limits()};
    azr_exec_reply reply;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    for (size_t i = 0; i < N; i++) {
        azr_literal *arguments;
        assert_int_equal(azr_arguments_parse(inputs[i], strlen(inputs[i]), &arguments, NULL),
                         AZR_OK);
        char *canonical = azr_literal_print(arguments);
        if (reply.runs[i].status != AZR_EXEC_OK)
            fail_msg("%s: %s", inputs[i], azr_exec_status_name(reply.runs[i].status));
        assert_string_equal(reply.runs[i].type, "tuple");
        /* The value is ((positional...), {keywords}): call it once more with what came back. */
        char *call = malloc(strlen(reply.runs[i].value) + 1);
        snprintf(call, strlen(reply.runs[i].value) + 1, "%s", reply.runs[i].value);
        azr_exec_reply again = run_program(
            executor, "def g(*a, **k): return (a, k)\ndef f(x): return g(*x[0], **x[1]) == x\n",
            call, false);
        assert_int_equal(again.runs[0].status, AZR_EXEC_OK);
        assert_string_equal(again.runs[0].value, "True");
        azr_exec_reply_deinit(&again);
        free(call);
        azr_free(canonical);
        azr_literal_destroy(arguments);
    }
    assert_string_equal(reply.runs[1].value, "((1, -2, 3.5, None, True), {})");
    assert_string_equal(reply.runs[4].value,
                        "((123456789012345678901234567890, -255, inf, -inf, (1+2j), -0.0, "
                        "5e-324), {})");
    azr_exec_reply_deinit(&reply);
    azr_executor_destroy(executor);
}

/* Many inputs: each in a world of its own, replies in order, one bad input beside good ones. */
static void inputs_are_apart(void **state)
{
    (void)state;
    enum { N = 50 };
    char texts[N][16];
    const char *inputs[N];
    for (int i = 0; i < N; i++) {
        snprintf(texts[i], sizeof texts[i], i == 7 ? "x" : "%d", i);
        inputs[i] = texts[i];
    }
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    azr_exec_job job = {.program = "calls = []\ndef f(x):\n    calls.append(x)\n    return calls\n",
                        .inputs = inputs,
                        .n_inputs = N,
                        .limits = small_limits()};
    azr_exec_reply reply;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.n_runs, N);
    for (int i = 0; i < N; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "[%d]", i);
        assert_int_equal(reply.runs[i].status, i == 7 ? AZR_EXEC_BAD_INPUT : AZR_EXEC_OK);
        if (i != 7)
            assert_string_equal(reply.runs[i].value, expected);
        assert_true(i == 7 || reply.runs[i].cpu_us > 0);
    }
    azr_exec_reply_deinit(&reply);
    job.n_inputs = 0;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.n_runs, 0);
    azr_exec_reply_deinit(&reply);
    azr_executor_destroy(executor);
}

static void limits_hold(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    const char *input = "";
    azr_exec_job job = {.program = "def f():\n    while True: pass\n",
                        .inputs = &input,
                        .n_inputs = 1,
                        .limits = azr_exec_default_limits()};
    azr_exec_reply reply;
    job.limits.cpu_ms = 100;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_TIMEOUT_CPU);
    assert_in_range(reply.runs[0].cpu_us, 90000, 400000);
    azr_exec_reply_deinit(&reply);
    job.limits.cpu_ms = 60000;
    job.limits.wall_ms = 200;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_TIMEOUT_WALL);
    assert_true(reply.runs[0].wall_us >= 190000);
    azr_exec_reply_deinit(&reply);
    job.limits = azr_exec_default_limits();
    job.program = "def f(): return len(bytes(100 << 20))\n";
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_OK);
    azr_exec_reply_deinit(&reply);
    job.limits.memory_mb = 50;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_MEMORY);
    azr_exec_reply_deinit(&reply);
    job.program = "def f(): return 'x' * 98\n";
    job.limits.result_bytes = 100;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_OK);
    azr_exec_reply_deinit(&reply);
    job.limits.result_bytes = 99;
    assert_int_equal(azr_executor_run(executor, &job, &reply, NULL), AZR_OK);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_TOO_LARGE);
    azr_exec_reply_deinit(&reply);
    azr_error error;
    job.limits.cpu_ms = 0;
    assert_int_equal(azr_executor_run(executor, &job, &reply, &error), AZR_ERROR_INPUT);
    assert_non_null(strstr(error.text, "ms"));
    azr_executor_destroy(executor);
}

/* --- queues and kills ---------------------------------------------------------------------------
 */

enum { N_QUEUED = 3000 };

static uint64_t submit_square(azr_executor *executor, int i)
{
    char text[16];
    const char *input = text;
    snprintf(text, sizeof text, "%d", i);
    azr_exec_job job = {.program = "def f(x): return x * x\n",
                        .inputs = &input,
                        .n_inputs = 1,
                        .check_determinism = i % 10 == 0,
                        .limits = small_limits()};
    uint64_t ticket;
    assert_int_equal(azr_executor_submit(executor, &job, &ticket, NULL), AZR_OK);
    return ticket;
}

static bool wait_square(azr_executor *executor, uint64_t ticket, int i)
{
    azr_exec_reply reply;
    azr_error error;
    azr_status status = azr_executor_wait(executor, ticket, &reply, &error);
    if (status != AZR_OK) {
        assert_int_equal(status, AZR_ERROR_INTERNAL);
        print_message("%d: %s\n", i, error.text);
        return false;
    }
    char expected[24];
    snprintf(expected, sizeof expected, "%lld", (long long)i * i);
    if (reply.runs[0].status != AZR_EXEC_OK)
        fail_msg("%d: %s %s", i, azr_exec_status_name(reply.runs[0].status),
                 reply.runs[0].message != NULL ? reply.runs[0].message : "");
    assert_string_equal(reply.runs[0].value, expected);
    azr_exec_reply_deinit(&reply);
    return true;
}

/* Thousands are queued before the first is waited for, and waited for from the last on. */
static void long_queue(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    uint64_t *tickets = malloc(N_QUEUED * sizeof *tickets);
    for (int i = 0; i < N_QUEUED; i++) {
        tickets[i] = submit_square(executor, i);
        azr_executor_poll(executor);
    }
    for (int i = N_QUEUED; i-- > 0;)
        assert_true(wait_square(executor, tickets[i], i));
    free(tickets);
    azr_executor_destroy(executor);
}

/* Every process of the sandbox is fair game, at any time, while jobs come and go: each job gets its
 * answer, once, or the honest word that the sandbox failed. AZR_KILLS: how many. */
static void check_kills(const char *engine, unsigned n_kills)
{
    enum { IN_FLIGHT = 150, MAX_PIDS = 256 };
    azr_executor *executor = open_engine_at(engine, AZR_EXEC_LEVEL_SECCOMP);
    uint64_t tickets[IN_FLIGHT], random = 20261123;
    pid_t pids[MAX_PIDS];
    int n_submitted = 0, n_waited = 0, n_internal = 0;
    for (unsigned k = 0; k < n_kills;) {
        for (; n_submitted - n_waited < IN_FLIGHT; n_submitted++)
            tickets[n_submitted % IN_FLIGHT] = submit_square(executor, n_submitted);
        size_t n = azr_test_descendants(getpid(), pids, MAX_PIDS);
        random = random * 6364136223846793005 + 1442695040888963407;
        if (n > 0)
            k += kill(pids[(random >> 33) % n], SIGKILL) == 0;
        pause_ms(30 + (int)(random >> 40) % 100);
        for (int i = 0; i < IN_FLIGHT / 3; i++, n_waited++)
            n_internal += !wait_square(executor, tickets[n_waited % IN_FLIGHT], n_waited);
    }
    for (; n_waited < n_submitted; n_waited++)
        n_internal += !wait_square(executor, tickets[n_waited % IN_FLIGHT], n_waited);
    print_message("%s: %u kills, %d jobs, %d given up\n", engine, n_kills, n_submitted, n_internal);
    /* A run is given up when it was killed four times: that is rare. */
    assert_in_range(n_internal, 0, n_submitted / 100);
    check_sentinel(executor);
    azr_executor_destroy(executor);
}

static void kills_under_load(void **state)
{
    (void)state;
    const char *wish = getenv("AZR_KILLS");
    unsigned n = wish != NULL ? (unsigned)strtoul(wish, NULL, 10) : 12;
    check_kills("auto", n);
    check_kills("fork", n);
}

/* Servers die while they start, again and again, and so do the helpers that try out for them which
 * layers of protection there are: nothing of that gives a job up. */
static void kills_of_starting_servers(void **state)
{
    (void)state;
    enum { N = 60, N_KILLS = 120 };
    azr_executor *executor = open_engine_at("fork", AZR_EXEC_LEVEL_SECCOMP);
    uint64_t tickets[N];
    pid_t pids[256];
    for (int i = 0; i < N; i++)
        tickets[i] = submit_square(executor, i);
    for (int k = 0; k < N_KILLS; k++) {
        size_t n = azr_test_descendants(getpid(), pids, 256);
        for (size_t i = n; i-- > (k % 8 == 0 || n == 0 ? 0 : n - 1);)
            kill(pids[i], SIGKILL);
        pause_ms(1 + k % 7 * 3);
    }
    for (int i = 0; i < N; i++)
        assert_true(wait_square(executor, tickets[i], i));
    check_sentinel(executor);
    azr_executor_destroy(executor);
}

/* A run that is killed from outside is no verdict about its program. */
static void killed_runs_are_internal(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    pid_t before[256], now[256];
    size_t n_before = azr_test_descendants(getpid(), before, 256);
    const char *input = "";
    azr_exec_job job = {.program = "def f():\n    while True: pass\n",
                        .inputs = &input,
                        .n_inputs = 1,
                        .limits = azr_exec_default_limits()};
    job.limits.cpu_ms = job.limits.wall_ms = 300000;
    uint64_t ticket;
    assert_int_equal(azr_executor_submit(executor, &job, &ticket, NULL), AZR_OK);
    /* Kills that come before the program began do not count; when there is nothing to kill for a
     * while the job was given up. */
    for (int n_kills = 0, idle = 0; n_kills < 40 && idle < 400; idle++) {
        size_t n = azr_test_descendants(getpid(), now, 256);
        if (n > n_before) {
            pause_ms(30); /* let it begin */
            n = azr_test_descendants(getpid(), now, 256);
            kill(now[n - 1], SIGKILL);
            n_kills++;
            idle = 0;
        }
        pause_ms(5);
    }
    azr_exec_reply reply;
    azr_error error;
    assert_int_equal(azr_executor_wait(executor, ticket, &reply, &error), AZR_ERROR_INTERNAL);
    assert_non_null(strstr(error.text, "killed"));
    check_sentinel(executor);
    azr_executor_destroy(executor);
}

/* --- levels -------------------------------------------------------------------------------------
 */

static void refuses(const char *without, azr_exec_level required, const char *sentence)
{
    azr_executor_options options = azr_executor_default_options();
    options.required = required;
    azr_executor *executor = NULL;
    azr_error error = {0};
    setenv("AZR_EXECUTOR_DISABLE", without, 1);
    azr_status status = azr_executor_create(&options, &executor, &error);
    unsetenv("AZR_EXECUTOR_DISABLE");
    assert_int_equal(status, AZR_ERROR_UNSUPPORTED);
    assert_null(executor);
    if (strstr(error.text, sentence) == NULL)
        fail_msg("%s: %s", without, error.text);
}

static azr_executor *open_without(const char *without, azr_exec_level required)
{
    setenv("AZR_EXECUTOR_DISABLE", without, 1);
    azr_executor *executor = open_sandbox(required);
    unsetenv("AZR_EXECUTOR_DISABLE");
    return executor;
}

static void check_fork_fails(azr_executor *executor)
{
    azr_exec_reply reply = run_program(
        executor, "import collections\ndef f(): collections._sys.modules['posix'].fork()\n", "",
        false);
    assert_int_equal(reply.runs[0].status, AZR_EXEC_EXCEPTION);
    azr_exec_reply_deinit(&reply);
}

static void levels(void **state)
{
    (void)state;
    refuses("seccomp", AZR_EXEC_LEVEL_SECCOMP, "seccomp");
    refuses("seccomp", AZR_EXEC_LEVEL_NAMESPACES, "seccomp");
    refuses("namespaces", AZR_EXEC_LEVEL_NAMESPACES, "namespaces");
    refuses("python", AZR_EXEC_LEVEL_LIMITS, "CPython");
    refuses("namespaces,seccomp", AZR_EXEC_LEVEL_SECCOMP, "seccomp");
    azr_executor *executor = open_without("namespaces", AZR_EXEC_LEVEL_SECCOMP);
    assert_int_equal(azr_executor_level(executor), AZR_EXEC_LEVEL_SECCOMP);
    check_sentinel(executor);
    check_fork_fails(executor);
    azr_executor_destroy(executor);
    executor = open_without("seccomp,namespaces", AZR_EXEC_LEVEL_LIMITS);
    assert_int_equal(azr_executor_level(executor), AZR_EXEC_LEVEL_LIMITS);
    check_sentinel(executor);
    check_fork_fails(executor);
    azr_executor_destroy(executor);
    azr_executor_options options = azr_executor_default_options();
    azr_error error;
    options.n_workers = 65;
    assert_int_equal(azr_executor_create(&options, &executor, &error), AZR_ERROR_INPUT);
}

static void probe_says_what_is(void **state)
{
    (void)state;
    azr_executor *executor = open_without("namespaces", AZR_EXEC_LEVEL_SECCOMP);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(azr_executor_probe(executor, out, NULL), AZR_OK);
    fclose(out);
    assert_non_null(strstr(text, "seccomp      active"));
    assert_non_null(strstr(text, "namespaces   missing: disabled by AZR_EXECUTOR_DISABLE"));
    free(text);
    azr_executor_destroy(executor);
}

/* In a child that the kernel refuses one system call (with one argument, unless that is 0): what
 * level is reached, and is the sentence about it there? */
static void check_refused(int system_call, uint64_t argument, azr_exec_level expected,
                          const char *sentence)
{
    pid_t child = fork();
    if (child == 0) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        if (filter == NULL ||
            seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), system_call, argument != 0 ? 1 : 0,
                             SCMP_A0(SCMP_CMP_EQ, argument)) != 0 ||
            seccomp_load(filter) != 0)
            _exit(2);
        azr_executor_options options = azr_executor_default_options();
        azr_executor *executor = NULL;
        azr_error error = {0};
        options.required = expected + 1;
        if (azr_executor_create(&options, &executor, &error) != AZR_ERROR_UNSUPPORTED ||
            strstr(error.text, sentence) == NULL)
            _exit(3);
        options.required = expected;
        if (azr_executor_create(&options, &executor, &error) != AZR_OK)
            _exit(4);
        if (azr_executor_level(executor) != expected)
            _exit(5);
        check_sentinel(executor);
        check_fork_fails(executor);
        azr_executor_destroy(executor);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_the_kernel_refuses(void **state)
{
    (void)state;
    azr_executor *executor = open_sandbox(AZR_EXEC_LEVEL_SECCOMP);
    azr_exec_level level = azr_executor_level(executor);
    azr_executor_destroy(executor);
    if (level < AZR_EXEC_LEVEL_NAMESPACES)
        skip(); /* it refuses already */
    check_refused(SCMP_SYS(unshare), 0, AZR_EXEC_LEVEL_SECCOMP, "unshare");
    check_refused(SCMP_SYS(pivot_root), 0, AZR_EXEC_LEVEL_SECCOMP, "empty root");
    check_refused(SCMP_SYS(prctl), PR_SET_SECCOMP, AZR_EXEC_LEVEL_LIMITS, "refuses the filter");
}

/* As a user without any rights. */
static void without_root(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* then all other tests say it */
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
            setresuid(65534, 65534, 65534) != 0)
            _exit(2);
        azr_executor_options options = azr_executor_default_options();
        azr_executor *executor = NULL;
        azr_error error = {0};
        if (azr_executor_create(&options, &executor, &error) != AZR_OK) {
            print_message("%s\n", error.text);
            _exit(3);
        }
        print_message("level without root: %d\n", (int)azr_executor_level(executor));
        check_sentinel(executor);
        check_fork_fails(executor);
        azr_executor_destroy(executor);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(dies_with_its_owner),
        cmocka_unit_test(determinism),
        cmocka_unit_test(arguments_arrive),
        cmocka_unit_test(inputs_are_apart),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(long_queue),
        cmocka_unit_test(kills_under_load),
        cmocka_unit_test(kills_of_starting_servers),
        cmocka_unit_test(killed_runs_are_internal),
        cmocka_unit_test(levels),
        cmocka_unit_test(probe_says_what_is),
        cmocka_unit_test(what_the_kernel_refuses),
        cmocka_unit_test(without_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
