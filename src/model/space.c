/* space.c: memory for the passes: activations, gradients of them, blocks of logits, angles of rope;
 * allocated once for the largest pass seen. And how much of all that a plan needs. */
#include "model/network.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

/* Rows are given out in multiples of these. */
static int64_t round_rows(int64_t n_rows)
{
    return (n_rows + 15) / 16 * 16;
}

/* Floats that one row takes in each slot besides x and gate_up. */
static int64_t layer_floats(const azr_model_shape *s)
{
    int64_t w = azr_model__qkv_width(s);
    return s->d_model + w + (s->qk_norm ? w : 0) + s->n_heads * s->d_head;
}

static int64_t count_slots(const azr_model_shape *s, azr_model__keep keep)
{
    return keep == KEEP_ALL ? s->n_layers : 1;
}

static int64_t count_inputs(const azr_model_shape *s, azr_model__keep keep)
{
    return keep == KEEP_NOTHING ? 1 : s->n_layers + 1;
}

/* The widest arrays go block by block where nobody looks at them later. */
static int64_t count_wide_rows(azr_model__keep keep, int64_t n_rows)
{
    bool block = keep == KEEP_NOTHING && n_rows > AZR_MODEL__PREFILL_ROWS;
    return block ? AZR_MODEL__PREFILL_ROWS : round_rows(n_rows);
}

/* n_rows is far below 2^31 and the shape within its limits: no overflow. */
static size_t space_floats(const azr_model_shape *s, azr_model__keep keep, int64_t n_rows)
{
    int64_t n_slots = count_slots(s, keep), n_wide = count_wide_rows(keep, n_rows);
    int64_t narrow = n_slots * layer_floats(s) + (count_inputs(s, keep) + 1) * s->d_model;
    return (size_t)(round_rows(n_rows) * narrow + n_wide * (n_slots * 2 + 1) * s->d_ff);
}

static size_t gradient_floats(const azr_model_shape *s, int64_t n_rows)
{
    return (size_t)(round_rows(n_rows) *
                    (2 * s->d_model + azr_model__qkv_width(s) + s->n_heads * s->d_head + s->d_ff));
}

static size_t head_floats(const azr_model_shape *s)
{
    return (size_t)(AZR_MODEL__HEAD_ROWS * (3 * s->d_model + s->n_vocab));
}

/* A new block in place of the old one, which goes first so that both never coexist. */
static azr_status replace_block(size_t n_floats, float **block, size_t *out_floats,
                                azr_error *error)
{
    azr_free(*block);
    *out_floats = 0;
    *block = azr_try_alloc_aligned(n_floats, sizeof(float));
    if (*block == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %.1f MiB of activations",
                             (double)n_floats * sizeof(float) / (1 << 20));
    *out_floats = n_floats;
    return AZR_OK;
}

static float *cut(float **at, int64_t n)
{
    float *begin = *at;
    *at += n;
    return begin;
}

azr_status azr_model__space_ensure(const azr_model_shape *s, azr_model__keep keep, int64_t n_rows,
                                   azr_model__space *space, azr_error *error)
{
    int64_t w = azr_model__qkv_width(s), capacity = round_rows(n_rows);
    if (capacity <= space->capacity && space->keep == keep)
        return AZR_OK;
    space->capacity = 0;
    azr_status status =
        replace_block(space_floats(s, keep, n_rows), &space->block, &space->n_floats, error);
    if (status != AZR_OK)
        return status;
    float *at = space->block;
    int64_t n_slots = count_slots(s, keep), n = capacity * n_slots;
    space->capacity = capacity;
    space->wide_rows = count_wide_rows(keep, n_rows);
    space->keep = keep;
    space->x = cut(&at, count_inputs(s, keep) * capacity * s->d_model);
    space->qkv = cut(&at, n * w);
    space->qk_raw = s->qk_norm ? cut(&at, n * w) : NULL;
    space->attention = cut(&at, n * s->n_heads * s->d_head);
    space->mid = cut(&at, n * s->d_model);
    space->gate_up = cut(&at, n_slots * space->wide_rows * 2 * s->d_ff);
    space->norm = cut(&at, capacity * s->d_model);
    space->gated = cut(&at, space->wide_rows * s->d_ff);
    AZR_CHECK_EQ(at - space->block, space->n_floats);
    return AZR_OK;
}

