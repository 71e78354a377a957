/* test_endurance.c: a long run stays as it was at its start: memory, rows, the file run.db and the
 * work of a step. A tiny model trains in this process; in place of the sandbox stands a stub whose
 * programs give one of N_VALUES values by a hash of program and input, so that the share of right
 * answers is known. Work is counted (steps of SQLite's machine, runs), never timed; the seconds by
 * phase are printed only.
 *
 * AZR_ENDURANCE_STEPS: how many steps; 500 take half a minute. */
#include "../support/models.h"
#include "../support/tiny_fixture.h"

#include "azr/executor.h"
#include "azr/train.h"
#include "base/check.h"
#include "base/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum {
    WARM = 100, /* after so many steps caches are full and the rings went round */
    DEFAULT_STEPS = 200,
    MAX_STEPS = 100000,
    N_VALUES = 3,
    RAISING = 8, /* one program in so many raises */
    CAP = 24,
    KEEP = 40,
    BATCH = 4,
    N_KINDS = 3,
    ESTIMATE_SAMPLES = 3,
    EVERY = 5, /* steps between checkpoints; rows go at each, those that one of two knows stay */
    MAX_PIECES = 160,
};

/* --- the stub --------------------------------------------------------------------------------- */

struct azr_executor {
    azr_exec_reply *replies; /* of the tickets first, first + 1, ... */
    size_t n, capacity;
    uint64_t first;
    size_t n_waiting;
};

static int64_t n_runs; /* of all executors */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211U;
    return hash ^ hash >> 29;
}

static azr_exec_run stub_run(const char *program, const char *input)
{
    uint64_t of_program = hash_text(14695981039346656037U, program);
    if (of_program % RAISING == 0)
        return (azr_exec_run){.status = AZR_EXEC_EXCEPTION,
                              .exception = azr_copy_text("ValueError", 10),
                              .message = azr_copy_text("stub", 4)};
    char value[8];
    int n = snprintf(value, sizeof value, "%d",
                     (int)(hash_text(of_program, input) / 7 % (uint64_t)N_VALUES));
    return (azr_exec_run){.status = AZR_EXEC_OK,
                          .value = azr_copy_text(value, (size_t)n),
                          .type = azr_copy_text("int", 3),
                          .cpu_us = 10,
                          .wall_us = 10};
}

const char *azr_exec_status_name(azr_exec_status status)
{
    return status == AZR_EXEC_OK ? "ok" : status == AZR_EXEC_EXCEPTION ? "exception" : "other";
}

azr_exec_limits azr_exec_default_limits(void)
{
    return (azr_exec_limits){
        .cpu_ms = 1000, .wall_ms = 5000, .memory_mb = 256, .result_bytes = 16 << 10};
}

azr_exec_limits azr_exec_evaluation_limits(void)
{
    return azr_exec_default_limits();
}

azr_executor_options azr_executor_default_options(void)
{
    return (azr_executor_options){.engine = "auto"};
}

char *azr_exec_run_text(const azr_exec_run *run, size_t *out_bytes)
{
    (void)run;
    *out_bytes = 0;
    return NULL;
}

void azr_exec_reply_deinit(azr_exec_reply *reply)
{
    for (size_t i = 0; i < reply->n_runs; i++) {
        azr_free(reply->runs[i].value);
        azr_free(reply->runs[i].type);
        azr_free(reply->runs[i].exception);
        azr_free(reply->runs[i].message);
    }
    azr_free(reply->runs);
    *reply = (azr_exec_reply){0};
}

azr_status azr_executor_create(const azr_executor_options *options, azr_executor **out_executor,
                               azr_error *error)
{
    (void)options;
    (void)error;
    *out_executor = azr_alloc(1, sizeof **out_executor);
    (*out_executor)->first = 1;
    return AZR_OK;
}

void azr_executor_destroy(azr_executor *executor)
{
    if (executor == NULL)
        return;
    for (size_t i = 0; i < executor->n; i++)
        azr_exec_reply_deinit(&executor->replies[i]);
    azr_free(executor->replies);
    azr_free(executor);
}

azr_exec_level azr_executor_level(const azr_executor *executor)
{
    (void)executor;
    return AZR_EXEC_LEVEL_NAMESPACES;
}

