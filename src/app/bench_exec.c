/* bench_exec.c: azr bench exec: how many runs of programs a second the sandbox gives, for each
 * engine, against starting /usr/bin/python3 for each, one at a time. Both are measured in turns,
 * and what counts is the median of each turn's ratio: a machine's mood is in both. */
#include "app/bench.h"
#include "app/json.h"

#include "azr/executor.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
    MAX_ROUNDS = 99,
    MAX_IN_FLIGHT = 32,
    N_MIX = 12,
    N_INPUTS = 8,
    LOOP_EVERY = 50, /* one endless loop in so many programs: 2 % */
    LOOP_MS = 20,    /* and the CPU time it gets */
    MAX_CELLS = 32,
};

static const char python[] = "/usr/bin/python3";

static const char trivial[] = "def f(x):\n    return x + 1\n";
static const char endless[] = "def f(x):\n    while True:\n        x += 1\n";

/* Programs as models write them, each of one number, so that all take the same inputs. */
static const char *const mix[N_MIX] = {
    "def f(n):\n"
    "    a, b = 0, 1\n"
    "    for _ in range(n):\n"
    "        a, b = b, a + b\n"
    "    return a % 10007\n",
    "def f(n):\n"
    "    text = 'the quick brown fox jumps over the lazy dog ' * (n % 3 + 1)\n"
    "    words = text.split()\n"
    "    return ' '.join(sorted(set(words), key=lambda w: (len(w), w)))\n",
    "def f(n):\n"
    "    primes = []\n"
    "    for i in range(2, n + 40):\n"
    "        if all(i % p for p in primes):\n"
    "            primes.append(i)\n"
    "    return primes\n",
    "def f(n):\n"
    "    counts = {}\n"
    "    for c in 'mississippi' * (n % 4 + 1):\n"
    "        counts[c] = counts.get(c, 0) + 1\n"
    "    return dict(sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])))\n",
    "def f(n):\n"
    "    grid = [[(i * j + n) % 7 for j in range(8)] for i in range(8)]\n"
    "    turned = [list(row) for row in zip(*grid[::-1])]\n"
    "    return sum(turned[i][i] for i in range(8)), max(map(max, turned))\n",
    "import math\n"
    "def f(n):\n"
    "    return [math.gcd(n + i, 36) for i in range(12)], round(math.sqrt(n + 2), 6)\n",
    "class Account:\n"
    "    def __init__(self, balance):\n"
    "        self.balance = balance\n"
    "        self.log = []\n"
    "    def move(self, amount):\n"
    "        if self.balance + amount < 0:\n"
    "            raise ValueError('not enough')\n"
    "        self.balance += amount\n"
    "        self.log.append(amount)\n"
    "def f(n):\n"
    "    account = Account(n)\n"
    "    for amount in (5, -3, -50, 8):\n"
    "        try:\n"
    "            account.move(amount)\n"
    "        except ValueError as error:\n"
    "            account.log.append(str(error))\n"
    "    return account.balance, account.log\n",
    "def f(n):\n"
    "    def hanoi(k, a, b, c):\n"
    "        return 0 if k == 0 else hanoi(k - 1, a, c, b) + 1 + hanoi(k - 1, c, b, a)\n"
    "    return hanoi(n % 5 + 2, 'a', 'b', 'c')\n",
    "from collections import deque\n"
    "def f(n):\n"
    "    edges = {i: [(i * 2 + 1) % 13, (i * 3 + n) % 13] for i in range(13)}\n"
    "    seen, queue = {0: 0}, deque([0])\n"
    "    while queue:\n"
    "        at = queue.popleft()\n"
    "        for to in edges[at]:\n"
    "            if to not in seen:\n"
    "                seen[to] = seen[at] + 1\n"
    "                queue.append(to)\n"
    "    return sorted(seen.items())\n",
    "import re\n"
    "def f(n):\n"
    "    text = f'order {n}: 12 apples, 7 pears and {n * 2} plums'\n"
    "    return [int(x) for x in re.findall(r'\\d+', text)]\n",
    "def f(n):\n"
    "    s = bin(n * 2654435761 % 2 ** 32)[2:].zfill(32)\n"
    "    runs, last = [], ''\n"
    "    for c in s:\n"
    "        if c == last:\n"
    "            runs[-1] += 1\n"
    "        else:\n"
    "            runs.append(1)\n"
    "        last = c\n"
    "    return runs, int(s[::-1], 2)\n",
    "from functools import lru_cache\n"
    "def f(n):\n"
    "    a, b = 'intention' * (n % 2 + 1), 'execution'\n"
    "    @lru_cache(None)\n"
    "    def d(i, j):\n"
    "        if i == 0 or j == 0:\n"
    "            return i + j\n"
    "        return min(d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (a[i - 1] != b[j - "
    "1]))\n"
    "    return d(len(a), len(b))\n",
};

