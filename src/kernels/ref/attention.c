/* attention.c: softmax attention over spans of keys, plain loops. */
#include "kernels/table.h"

#include <math.h>
#include <string.h>

/* The key (or value) rows of one kv head, walked by absolute position across spans. */
typedef struct key_walk {
    const azr_kv_span *span;
    int64_t i; /* row inside the span */
} key_walk;

static key_walk walk_begin(const azr_attention_query *query)
{
    key_walk walk = {query->spans, 0};
    return walk;
}

/* Steps over empty and finished spans; call before each use. */
static const azr_kv_span *walk_span(key_walk *walk)
{
    while (walk->i >= walk->span->n) {
        walk->span++;
        walk->i = 0;
    }
    return walk->span;
}

/* Of f16: shifted into the place of a float's, exponent and mantissa mean 2^(15 - 127) times the
 * number, also where it is below 2^-14. Only infinity and NaN need their exponent set. */
static float from_f16(uint16_t half)
{
    uint32_t bits = (uint32_t)(half & 0x7fffU) << 13;
    float number;
    memcpy(&number, &bits, sizeof number);
    number *= 0x1p112F;
    if ((half & 0x7c00U) == 0x7c00U)
        number = (half & 0x3ffU) != 0 ? NAN : INFINITY;
    return (half & 0x8000U) != 0 ? -number : number;
}

static float page_number(const azr_kv_span *span, int64_t i)
{
    return span->page != NULL ? span->page[i] : from_f16(span->page_f16[i]);
}

/* Number e of the key of kv head h at row i of a span. */
static float key_number(const azr_kv_span *span, int64_t d, int64_t i, int64_t h, int64_t e)
{
    if (span->k == NULL)
        return page_number(span, (h * 2 * d + e) * AZR_KV_PAGE + i);
    return span->k[i * span->stride + h * d + e];
}

static float value_number(const azr_kv_span *span, int64_t d, int64_t i, int64_t h, int64_t e)
{
    if (span->v == NULL)
        return page_number(span, (h * 2 + 1) * d * AZR_KV_PAGE + i * d + e);
    return span->v[i * span->stride + h * d + e];
}

static float dot(int64_t n, const float *a, const float *b)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* probs[j] = softmax over positions 0 .. n_keys - 1 of scale q k_j. */
static void probabilities(const azr_attention_shape *shape, const azr_attention_query *query,
                          int64_t n_keys, int64_t i_kv, const float *q, float *probs)
{
    key_walk walk = walk_begin(query);
    float max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n_keys; j++, walk.i++) {
        const azr_kv_span *span = walk_span(&walk);
        float sum_qk = 0;
        for (int64_t e = 0; e < shape->d_head; e++)
            sum_qk += q[e] * key_number(span, shape->d_head, walk.i, i_kv, e);
        probs[j] = shape->scale * sum_qk;
        max = probs[j] > max ? probs[j] : max;
    }
    for (int64_t j = 0; j < n_keys; j++) {
        probs[j] = expf(probs[j] - max);
        sum += probs[j];
    }
    for (int64_t j = 0; j < n_keys; j++)
        probs[j] /= sum;
}

static void forward_head(const azr_attention_shape *shape, const azr_attention_query *query,
                         int64_t i, int64_t h, const float *q, int64_t q_stride, float *out,
                         float *scratch)
{
    int64_t d = shape->d_head, i_kv = h / (shape->n_heads / shape->n_kv_heads);
    int64_t row = query->first_row + i, n_keys = query->first_position + i + 1;
    float *o = out + (row * shape->n_heads + h) * d;
    probabilities(shape, query, n_keys, i_kv, q + row * q_stride + h * d, scratch);
    for (int64_t e = 0; e < d; e++)
        o[e] = 0;
    key_walk walk = walk_begin(query);
    for (int64_t j = 0; j < n_keys; j++, walk.i++) {
        const azr_kv_span *span = walk_span(&walk);
        for (int64_t e = 0; e < d; e++)
            o[e] += scratch[j] * value_number(span, d, walk.i, i_kv, e);
    }
}

void azr_kernels__attention_forward_ref(const azr_attention_shape *shape,
                                        const azr_attention_job *job, const float *q,
                                        int64_t q_stride, float *out, float *scratch)
{
    int64_t group = shape->n_heads / shape->n_kv_heads;
    for (int64_t j = 0; j < job->n_queries; j++)
        for (int64_t i = job->i_begin; i < job->i_end; i++)
            for (int64_t h = job->kv_begin * group; h < job->kv_end * group; h++)
                forward_head(shape, &job->queries[j], i, h, q, q_stride, out, scratch);
}

/* With P = softmax(S), S = scale q Kᵀ, out = P V and D = dout . out:
 * dV_j += P_j dout, dS_j = P_j (dout . v_j - D), dq = scale sum dS_j k_j, dK_j += scale dS_j q. */
void azr_kernels__attention_backward_ref(const azr_attention_shape *shape,
                                         const azr_attention_query *query, int64_t i_kv,
                                         const azr_attention_gradients *arrays, float *scratch)
{
    int64_t d = shape->d_head, group = shape->n_heads / shape->n_kv_heads;
    for (int64_t i = 0; i < query->n_rows; i++) {
        for (int64_t h = i_kv * group; h < (i_kv + 1) * group; h++) {
            int64_t row = query->first_row + i, n_keys = query->first_position + i + 1;
            const float *q = arrays->q + row * arrays->q_stride + h * d;
            const float *dout = arrays->dout + (row * shape->n_heads + h) * d;
            float *dq = arrays->dq + row * arrays->dq_stride + h * d;
            float shift = dot(d, dout, arrays->out + (row * shape->n_heads + h) * d);
            probabilities(shape, query, n_keys, i_kv, q, scratch);
            for (int64_t e = 0; e < d; e++)
                dq[e] = 0;
            key_walk walk = walk_begin(query);
            for (int64_t j = 0; j < n_keys; j++, walk.i++) {
                const azr_kv_span *span = walk_span(&walk);
                int64_t at = walk.i * span->stride + i_kv * d;
                float ds = scratch[j] * (dot(d, dout, span->v + at) - shift) * shape->scale;
                for (int64_t e = 0; e < d; e++) {
                    span->dv[at + e] += scratch[j] * dout[e];
                    span->dk[at + e] += ds * q[e];
                    dq[e] += ds * span->k[at + e];
                }
            }
        }
    }
}
