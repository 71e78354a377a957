/* bench_step.c: a whole step of reinforcement learning: several answers to each of a few short
 * prompts, then one update from all of them. What other trainers call a GRPO step, so that both
 * can be given the same work.
 *
 * Rewards are drawn, not judged: which they are changes nothing about the work, but a group of
 * equal ones would have no gradient, and a model that fails everywhere would look fast. */
#include "app/bench.h"
#include "app/task_file.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/strbuf.h"

#include <math.h>
#include <string.h>

/* Asked where no file of tasks is given. */
static const struct {
    const char *program, *input;
} questions[] = {
    {"def f(a):\n    return a[::-1]\n", "'Hello world'"},
    {"def f(a, b):\n    return a * b + a\n", "6, 7"},
    {"def f(words):\n    return ''.join(w[0] for w in words)\n", "['red', 'green', 'blue']"},
    {"def f(n):\n    total = 0\n    for i in range(n):\n        total += i * i\n    return total\n",
     "5"},
    {"def f(d):\n    return sorted(d.items(), key=lambda x: x[1])\n", "{'a': 3, 'b': 1, 'c': 2}"},
    {"def f(xs):\n    return [x for x in xs if x % 2 == 0]\n", "[1, 2, 3, 4, 5, 6]"},
    {"def f(text):\n    counts = {}\n    for c in text:\n        counts[c] = counts.get(c, 0) + 1\n"
     "    return counts\n",
     "'banana'"},
    {"def f(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n", "48, 36"},
};

/* The prompts of all steps, and what one step makes of them. */
typedef struct bench_round {
    const bench_options *options;
    azr_engine engine;
    azr_task_list tasks; /* empty: the questions above */
    size_t n_prompts, n_answers;
    azr_rollout_request *requests;
    int32_t **prompts;
    float *moments;
} bench_round;

/* Seconds of the parts of a step, and what went through the model. */
typedef struct bench_step {
    double rollout, passes, optimizer;
    double n_tokens; /* of all sequences, each with its whole prompt */
    double n_response, work;
} bench_step;

static double sum_step(const bench_step *s)
{
    return s->rollout + s->passes + s->optimizer;
}

/* Prompt i of step `step`: the next tasks each time. */
static azr_status ask(bench_round *r, size_t step, size_t i, azr_error *error)
{
    size_t n = r->tasks.n > 0 ? r->tasks.n : AZR_COUNT(questions);
    size_t at = (step * r->n_prompts + i) % n, n_tokens = 0;
    const azr_task *task = r->tasks.n > 0 ? &r->tasks.tasks[at] : NULL;
    const char *program = task != NULL ? task->program : questions[at].program;
    const char *input = task != NULL ? task->inputs[0] : questions[at].input;
    azr_strbuf text = {0};
    azr_strbuf_printf(&text, "%s\n>>> f(%s)\n", program, input);
    azr_free(r->prompts[i]);
    r->prompts[i] = NULL;
    azr_status status = azr_tokenizer_encode(r->engine.tokenizer, text.data, text.size,
                                             (azr_encode_options){.add_bos = true}, &r->prompts[i],
                                             &n_tokens, error);
    azr_strbuf_deinit(&text);
    azr_config config = r->options->settings.config;
    config.max_response_tokens = r->options->n_new;
    r->requests[i] = azr_settings_request(&config, r->prompts[i], n_tokens, NULL, r->n_answers,
                                          (uint32_t)(i * r->n_answers));
    r->requests[i].key.step = (uint32_t)step;
    return status;
}

static azr_status roll_out(bench_round *r, size_t step, azr_rollout *rollout, azr_error *error)
{
    const bench_options *o = r->options;
    azr_rollout_options options;
    size_t longest = 0;
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < r->n_prompts; i++) {
        status = ask(r, step, i, error);
        longest = r->requests[i].n_tokens > longest ? r->requests[i].n_tokens : longest;
    }
    if (status == AZR_OK)
        status =
            azr_engine_rollout_options(&r->engine, &o->settings.config, r->n_prompts * r->n_answers,
                                       longest + (size_t)o->n_new, &options, error);
    if (status == AZR_OK)
        status = azr_rollout_run(r->engine.model, r->engine.tokenizer, r->requests, r->n_prompts,
                                 &options, rollout, error);
    return status;
}