typedef enum workload { TRIVIAL, MIX, EIGHT, LOOPS, N_WORKLOADS } workload;

static const char *const workload_names[N_WORKLOADS] = {"trivial", "mix of 12", "mix, 8 inputs",
                                                        "mix, 2 % loops"};
static const char *const workload_words[N_WORKLOADS] = {"trivial", "mix", "eight", "loops"};

/* How many jobs wait at once, for each worker: enough that none is ever idle. */
static const struct {
    const char *name;
    int in_flight;
    bool all_workloads; /* else it is too slow for them */
    int n_warm;         /* measurements before: recycled workers learn in them */
} engines[] = {{"recycle", 16, true, 3}, {"fork", 2, true, 0}, {"spawn", 1, false, 0}};

/* One engine with so many workers at one workload. */
typedef struct cell {
    size_t engine; /* of engines */
    int n_workers;
    workload work;
    azr_executor *executor; /* borrowed */
    double rates[MAX_ROUNDS], ratios[MAX_ROUNDS];
} cell;

typedef struct bench {
    int64_t n_rounds, ms;
    const char *engine; /* "all", or the only one */
    bool json;
    azr_executor *executors[MAX_CELLS];
    size_t n_executors;
    cell cells[MAX_CELLS];
    size_t n_cells;
    double python_rates[MAX_ROUNDS];
} bench;

/* --- one measurement ----------------------------------------------------------------------------
 */

static azr_status submit(azr_executor *executor, workload work, uint64_t i, uint64_t *out_ticket,
                         azr_error *error)
{
    static const char *const inputs[N_INPUTS] = {"3", "7", "11", "18", "26", "31", "44", "59"};
    azr_exec_job job = {.program = work == TRIVIAL ? trivial : mix[i % N_MIX],
                        .inputs = &inputs[i / N_MIX % N_INPUTS],
                        .n_inputs = 1,
                        .limits = azr_exec_default_limits()};
    if (work == EIGHT) {
        job.inputs = inputs;
        job.n_inputs = N_INPUTS;
        job.share_process = true;
    }
    if (work == LOOPS) {
        job.limits.cpu_ms = LOOP_MS;
        if (i % LOOP_EVERY == LOOP_EVERY - 1)
            job.program = endless;
    }
    return azr_executor_submit(executor, &job, out_ticket, error);
}

static azr_status collect(azr_executor *executor, uint64_t ticket, uint64_t *n_runs,
                          azr_error *error)
{
    azr_exec_reply reply;
    azr_status status = azr_executor_wait(executor, ticket, &reply, error);
    if (status != AZR_OK)
        return status;
    for (size_t k = 0; k < reply.n_runs && status == AZR_OK; k++)
        if (reply.runs[k].status != AZR_EXEC_OK && reply.runs[k].status != AZR_EXEC_TIMEOUT_CPU)
            status =
                azr_error_set(error, AZR_ERROR_INTERNAL, "a run of the benchmark ended with %s",
                              azr_exec_status_name(reply.runs[k].status));
    *n_runs += reply.n_runs;
    azr_exec_reply_deinit(&reply);
    return status;
}

