/* rollout.c: the scheduler of generation. Prompts become a forest whose segments are computed once,
 * when the first sample below them is admitted; every sample is a leaf that grows by one token a
 * round. Samples are admitted in the forest's order as long as streams and KV pages last (a sample
 * reserves what its longest response can take), and wait otherwise. Nothing here can change a
 * sample: tokens depend on the chain of tokens and the sample's own random numbers alone. */
#include "azr/rl.h"

#include "rl/completion.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { PREFILL_TOKENS = 1024 }; /* rows of one prefill call at most */

/* A segment of the prompts' forest while it is in the KV cache. */
typedef struct prompt_node {
    bool is_open;       /* wanted in the cache, its pages reserved or taken */
    int32_t kv_segment; /* -1 until its parent is complete: a segment with children cannot grow */
    int32_t n_done;     /* its first tokens that are computed */
    size_t n_waiting;   /* samples at or below it that are not admitted yet */
    size_t n_ending;    /* of these, samples whose prompt ends here */
    float *state;       /* of its last token, while n_ending > 0 */
} prompt_node;

/* A sample that decodes. */
typedef struct stream {
    azr_completion completion;
    int32_t parent;     /* node of the prompt's end */
    int32_t kv_segment; /* -1 before the first token went in */
    int64_t n_reserved; /* pages it may still take */
} stream;

typedef struct scheduler {
    azr_model *model;
    const azr_tokenizer *tokenizer;
    const azr_rollout_request *requests;
    size_t n_requests;
    const azr_rollout_options *options;
    azr_rollout *rollout;
    azr_kv *kv;
    int64_t d_model;
    azr_forest forest;
    prompt_node *nodes;
    int32_t *end_of;          /* [n_requests] node where the prompt ends */
    size_t *order;            /* [n_requests] requests in the forest's order */
    size_t i_order, i_sample; /* the next sample to admit */
    size_t *first_sample;     /* [n_requests] its place in rollout->samples */
    stream *streams;
    size_t n_streams; /* that decode now */
    size_t max_streams;
    float *states;      /* [max_streams, d_model] */
    int64_t n_reserved; /* pages reserved by streams and not taken yet */
    size_t n_finished;
    double started, next_line;
} scheduler;

static int64_t pages_of(int64_t n_tokens)
{
    return (n_tokens + AZR_KV_PAGE - 1) / AZR_KV_PAGE;
}

/* --- prompts ---------------------------------------------------------------------------------- */

/* Pages that the prompt's segments not yet in the cache will take. */
static int64_t missing_pages(const scheduler *s, int32_t node)
{
    int64_t n_pages = 0;
    for (; node >= 0 && !s->nodes[node].is_open; node = s->forest.segments[node].parent)
        n_pages += pages_of(s->forest.segments[node].n_tokens);
    return n_pages;
}

/* Gives the segments from the root to node a place in the cache; their pages count as reserved
 * until they are filled. */
static void open_prompt(scheduler *s, int32_t node)
{
    if (node < 0 || s->nodes[node].is_open)
        return;
    open_prompt(s, s->forest.segments[node].parent);
    s->nodes[node].is_open = true;
    s->nodes[node].n_done = 0;
    s->n_reserved += pages_of(s->forest.segments[node].n_tokens);
    if (s->nodes[node].n_ending > 0)
        s->nodes[node].state = azr_alloc((size_t)s->d_model, sizeof(float));
}

/* One sample of the prompt that ends at node needs its segments no more. */
static void leave_prompt(scheduler *s, int32_t node)
{
    if (--s->nodes[node].n_ending == 0) {
        azr_free(s->nodes[node].state);
        s->nodes[node].state = NULL;
    }
    for (; node >= 0; node = s->forest.segments[node].parent) {
        if (--s->nodes[node].n_waiting > 0)
            continue;
        azr_kv_release(s->kv, s->nodes[node].kv_segment);
        s->nodes[node].kv_segment = -1;
        s->nodes[node].is_open = false;
    }
}

static bool is_complete(const scheduler *s, int32_t node)
{
    return node < 0 || s->nodes[node].n_done == s->forest.segments[node].n_tokens;
}

/* The next call's worth of prompt tokens: pieces of segments whose parents are complete. */
static size_t collect_prefill(scheduler *s, azr_extension *extensions, int32_t *nodes)
{
    size_t n = 0;
    int64_t left = PREFILL_TOKENS;
    for (size_t i = 0; i < s->forest.n_segments && left > 0; i++) {
        prompt_node *node = &s->nodes[i];
        const azr_segment *segment = &s->forest.segments[i];
        if (!node->is_open || is_complete(s, (int32_t)i) || !is_complete(s, segment->parent))
            continue;
        if (node->kv_segment < 0) {
            int32_t parent = segment->parent;
            node->kv_segment = azr_kv_add(s->kv, parent >= 0 ? s->nodes[parent].kv_segment : -1);
        }
        int64_t n_tokens = segment->n_tokens - node->n_done;
        if (n_tokens > left)
            n_tokens = left;
        extensions[n] = (azr_extension){.segment = node->kv_segment,
                                        .n_tokens = (int32_t)n_tokens,
                                        .tokens = segment->tokens + node->n_done};
        nodes[n++] = (int32_t)i;
        left -= n_tokens;
    }
    return n;
}