const char *azr_executor_engine(const azr_executor *executor)
{
    (void)executor;
    return "fork";
}

azr_status azr_executor_probe(azr_executor *executor, FILE *out, azr_error *error)
{
    (void)executor;
    (void)out;
    (void)error;
    return AZR_OK;
}

azr_status azr_executor_submit(azr_executor *executor, const azr_exec_job *job,
                               uint64_t *out_ticket, azr_error *error)
{
    (void)error;
    if (executor->n_waiting == 0) {
        executor->first += executor->n;
        executor->n = 0;
    }
    if (executor->n == executor->capacity) {
        executor->capacity = executor->capacity > 0 ? 2 * executor->capacity : 64;
        executor->replies =
            azr_realloc(executor->replies, executor->capacity, sizeof *executor->replies);
    }
    azr_exec_reply reply = {.runs = azr_alloc(job->n_inputs, sizeof *reply.runs),
                            .n_runs = job->n_inputs};
    for (size_t i = 0; i < job->n_inputs; i++)
        reply.runs[i] = stub_run(job->program, job->inputs[i]);
    n_runs += (int64_t)job->n_inputs;
    executor->replies[executor->n] = reply;
    *out_ticket = executor->first + executor->n++;
    executor->n_waiting++;
    return AZR_OK;
}

void azr_executor_poll(azr_executor *executor)
{
    (void)executor;
}

azr_status azr_executor_wait(azr_executor *executor, uint64_t ticket, azr_exec_reply *out_reply,
                             azr_error *error)
{
    (void)error;
    AZR_CHECK(ticket >= executor->first && ticket - executor->first < executor->n);
    *out_reply = executor->replies[ticket - executor->first];
    executor->replies[ticket - executor->first] = (azr_exec_reply){0};
    executor->n_waiting--;
    return AZR_OK;
}

azr_status azr_executor_run(azr_executor *executor, const azr_exec_job *job,
                            azr_exec_reply *out_reply, azr_error *error)
{
    uint64_t ticket;
    azr_status status = azr_executor_submit(executor, job, &ticket, error);
    return status != AZR_OK ? status : azr_executor_wait(executor, ticket, out_reply, error);
}

__attribute__((format(printf, 1, 2))) static char *format_text(const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    AZR_CHECK(n >= 0 && (size_t)n < sizeof text);
    return azr_copy_text(text, (size_t)n);
}

/* --- the run ---------------------------------------------------------------------------------- */

typedef struct sample {
    int64_t rss_kib, database_bytes, n_sqlite, n_runs; /* the last two: in this step */
} sample;

static char *run_path;
static sample *samples; /* [0, n_steps] */
static int n_steps;
static int64_t n_sqlite;

static int on_statement(unsigned type, void *context, void *statement, void *nanoseconds)
{
    (void)type;
    (void)context;
    (void)nanoseconds;
    n_sqlite += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
}

static int on_open(sqlite3 *database, const char **message, const void *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(database, SQLITE_TRACE_PROFILE, on_statement, NULL);
}

