/* head.c: from states to tokens and log-probabilities, and back. The LM head goes in blocks of
 * rows: logits never exist for all of them, and learning makes each block once, for scores and
 * gradients. A row that predicts several targets (the end of a prompt with eight answers) goes
 * through the head once. */
#include "model/network.h"

#include "base/check.h"

#include <math.h>
#include <omp.h>
#include <string.h>

void azr_model__final_norm(const azr_model *model, int64_t n, const float *x, float *states)
{
    int64_t d = model->shape.d_model;
    azr_rmsnorm_forward(n, d, model->shape.norm_eps, x, d, model->weights + model->at_final_norm,
                        states, d);
}

static azr_status check_finite(size_t n, const float *values, const char *what, azr_error *error)
{
    for (size_t i = 0; values != NULL && i < n; i++)
        if (!isfinite(values[i]))
            return azr_error_set(error, AZR_ERROR_NUMERIC, "%s %zu of %zu is %g", what, i, n,
                                 (double)values[i]);
    return AZR_OK;
}

static azr_status check_results(size_t n, const float *logprobs, const float *entropies,
                                azr_error *error)
{
    azr_status status = check_finite(n, logprobs, "log-probability", error);
    return status == AZR_OK ? check_finite(n, entropies, "entropy", error) : status;
}

/* --- which rows predict which targets --------------------------------------------------------- */

typedef struct predictions {
    int64_t n;       /* distinct rows */
    int64_t *rows;   /* [n] */
    int64_t *begins; /* [n + 1] into targets */
    size_t *targets; /* indices of batch targets, grouped by row */
} predictions;

static void predictions_deinit(predictions *p)
{
    azr_free(p->rows);
    azr_free(p->begins);
    azr_free(p->targets);
}

/* rows_of [n_targets] are the rows; index_of [n_rows] is -1 throughout. */
static void group_targets(size_t n_targets, const int64_t *rows_of, int64_t *index_of,
                          predictions *p)
{
    p->n = 0;
    for (size_t i = 0; i < n_targets; i++) {
        if (index_of[rows_of[i]] < 0) {
            index_of[rows_of[i]] = p->n;
            p->rows[p->n++] = rows_of[i];
        }
        p->begins[index_of[rows_of[i]] + 1]++;
    }
    for (int64_t i = 0; i < p->n; i++)
        p->begins[i + 1] += p->begins[i];
    for (size_t i = 0; i < n_targets; i++)
        p->targets[p->begins[index_of[rows_of[i]]]++] = i;
    for (int64_t i = p->n; i > 0; i--)
        p->begins[i] = p->begins[i - 1];
    p->begins[0] = 0;
}

static azr_status find_predictions(const azr_batch *batch, int64_t n_rows, predictions *out,
                                   azr_error *error)
{
    size_t n = batch->n_targets;
    azr_status status = AZR_OK;
    int64_t *firsts = azr_try_alloc(batch->n_segments, sizeof *firsts);
    int64_t *lasts = azr_try_alloc(batch->n_segments, sizeof *lasts);
    int64_t *rows_of = azr_try_alloc(n, sizeof *rows_of);
    int64_t *index_of = azr_try_alloc((size_t)n_rows, sizeof *index_of);
    predictions p = {0, azr_try_alloc(n, sizeof *p.rows), azr_try_alloc(n + 1, sizeof *p.begins),
                     azr_try_alloc(n, sizeof *p.targets)};
    if (firsts == NULL || lasts == NULL || rows_of == NULL || index_of == NULL || p.rows == NULL ||
        p.begins == NULL || p.targets == NULL) {
        predictions_deinit(&p);
        p = (predictions){0};
        status = azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu targets", n);
        goto done;
    }
    azr_model__list_rows(batch, firsts, lasts);
    for (int64_t i = 0; i < n_rows; i++)
        index_of[i] = -1;
    for (size_t i = 0; i < n; i++) {
        azr_target t = batch->targets[i];
        rows_of[i] = t.index > 0 ? firsts[t.segment] + t.index - 1
                                 : lasts[batch->segments[t.segment].parent];
    }
    group_targets(n, rows_of, index_of, &p);
done:
    azr_free(firsts);
    azr_free(lasts);
    azr_free(rows_of);
    azr_free(index_of);
    *out = p;
    return status;
}

