/* bench_passes.c: sequences to learn, cut into passes of bounded size. */
#include "app/bench.h"

#include "base/memory.h"

static size_t common_tokens(const bench_sequence *a, const bench_sequence *b)
{
    size_t n = a->n_tokens < b->n_tokens ? a->n_tokens : b->n_tokens, i = 0;
    while (i < n && a->tokens[i] == b->tokens[i])
        i++;
    return i;
}

/* Sequences from the first on that go together. */
static size_t count_together(const bench_sequence *sequences, size_t n, bool share,
                             size_t max_tokens)
{
    size_t i = 0, n_tokens = 0;
    for (; i < n; i++) {
        size_t known = share && i > 0 ? common_tokens(&sequences[i - 1], &sequences[i]) : 0;
        n_tokens += sequences[i].n_tokens - known;
        if (i > 0 && n_tokens > max_tokens)
            break;
    }
    return i;
}

/* Every sequence a segment by itself, as if none began like another. */
static void list_alone(const bench_sequence *sequences, size_t n, azr_forest *forest)
{
    *forest = (azr_forest){.n_segments = n, .n_sequences = n};
    forest->segments = azr_alloc(n, sizeof *forest->segments);
    for (size_t i = 0; i < n; i++) {
        int32_t n_tokens = (int32_t)sequences[i].n_tokens;
        forest->segments[i] = (azr_segment){-1, n_tokens, sequences[i].tokens};
        forest->n_tokens += n_tokens;
    }
}

static void build_forest(const bench_sequence *sequences, size_t n, azr_forest *forest)
{
    azr_sequence *list = azr_alloc(n, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (azr_sequence){sequences[i].tokens, sequences[i].n_tokens};
    azr_forest_build(list, n, forest);
    azr_free(list);
}

static size_t count_targets(const bench_sequence *sequences, size_t n)
{
    size_t n_targets = 0;
    for (size_t i = 0; i < n; i++)
        n_targets += sequences[i].n_tokens - sequences[i].n_given;
    return n_targets;
}

/* Rows of the LM head: answers to one prompt have their first prediction in common. */
static size_t count_head_rows(const bench_sequence *sequences, size_t n, bool share)
{
    size_t n_rows = count_targets(sequences, n);
    for (size_t i = 1; share && i < n; i++) {
        size_t common = common_tokens(&sequences[i - 1], &sequences[i]);
        n_rows -= common >= sequences[i].n_given ? common - sequences[i].n_given + 1 : 0;
    }
    return n_rows;
}

static azr_status pass_create(const bench_sequence *sequences, size_t n, bool share,
                              float temperature, float dlogprob, bench_pass *pass, azr_error *error)
{
    size_t n_targets = count_targets(sequences, n), at = 0;
    if (share)
        build_forest(sequences, n, &pass->forest);
    else
        list_alone(sequences, n, &pass->forest);
    pass->targets = azr_try_alloc(n_targets, sizeof *pass->targets);
    pass->logprobs = azr_try_alloc(n_targets, sizeof *pass->logprobs);
    pass->dlogprobs = azr_try_alloc(n_targets, sizeof *pass->dlogprobs);
    if (pass->targets == NULL || pass->logprobs == NULL || pass->dlogprobs == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu targets", n_targets);
    for (size_t i = 0; i < n; i++)
        for (size_t t = sequences[i].n_given; t < sequences[i].n_tokens; t++)
            pass->targets[at++] =
                share ? azr_forest_find(&pass->forest, i, t) : (azr_target){(int32_t)i, (int32_t)t};
    for (size_t i = 0; i < n_targets; i++)
        pass->dlogprobs[i] = dlogprob;
    pass->batch = (azr_batch){pass->forest.segments, pass->forest.n_segments, pass->targets,
                              n_targets, temperature};
    return AZR_OK;
}

azr_status azr_bench__passes_create(const bench_sequence *sequences, size_t n, bool share,
                                    float temperature, size_t max_tokens, bench_passes *out_passes,
                                    azr_error *error)
{
    bench_passes passes = {.passes = azr_alloc(n, sizeof *passes.passes)};
    float dlogprob = -1.0F / (float)count_targets(sequences, n);
    azr_status status = AZR_OK;
    for (size_t first = 0, n_rows; status == AZR_OK && first < n; first += n_rows) {
        n_rows = count_together(sequences + first, n - first, share, max_tokens);
        bench_pass *pass = &passes.passes[passes.n++];
        status = pass_create(sequences + first, n_rows, share, temperature, dlogprob, pass, error);
        passes.n_tokens += (double)pass->forest.n_tokens;
        passes.n_head_rows += (double)count_head_rows(sequences + first, n_rows, share);
    }
    *out_passes = passes;
    return status;
}

void azr_bench__passes_destroy(bench_passes *passes)
{
    for (size_t i = 0; i < passes->n; i++) {
        bench_pass *pass = &passes->passes[i];
        azr_forest_deinit(&pass->forest);
        azr_free(pass->targets);
        azr_free(pass->logprobs);
        azr_free(pass->dlogprobs);
    }
    azr_free(passes->passes);
    *passes = (bench_passes){0};
}

int64_t azr_bench__passes_room(const bench_passes *passes)
{
    int64_t n = 0;
    for (size_t i = 0; i < passes->n; i++)
        n = passes->passes[i].forest.n_tokens > n ? passes->passes[i].forest.n_tokens : n;
    return n;
}

double azr_bench__passes_work(const bench_passes *passes, const bench_limit *limit)
{
    return 6e-9 * (limit->layer_parameters * passes->n_tokens +
                   limit->head_parameters * passes->n_head_rows);
}
