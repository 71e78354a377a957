/* forest.c: from a batch of segments to the rows of one pass: rows follow segments in their order,
 * each query is a segment, its keys are its ancestors' and its own rows. */
#include "model/network.h"

#include "base/check.h"

#include <math.h>

enum { MAX_ROWS = 1 << 26 };

static azr_status check_segments(const azr_model *model, const azr_batch *batch, int64_t *lengths,
                                 int64_t *out_rows, azr_error *error)
{
    int64_t n_rows = 0, n_vocab = model->shape.n_vocab, max_seq_len = model->shape.max_seq_len;
    for (size_t i = 0; i < batch->n_segments; i++) {
        const azr_segment *segment = &batch->segments[i];
        if (segment->n_tokens < 0 || segment->parent < -1 || segment->parent >= (int64_t)i)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "segment %zu of the batch has %d tokens and parent %d", i,
                                 segment->n_tokens, segment->parent);
        lengths[i] = segment->n_tokens + (segment->parent >= 0 ? lengths[segment->parent] : 0);
        if (lengths[i] > max_seq_len)
            return azr_error_set(error, AZR_ERROR_LIMIT,
                                 "a sequence of %lld tokens is longer than the model's %lld",
                                 (long long)lengths[i], (long long)max_seq_len);
        for (int32_t j = 0; j < segment->n_tokens; j++)
            if (segment->tokens[j] < 0 || segment->tokens[j] >= n_vocab)
                return azr_error_set(error, AZR_ERROR_INPUT,
                                     "token %d is not in the model's vocabulary of %lld",
                                     segment->tokens[j], (long long)n_vocab);
        n_rows += segment->n_tokens;
        if (n_rows > MAX_ROWS)
            return azr_error_set(error, AZR_ERROR_LIMIT, "a batch of more than %d tokens",
                                 (int)MAX_ROWS);
    }
    *out_rows = n_rows;
    return AZR_OK;
}

static azr_status check_targets(const azr_batch *batch, const int64_t *lengths, azr_error *error)
{
    if (!(batch->temperature > 0 && isfinite(batch->temperature)))
        return azr_error_set(error, AZR_ERROR_INPUT, "a temperature of %g, must be above 0",
                             (double)batch->temperature);
    for (size_t i = 0; i < batch->n_targets; i++) {
        azr_target t = batch->targets[i];
        bool known = t.segment >= 0 && (size_t)t.segment < batch->n_segments;
        if (!known || t.index < 0 || t.index >= batch->segments[t.segment].n_tokens)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "target %zu is token %d of segment %d, which is not there", i,
                                 t.index, t.segment);
        if (lengths[t.segment] - batch->segments[t.segment].n_tokens + t.index == 0)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "target %zu is the first token of its sequence", i);
    }
    return AZR_OK;
}

azr_status azr_model__check_batch(const azr_model *model, const azr_batch *batch, int64_t *out_rows,
                                  azr_error *error)
{
    int64_t *lengths = azr_try_alloc(batch->n_segments, sizeof *lengths);
    if (lengths == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu segments",
                             batch->n_segments);
    azr_status status = check_segments(model, batch, lengths, out_rows, error);
    if (status == AZR_OK)
        status = check_targets(batch, lengths, error);
    azr_free(lengths);
    return status;
}

void azr_model__list_rows(const azr_batch *batch, int64_t *first_rows, int64_t *last_rows)
{
    int64_t n_rows = 0;
    for (size_t i = 0; i < batch->n_segments; i++) {
        const azr_segment *segment = &batch->segments[i];
        first_rows[i] = n_rows;
        n_rows += segment->n_tokens;
        last_rows[i] = segment->n_tokens > 0  ? n_rows - 1
                       : segment->parent >= 0 ? last_rows[segment->parent]
                                              : -1;
    }
}

/* What a segment needs besides its tokens. */
typedef struct place {
    int64_t first_row, first_position, depth;
    int64_t root;
} place;