/* Computes all prompt segments that are open. */
static azr_status prefill(scheduler *s, azr_error *error)
{
    azr_extension *extensions = azr_alloc(PREFILL_TOKENS, sizeof *extensions);
    int32_t *nodes = azr_alloc(PREFILL_TOKENS, sizeof *nodes);
    float *states = NULL;
    azr_status status = AZR_OK;
    size_t n;
    while (status == AZR_OK && (n = collect_prefill(s, extensions, nodes)) > 0) {
        states = azr_realloc(states, n * (size_t)s->d_model, sizeof *states);
        for (size_t i = 0; i < n; i++)
            s->n_reserved -= azr_kv_pages_for(s->kv, extensions[i].segment, extensions[i].n_tokens);
        status = azr_kv_extend(s->kv, extensions, n, states, error);
        for (size_t i = 0; status == AZR_OK && i < n; i++) {
            prompt_node *node = &s->nodes[nodes[i]];
            node->n_done += extensions[i].n_tokens;
            s->rollout->n_computed_prompt_tokens += extensions[i].n_tokens;
            if (node->state != NULL && is_complete(s, nodes[i]))
                memcpy(node->state, states + i * (size_t)s->d_model,
                       (size_t)s->d_model * sizeof *states);
        }
    }
    azr_free(states);
    azr_free(nodes);
    azr_free(extensions);
    return status;
}

/* --- admission -------------------------------------------------------------------------------- */

/* Admits samples while there is room. */
static azr_status admit(scheduler *s, azr_error *error)
{
    while (s->n_streams < s->max_streams && s->i_order < s->n_requests) {
        size_t i_request = s->order[s->i_order];
        const azr_rollout_request *request = &s->requests[i_request];
        int32_t end = s->end_of[i_request];
        int64_t n_response = pages_of((int64_t)request->max_tokens);
        int64_t n_needed = n_response + missing_pages(s, end);
        if (azr_kv_free_pages(s->kv) - s->n_reserved < n_needed) {
            if (s->n_streams > 0)
                return AZR_OK;
            return azr_error_set(error, AZR_ERROR_LIMIT,
                                 "a prompt of %zu tokens with a response of up to %zu does not fit "
                                 "into a KV cache of %lld tokens (kv_tokens)",
                                 request->n_tokens, request->max_tokens,
                                 (long long)s->options->kv_tokens);
        }
        open_prompt(s, end);
        stream *st = &s->streams[s->n_streams++];
        azr_completion_init(&st->completion, request, i_request, s->i_sample);
        st->parent = end;
        st->kv_segment = -1;
        st->n_reserved = n_response;
        s->n_reserved += n_response;
        if (++s->i_sample == request->n_samples) {
            s->i_sample = 0;
            s->i_order++;
        }
    }
    return AZR_OK;
}

/* Streams admitted in this round take the state of their prompt's last token and a leaf of their
 * own below it. */
static void start_streams(scheduler *s, size_t first)
{
    for (size_t i = first; i < s->n_streams; i++) {
        stream *st = &s->streams[i];
        prompt_node *node = &s->nodes[st->parent];
        memcpy(s->states + i * (size_t)s->d_model, node->state,
               (size_t)s->d_model * sizeof *s->states);
        st->kv_segment = azr_kv_add(s->kv, node->kv_segment);
        leave_prompt(s, st->parent);
    }
}

/* --- decoding --------------------------------------------------------------------------------- */

