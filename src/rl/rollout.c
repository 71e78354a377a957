/* rollout.c: the scheduler of generation. Every sample is a leaf below its prompt (prompts.c) that
 * grows by one token a round. Samples are admitted in the forest's order as long as streams and KV
 * pages last. When pages run out, the sample admitted last gives its own back and waits; later its
 * tokens are computed again, in one call. Nothing here can change a sample: tokens depend on the
 * chain of tokens and the sample's own random numbers alone. */
#include "azr/rl.h"

#include "rl/completion.h"
#include "rl/prompts.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

/* A sample that decodes. */
typedef struct stream {
    azr_completion completion;
    int32_t parent;     /* node of the prompt's end */
    int32_t kv_segment; /* -1: not in the cache */
} stream;

typedef struct scheduler {
    azr_model *model;
    const azr_tokenizer *tokenizer;
    const azr_rollout_request *requests;
    size_t n_requests;
    const azr_rollout_options *options;
    azr_rollout *rollout;
    azr_kv *kv;
    int64_t n_pages; /* of the cache */
    int64_t d_model;
    azr_rl__prompts prompts;
    size_t i_order, i_sample; /* the next sample to admit */
    size_t *first_sample;     /* [n_requests] its place in rollout->samples */
    stream *streams;          /* [max_streams] oldest first */
    size_t n_streams;         /* that decode now */
    stream *paused;           /* [max_streams] the oldest last */
    size_t n_paused;
    size_t max_streams;
    float *states; /* [max_streams, d_model] */
    size_t n_finished;
    double started, next_line;
} scheduler;

/* --- admission -------------------------------------------------------------------------------- */

/* Whether a stream with n_tokens so far may run now: its prompt, its tokens and the next one fit,
 * and one page more for each that runs. n_promised: pages that streams of this round will take. */
static bool has_room(scheduler *s, const stream *st, int64_t *n_promised)
{
    int64_t n_own = azr_rl__pages_of((int64_t)st->completion.sample.n_tokens + 1);
    int64_t n_needed = n_own + azr_rl__prompts_pages(&s->prompts, st->parent, true);
    if (s->n_streams == 0 && azr_kv_free_pages(s->kv) < n_needed) {
        azr_rl__prompts_drop_idle(&s->prompts);
        n_needed = n_own + azr_rl__prompts_pages(&s->prompts, st->parent, true);
    }
    bool fits = azr_kv_free_pages(s->kv) - *n_promised >= n_needed + (int64_t)s->n_streams;
    *n_promised += fits ? n_needed : 0;
    return fits;
}

/* A sample that is alone in the cache must come to its end. */
static azr_status check_fits(const scheduler *s, size_t i_request, azr_error *error)
{
    const azr_rollout_request *request = &s->requests[i_request];
    int64_t n_pages = azr_rl__prompts_pages(&s->prompts, s->prompts.end_of[i_request], false) +
                      azr_rl__pages_of((int64_t)request->max_tokens);
    if (n_pages <= s->n_pages)
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_LIMIT,
                         "a prompt of %zu tokens with a response of up to %zu does not fit into a "
                         "KV cache of %lld tokens (kv_tokens)",
                         request->n_tokens, request->max_tokens, (long long)s->options->kv_tokens);
}

static void run_stream(scheduler *s, const stream *st)
{
    azr_rl__prompts_enter(&s->prompts, st->parent);
    s->streams[s->n_streams++] = *st;
}

/* Admits samples while there is room: first those that were paused. */
static azr_status admit(scheduler *s, azr_error *error)
{
    int64_t n_promised = 0;
    while (s->n_paused > 0 && s->n_streams < s->max_streams) {
        if (!has_room(s, &s->paused[s->n_paused - 1], &n_promised))
            return AZR_OK;
        run_stream(s, &s->paused[--s->n_paused]);
    }
    while (s->n_streams < s->max_streams && s->i_order < s->n_requests) {
        size_t i_request = s->prompts.order[s->i_order];
        stream st = {.parent = s->prompts.end_of[i_request], .kv_segment = -1};
        azr_status status = check_fits(s, i_request, error);
        if (status != AZR_OK || !has_room(s, &st, &n_promised))
            return status;
        azr_completion_init(&st.completion, &s->requests[i_request], i_request, s->i_sample);
        run_stream(s, &st);
        if (++s->i_sample == s->requests[i_request].n_samples) {
            s->i_sample = 0;
            s->i_order++;
        }
    }
    return AZR_OK;
}