static int64_t place_segments(const azr_batch *batch, place *places)
{
    int64_t n_rows = 0, n_spans = 0;
    for (size_t i = 0; i < batch->n_segments; i++) {
        const azr_segment *segment = &batch->segments[i];
        place *p = &places[i];
        *p = (place){n_rows, 0, 1, (int64_t)i};
        if (segment->parent >= 0) {
            const place *parent = &places[segment->parent];
            p->first_position = parent->first_position + batch->segments[segment->parent].n_tokens;
            p->depth = parent->depth + 1;
            p->root = parent->root;
        }
        n_rows += segment->n_tokens;
        n_spans += p->depth;
    }
    return n_spans;
}

/* Writes the keys of a segment's chain, root first; returns their number. */
static int64_t list_spans(const azr_model_shape *s, const azr_batch *batch, const place *places,
                          int64_t i_segment, const azr_kv_span *base, int64_t *chain,
                          azr_kv_span *spans)
{
    int64_t n_spans = 0, depth = places[i_segment].depth, at = i_segment;
    int64_t w = azr_model__qkv_width(s);
    for (int64_t i = depth - 1; i >= 0; i--, at = batch->segments[at].parent)
        chain[i] = at;
    for (int64_t i = 0; i < depth; i++) {
        int64_t row = places[chain[i]].first_row;
        azr_kv_span span = {.k = base->k + row * w,
                            .v = base->v + row * w,
                            .dk = base->dk != NULL ? base->dk + row * w : NULL,
                            .dv = base->dv != NULL ? base->dv + row * w : NULL,
                            .stride = w,
                            .n = batch->segments[chain[i]].n_tokens};
        n_spans = azr_model__span_push(spans, n_spans, &span);
    }
    return n_spans;
}

static void fill_rows(const azr_model *model, const azr_batch *batch, const place *places,
                      const azr_kv_span *base, int64_t *chain, azr_model__rows *rows)
{
    rows->n_queries = 0;
    for (size_t i = 0; i < batch->n_segments; i++) {
        const azr_segment *segment = &batch->segments[i];
        const place *p = &places[i];
        for (int32_t j = 0; j < segment->n_tokens; j++) {
            rows->tokens[p->first_row + j] = segment->tokens[j];
            rows->positions[p->first_row + j] = (int32_t)(p->first_position + j);
        }
        if (segment->n_tokens == 0)
            continue;
        azr_kv_span *spans = rows->spans + rows->n_spans;
        int64_t n = list_spans(&model->shape, batch, places, (int64_t)i, base, chain, spans);
        rows->n_spans += n;
        rows->queries[rows->n_queries++] = (azr_attention_query){
            p->first_row, segment->n_tokens, p->first_position, spans, n, p->root};
    }
}

azr_status azr_model__rows_from_batch(const azr_model *model, const azr_batch *batch,
                                      const azr_model__space *space,
                                      const azr_model__gradient_space *gradients,
                                      azr_model__rows *rows, azr_error *error)
{
    const azr_model_shape *s = &model->shape;
    int64_t n_rows = 0, w = azr_model__qkv_width(s);
    for (size_t i = 0; i < batch->n_segments; i++)
        n_rows += batch->segments[i].n_tokens;
    AZR_CHECK(n_rows <= space->capacity);
    place *places = azr_try_alloc(batch->n_segments, sizeof *places);
    int64_t *chain = azr_try_alloc(batch->n_segments, sizeof *chain);
    azr_status status;
    if (places == NULL || chain == NULL) {
        status =
            azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu segments", batch->n_segments);
        goto done;
    }
    int64_t n_spans = place_segments(batch, places);
    status = azr_model__rows_resize(rows, n_rows, (int64_t)batch->n_segments, n_spans, error);
    if (status != AZR_OK)
        goto done;
    int64_t n_q = s->n_heads * s->d_head, n_kv = s->n_kv_heads * s->d_head;
    azr_kv_span base = {.k = space->qkv + n_q, .v = space->qkv + n_q + n_kv};
    if (gradients != NULL) {
        base.dk = gradients->dqkv + n_q;
        base.dv = gradients->dqkv + n_q + n_kv;
    }
    rows->span_step = space->keep == KEEP_ALL ? space->capacity * w : 0;
    fill_rows(model, batch, places, &base, chain, rows);
done:
    azr_free(places);
    azr_free(chain);
    return status;
}