static int32_t target_token(const azr_batch *batch, size_t i)
{
    azr_target t = batch->targets[i];
    return batch->segments[t.segment].tokens[t.index];
}

/* --- blocks of rows --------------------------------------------------------------------------- */

/* Gathers rows [begin, begin + n) of the predictions and computes their logits. */
static void compute_block(azr_model *model, const predictions *p, int64_t begin, int64_t n,
                          const float *x)
{
    const azr_model__head_space *space = &model->head_space;
    int64_t d = model->shape.d_model;
    for (int64_t i = 0; i < n; i++)
        memcpy(space->raw + i * d, x + p->rows[begin + i] * d, (size_t)d * sizeof(float));
    azr_model__final_norm(model, n, space->raw, space->states);
    azr_linear_forward(model->head, n, space->states, space->logits);
}

static int64_t block_rows(int64_t begin, int64_t n)
{
    return n - begin < AZR_MODEL__HEAD_ROWS ? n - begin : AZR_MODEL__HEAD_ROWS;
}

static void score_block(azr_model *model, const azr_batch *batch, const predictions *p,
                        int64_t begin, int64_t n, float *logprobs, float *entropies)
{
    int64_t n_vocab = model->shape.n_vocab;
#pragma omp parallel for num_threads(azr_kernels_threads()) schedule(dynamic)
    for (int64_t i = 0; i < n; i++) {
        const float *logits = model->head_space.logits + i * n_vocab;
        for (int64_t j = p->begins[begin + i]; j < p->begins[begin + i + 1]; j++) {
            size_t t = p->targets[j];
            int32_t token = target_token(batch, t);
            azr_logprob_forward(1, n_vocab, batch->temperature, logits, &token, &logprobs[t],
                                entropies != NULL ? &entropies[t] : NULL);
        }
    }
}

/* Values of the targets of rows [begin, begin + n) of the predictions. */
static azr_status check_block(const predictions *p, int64_t begin, int64_t n, const float *values,
                              const char *what, azr_error *error)
{
    for (int64_t j = p->begins[begin]; values != NULL && j < p->begins[begin + n]; j++)
        if (!isfinite(values[p->targets[j]]))
            return azr_error_set(error, AZR_ERROR_NUMERIC, "%s of target %zu is %g", what,
                                 p->targets[j], (double)values[p->targets[j]]);
    return AZR_OK;
}

/* Logits of rows [begin, begin + n) of the predictions, and their targets' scores. */
static azr_status run_block(azr_model *model, const azr_batch *batch, const predictions *p,
                            int64_t begin, int64_t n, const float *x, const azr_scores *scores,
                            azr_error *error)
{
    compute_block(model, p, begin, n, x);
    score_block(model, batch, p, begin, n, scores->logprobs, scores->entropies);
    azr_status status = check_block(p, begin, n, scores->logprobs, "the log-probability", error);
    return status == AZR_OK ? check_block(p, begin, n, scores->entropies, "the entropy", error)
                            : status;
}

/* Logits of row i of the block become their gradient. p is the same for all targets of a row, so
 * their gradients are one with the sums of coefficients, but for the targets' own entries. */
static void differentiate_row(const azr_batch *batch, const predictions *p, int64_t i_prediction,
                              int64_t n_vocab, float *logits, const azr_scores *scores)
{
    const float *dlogprobs = scores->dlogprobs, *dentropies = scores->dentropies;
    int64_t begin = p->begins[i_prediction], end = p->begins[i_prediction + 1];
    float dlogprob = 0, dentropy = 0, rest = 0;
    int32_t first = target_token(batch, p->targets[begin]);
    for (int64_t j = begin; j < end; j++) {
        dlogprob += dlogprobs[p->targets[j]];
        dentropy += dentropies != NULL ? dentropies[p->targets[j]] : 0;
    }
    azr_logprob_backward(1, n_vocab, batch->temperature, logits, &first, &dlogprob, &dentropy);
    for (int64_t j = begin + 1; j < end; j++) {
        float d = dlogprobs[p->targets[j]] / batch->temperature;
        logits[target_token(batch, p->targets[j])] += d;
        rest += d;
    }
    logits[first] -= rest;
}

