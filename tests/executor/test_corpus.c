/* test_corpus.c: recycle, fork and spawn reply the same, byte for byte, on a corpus: generated
 * programs, ordinary and hostile, and the tasks and solutions of benchmark files where AZR_SHARED
 * (else ../shared) has them. A sample, of which spawn gets a part; AZR_CORPUS=I/N: all of part I
 * (from 0) of N. */
#include "sandbox.h"

#include "../support/corpus.h"
#include "base/check.h"

#include <unistd.h>

typedef struct reply {
    azr_exec_reply reply;
    uint64_t ticket;
} reply;

enum { CHUNK = 64 };

static azr_exec_job job_of(const azr_test_program *p, size_t index)
{
    azr_exec_job job = {.program = p->program,
                        .inputs = (const char *const *)p->inputs,
                        .n_inputs = p->n_inputs,
                        .function = p->function,
                        .allow_constructors = p->constructors,
                        .check_determinism = index % 4 == 0,
                        .share_process = index % 4 == 1 && !p->is_hostile,
                        .limits = small_limits()};
    job.limits.cpu_ms = p->is_hostile ? 100 : 20000;
    job.limits.memory_mb = 64;
    return job;
}

/* The engine's replies to every so many programs of a chunk. */
static void run_chunk(azr_executor *executor, const azr_test_program *programs, size_t first,
                      size_t n, size_t every, reply *out)
{
    azr_error error = {0};
    for (size_t i = 0; i < n; i += every) {
        azr_exec_job job = job_of(&programs[first + i], first + i);
        if (azr_executor_submit(executor, &job, &out[i].ticket, &error) != AZR_OK)
            fail_msg("%s: %s", job.program, error.text);
    }
    for (size_t i = 0; i < n; i += every)
        if (azr_executor_wait(executor, out[i].ticket, &out[i].reply, &error) != AZR_OK)
            fail_msg("%s: %s", programs[first + i].program, error.text);
}

/* Addresses are an engine's own: 0x7f12 and 0x7f34 are the same. */
static bool same_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    while (*a != '\0' && *a == *b) {
        bool is_address = a[0] == '0' && a[1] == 'x' && b[1] == 'x';
        a += is_address ? 2 : 1;
        b += is_address ? 2 : 1;
        if (is_address) {
            a += strspn(a, "0123456789abcdef");
            b += strspn(b, "0123456789abcdef");
        }
    }
    return *a == *b;
}

static bool same_run(const azr_exec_run *a, const azr_exec_run *b, unsigned any_of)
{
    if (any_of != 0)
        return (any_of >> a->status & 1) != 0 && (any_of >> b->status & 1) != 0;
    return a->status == b->status && same_text(a->value, b->value) && same_text(a->type, b->type) &&
           same_text(a->exception, b->exception) && same_text(a->message, b->message);
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static void print_run(const char *engine, const azr_exec_run *run)
{
    print_message("  %s: %s %.200s %s %s: %.200s\n", engine, azr_exec_status_name(run->status),
                  or_empty(run->value), or_empty(run->type), or_empty(run->exception),
                  or_empty(run->message));
}

static const char *const engines[] = {"fork", "recycle", "spawn"};
enum { N_ENGINES = 3 };

typedef struct tally {
    size_t n_runs, n_different, statuses[AZR_N_EXEC_STATUSES];
} tally;

static void compare_chunk(const azr_test_program *programs, size_t n, reply replies[][CHUNK],
                          tally *t)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < programs[i].n_inputs; k++) {
            const azr_exec_run *first = &replies[0][i].reply.runs[k];
            t->n_runs++;
            t->statuses[first->status]++;
            for (int e = 1; e < N_ENGINES; e++) {
                const azr_exec_reply *theirs = &replies[e][i].reply;
                const azr_exec_run *other = theirs->n_runs > 0 ? &theirs->runs[k] : first;
                if (same_run(first, other, programs[i].any_of))
                    continue;
                t->n_different++;
                print_message("%s\n  input %.200s\n", programs[i].program, programs[i].inputs[k]);
                print_run(engines[0], first);
                print_run(engines[e], other);
            }
        }
        for (int e = 0; e < N_ENGINES; e++)
            azr_exec_reply_deinit(&replies[e][i].reply);
    }
}

/* spawn, which is slow, runs one in so many only. */
static void compare(const azr_test_corpus *corpus, size_t spawn_every)
{
    static reply replies[N_ENGINES][CHUNK];
    azr_executor *executors[N_ENGINES] = {0};
    bool has[N_ENGINES];
    tally t = {0};
    for (int e = 0; e < N_ENGINES; e++) {
        azr_executor_options options = azr_executor_default_options();
        options.engine = engines[e];
        azr_error error = {0};
        has[e] = azr_executor_create(&options, &executors[e], &error) == AZR_OK;
        if (!has[e])
            print_message("without %s: %s\n", engines[e], error.text);
    }
    assert_true(has[0] && has[2]);
    for (size_t first = 0; first < corpus->n; first += CHUNK) {
        size_t n = corpus->n - first < CHUNK ? corpus->n - first : CHUNK;
        memset(replies, 0, sizeof replies);
        for (int e = 0; e < N_ENGINES; e++)
            if (has[e])
                run_chunk(executors[e], corpus->programs, first, n, e == 2 ? spawn_every : 1,
                          replies[e]);
        compare_chunk(corpus->programs + first, n, replies, &t);
    }
    for (int e = 0; e < N_ENGINES; e++)
        azr_executor_destroy(executors[e]);
    print_message("%zu programs, %zu runs, %zu differences\n", corpus->n, t.n_runs, t.n_different);
    for (int s = 0; s < AZR_N_EXEC_STATUSES; s++)
        print_message("  %s %zu\n", azr_exec_status_name((azr_exec_status)s), t.statuses[s]);
    assert_int_equal(t.n_different, 0);
}

static void test_generated(void **state)
{
    (void)state;
    enum { SEED = 20261123, N_ORDINARY = 900, SAMPLE = 6, SPAWN_EVERY = 9 };
    unsigned part = 3, parts = SAMPLE;
    const char *whole = getenv("AZR_CORPUS");
    if (whole != NULL)
        assert_int_equal(sscanf(whole, "%u/%u", &part, &parts), 2);
    assert_true(parts > 0 && part < parts);
    azr_test_corpus corpus = {0};
    azr_test_corpus_add_ordinary(&corpus, SEED, N_ORDINARY);
    azr_test_corpus_add_hostile(&corpus);
    assert_true(corpus.n >= 1400);
    azr_test_corpus_thin(&corpus, part, parts);
    compare(&corpus, whole != NULL ? 1 : SPAWN_EVERY);
    azr_test_corpus_deinit(&corpus);
}

static void test_files(void **state)
{
    (void)state;
    enum { SAMPLE = 14, SPAWN_EVERY = 9, MAX_INPUTS = 4 };
    unsigned part = 5, parts = SAMPLE;
    const char *whole = getenv("AZR_CORPUS"), *shared = getenv("AZR_SHARED");
    if (whole != NULL)
        assert_int_equal(sscanf(whole, "%u/%u", &part, &parts), 2);
    assert_true(parts > 0 && part < parts);
    azr_test_corpus corpus = {0};
    bool found =
        azr_test_corpus_add_files(&corpus, shared != NULL ? shared : "../shared", MAX_INPUTS);
    if (!found)
        skip();
    print_message("%zu programs in files\n", corpus.n);
    azr_test_corpus_thin(&corpus, part, parts);
    compare(&corpus, whole != NULL ? 1 : SPAWN_EVERY);
    azr_test_corpus_deinit(&corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generated),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