/* Prompt and answer of each sample. tokens: room for all of them. */
static size_t list_sequences(const bench_round *r, const azr_rollout *rollout, int32_t *tokens,
                             bench_sequence *sequences)
{
    size_t n_tokens = 0;
    for (size_t i = 0; i < rollout->n_samples; i++) {
        const azr_sample *sample = &rollout->samples[i];
        const azr_rollout_request *request = &r->requests[sample->request];
        size_t n_given = request->n_tokens, n_new = sample->n_tokens;
        memcpy(tokens + n_tokens, request->tokens, n_given * sizeof *tokens);
        memcpy(tokens + n_tokens + n_given, sample->tokens, n_new * sizeof *tokens);
        sequences[i] = (bench_sequence){tokens + n_tokens, n_given + n_new, n_given};
        n_tokens += n_given + n_new;
    }
    return n_tokens;
}

/* One advantage for each sample, whitened among the answers to its prompt. */
static void draw_advantages(const bench_round *r, size_t step, const azr_rollout *rollout,
                            double *advantages)
{
    azr_rng_key key = {3, AZR_RNG_TEST, (uint32_t)step, 0};
    size_t *lengths = azr_alloc(rollout->n_samples, sizeof *lengths);
    double *rewards = azr_alloc(rollout->n_samples, sizeof *rewards);
    for (size_t i = 0; i < rollout->n_samples; i++) {
        lengths[i] = rollout->samples[i].n_tokens;
        rewards[i] = azr_rng_uniform(&key, (uint32_t)i);
    }
    for (size_t i = 0; i < rollout->n_samples; i += r->n_answers)
        azr_advantage_whiten(false, r->n_answers, rewards + i, lengths + i, advantages + i);
    azr_free(lengths);
    azr_free(rewards);
}

/* The policy gradient of one pass: what each target brings along. */
typedef struct pass_loss {
    azr_policy_loss loss;
    const bench_pass *pass;
    float *old_logprobs, *advantages;
    float weight;
} pass_loss;

/* azr_loss.differentiate */
static azr_status differentiate(void *context, const size_t *targets, size_t n, azr_error *error)
{
    const pass_loss *l = context;
    azr_policy_stats stats = {0};
    (void)error;
    for (size_t i = 0; i < n; i++) {
        size_t t = targets[i];
        const float entropy = 0; /* counts nothing */
        float dentropy;
        const azr_policy_tokens token = {.n = 1,
                                         .logprobs = l->pass->logprobs + t,
                                         .old_logprobs = l->old_logprobs + t,
                                         .entropies = &entropy,
                                         .advantages = l->advantages + t,
                                         .weights = &l->weight};
        azr_policy_loss_backward(&l->loss, &token, l->pass->dlogprobs + t, &dentropy, &stats);
    }
    return AZR_OK;
}

/* Forward and backward of one pass. *first: its first sample; becomes the one after its last. */
static azr_status learn_pass(const bench_round *r, bench_pass *pass, const azr_rollout *rollout,
                             const double *advantages, size_t *first, azr_error *error)
{
    const azr_config *config = &r->options->settings.config;
    size_t n = pass->batch.n_targets, at = 0;
    pass_loss loss = {{.clip_low = config->clip_low, .clip_high = config->clip_high},
                      pass,
                      azr_alloc(n, sizeof(float)),
                      azr_alloc(n, sizeof(float)),
                      (float)(1 / (double)rollout->n_response_tokens)};
    for (; at < n; ++*first) {
        const azr_sample *sample = &rollout->samples[*first];
        for (size_t t = 0; t < sample->n_tokens; t++, at++) {
            loss.old_logprobs[at] = sample->logprobs[t];
            loss.advantages[at] = (float)advantages[*first];
        }
    }
    const azr_scores scores = {.logprobs = pass->logprobs, .dlogprobs = pass->dlogprobs};
    azr_status status = azr_model_learn(r->engine.model, &pass->batch, &scores,
                                        &(azr_loss){differentiate, &loss}, error);
    azr_free(loss.old_logprobs);
    azr_free(loss.advantages);
    return status;
}

static azr_status learn(bench_round *r, size_t step, const azr_rollout *rollout,
                        bench_passes *passes, bench_step *times, azr_error *error)
{
    double *advantages = azr_alloc(rollout->n_samples, sizeof *advantages);
    azr_status status = AZR_OK;
    size_t first = 0;
    draw_advantages(r, step, rollout, advantages);
    double begin = azr_clock_seconds();
    for (size_t i = 0; status == AZR_OK && i < passes->n; i++)
        status = learn_pass(r, &passes->passes[i], rollout, advantages, &first, error);
    times->passes = azr_clock_seconds() - begin;
    begin = azr_clock_seconds();
    if (status == AZR_OK)
        azr_bench__update(r->engine.model, r->moments, (int64_t)step + 1);
    times->optimizer = azr_clock_seconds() - begin;
    azr_free(advantages);
    return status;
}