/* Streams [first, n_streams), admitted in this round, get a leaf of their own below their prompt
 * and the state of their last token: those that were paused by computing their tokens again. */
static azr_status start_streams(scheduler *s, size_t first, azr_error *error)
{
    size_t d_model = (size_t)s->d_model, n = 0;
    azr_status status = AZR_OK;
    azr_extension *extensions = azr_alloc(s->n_streams, sizeof *extensions);
    size_t *rows = azr_alloc(s->n_streams, sizeof *rows);
    for (size_t i = first; i < s->n_streams; i++) {
        stream *st = &s->streams[i];
        const azr_sample *sample = &st->completion.sample;
        st->kv_segment = azr_kv_add(s->kv, s->prompts.nodes[st->parent].kv_segment);
        if (sample->n_tokens == 0) {
            azr_rl__prompts_take_state(&s->prompts, st->parent, s->states + i * d_model);
            continue;
        }
        rows[n] = i;
        extensions[n++] =
            (azr_extension){st->kv_segment, (int32_t)sample->n_tokens, sample->tokens};
        s->rollout->n_recomputed_tokens += (int64_t)sample->n_tokens;
    }
    float *states = azr_alloc(n * d_model, sizeof *states);
    if (n > 0)
        status = azr_kv_extend(s->kv, extensions, n, states, error);
    for (size_t i = 0; status == AZR_OK && i < n; i++)
        memcpy(s->states + rows[i] * d_model, states + i * d_model, d_model * sizeof *states);
    azr_free(states);
    azr_free(rows);
    azr_free(extensions);
    return status;
}

/* --- decoding --------------------------------------------------------------------------------- */

static void finish_stream(scheduler *s, stream *st)
{
    azr_sample *sample = &st->completion.sample;
    azr_kv_release(s->kv, st->kv_segment);
    azr_rl__prompts_leave(&s->prompts, st->parent, false);
    s->rollout->n_response_tokens += (int64_t)sample->n_tokens;
    s->n_finished++;
    azr_sample *kept = &s->rollout->samples[s->first_sample[sample->request] + sample->index];
    *kept = *sample;
    if (s->options->on_finish != NULL)
        s->options->on_finish(s->options->context, kept);
}

/* Draws a token for each stream; streams that ended leave, the others close ranks. */
static azr_status draw(scheduler *s, azr_error *error)
{
    size_t n = s->n_streams, n_left = 0;
    azr_draw *draws = azr_alloc(n, sizeof *draws);
    int32_t *tokens = azr_alloc(n, sizeof *tokens);
    float *logprobs = azr_alloc(n, sizeof *logprobs), *entropies = azr_alloc(n, sizeof *entropies);
    for (size_t i = 0; i < n; i++) {
        const azr_sample *sample = &s->streams[i].completion.sample;
        const azr_rollout_request *request = &s->requests[sample->request];
        azr_rng_key key = request->key;
        key.sequence += (uint32_t)sample->index;
        draws[i] = (azr_draw){.temperature = request->temperature,
                              .top_p = request->top_p,
                              .top_k = request->top_k,
                              .u = azr_rng_uniform(&key, (uint32_t)sample->n_tokens)};
    }
    azr_status status =
        azr_model_draw(s->model, s->states, n, draws, tokens, logprobs, entropies, error);
    for (size_t i = 0; status == AZR_OK && i < n; i++) {
        stream *st = &s->streams[i];
        const azr_rollout_request *request = &s->requests[st->completion.sample.request];
        if (azr_completion_append(&st->completion, request, s->tokenizer, tokens[i], logprobs[i],
                                  entropies[i]))
            finish_stream(s, st);
        else
            s->streams[n_left++] = *st;
    }
    if (status == AZR_OK)
        s->n_streams = n_left;
    azr_free(draws);
    azr_free(tokens);
    azr_free(logprobs);
    azr_free(entropies);
    return status;
}

