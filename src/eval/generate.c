/* generate.c: samples what an evaluation lacks, and has answers judged while others are written. */
#include "eval/evaluation.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

enum { MAX_IN_FLIGHT = 128 };        /* jobs in the sandbox at once: their texts lie in memory */
static const double say_every = 2.0; /* seconds between lines of progress and between commits */

/* Jobs in the sandbox, oldest first. */
typedef struct judging {
    azr_eval *eval;
    azr_executor *executor;
    size_t in_flight[MAX_IN_FLIGHT];
    size_t first, n;
} judging;

/* --- judging ---------------------------------------------------------------------------------- */

static azr_status settle(azr_eval *eval, size_t at, const azr_exec_reply *reply, azr_error *error)
{
    const azr_eval_item *item = &eval->items[at / eval->n_samples];
    azr_eval_sample *sample = &eval->samples[at];
    azr_strbuf why = {0};
    sample->verdict = AZR_EVAL_WRONG;
    if (sample->answer == NULL)
        azr_strbuf_puts(&why, "no answer");
    else
        sample->verdict = eval->suite->judge(item, sample->answer, reply, &why);
    for (size_t i = 0; reply != NULL && i < reply->n_runs; i++)
        sample->no_value |= reply->runs[i].status != AZR_EXEC_OK;
    sample->state = AZR_EVAL_JUDGED;
    azr_status status = azr_eval__keep(
        eval, at, sample->verdict == AZR_EVAL_RIGHT ? NULL : azr_strbuf_text(&why), error);
    azr_strbuf_deinit(&why);
    return status;
}

static azr_status wait_oldest(judging *j, azr_error *error)
{
    size_t at = j->in_flight[j->first];
    const azr_eval_item *item = &j->eval->items[at / j->eval->n_samples];
    azr_exec_reply reply = {0};
    azr_status status = azr_executor_wait(j->executor, j->eval->samples[at].ticket, &reply, error);
    j->first = (j->first + 1) % MAX_IN_FLIGHT;
    j->n--;
    if (status != AZR_OK)
        return azr_error_prefix(error, "item %.64s", item->id);
    for (size_t i = 0; status == AZR_OK && i < reply.n_runs; i++)
        if (reply.runs[i].status == AZR_EXEC_INTERNAL)
            status = azr_error_set(
                error, AZR_ERROR_INTERNAL, "item %.64s: the sandbox failed: %.500s", item->id,
                reply.runs[i].message != NULL ? reply.runs[i].message : "no reason given");
    if (status == AZR_OK && reply.n_runs == 0)
        status = azr_error_set(error, AZR_ERROR_INTERNAL, "item %.64s: the sandbox gave no reply",
                               item->id);
    if (status == AZR_OK)
        status = settle(j->eval, at, &reply, error);
    azr_exec_reply_deinit(&reply);
    return status;
}

/* Hands an answered sample to the sandbox, or settles it when that takes no run. */
static azr_status submit(judging *j, size_t at, azr_error *error)
{
    azr_eval *eval = j->eval;
    azr_eval_sample *sample = &eval->samples[at];
    azr_eval_job job = {0};
    azr_status status;
    if (sample->answer != NULL && eval->suite->job != NULL &&
        eval->suite->job(&eval->items[at / eval->n_samples], sample->answer, &job)) {
        AZR_CHECK(j->n < MAX_IN_FLIGHT);
        status = azr_executor_submit(j->executor, &job.job, &sample->ticket, error);
        sample->submitted = status == AZR_OK;
        if (status == AZR_OK)
            j->in_flight[(j->first + j->n++) % MAX_IN_FLIGHT] = at;
    } else {
        status = settle(eval, at, NULL, error);
    }
    azr_eval__job_deinit(&job);
    return status;
}

static azr_status judge_rest(judging *j, const azr_progress *progress, azr_error *error)
{
    azr_eval *eval = j->eval;
    size_t n = eval->n_items * eval->n_samples, n_left = 0, n_done = 0;
    for (size_t i = 0; i < n; i++)
        n_left += eval->samples[i].state == AZR_EVAL_ANSWERED;
    double started = azr_clock_seconds(), said = started;
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && (i < n || j->n > 0);) {
        size_t before = j->n;
        bool wants =
            i < n && eval->samples[i].state == AZR_EVAL_ANSWERED && !eval->samples[i].submitted;
        if (i < n && !wants)
            i++;
        else if (wants && j->n < MAX_IN_FLIGHT)
            status = submit(j, i++, error);
        else
            status = wait_oldest(j, error);
        n_done += j->n < before || (wants && j->n == before);
        double now = azr_clock_seconds();
        if (now - said > say_every) {
            said = now;
            if (status == AZR_OK)
                status = azr_eval__results_flush(&eval->results, error);
            azr_progress_printf(
                progress, "%s: judged %zu of %zu answers, about %.0f s left", eval->suite->name,
                n_done, n_left,
                n_done > 0 ? (now - started) / (double)n_done * (double)(n_left - n_done) : 0.0);
        }
        if (status == AZR_OK && azr_stop_requested())
            status = azr_error_set(error, AZR_ERROR_INTERRUPTED,
                                   "stopped while answers were judged; the same command goes on");
    }
    azr_status flushed = azr_eval__results_flush(&eval->results, status == AZR_OK ? error : NULL);
    return status == AZR_OK ? flushed : status;
}