/* Runs a second, measured for at least so long, and with an endless loop where there are any. */
static azr_status measure(const cell *c, double seconds, double *out_rate, azr_error *error)
{
    uint64_t tickets[MAX_IN_FLIGHT] = {0}, n_submitted = 0, n_collected = 0, n_runs = 0;
    uint64_t in_flight = (uint64_t)c->n_workers * (uint64_t)engines[c->engine].in_flight;
    uint64_t n_least = c->work == LOOPS ? LOOP_EVERY : 1;
    azr_status status = AZR_OK;
    double start = azr_clock_seconds(), now = start;
    for (bool more = true; status == AZR_OK && (more || n_collected < n_submitted);
         more = now - start < seconds || n_submitted < n_least) {
        while (status == AZR_OK && more && n_submitted - n_collected < in_flight) {
            status = submit(c->executor, c->work, n_submitted,
                            &tickets[n_submitted % MAX_IN_FLIGHT], error);
            n_submitted += status == AZR_OK;
        }
        /* Half of them at once, the last one first: whoever waits for each is woken for each. */
        uint64_t n = (n_submitted - n_collected + 1) / 2;
        for (uint64_t k = n; k-- > 0 && status == AZR_OK;)
            status =
                collect(c->executor, tickets[(n_collected + k) % MAX_IN_FLIGHT], &n_runs, error);
        n_collected += n;
        if (status == AZR_OK)
            status = azr_bench__go_on(error);
        now = azr_clock_seconds();
    }
    *out_rate = (double)n_runs / (now - start);
    return status;
}

static azr_status measure_python(double seconds, double *out_rate, azr_error *error)
{
    char *const argv[] = {(char[]){"python3"}, (char[]){"-I"}, (char[]){"-c"}, (char[]){"pass"},
                          NULL};
    char *const environment[] = {NULL};
    double start = azr_clock_seconds(), now = start;
    int n = 0;
    for (; now - start < seconds; n++) {
        pid_t pid;
        int status = 0, failure = posix_spawn(&pid, python, NULL, NULL, argv, environment);
        if (failure != 0)
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "%s: %s", python, strerror(failure));
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR)
                return azr_error_set(error, AZR_ERROR_IO, "waitpid: %s", strerror(errno));
        if (status != 0)
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED, "%s -I -c pass failed", python);
        now = azr_clock_seconds();
    }
    *out_rate = n / (now - start);
    return AZR_OK;
}

/* --- all of them --------------------------------------------------------------------------------
 */

static azr_status open_executor(bench *b, const char *engine, int n_workers,
                                azr_executor **out_executor, azr_error *error)
{
    azr_executor_options options = azr_executor_default_options();
    options.engine = engine;
    options.n_workers = n_workers;
    azr_status status = azr_executor_create(&options, out_executor, error);
    if (status == AZR_OK)
        b->executors[b->n_executors++] = *out_executor;
    return status;
}

static void add_cell(bench *b, size_t engine, int n_workers, workload work, azr_executor *executor)
{
    AZR_CHECK(b->n_cells < MAX_CELLS);
    b->cells[b->n_cells++] =
        (cell){.engine = engine, .n_workers = n_workers, .work = work, .executor = executor};
}

/* What recycled workers learn from trivial programs is their own, so those get an executor of their
 * own. An engine that this machine does not allow is left out, unless it was asked for. */
static azr_status open_engine(bench *b, size_t engine, azr_error *error)
{
    const char *name = engines[engine].name;
    for (int n_workers = 1; n_workers <= 2; n_workers++) {
        azr_executor *first = NULL, *second = NULL;
        azr_status status = open_executor(b, name, n_workers, &first, error);
        if (status == AZR_OK)
            status = open_executor(b, name, n_workers, &second, error);
        if (status == AZR_ERROR_UNSUPPORTED && strcmp(b->engine, "all") == 0) {
            fprintf(stderr, "azr: engine %s is left out: %s\n", name,
                    error != NULL ? error->text : "");
            return AZR_OK;
        }
        if (status != AZR_OK)
            return status;
        for (int work = 0; work < (engines[engine].all_workloads ? N_WORKLOADS : EIGHT); work++)
            add_cell(b, engine, n_workers, (workload)work, work == TRIVIAL ? first : second);
    }
    return AZR_OK;
}

static azr_status open_all(bench *b, azr_error *error)
{
    bool known = false;
    azr_status status = AZR_OK;
    for (size_t i = 0; i < sizeof engines / sizeof engines[0] && status == AZR_OK; i++) {
        if (strcmp(b->engine, "all") != 0 && strcmp(b->engine, engines[i].name) != 0)
            continue;
        known = true;
        status = open_engine(b, i, error);
    }
    if (!known)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "--engine %.32s: use all, recycle, fork or spawn", b->engine);
    return status;
}

