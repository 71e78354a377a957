#include "train/micro_batch.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* --- rows ------------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    const azr_row *x = a, *y = b;
    size_t n =
        x->sequence.n_tokens < y->sequence.n_tokens ? x->sequence.n_tokens : y->sequence.n_tokens;
    for (size_t i = 0; i < n; i++)
        if (x->tokens[i] != y->tokens[i])
            return x->tokens[i] < y->tokens[i] ? -1 : 1;
    if (x->sequence.n_tokens != y->sequence.n_tokens)
        return x->sequence.n_tokens < y->sequence.n_tokens ? -1 : 1;
    return x->episode < y->episode ? -1 : x->episode > y->episode;
}

azr_row *azr_rows_create(azr_episode *const *episodes, size_t n)
{
    azr_row *rows = azr_alloc(n, sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        azr_episode *episode = episodes[i];
        size_t n_prompt = episode->n_prompt, n_response = episode->sample->n_tokens;
        int32_t *tokens = azr_alloc(n_prompt + n_response, sizeof *tokens);
        memcpy(tokens, episode->prompt, n_prompt * sizeof *tokens);
        memcpy(tokens + n_prompt, episode->sample->tokens, n_response * sizeof *tokens);
        rows[i] = (azr_row){{tokens, n_prompt + n_response}, tokens, episode};
    }
    qsort(rows, n, sizeof *rows, compare_rows);
    return rows;
}

void azr_rows_destroy(azr_row *rows, size_t n)
{
    for (size_t i = 0; rows != NULL && i < n; i++)
        azr_free(rows[i].tokens);
    azr_free(rows);
}

/* Tokens of b that its neighbour a does not begin with. */
static size_t new_tokens(const azr_row *a, const azr_row *b)
{
    size_t i = 0;
    while (a != NULL && i < a->sequence.n_tokens && i < b->sequence.n_tokens &&
           a->tokens[i] == b->tokens[i])
        i++;
    return b->sequence.n_tokens - i;
}

size_t azr_rows_together(const azr_row *rows, size_t n, size_t first, size_t max_tokens)
{
    size_t i = first, n_tokens = 0;
    for (; i < n; i++) {
        n_tokens += new_tokens(i > first ? &rows[i - 1] : NULL, &rows[i]);
        if (i > first && n_tokens > max_tokens)
            break;
    }
    return i - first;
}

size_t azr_rows_count_targets(const azr_row *rows, size_t n)
{
    size_t n_targets = 0;
    for (size_t i = 0; i < n; i++)
        n_targets += rows[i].episode->sample->n_tokens;
    return n_targets;
}

/* --- micro-batches ---------------------------------------------------------------------------- */

void azr_micro_batch_init(azr_micro_batch *m, const azr_row *rows, size_t n, float temperature)
{
    azr_sequence *sequences = azr_alloc(n, sizeof *sequences);
    size_t n_targets = azr_rows_count_targets(rows, n), at = 0;
    for (size_t i = 0; i < n; i++)
        sequences[i] = rows[i].sequence;
    azr_forest_build(sequences, n, &m->forest);
    azr_free(sequences);
    m->targets = azr_alloc(n_targets, sizeof *m->targets);
    float **arrays[] = {&m->logprobs, &m->entropies, &m->dlogprobs, &m->dentropies};
    for (size_t i = 0; i < AZR_COUNT(arrays); i++)
        *arrays[i] = azr_alloc(n_targets, sizeof(float));
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < rows[i].episode->sample->n_tokens; t++)
            m->targets[at++] = azr_forest_find(&m->forest, i, rows[i].episode->n_prompt + t);
    m->batch = (azr_batch){.segments = m->forest.segments,
                           .n_segments = m->forest.n_segments,
                           .targets = m->targets,
                           .n_targets = n_targets,
                           .temperature = temperature};
}

void azr_micro_batch_deinit(azr_micro_batch *m)
{
    azr_forest_deinit(&m->forest);
    azr_free(m->targets);
    azr_free(m->logprobs);
    azr_free(m->entropies);
    azr_free(m->dlogprobs);
    azr_free(m->dentropies);
    *m = (azr_micro_batch){0};
}