int64_t azr_model__slot_of(const azr_model__space *space, int64_t i_layer)
{
    return space->keep == KEEP_ALL ? i_layer : 0;
}

float *azr_model__layer_input(const azr_model_shape *s, const azr_model__space *space,
                              int64_t i_layer)
{
    int64_t i = space->keep == KEEP_NOTHING ? 0 : i_layer;
    return space->x + i * space->capacity * s->d_model;
}

azr_status azr_model__gradient_space_ensure(const azr_model_shape *s, int64_t n_rows,
                                            azr_model__gradient_space *space, azr_error *error)
{
    int64_t capacity = round_rows(n_rows);
    if (capacity <= space->capacity)
        return AZR_OK;
    space->capacity = 0;
    azr_status status =
        replace_block(gradient_floats(s, n_rows), &space->block, &space->n_floats, error);
    if (status != AZR_OK)
        return status;
    float *at = space->block;
    space->capacity = capacity;
    space->dx = cut(&at, capacity * s->d_model);
    space->dnorm = cut(&at, capacity * s->d_model);
    space->dqkv = cut(&at, capacity * azr_model__qkv_width(s));
    space->dattention = cut(&at, capacity * s->n_heads * s->d_head);
    space->dgated = cut(&at, capacity * s->d_ff);
    AZR_CHECK_EQ(at - space->block, space->n_floats);
    return AZR_OK;
}

azr_status azr_model__head_space_ensure(azr_model *model, azr_error *error)
{
    const azr_model_shape *s = &model->shape;
    azr_model__head_space *space = &model->head_space;
    if (space->block != NULL)
        return AZR_OK;
    azr_status status = replace_block(head_floats(s), &space->block, &space->n_floats, error);
    if (status != AZR_OK)
        return status;
    float *at = space->block;
    space->states = cut(&at, AZR_MODEL__HEAD_ROWS * s->d_model);
    space->raw = cut(&at, AZR_MODEL__HEAD_ROWS * s->d_model);
    space->dstates = cut(&at, AZR_MODEL__HEAD_ROWS * s->d_model);
    space->logits = cut(&at, AZR_MODEL__HEAD_ROWS * s->n_vocab);
    return AZR_OK;
}

/* Angles are f32, as transformers computes them; sine and cosine of those in double, so that they
 * are the nearest f32 on every machine. */
static void fill_angles(const azr_model_shape *s, int64_t n_positions, float *cosines, float *sines)
{
    int64_t n_pairs = s->d_head / 2;
    float frequencies[512];
    AZR_CHECK(n_pairs <= (int64_t)AZR_COUNT(frequencies));
    azr_model__rope_frequencies(s, frequencies);
#pragma omp parallel for num_threads(azr_kernels_threads()) schedule(static)
    for (int64_t p = 0; p < n_positions; p++) {
        for (int64_t i = 0; i < n_pairs; i++) {
            float angle = (float)p * frequencies[i];
            cosines[p * n_pairs + i] = (float)cos((double)angle);
            sines[p * n_pairs + i] = (float)sin((double)angle);
        }
    }
}

/* Positions whose angles exist once n_positions are in use. */
static int64_t rope_rows(const azr_model_shape *s, int64_t n_positions)
{
    int64_t n = AZR_MODEL__ROPE_ROWS;
    while (n < n_positions)
        n *= 2;
    return n < s->max_seq_len ? n : s->max_seq_len;
}

