/* prompts.c: prompts become a forest whose segments are computed once, when the first sample below
 * them runs, and stay in the cache as long as a sample at them runs or (while there is room) waits.
 */
#include "rl/prompts.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { PREFILL_TOKENS = 1024 }; /* rows of one prefill call at most */

int64_t azr_rl__pages_of(int64_t n_tokens)
{
    return (n_tokens + AZR_KV_PAGE - 1) / AZR_KV_PAGE;
}

static int32_t parent_of(const azr_rl__prompts *prompts, int32_t node)
{
    return prompts->forest.segments[node].parent;
}

int64_t azr_rl__prompts_pages(const azr_rl__prompts *prompts, int32_t node, bool missing_only)
{
    int64_t n_pages = 0;
    for (; node >= 0 && !(missing_only && prompts->nodes[node].is_open);
         node = parent_of(prompts, node))
        n_pages += azr_rl__pages_of(prompts->forest.segments[node].n_tokens);
    return n_pages;
}

/* --- who needs what --------------------------------------------------------------------------- */

void azr_rl__prompts_enter(azr_rl__prompts *prompts, int32_t node)
{
    for (; node >= 0; node = parent_of(prompts, node)) {
        azr_rl__prompt *p = &prompts->nodes[node];
        p->n_waiting--;
        p->n_running++;
        if (p->is_open)
            continue;
        p->is_open = true;
        p->n_done = 0;
        if (p->n_ending > 0)
            p->state = azr_alloc((size_t)prompts->d_model, sizeof *p->state);
    }
}

static void release(azr_rl__prompts *prompts, azr_rl__prompt *p)
{
    if (p->kv_segment >= 0)
        azr_kv_release(prompts->kv, p->kv_segment);
    azr_free(p->state);
    p->state = NULL;
    p->kv_segment = -1;
    p->is_open = false;
}

void azr_rl__prompts_leave(azr_rl__prompts *prompts, int32_t node, bool waits)
{
    for (; node >= 0; node = parent_of(prompts, node)) {
        azr_rl__prompt *p = &prompts->nodes[node];
        p->n_running--;
        p->n_waiting += waits;
        if (p->n_running + p->n_waiting == 0)
            release(prompts, p);
    }
}

void azr_rl__prompts_drop_idle(azr_rl__prompts *prompts)
{
    for (size_t i = 0; i < prompts->forest.n_segments; i++)
        if (prompts->nodes[i].is_open && prompts->nodes[i].n_running == 0)
            release(prompts, &prompts->nodes[i]);
}

void azr_rl__prompts_take_state(azr_rl__prompts *prompts, int32_t node, float *state)
{
    azr_rl__prompt *p = &prompts->nodes[node];
    memcpy(state, p->state, (size_t)prompts->d_model * sizeof *state);
    if (--p->n_ending > 0)
        return;
    azr_free(p->state);
    p->state = NULL;
}

/* --- computing -------------------------------------------------------------------------------- */

static bool is_complete(const azr_rl__prompts *prompts, int32_t node)
{
    return node < 0 || prompts->nodes[node].n_done == prompts->forest.segments[node].n_tokens;
}

/* The next call's worth of prompt tokens: pieces of segments whose parents are complete. */
static size_t collect(azr_rl__prompts *prompts, azr_extension *extensions, int32_t *nodes)
{
    size_t n = 0;
    int64_t left = PREFILL_TOKENS;
    for (size_t i = 0; i < prompts->forest.n_segments && left > 0; i++) {
        azr_rl__prompt *node = &prompts->nodes[i];
        const azr_segment *segment = &prompts->forest.segments[i];
        int32_t parent = segment->parent;
        if (!node->is_open || is_complete(prompts, (int32_t)i) || !is_complete(prompts, parent))
            continue;
        if (node->kv_segment < 0)
            node->kv_segment =
                azr_kv_add(prompts->kv, parent >= 0 ? prompts->nodes[parent].kv_segment : -1);
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

azr_status azr_rl__prompts_compute(azr_rl__prompts *prompts, azr_error *error)
{
    size_t d_model = (size_t)prompts->d_model, n;
    azr_extension *extensions = azr_alloc(PREFILL_TOKENS, sizeof *extensions);
    int32_t *nodes = azr_alloc(PREFILL_TOKENS, sizeof *nodes);
    float *states = NULL;
    azr_status status = AZR_OK;
    while (status == AZR_OK && (n = collect(prompts, extensions, nodes)) > 0) {
        states = azr_realloc(states, n * d_model, sizeof *states);
        status = azr_kv_extend(prompts->kv, extensions, n, states, error);
        for (size_t i = 0; status == AZR_OK && i < n; i++) {
            azr_rl__prompt *node = &prompts->nodes[nodes[i]];
            node->n_done += extensions[i].n_tokens;
            prompts->n_computed_tokens += extensions[i].n_tokens;
            if (node->state != NULL && is_complete(prompts, nodes[i]))
                memcpy(node->state, states + i * d_model, d_model * sizeof *states);
        }
    }
    azr_free(states);
    azr_free(nodes);
    azr_free(extensions);
    return status;
}

/* --- set-up ----------------------------------------------------------------------------------- */

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

void azr_rl__prompts_plant(azr_rl__prompts *prompts, int64_t d_model,
                           const azr_rollout_request *requests, size_t n_requests)
{
    *prompts = (azr_rl__prompts){.d_model = d_model};
    azr_sequence *sequences = azr_alloc(n_requests, sizeof *sequences);
    for (size_t i = 0; i < n_requests; i++)
        sequences[i] = (azr_sequence){requests[i].tokens, requests[i].n_tokens};
    azr_forest_build(sequences, n_requests, &prompts->forest);
    azr_free(sequences);
    prompts->nodes = azr_alloc(prompts->forest.n_segments, sizeof *prompts->nodes);
    for (size_t i = 0; i < prompts->forest.n_segments; i++)
        prompts->nodes[i].kv_segment = -1;
    prompts->end_of = azr_alloc(n_requests, sizeof *prompts->end_of);
    prompts->order = azr_alloc(n_requests, sizeof *prompts->order);
    request_place *places = azr_alloc(n_requests, sizeof *places);
    for (size_t i = 0; i < n_requests; i++) {
        int32_t end = azr_forest_find(&prompts->forest, i, requests[i].n_tokens - 1).segment;
        prompts->end_of[i] = end;
        places[i] = (request_place){end, i};
        prompts->nodes[end].n_ending += requests[i].n_samples;
        for (int32_t node = end; node >= 0; node = parent_of(prompts, node))
            prompts->nodes[node].n_waiting += requests[i].n_samples;
    }
    qsort(places, n_requests, sizeof *places, compare_places);
    for (size_t i = 0; i < n_requests; i++)
        prompts->order[i] = places[i].request;
    azr_free(places);
}

void azr_rl__prompts_deinit(azr_rl__prompts *prompts)
{
    for (size_t i = 0; prompts->nodes != NULL && i < prompts->forest.n_segments; i++)
        azr_free(prompts->nodes[i].state);
    azr_forest_deinit(&prompts->forest);
    azr_free(prompts->nodes);
    azr_free(prompts->end_of);
    azr_free(prompts->order);
    *prompts = (azr_rl__prompts){0};
}