static void finish_stream(scheduler *s, stream *st)
{
    azr_sample *sample = &st->completion.sample;
    azr_kv_release(s->kv, st->kv_segment);
    s->n_reserved -= st->n_reserved;
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

/* Every stream's last token goes through the network. */
static azr_status extend(scheduler *s, azr_error *error)
{
    if (s->n_streams == 0)
        return AZR_OK;
    azr_extension *extensions = azr_alloc(s->n_streams, sizeof *extensions);
    for (size_t i = 0; i < s->n_streams; i++) {
        stream *st = &s->streams[i];
        const azr_sample *sample = &st->completion.sample;
        extensions[i] = (azr_extension){.segment = st->kv_segment,
                                        .n_tokens = 1,
                                        .tokens = &sample->tokens[sample->n_tokens - 1]};
        int64_t n_pages = azr_kv_pages_for(s->kv, st->kv_segment, 1);
        st->n_reserved -= n_pages;
        s->n_reserved -= n_pages;
    }
    azr_status status = azr_kv_extend(s->kv, extensions, s->n_streams, s->states, error);
    azr_free(extensions);
    return status;
}

static void report(scheduler *s, bool last)
{
    double now = azr_clock_seconds();
    s->rollout->seconds = now - s->started;
    if (s->options->label == NULL || (!last && now < s->next_line))
        return;
    s->next_line = now + 2.0;
    int64_t n_tokens = s->rollout->n_response_tokens;
    for (size_t i = 0; i < s->n_streams; i++)
        n_tokens += (int64_t)s->streams[i].completion.sample.n_tokens;
    int64_t n_all = n_tokens + s->rollout->n_computed_prompt_tokens;
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
            status = prefill(s, error);
        if (status == AZR_OK) {
            start_streams(s, n_old);
            status = draw(s, error);
        }
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

typedef struct request_place {
    int32_t node;
    size_t request;
} request_place;

static int compare_places(const void *a, const void *b)
{
    const request_place *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->request < y->request ? -1 : x->request > y->request;
}

static void plant_prompts(scheduler *s)
{
    azr_sequence *sequences = azr_alloc(s->n_requests, sizeof *sequences);
    for (size_t i = 0; i < s->n_requests; i++)
        sequences[i] = (azr_sequence){s->requests[i].tokens, s->requests[i].n_tokens};
    azr_forest_build(sequences, s->n_requests, &s->forest);
    azr_free(sequences);
    s->nodes = azr_alloc(s->forest.n_segments, sizeof *s->nodes);
    for (size_t i = 0; i < s->forest.n_segments; i++)
        s->nodes[i].kv_segment = -1;
    s->end_of = azr_alloc(s->n_requests, sizeof *s->end_of);
    s->order = azr_alloc(s->n_requests, sizeof *s->order);
    s->first_sample = azr_alloc(s->n_requests, sizeof *s->first_sample);
    request_place *places = azr_alloc(s->n_requests, sizeof *places);
    size_t n_samples = 0;
    for (size_t i = 0; i < s->n_requests; i++) {
        int32_t end = azr_forest_find(&s->forest, i, s->requests[i].n_tokens - 1).segment;
        s->end_of[i] = end;
        places[i] = (request_place){end, i};
        s->first_sample[i] = n_samples;
        n_samples += s->requests[i].n_samples;
        s->nodes[end].n_ending += s->requests[i].n_samples;
        for (int32_t node = end; node >= 0; node = s->forest.segments[node].parent)
            s->nodes[node].n_waiting += s->requests[i].n_samples;
        s->rollout->n_prompt_tokens +=
            (int64_t)(s->requests[i].n_tokens * s->requests[i].n_samples);
    }
    qsort(places, s->n_requests, sizeof *places, compare_places);
    for (size_t i = 0; i < s->n_requests; i++)
        s->order[i] = places[i].request;
    azr_free(places);
    s->rollout->samples = azr_alloc(n_samples, sizeof *s->rollout->samples);
    s->rollout->n_samples = n_samples;
}

/* Pages that suffice for every prompt and for the longest responses of all streams at once. */
static int64_t tokens_that_suffice(const scheduler *s)
{
    int64_t n_pages = 0, longest = 0;
    for (size_t i = 0; i < s->forest.n_segments; i++)
        n_pages += pages_of(s->forest.segments[i].n_tokens);
    for (size_t i = 0; i < s->n_requests; i++)
        if ((int64_t)s->requests[i].max_tokens > longest)
            longest = (int64_t)s->requests[i].max_tokens;
    return (n_pages + (int64_t)s->max_streams * pages_of(longest)) * AZR_KV_PAGE;
}

static void scheduler_deinit(scheduler *s)
{
    for (size_t i = 0; i < s->n_streams; i++) {
        azr_sample_deinit(&s->streams[i].completion.sample);
        azr_strbuf_deinit(&s->streams[i].completion.text);
    }
    for (size_t i = 0; s->nodes != NULL && i < s->forest.n_segments; i++)
        azr_free(s->nodes[i].state);
    azr_forest_deinit(&s->forest);
    azr_kv_destroy(s->kv);
    azr_free(s->nodes);
    azr_free(s->end_of);
    azr_free(s->order);
    azr_free(s->first_sample);
    azr_free(s->streams);
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
    plant_prompts(&s);
    AZR_CHECK(options->streams > 0);
    s.max_streams = (size_t)options->streams < out_rollout->n_samples ? (size_t)options->streams
                                                                      : out_rollout->n_samples;
    s.streams = azr_alloc(s.max_streams, sizeof *s.streams);
    s.states = azr_alloc(s.max_streams * (size_t)s.d_model, sizeof *s.states);
    int64_t kv_tokens = options->kv_tokens > 0 ? options->kv_tokens : tokens_that_suffice(&s);
    status = azr_kv_create(model, kv_tokens, &s.kv, error);
    if (status == AZR_OK)
        status = run(&s, error);
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