azr_status azr_model__rope_ensure(azr_model *model, int64_t n_positions, azr_error *error)
{
    const azr_model_shape *s = &model->shape;
    AZR_CHECK(n_positions <= s->max_seq_len);
    if (n_positions <= model->n_rope)
        return AZR_OK;
    int64_t n = rope_rows(s, n_positions);
    float *cosines = azr_try_alloc_aligned((size_t)(n * s->d_head / 2), sizeof(float));
    float *sines = azr_try_alloc_aligned((size_t)(n * s->d_head / 2), sizeof(float));
    if (cosines == NULL || sines == NULL) {
        azr_free(cosines);
        azr_free(sines);
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the angles of %lld positions",
                             (long long)n);
    }
    fill_angles(s, n, cosines, sines);
    azr_free(model->rope_cos);
    azr_free(model->rope_sin);
    model->rope_cos = cosines;
    model->rope_sin = sines;
    model->n_rope = n;
    return AZR_OK;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* At least n, and half as much again as before, so that a growing decode seldom allocates. */
static int64_t grow(int64_t n, int64_t capacity)
{
    return n <= capacity ? capacity : n > capacity + capacity / 2 ? n : capacity + capacity / 2;
}

azr_status azr_model__rows_resize(azr_model__rows *rows, int64_t n_rows, int64_t n_queries,
                                  int64_t n_spans, azr_error *error)
{
    if (n_rows > rows->capacity_rows || n_queries > rows->capacity_queries ||
        n_spans > rows->capacity_spans) {
        int64_t room = grow(n_rows, rows->capacity_rows);
        int64_t query_room = grow(n_queries, rows->capacity_queries);
        int64_t span_room = grow(n_spans, rows->capacity_spans);
        azr_model__rows_deinit(rows);
        rows->tokens = azr_try_alloc((size_t)room, sizeof *rows->tokens);
        rows->positions = azr_try_alloc((size_t)room, sizeof *rows->positions);
        rows->places = azr_try_alloc((size_t)room, sizeof *rows->places);
        rows->queries = azr_try_alloc((size_t)query_room, sizeof *rows->queries);
        rows->spans = azr_try_alloc((size_t)span_room, sizeof *rows->spans);
        if (rows->tokens == NULL || rows->positions == NULL || rows->places == NULL ||
            rows->queries == NULL || rows->spans == NULL) {
            azr_model__rows_deinit(rows);
            return azr_error_set(error, AZR_ERROR_MEMORY,
                                 "no memory for %lld tokens and %lld spans of keys",
                                 (long long)n_rows, (long long)n_spans);
        }
        rows->capacity_rows = room;
        rows->capacity_queries = query_room;
        rows->capacity_spans = span_room;
    }
    rows->n_rows = n_rows;
    rows->n_queries = n_queries;
    rows->n_spans = 0;
    rows->cache = NULL;
    rows->cache_f16 = NULL;
    return AZR_OK;
}

void azr_model__rows_deinit(azr_model__rows *rows)
{
    azr_free(rows->tokens);
    azr_free(rows->positions);
    azr_free(rows->places);
    azr_free(rows->queries);
    azr_free(rows->spans);
    *rows = (azr_model__rows){0};
}

int64_t azr_model__span_push(azr_kv_span *spans, int64_t n_spans, const azr_kv_span *span)
{
    if (span->n == 0)
        return n_spans;
    if (n_spans > 0 && span->k != NULL) {
        azr_kv_span *last = &spans[n_spans - 1];
        if (last->stride == span->stride && last->k + last->n * last->stride == span->k) {
            last->n += span->n;
            return n_spans;
        }
    }
    spans[n_spans] = *span;
    return n_spans + 1;
}

/* --- the plan --------------------------------------------------------------------------------- */

size_t azr_model__space_bytes(const azr_model *model)
{
    return sizeof(float) *
           (model->passing.n_floats + model->kept.n_floats + model->gradient_space.n_floats +
            model->head_space.n_floats + (size_t)(model->n_rope * model->shape.d_head));
}