/* What is in flight when something else failed: its replies are of no use, but each ticket is taken
 * once. */
static void abandon(judging *j)
{
    for (; j->n > 0; j->n--) {
        azr_eval_sample *sample = &j->eval->samples[j->in_flight[j->first]];
        azr_exec_reply reply = {0};
        if (azr_executor_wait(j->executor, sample->ticket, &reply, NULL) == AZR_OK)
            azr_exec_reply_deinit(&reply);
        sample->submitted = false;
        j->first = (j->first + 1) % MAX_IN_FLIGHT;
    }
}

azr_status azr_eval_judge(azr_eval *eval, azr_executor *executor, const azr_progress *progress,
                          azr_error *error)
{
    judging j = {.eval = eval, .executor = executor};
    azr_status status = judge_rest(&j, progress, error);
    abandon(&j);
    return status;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Puts down the text that an item is asked with. */
static void put_prompt(azr_eval *eval, size_t item)
{
    azr_strbuf text = {0};
    eval->suite->ask(&eval->way, &eval->items[item], &text);
    azr_free(eval->prompts[item]);
    eval->prompts[item] = azr_strbuf_steal(&text);
}

/* An item as it is asked. */
typedef struct question {
    int32_t *tokens;
    size_t n_tokens;
    const char **stops;
} question;

static azr_status encode(azr_eval *eval, const azr_tokenizer *tokenizer, size_t item, question *out,
                         azr_error *error)
{
    put_prompt(eval, item);
    const char *text = eval->prompts[item];
    const azr_encode_options options = {.add_bos = true};
    azr_status status = eval->way.chat
                            ? azr_chat_encode(tokenizer, NULL, text, strlen(text), &out->tokens,
                                              &out->n_tokens, error)
                            : azr_tokenizer_encode(tokenizer, text, strlen(text), options,
                                                   &out->tokens, &out->n_tokens, error);
    if (status == AZR_OK && out->n_tokens == 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "item %.64s: its prompt is empty",
                               eval->items[item].id);
    const char *const *own = eval->suite->stops(&eval->way, &eval->items[item]);
    size_t n_own = 0, n_more = 0;
    while (own[n_own] != NULL)
        n_own++;
    while (eval->stops[n_more] != NULL)
        n_more++;
    out->stops = azr_alloc(n_own + n_more + 1, sizeof *out->stops);
    for (size_t i = 0; i < n_own + n_more; i++)
        out->stops[i] = i < n_own ? own[i] : eval->stops[i - n_own];
    return status;
}

static void question_deinit(question *asked)
{
    azr_free(asked->tokens);
    azr_free(asked->stops);
}

azr_status azr_eval_longest(azr_eval *eval, const azr_tokenizer *tokenizer, size_t *out_n_tokens,
                            azr_error *error)
{
    azr_status status = AZR_OK;
    *out_n_tokens = 0;
    for (size_t i = 0; status == AZR_OK && i < eval->n_items; i++) {
        question asked = {0};
        status = encode(eval, tokenizer, i, &asked, error);
        size_t n_tokens = asked.n_tokens + (size_t)eval->max_tokens;
        *out_n_tokens = n_tokens > *out_n_tokens ? n_tokens : *out_n_tokens;
        question_deinit(&asked);
    }
    return status;
}

/* --- sampling --------------------------------------------------------------------------------- */

typedef struct generating {
    judging judging;
    const azr_progress *progress;
    size_t *missing; /* by request: which sample it is */
    size_t n_missing, n_done, n_right, n_judged;
    int64_t n_tokens;
    double started, said;
    azr_status status;
    azr_error error;
} generating;

static void say(generating *g)
{
    double now = azr_clock_seconds();
    if (now - g->said < say_every && g->n_done < g->n_missing)
        return;
    g->said = now;
    double seconds = now - g->started;
    azr_progress_printf(g->progress,
                        "%s: %zu of %zu samples, %lld tokens, %.0f tokens/s, about %.0f s left",
                        g->judging.eval->suite->name, g->n_done, g->n_missing,
                        (long long)g->n_tokens, (double)g->n_tokens / seconds,
                        seconds / (double)g->n_done * (double)(g->n_missing - g->n_done));
    if (g->status == AZR_OK)
        g->status = azr_eval__results_flush(&g->judging.eval->results, &g->error);
}

static void on_finish(void *context, const azr_sample *finished)
{
    generating *g = context;
    azr_eval *eval = g->judging.eval;
    size_t at = g->missing[finished->request];
    const azr_eval_item *item = &eval->items[at / eval->n_samples];
    azr_eval_sample *sample = &eval->samples[at];
    *sample = (azr_eval_sample){.state = AZR_EVAL_ANSWERED,
                                .completion = azr_copy_text(finished->text, finished->text_size),
                                .completion_size = finished->text_size,
                                .stop = azr_stop_name(finished->stop),
                                .n_tokens = (int64_t)finished->n_tokens};
    /* A text with NUL in it answers nothing, and is no text for Python or SQLite. */
    if (memchr(sample->completion, '\0', sample->completion_size) == NULL)
        sample->answer = eval->suite->answer(&eval->way, item, sample->completion,
                                             sample->completion_size, finished->end);
    g->n_done++;
    g->n_tokens += (int64_t)finished->n_tokens;
    if (g->status == AZR_OK)
        g->status = azr_eval__keep(eval, at, NULL, &g->error);
    if (g->judging.executor != NULL)
        azr_executor_poll(g->judging.executor);
    if (g->status == AZR_OK && g->judging.n < MAX_IN_FLIGHT)
        g->status = submit(&g->judging, at, &g->error);
    if (g->status == AZR_OK)
        say(g);
}

static azr_rollout_request request_for(const azr_eval *eval, const question *asked, size_t at)
{
    return (azr_rollout_request){
        .tokens = asked->tokens,
        .n_tokens = asked->n_tokens,
        .stops = asked->stops,
        .n_samples = 1,
        .max_tokens = (size_t)eval->max_tokens,
        .temperature = eval->temperature,
        .top_p = eval->top_p,
        .top_k = eval->top_k,
        .key = {.seed = eval->seed, .purpose = AZR_RNG_EVALUATION, .sequence = (uint32_t)at},
    };
}

azr_status azr_eval_generate(azr_eval *eval, azr_model *model, const azr_tokenizer *tokenizer,
                             azr_executor *executor, const azr_rollout_options *rollout,
                             const azr_progress *progress, azr_error *error)
{
    size_t n = eval->n_items * eval->n_samples;
    generating g = {.judging = {.eval = eval, .executor = executor},
                    .progress = progress,
                    .started = azr_clock_seconds()};
    question *questions = azr_alloc(eval->n_items, sizeof *questions);
    azr_rollout_request *requests = azr_try_alloc(n, sizeof *requests);
    g.missing = azr_try_alloc(n, sizeof *g.missing);
    azr_status status = AZR_OK;
    azr_rollout_options options = *rollout;
    azr_rollout result = {0};
    if (requests == NULL || g.missing == NULL) {
        status = azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu samples", n);
        goto done;
    }
    for (size_t i = 0; status == AZR_OK && i < n; i++) {
        question *asked = &questions[i / eval->n_samples];
        if (eval->samples[i].state != AZR_EVAL_MISSING)
            continue;
        if (asked->tokens == NULL)
            status = encode(eval, tokenizer, i / eval->n_samples, asked, error);
        requests[g.n_missing] = request_for(eval, asked, i);
        g.missing[g.n_missing++] = i;
    }
    options.on_finish = on_finish;
    options.context = &g;
    options.progress = NULL;
    g.said = g.started;
    if (status == AZR_OK && g.n_missing > 0)
        status = azr_rollout_run(model, tokenizer, requests, g.n_missing, &options, &result, error);
    if (status == AZR_OK && g.status != AZR_OK) {
        *error = g.error;
        status = g.status;
    }
    if (status == AZR_OK)
        status = judge_rest(&g.judging, progress, error);
    azr_eval__results_flush(&eval->results, status == AZR_OK ? error : NULL);
done:
    abandon(&g.judging);
    azr_rollout_deinit(&result);
    for (size_t i = 0; i < eval->n_items; i++)
        question_deinit(&questions[i]);
    azr_free(questions);
    azr_free(requests);
    azr_free(g.missing);
    return status;
}