static int64_t pages_for_a_token(const scheduler *s)
{
    int64_t n_pages = 0;
    for (size_t i = 0; i < s->n_streams; i++)
        n_pages += azr_kv_pages_for(s->kv, s->streams[i].kv_segment, 1);
    return n_pages;
}

/* Makes room for a token of each stream: prompts that only waiting samples need go first, then the
 * streams that came last. One alone has room: check_fits. */
static void make_room(scheduler *s)
{
    if (pages_for_a_token(s) > azr_kv_free_pages(s->kv))
        azr_rl__prompts_drop_idle(&s->prompts);
    while (pages_for_a_token(s) > azr_kv_free_pages(s->kv)) {
        AZR_CHECK(s->n_streams > 1);
        stream *st = &s->streams[--s->n_streams];
        azr_kv_release(s->kv, st->kv_segment);
        st->kv_segment = -1;
        azr_rl__prompts_leave(&s->prompts, st->parent, true);
        s->paused[s->n_paused++] = *st;
    }
}

/* Every stream's last token goes through the network. */
static azr_status extend(scheduler *s, azr_error *error)
{
    if (s->n_streams == 0)
        return AZR_OK;
    make_room(s);
    azr_extension *extensions = azr_alloc(s->n_streams, sizeof *extensions);
    for (size_t i = 0; i < s->n_streams; i++) {
        const azr_sample *sample = &s->streams[i].completion.sample;
        extensions[i] = (azr_extension){.segment = s->streams[i].kv_segment,
                                        .n_tokens = 1,
                                        .tokens = &sample->tokens[sample->n_tokens - 1]};
    }
    azr_status status = azr_kv_extend(s->kv, extensions, s->n_streams, s->states, error);
    azr_free(extensions);
    return status;
}

static void report(scheduler *s, bool last)
{
    double now = azr_clock_seconds();
    s->rollout->seconds = now - s->started;
    s->rollout->n_computed_prompt_tokens = s->prompts.n_computed_tokens;
    if (s->options->label == NULL || (!last && now < s->next_line))
        return;
    s->next_line = now + 2.0;
    int64_t n_tokens = s->rollout->n_response_tokens;
    for (size_t i = 0; i < s->n_streams; i++)
        n_tokens += (int64_t)s->streams[i].completion.sample.n_tokens;
    for (size_t i = 0; i < s->n_paused; i++)
        n_tokens += (int64_t)s->paused[i].completion.sample.n_tokens;
    int64_t n_all = n_tokens + s->prompts.n_computed_tokens + s->rollout->n_recomputed_tokens;
    azr_progress_printf(s->options->progress,
                        "%s: %zu of %zu samples, %lld tokens, %.1f s, %.0f tokens/s",
                        s->options->label, s->n_finished, s->rollout->n_samples, (long long)n_all,
                        s->rollout->seconds,
                        (double)n_all / (s->rollout->seconds > 1e-3 ? s->rollout->seconds : 1e-3));
}

static azr_status run(scheduler *s, azr_error *error)
{
    azr_status status = AZR_OK;
    while (status == AZR_OK && s->n_finished < s->rollout->n_samples) {
        if (azr_stop_requested())
            return azr_error_set(error, AZR_ERROR_INTERRUPTED, "stopped while generating");
        size_t n_old = s->n_streams;
        status = admit(s, error);
        if (status == AZR_OK)
            status = azr_rl__prompts_compute(&s->prompts, error);
        if (status == AZR_OK)
            status = start_streams(s, n_old, error);
        if (status == AZR_OK)
            status = draw(s, error);
        if (status == AZR_OK)
            status = extend(s, error);
        report(s, false);
    }
    report(s, true);
    return status;
}

/* --- set-up ----------------------------------------------------------------------------------- */

static azr_status check_requests(const scheduler *s, azr_error *error)
{
    int64_t limit = azr_model_get_shape(s->model)->max_seq_len;
    for (size_t i = 0; i < s->n_requests; i++) {
        const azr_rollout_request *request = &s->requests[i];
        AZR_CHECK(request->n_tokens > 0 && request->max_tokens > 0 && request->n_samples > 0);
        if ((int64_t)request->n_tokens + (int64_t)request->max_tokens > limit)
            return azr_error_set(error, AZR_ERROR_LIMIT,
                                 "a prompt of %zu tokens and %zu tokens of response are more than "
                                 "the model's %lld positions",
                                 request->n_tokens, request->max_tokens, (long long)limit);
    }
    return AZR_OK;
}