static bool has_gradient(const predictions *p, int64_t i_prediction, const azr_scores *scores)
{
    for (int64_t j = p->begins[i_prediction]; j < p->begins[i_prediction + 1]; j++) {
        size_t t = p->targets[j];
        if (scores->dlogprobs[t] != 0 || (scores->dentropies != NULL && scores->dentropies[t] != 0))
            return true;
    }
    return false;
}

static void move_row(int64_t from, int64_t to, int64_t width, float *rows)
{
    memcpy(rows + to * width, rows + from * width, (size_t)width * sizeof *rows);
}

/* Of rows [begin, begin + n) of the predictions, which the block holds, those with a gradient:
 * their indices to kept. The last ones fill the gaps that others leave. Returns how many. */
static int64_t keep_rows(const azr_model *model, const predictions *p, int64_t begin, int64_t n,
                         const azr_scores *scores, int64_t *kept)
{
    const azr_model__head_space *space = &model->head_space;
    for (int64_t i = 0; i < n; i++)
        kept[i] = begin + i;
    for (int64_t i = 0; i < n;) {
        if (has_gradient(p, kept[i], scores)) {
            i++;
        } else if (--n > i) {
            move_row(n, i, model->shape.d_model, space->raw);
            move_row(n, i, model->shape.d_model, space->states);
            move_row(n, i, model->shape.n_vocab, space->logits);
            kept[i] = kept[n];
        }
    }
    return n;
}

/* The block's n rows, which are those of predictions kept [n], back to dx and gradients. */
static void differentiate_block(azr_model *model, const azr_batch *batch, const predictions *p,
                                const int64_t *kept, int64_t n, const azr_scores *scores)
{
    int64_t n_vocab = model->shape.n_vocab, d = model->shape.d_model;
    const azr_model__head_space *space = &model->head_space;
    float *dx = model->gradient_space.dx;
#pragma omp parallel for num_threads(azr_kernels_threads()) schedule(dynamic)
    for (int64_t i = 0; i < n; i++)
        differentiate_row(batch, p, kept[i], n_vocab, space->logits + i * n_vocab, scores);
    azr_linear_backward(model->head, n, space->states, space->logits, space->dstates,
                        model->gradients + model->at_head);
    azr_rmsnorm_backward(n, d, model->shape.norm_eps, space->raw, d,
                         model->weights + model->at_final_norm, space->dstates, d, space->dstates,
                         d, false, model->gradients + model->at_final_norm);
    for (int64_t i = 0; i < n; i++)
        memcpy(dx + p->rows[kept[i]] * d, space->dstates + i * d, (size_t)d * sizeof(float));
}

/* --- all blocks of a batch -------------------------------------------------------------------- */

static azr_status score_rows(azr_model *model, const azr_batch *batch, int64_t n_rows,
                             const float *x, const azr_scores *scores, azr_error *error)
{
    predictions p;
    azr_status status = find_predictions(batch, n_rows, &p, error);
    for (int64_t i = 0; status == AZR_OK && i < p.n; i += AZR_MODEL__HEAD_ROWS)
        status = run_block(model, batch, &p, i, block_rows(i, p.n), x, scores, error);
    predictions_deinit(&p);
    return status;
}

/* The derivatives of the loss by the scores of rows [begin, begin + n) of the predictions. */
static azr_status run_loss(const predictions *p, int64_t begin, int64_t n, const azr_scores *scores,
                           const azr_loss *loss, azr_error *error)
{
    azr_status status = AZR_OK;
    size_t n_targets = (size_t)(p->begins[begin + n] - p->begins[begin]);
    if (loss != NULL)
        status =
            loss->differentiate(loss->context, p->targets + p->begins[begin], n_targets, error);
    if (status == AZR_OK)
        status = check_block(p, begin, n, scores->dlogprobs, "the gradient", error);
    return status == AZR_OK
               ? check_block(p, begin, n, scores->dentropies, "the gradient of the entropy", error)
               : status;
}