/* Bytes of the packed matrices of one layer. */
static size_t packed_layer(const azr_model_shape *s, azr_dtype dtype, bool trains)
{
    int64_t d_attention = s->n_heads * s->d_head;
    return azr_linear_bytes(azr_model__qkv_width(s), s->d_model, dtype, trains) +
           azr_linear_bytes(s->d_model, d_attention, dtype, trains) +
           azr_linear_bytes(2 * s->d_ff, s->d_model, dtype, trains) +
           azr_linear_bytes(s->d_model, s->d_ff, dtype, trains);
}

static size_t packed_model(const azr_model_shape *s, azr_dtype dtype, int64_t n_layers, bool trains)
{
    return azr_linear_bytes(s->n_vocab, s->d_model, dtype, trains) +
           (size_t)n_layers * packed_layer(s, dtype, trains);
}

/* Recomputing gives a layer's packed weights back after use: what counts is then decoding, which
 * needs all of them one way, or the LM head and one layer both ways. */
static size_t plan_compute(const azr_model_shape *s, azr_dtype dtype, int64_t streams,
                           bool recompute)
{
    size_t decode = streams > 0 ? packed_model(s, dtype, s->n_layers, false) : 0;
    size_t train = packed_model(s, dtype, recompute ? 1 : s->n_layers, true);
    return train > decode ? train : decode;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Room for n_rows of the widest input of a product, as the product takes them. */
static size_t plan_inputs(const azr_model_shape *s, azr_dtype dtype, int64_t n_rows)
{
    int64_t widest = s->n_heads * s->d_head > s->d_model ? s->n_heads * s->d_head : s->d_model;
    return azr_linear_scratch_bytes(n_rows, 0, widest > s->d_ff ? widest : s->d_ff, dtype);
}

/* Inputs, and gradients of outputs: of the widest layer or of the LM head. */
static size_t plan_products(const azr_model_shape *s, azr_dtype dtype, int64_t n_rows)
{
    size_t inputs = larger(plan_inputs(s, dtype, n_rows),
                           azr_linear_scratch_bytes(AZR_MODEL__HEAD_ROWS, 0, s->d_model, dtype));
    size_t layer = azr_linear_scratch_bytes(n_rows, 2 * s->d_ff, 0, dtype);
    return inputs +
           larger(layer, azr_linear_scratch_bytes(AZR_MODEL__HEAD_ROWS, s->n_vocab, 0, dtype));
}

azr_model_memory azr_model_plan(const azr_model_shape *s, azr_dtype dtype, azr_kv_dtype kv_dtype,
                                int64_t kv_tokens, int64_t streams, int64_t micro_batch_tokens,
                                bool recompute)
{
    azr_model_memory plan = {0};
    int64_t n_pass = streams > AZR_MODEL__PREFILL_ROWS ? streams : AZR_MODEL__PREFILL_ROWS;
    azr_model__keep keep = recompute ? KEEP_INPUTS : KEEP_ALL;
    plan.weights = (size_t)azr_model__count_weights(s) * sizeof(float);
    plan.gradients = plan.weights;
    plan.compute = plan_compute(s, dtype, streams, recompute);
    plan.kv = kv_tokens > 0 ? azr_model__kv_bytes(s, kv_dtype, kv_tokens) : 0;
    plan.activations =
        (space_floats(s, keep, micro_batch_tokens) + gradient_floats(s, micro_batch_tokens)) *
        sizeof(float);
    plan.scoring = space_floats(s, KEEP_NOTHING, micro_batch_tokens) * sizeof(float);
    plan.scratch = (head_floats(s) + (size_t)(rope_rows(s, 1) * s->d_head)) * sizeof(float) +
                   plan_inputs(s, dtype, n_pass);
    plan.products = plan_products(s, dtype, micro_batch_tokens);
    if (streams > 0)
        plan.scratch += space_floats(s, KEEP_NOTHING, n_pass) * sizeof(float);
    return plan;
}