static void place_samples(scheduler *s)
{
    size_t n_samples = 0;
    s->first_sample = azr_alloc(s->n_requests, sizeof *s->first_sample);
    for (size_t i = 0; i < s->n_requests; i++) {
        s->first_sample[i] = n_samples;
        n_samples += s->requests[i].n_samples;
        s->rollout->n_prompt_tokens +=
            (int64_t)(s->requests[i].n_tokens * s->requests[i].n_samples);
    }
    s->rollout->samples = azr_alloc(n_samples, sizeof *s->rollout->samples);
    s->rollout->n_samples = n_samples;
}

/* Pages that suffice for every prompt and for the longest responses of all streams at once. */
static int64_t tokens_that_suffice(const scheduler *s)
{
    int64_t n_pages = 0, longest = 0;
    for (size_t i = 0; i < s->prompts.forest.n_segments; i++)
        n_pages += azr_rl__pages_of(s->prompts.forest.segments[i].n_tokens);
    for (size_t i = 0; i < s->n_requests; i++)
        if ((int64_t)s->requests[i].max_tokens > longest)
            longest = (int64_t)s->requests[i].max_tokens;
    return (n_pages + (int64_t)s->max_streams * azr_rl__pages_of(longest)) * AZR_KV_PAGE;
}

static void destroy_streams(stream *streams, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        azr_sample_deinit(&streams[i].completion.sample);
        azr_strbuf_deinit(&streams[i].completion.text);
    }
    azr_free(streams);
}

static void scheduler_deinit(scheduler *s)
{
    destroy_streams(s->streams, s->n_streams);
    destroy_streams(s->paused, s->n_paused);
    azr_rl__prompts_deinit(&s->prompts);
    azr_kv_destroy(s->kv);
    azr_free(s->first_sample);
    azr_free(s->states);
}

azr_status azr_rollout_run(azr_model *model, const azr_tokenizer *tokenizer,
                           const azr_rollout_request *requests, size_t n_requests,
                           const azr_rollout_options *options, azr_rollout *out_rollout,
                           azr_error *error)
{
    *out_rollout = (azr_rollout){0};
    if (n_requests == 0)
        return AZR_OK;
    scheduler s = {.model = model,
                   .tokenizer = tokenizer,
                   .requests = requests,
                   .n_requests = n_requests,
                   .options = options,
                   .rollout = out_rollout,
                   .d_model = azr_model_get_shape(model)->d_model,
                   .started = azr_clock_seconds()};
    azr_status status = check_requests(&s, error);
    if (status != AZR_OK)
        return status;
    s.next_line = s.started + 2.0;
    azr_rl__prompts_plant(&s.prompts, s.d_model, requests, n_requests);
    place_samples(&s);
    AZR_CHECK(options->streams > 0);
    s.max_streams = (size_t)options->streams < out_rollout->n_samples ? (size_t)options->streams
                                                                      : out_rollout->n_samples;
    s.streams = azr_alloc(s.max_streams, sizeof *s.streams);
    s.paused = azr_alloc(s.max_streams, sizeof *s.paused);
    s.states = azr_alloc(s.max_streams * (size_t)s.d_model, sizeof *s.states);
    int64_t kv_tokens = options->kv_tokens > 0 ? options->kv_tokens : tokens_that_suffice(&s);
    status = azr_kv_create(model, kv_tokens, &s.kv, error);
    if (status == AZR_OK) {
        s.prompts.kv = s.kv;
        s.n_pages = azr_kv_free_pages(s.kv);
        status = run(&s, error);
    }
    scheduler_deinit(&s);
    if (status != AZR_OK)
        azr_rollout_deinit(out_rollout);
    return status;
}

void azr_rollout_deinit(azr_rollout *rollout)
{
    for (size_t i = 0; i < rollout->n_samples; i++)
        azr_sample_deinit(&rollout->samples[i]);
    azr_free(rollout->samples);
    *rollout = (azr_rollout){0};
}