/* From x, the last layer's output, to dx. *out_any: there is a gradient. */
static azr_status learn_rows(azr_model *model, const azr_batch *batch, int64_t n_rows,
                             const float *x, const azr_scores *scores, const azr_loss *loss,
                             bool *out_any, azr_error *error)
{
    predictions p;
    int64_t kept[AZR_MODEL__HEAD_ROWS];
    azr_status status = find_predictions(batch, n_rows, &p, error);
    *out_any = false;
    memset(model->gradient_space.dx, 0,
           (size_t)(n_rows * model->shape.d_model) * sizeof *model->gradient_space.dx);
    for (int64_t i = 0; status == AZR_OK && i < p.n; i += AZR_MODEL__HEAD_ROWS) {
        int64_t n = block_rows(i, p.n);
        status = run_block(model, batch, &p, i, n, x, scores, error);
        if (status == AZR_OK)
            status = run_loss(&p, i, n, scores, loss, error);
        int64_t n_kept = status == AZR_OK ? keep_rows(model, &p, i, n, scores, kept) : 0;
        if (n_kept > 0)
            differentiate_block(model, batch, &p, kept, n_kept, scores);
        *out_any = *out_any || n_kept > 0;
    }
    predictions_deinit(&p);
    return status;
}

/* --- a batch ---------------------------------------------------------------------------------- */

static int64_t count_positions(const azr_model__rows *rows)
{
    int32_t last = 0;
    for (int64_t i = 0; i < rows->n_rows; i++)
        last = rows->positions[i] > last ? rows->positions[i] : last;
    return last + 1;
}

/* The checked batch as rows of a pass, and memory for it and the head's blocks. keep: into
 * model->kept, for backward. */
static azr_status prepare_batch(azr_model *model, const azr_batch *batch, bool keep, int64_t n_rows,
                                azr_error *error)
{
    const azr_model_shape *s = &model->shape;
    azr_model__keep what = !keep ? KEEP_NOTHING : model->recompute ? KEEP_INPUTS : KEEP_ALL;
    azr_model__space *space = keep ? &model->kept : &model->passing;
    azr_model__rows *rows = keep ? &model->kept_rows : &model->rows;
    azr_model__gradient_space *gradients = keep ? &model->gradient_space : NULL;
    int64_t n_room = !keep && n_rows < AZR_MODEL__PREFILL_ROWS ? AZR_MODEL__PREFILL_ROWS : n_rows;
    if (what == KEEP_INPUTS) /* what decoding left and the activations shall not meet */
        azr_model__release_layers(model);
    azr_status status = azr_model__space_ensure(s, what, n_room, space, error);
    if (status == AZR_OK && keep)
        status = azr_model__gradient_space_ensure(s, n_rows, gradients, error);
    if (status == AZR_OK)
        status = azr_model__head_space_ensure(model, error);
    if (status == AZR_OK)
        status = azr_model__rows_from_batch(model, batch, space, gradients, rows, error);
    if (status != AZR_OK)
        return status;
    return azr_model__rope_ensure(model, count_positions(rows), error);
}

azr_status azr_model_score(azr_model *model, const azr_batch *batch, float *logprobs,
                           float *entropies, azr_error *error)
{
    int64_t n_rows;
    azr_status status = azr_model__check_batch(model, batch, &n_rows, error);
    if (status == AZR_OK && n_rows > 0)
        status = prepare_batch(model, batch, false, n_rows, error);
    if (status != AZR_OK || n_rows == 0)
        return status;
    const float *x = azr_model__forward_rows(model, &model->rows, &model->passing);
    azr_scores scores = {0};
    scores.logprobs = logprobs;
    scores.entropies = entropies;
    return score_rows(model, batch, n_rows, x, &scores, error);
}

azr_status azr_model_learn(azr_model *model, const azr_batch *batch, const azr_scores *scores,
                           const azr_loss *loss, azr_error *error)
{
    int64_t n_rows;
    bool any;
    AZR_CHECK(model->gradients != NULL);
    azr_status status = azr_model__check_batch(model, batch, &n_rows, error);
    if (status != AZR_OK || batch->n_targets == 0)
        return status;
    status = prepare_batch(model, batch, true, n_rows, error);
    if (status != AZR_OK)
        return status;
    const float *x = azr_model__forward_rows(model, &model->kept_rows, &model->kept);
    status = learn_rows(model, batch, n_rows, x, scores, loss, &any, error);
    if (model->kept.keep == KEEP_INPUTS)
        azr_linear_release(model->head);
    if (status == AZR_OK && any)
        azr_model__backward_rows(model);
    return status;
}