static azr_status run_step(bench_round *r, size_t step, const bench_limit *limit, bench_step *out,
                           azr_error *error)
{
    azr_rollout rollout = {0};
    bench_passes passes = {0};
    int32_t *tokens = NULL;
    bench_sequence *sequences = NULL;
    const azr_config *config = &r->options->settings.config;
    *out = (bench_step){0};
    double begin = azr_clock_seconds();
    azr_status status = roll_out(r, step, &rollout, error);
    out->rollout = azr_clock_seconds() - begin;
    if (status != AZR_OK)
        goto done;
    size_t room = 0;
    for (size_t i = 0; i < rollout.n_samples; i++)
        room += r->requests[rollout.samples[i].request].n_tokens + rollout.samples[i].n_tokens;
    tokens = azr_alloc(room, sizeof *tokens);
    sequences = azr_alloc(rollout.n_samples, sizeof *sequences);
    out->n_tokens = (double)list_sequences(r, &rollout, tokens, sequences);
    out->n_response = (double)rollout.n_response_tokens;
    status =
        azr_bench__passes_create(sequences, rollout.n_samples, true, (float)config->temperature,
                                 (size_t)config->micro_batch_tokens, &passes, error);
    if (status == AZR_OK)
        status = learn(r, step, &rollout, &passes, out, error);
    double read = (double)rollout.n_computed_prompt_tokens + out->n_response;
    out->work = azr_bench__passes_work(&passes, limit) +
                2e-9 * (limit->layer_parameters * read + limit->head_parameters * out->n_response);
done:
    azr_bench__passes_destroy(&passes);
    azr_rollout_deinit(&rollout);
    azr_free(tokens);
    azr_free(sequences);
    return status;
}

static azr_status round_create(const bench_options *o, bench_round *r, azr_error *error)
{
    *r = (bench_round){.options = o,
                       .n_prompts = (size_t)(o->n_prompts > 0 ? o->n_prompts : 8),
                       .n_answers = (size_t)o->n_answers};
    azr_status status = AZR_OK;
    if (o->tasks != NULL)
        status = azr_task_file_read(o->tasks, &r->tasks, error);
    if (status == AZR_OK)
        status = azr_engine_open(&o->settings.config, &r->engine, error);
    if (status == AZR_OK)
        status = azr_model_enable_training(r->engine.model, error);
    if (status != AZR_OK)
        return status;
    azr_model_set_recompute(r->engine.model, o->settings.config.recompute == AZR_RECOMPUTE_TRUE);
    r->requests = azr_alloc(r->n_prompts, sizeof *r->requests);
    r->prompts = azr_alloc(r->n_prompts, sizeof(int32_t *));
    r->moments =
        azr_try_alloc_aligned((size_t)azr_model_n_weights(r->engine.model) * 2, sizeof *r->moments);
    if (r->moments == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for the optimizer's moments");
    return AZR_OK;
}

static void round_destroy(bench_round *r)
{
    for (size_t i = 0; r->prompts != NULL && i < r->n_prompts; i++)
        azr_free(r->prompts[i]);
    azr_free(r->prompts);
    azr_free(r->requests);
    azr_free(r->moments);
    azr_task_list_deinit(&r->tasks);
    azr_engine_close(&r->engine);
}

azr_status azr_bench__step(const bench_options *o, const bench_limit *limit, bench_results *out,
                           azr_error *error)
{
    bench_round round;
    bench_step best = {0}, step;
    azr_status status = round_create(o, &round, error);
    /* The first step makes what later ones find made, and does not count. */
    for (int64_t i = 0; status == AZR_OK && i <= o->n_repeats; i++) {
        status = run_step(&round, (size_t)i, limit, &step, error);
        double speed = step.n_tokens / sum_step(&step);
        if (status == AZR_OK && i > 0 && (i == 1 || speed > best.n_tokens / sum_step(&best)))
            best = step;
        if (status == AZR_OK)
            status = azr_bench__go_on(error);
    }
    if (status == AZR_OK) {
        out->n_response_tokens = best.n_response;
        out->results[out->n++] = (bench_result){
            .name = "step",
            .n_tokens = best.n_tokens,
            .work = best.work,
            .seconds = sum_step(&best),
            .counted = "rows that predict an answer's token",
            .parts = {{"rollout", best.rollout},
                      {"forward and backward", best.passes},
                      {"optimizer and packing", best.optimizer}},
        };
    }
    round_destroy(&round);
    return status;
}