static int64_t resident_kib(void)
{
    long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    AZR_CHECK(file != NULL && fscanf(file, "%lld %lld", &size, &resident) == 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Trainer's words; a line about a finished step is when we look. */
static void on_line(void *context, const char *text)
{
    (void)context;
    int step;
    if (sscanf(text, "step %d |", &step) != 1 || step < 0 || step > n_steps)
        return;
    char *database = format_text("%s/run.db", run_path);
    struct stat status = {0};
    stat(database, &status);
    samples[step] = (sample){.rss_kib = resident_kib(),
                             .database_bytes = status.st_size,
                             .n_sqlite = n_sqlite,
                             .n_runs = n_runs};
    n_sqlite = 0;
    n_runs = 0;
    azr_free(database);
}

/* Further tokens: whole proposals and answers, each of its own; JSON's escapes. */
static char *pieces[MAX_PIECES + 1];

static void make_pieces(void)
{
    size_t n = 0;
    for (int i = 0; i < 48; i++)
        pieces[n++] = format_text("a):\\n...     return a * %d\\n>>> f(%d)\\n\\n", i, i % 7);
    for (int i = 0; i < 24; i++)
        pieces[n++] = format_text(" %d\\n>>> f(1)\\n1\\n>>> f(2)\\n2\\n>>> f(3)\\n3\\n>>> "
                                  "f(4)\\n4\\n>>> f(5)\\n5\\n>>> f(%d)\\n6\\n\\n",
                                  i, i + 6);
    for (int i = 0; i < 36; i++)
        pieces[n++] = format_text("%d%*s\\n", i % N_VALUES, 1 + i / N_VALUES, "");
    for (int i = 0; i < 24; i++)
        pieces[n++] = format_text("%d)\\n", i + 2);
    for (int i = 0; i < 12; i++)
        pieces[n++] = format_text("a):\\n    return a - %d\\n\\n\\n", i);
    AZR_CHECK(n <= MAX_PIECES);
}

static void train(void)
{
    char steps[32], run[160], *config_path = tiny_run_path(&tiny, "config.yaml");
    snprintf(steps, sizeof steps, "total_steps=%d", n_steps);
    snprintf(run, sizeof run, "run=%s", run_path);
    const char *const sets[] = {steps,
                                run,
                                "buffer_cap=24",
                                "keep_attempts=40",
                                "learning_rate=1e-6",
                                "kinds=deduction,abduction,induction",
                                "novelty=true",
                                "novelty_same=1000",
                                "novelty_like=1000",
                                "novelty_memory=64",
                                "checkpoint_every=5",
                                "keep_checkpoints=2"};
    azr_config config;
    azr_error error;
    azr_trainer *trainer;
    const azr_progress progress = {.line = on_line};
    azr_config_init(&config);
    assert_ok(azr_config_load(&config, config_path, &error), &error);
    for (size_t i = 0; i < AZR_COUNT(sets); i++)
        assert_ok(azr_config_set(&config, sets[i], &error), &error);
    assert_ok(azr_config_validate(&config, &error), &error);
    assert_ok(azr_trainer_create(&config, false, &progress, &trainer, &error), &error);
    assert_ok(azr_trainer_run(trainer, &error), &error);
    azr_trainer_destroy(trainer);
    azr_config_deinit(&config);
    azr_free(config_path);
}

static int set_up(void **state)
{
    (void)state;
    const char *text = getenv("AZR_ENDURANCE_STEPS");
    long wanted = text != NULL ? strtol(text, NULL, 10) : DEFAULT_STEPS;
    n_steps = (int)(wanted < DEFAULT_STEPS ? DEFAULT_STEPS
                    : wanted > MAX_STEPS   ? MAX_STEPS
                                           : wanted);
    samples = azr_alloc((size_t)n_steps + 1, sizeof *samples);
    make_pieces();
    tiny_run_create_with(&tiny, (const char *const *)pieces);
    run_path = tiny_run_path(&tiny, "run");
    sqlite3_auto_extension((void (*)(void))on_open);
    train();
    sqlite3_reset_auto_extension();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tiny_run_remove(&tiny);
    azr_free(run_path);
    azr_free(samples);
    for (size_t i = 0; i < MAX_PIECES; i++)
        azr_free(pieces[i]);
    return 0;
}

static double query(const char *sql)
{
    return tiny_run_query(&tiny, "run", sql);
}

/* --- what must hold --------------------------------------------------------------------------- */

static void test_environment(void **state)
{
    (void)state;
    static const char rate[] =
        "SELECT avg(verdict = 'correct') FROM attempts WHERE role = 'solver' AND kind = "
        "'abduction' AND verdict IN ('correct', 'wrong')";
    double share = query(rate);
    print_message("abduction: %.3f of the values are right, 1 / %d expected\n", share, N_VALUES);
    assert_true(query("SELECT count(*) FROM attempts WHERE kind = 'abduction' AND verdict IN "
                      "('correct', 'wrong')") > 20);
    assert_true(share > 0.15 && share < 0.55);
    assert_true(query("SELECT count(*) FROM attempts WHERE verdict = 'valid'") > 0);
    assert_true(query("SELECT count(*) FROM attempts WHERE verdict = 'failed'") > 0);
    assert_true(query("SELECT min(value) FROM metrics WHERE name = 'actor/mismatch'") == 0.0);
    assert_true(query("SELECT max(value) FROM metrics WHERE name = 'actor/mismatch'") == 0.0);
}

static void test_memory(void **state)
{
    (void)state;
    int64_t first = samples[WARM].rss_kib, last = samples[n_steps].rss_kib;
    print_message("resident: %" PRId64 " KiB after step %d, %" PRId64 " KiB after step %d\n", first,
                  WARM, last, n_steps);
    assert_true(first > 0 && last > 0);
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it keeps what was freed */
#else
    assert_true(last - first < 4 << 10);
#endif
}

static void test_rows(void **state)
{
    (void)state;
    double n_tasks = query("SELECT count(*) FROM tasks"),
           n_ever = query("SELECT max(id) FROM tasks");
    double n_attempts = query("SELECT count(*) FROM attempts");
    print_message("tasks: %.0f of %.0f ever stored; attempts: %.0f\n", n_tasks, n_ever, n_attempts);
    assert_true(n_ever > 2 * N_KINDS * CAP); /* the rings went round */
    assert_true(query("SELECT max(n) FROM (SELECT count(*) n FROM tasks GROUP BY kind)") <=
                CAP + 3 * EVERY * BATCH);
    assert_true(n_attempts <= (double)((KEEP + EVERY) * N_KINDS * BATCH * (2 + ESTIMATE_SAMPLES)));
}

/* run.db grows by the rows of metrics, which are kept, and by nothing else. */
static void test_database(void **state)
{
    (void)state;
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM metrics WHERE step > %d", WARM);
    double n_rows = query(sql);
    int64_t first = samples[WARM].database_bytes, last = samples[n_steps].database_bytes;
    print_message("run.db: %" PRId64 " bytes after step %d, %" PRId64 " after step %d: %.1f for "
                  "each row of metrics\n",
                  first, WARM, last, n_steps, (double)(last - first) / n_rows);
    assert_true(first > 0);
    assert_true((double)(last - first) < 128.0 * n_rows + (256 << 10));
}

static double mean_of(int from, int to, size_t offset)
{
    double sum = 0.0;
    for (int step = from; step < to; step++)
        sum += (double)*(const int64_t *)((const char *)&samples[step] + offset);
    return sum / (to - from);
}

static void compare_work(const char *what, size_t offset)
{
    int n = (n_steps - WARM) / 2;
    double first = mean_of(WARM, WARM + n, offset);
    double last = mean_of(n_steps + 1 - n, n_steps + 1, offset);
    print_message("%s: %.1f a step from step %d, %.1f in the last %d\n", what, first, WARM, last,
                  n);
    assert_true(first > 0.0);
    assert_true(last < 1.5 * first);
}

static void test_work(void **state)
{
    (void)state;
    compare_work("steps of SQLite", offsetof(sample, n_sqlite));
    compare_work("runs", offsetof(sample, n_runs));
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of metrics.jsonl's number over steps [from, to). */
static double median_of(const char *name, int from, int to)
{
    char *path = format_text("%s/metrics.jsonl", run_path), *line = NULL;
    double *values = azr_alloc((size_t)(to - from), sizeof *values), median;
    size_t capacity = 0, n = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &capacity, file) > 0) {
        json_t *root = json_loads(line, 0, NULL);
        json_int_t step = json_integer_value(json_object_get(root, "step"));
        const json_t *value = json_object_get(root, name);
        if (json_is_number(value) && step >= from && step < to && n < (size_t)(to - from))
            values[n++] = json_number_value(value);
        json_decref(root);
    }
    fclose(file);
    assert_true(n > 0);
    qsort(values, n, sizeof *values, compare_numbers);
    median = values[n / 2];
    azr_free(values);
    free(line);
    azr_free(path);
    return median;
}

/* A report, no test: seconds depend on who else is at work. */
static void report_phases(void **state)
{
    (void)state;
    static const char *const phases[] = {"timing_s/propose", "timing_s/solve", "timing_s/reward_fn",
                                         "timing_s/update_actor", "timing_s/step"};
    int n = (n_steps - WARM) / 2;
    for (size_t i = 0; i < AZR_COUNT(phases); i++)
        print_message("%s: median %.4f, in the last %d steps %.4f\n", phases[i],
                      median_of(phases[i], WARM, WARM + n), n,
                      median_of(phases[i], n_steps + 1 - n, n_steps + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_database),
        cmocka_unit_test(test_work),        cmocka_unit_test(report_phases),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