/* --- states that azr_kv_extend gave ----------------------------------------------------------- */

static azr_status check_draws(size_t n, const azr_draw *draws, azr_error *error)
{
    for (size_t i = 0; i < n; i++) {
        const azr_draw *d = &draws[i];
        if (!(d->temperature >= 0 && isfinite(d->temperature) && d->top_p > 0 && d->top_p <= 1 &&
              d->top_k >= 0 && d->u >= 0 && d->u < 1))
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "temperature %g (0 or more), top_p %g (above 0, at most 1), "
                                 "top_k %d (0 or more), u %g (0 to below 1)",
                                 (double)d->temperature, (double)d->top_p, d->top_k, d->u);
    }
    return AZR_OK;
}

azr_status azr_model_draw(azr_model *model, const float *states, size_t n, const azr_draw *draws,
                          int32_t *tokens, float *logprobs, float *entropies, azr_error *error)
{
    int64_t n_vocab = model->shape.n_vocab, d = model->shape.d_model;
    azr_status status = check_draws(n, draws, error);
    if (status == AZR_OK)
        status = azr_model__head_space_ensure(model, error);
    if (status != AZR_OK)
        return status;
    int n_threads = azr_kernels_threads();
    const float *logits = model->head_space.logits;
    float *scratch = azr_try_alloc((size_t)n_threads * (size_t)n_vocab, sizeof *scratch);
    if (scratch == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory to draw tokens");
    for (size_t at = 0; at < n; at += AZR_MODEL__HEAD_ROWS) {
        int64_t n_block = block_rows((int64_t)at, (int64_t)n);
        azr_linear_forward(model->head, n_block, states + (int64_t)at * d,
                           model->head_space.logits);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
        for (int64_t i = 0; i < n_block; i++) {
            size_t r = at + (size_t)i;
            const azr_draw *draw = &draws[r];
            tokens[r] =
                azr_draw_token(n_vocab, logits + i * n_vocab, draw->temperature, draw->top_k,
                               draw->top_p, draw->u, scratch + omp_get_thread_num() * n_vocab,
                               &logprobs[r], entropies != NULL ? &entropies[r] : NULL);
        }
    }
    azr_free(scratch);
    return check_results(n, logprobs, entropies, error);
}

azr_status azr_model_logprobs(azr_model *model, const float *states, size_t n, float temperature,
                              const int32_t *targets, float *logprobs, float *entropies,
                              azr_error *error)
{
    int64_t n_vocab = model->shape.n_vocab, d = model->shape.d_model;
    if (!(temperature > 0 && isfinite(temperature)))
        return azr_error_set(error, AZR_ERROR_INPUT, "a temperature of %g, must be above 0",
                             (double)temperature);
    for (size_t i = 0; i < n; i++)
        if (targets[i] < 0 || targets[i] >= n_vocab)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "token %d is not in the model's vocabulary of %lld", targets[i],
                                 (long long)n_vocab);
    azr_status status = azr_model__head_space_ensure(model, error);
    if (status != AZR_OK)
        return status;
    for (size_t at = 0; at < n; at += AZR_MODEL__HEAD_ROWS) {
        int64_t n_block = block_rows((int64_t)at, (int64_t)n);
        azr_linear_forward(model->head, n_block, states + (int64_t)at * d,
                           model->head_space.logits);
        azr_logprob_forward(n_block, n_vocab, temperature, model->head_space.logits, targets + at,
                            logprobs + at, entropies != NULL ? entropies + at : NULL);
    }
    return check_results(n, logprobs, entropies, error);
}

azr_status azr_model_logits(azr_model *model, const float *state, float *logits, azr_error *error)
{
    azr_linear_forward(model->head, 1, state, logits);
    return check_finite((size_t)model->shape.n_vocab, logits, "logit", error);
}