static azr_status measure_all(bench *b, azr_error *error)
{
    double seconds = (double)b->ms * 1e-3, rate;
    azr_status status = AZR_OK;
    /* Until recycled workers have learned what these programs write to. */
    for (size_t i = 0; i < b->n_cells; i++)
        for (int n = engines[b->cells[i].engine].n_warm; n > 0 && status == AZR_OK; n--)
            status = measure(&b->cells[i], seconds, &rate, error);
    for (int64_t round = 0; round < b->n_rounds && status == AZR_OK; round++) {
        status = measure_python(seconds, &b->python_rates[round], error);
        for (size_t i = 0; i < b->n_cells && status == AZR_OK; i++) {
            cell *c = &b->cells[i];
            status = measure(c, seconds, &c->rates[round], error);
            c->ratios[round] = c->rates[round] / b->python_rates[round];
        }
    }
    return status;
}

/* --- what came of it ----------------------------------------------------------------------------
 */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof values[0], compare_doubles);
    return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void print_cell(const bench *b, cell *c)
{
    double rate = median(c->rates, b->n_rounds), ratio = median(c->ratios, b->n_rounds);
    double least = c->ratios[0], most = c->ratios[b->n_rounds - 1];
    if (b->json)
        azr_json_line(json_pack("{s:s, s:s, s:i, s:s, s:f, s:f, s:f, s:f}", "bench", "exec",
                                "engine", engines[c->engine].name, "workers", c->n_workers,
                                "workload", workload_words[c->work], "runs_per_second", rate,
                                "ratio", ratio, "ratio_min", least, "ratio_max", most));
    else
        printf("%-8s %7d  %-15s %9.0f %9.1f  %.1f-%.1f\n", engines[c->engine].name, c->n_workers,
               workload_names[c->work], rate, ratio, least, most);
}

static void print_all(bench *b)
{
    double rate = median(b->python_rates, b->n_rounds);
    if (b->json)
        azr_json_line(json_pack("{s:s, s:s, s:f, s:I}", "bench", "exec", "engine", "python",
                                "runs_per_second", rate, "rounds", (json_int_t)b->n_rounds));
    else
        printf("%s -I -c pass, one at a time: %.1f a second\n"
               "engine   workers  programs           runs/s     ratio  least-most of %lld rounds\n",
               python, rate, (long long)b->n_rounds);
    for (size_t i = 0; i < b->n_cells; i++)
        print_cell(b, &b->cells[i]);
}

azr_status azr_bench__exec(int argc, char **argv, azr_error *error)
{
    bench *b = azr_alloc(1, sizeof *b);
    const char *what = NULL;
    size_t n_operands = 0;
    bool help = false;
    b->n_rounds = 7;
    b->ms = 250;
    b->engine = "all";
    const azr_option rows[] = {
        {.name = "rounds",
         .type = AZR_OPTION_INTEGER,
         .value = &b->n_rounds,
         .argument = "N",
         .help = "turns in which everything is measured once; medians count",
         .min = 1,
         .max = MAX_ROUNDS},
        {.name = "ms",
         .type = AZR_OPTION_INTEGER,
         .value = &b->ms,
         .argument = "MS",
         .help = "time of each measurement",
         .min = 1,
         .max = 60000},
        {.name = "engine",
         .type = AZR_OPTION_TEXT,
         .value = &b->engine,
         .argument = "NAME",
         .help = "recycle, fork, spawn or all"},
        {.name = "json",
         .type = AZR_OPTION_FLAG,
         .value = &b->json,
         .help = "one JSON object a line"},
    };
    azr_usage usage = {
        .synopsis = "azr bench exec [--rounds N] [--ms MS] [--engine NAME] [--json]",
        .about =
            "Runs of programs a second in the sandbox, for each engine with one and with two\n"
            "workers, and as a ratio to /usr/bin/python3 -I -c pass, one at a time: a trivial\n"
            "function, a mix of 12 programs, the mix with 8 inputs for each program, and the\n"
            "mix with 2 % endless loops that get 20 ms each.\n",
        .options = rows,
        .n_options = sizeof rows / sizeof rows[0],
        .operands = &what,
        .max_operands = 1,
        .n_operands = &n_operands,
    };
    azr_status status = azr_options_parse(&usage, argc, argv, &help, error);
    if (status == AZR_OK && !help)
        status = open_all(b, error);
    if (status == AZR_OK && !help)
        status = measure_all(b, error);
    if (status == AZR_OK && !help)
        print_all(b);
    for (size_t i = 0; i < b->n_executors; i++)
        azr_executor_destroy(b->executors[i]);
    azr_free(b);
    return status;
}
