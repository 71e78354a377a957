/* composites.c: proposers that are given functions of stored programs to call: how often, how many,
 * which. Each a function of the config, the step and the stored rows alone. */
#include "train/trainer.h"

#include "azr/program.h"

#include "base/memory.h"

#include <string.h>

/* How often something grew that grows every so many steps, after `from`. */
static int64_t n_growths(int64_t step, int64_t from, int64_t every)
{
    return every > 0 && step > from ? (step - from) / every : 0;
}

double azr_train__composite_chance(const azr_config *config, int64_t step)
{
    double chance = config->composite_chance, last = config->composite_chance_last;
    int64_t n = n_growths(step, config->composite_chance_from, config->composite_chance_every);
    if (step < config->composite_start_step)
        return 0.0;
    if (chance >= last)
        return chance;
    chance += (double)n * config->composite_chance_by;
    return chance < last ? chance : last;
}

int64_t azr_train__composite_max(const azr_config *config, int64_t step)
{
    int64_t max = config->composite_max, last = config->composite_max_last;
    int64_t n = n_growths(step, config->composite_max_from, config->composite_max_every);
    if (max >= last)
        return max;
    return n < last - max ? max + n : last;
}

/* Programs to parts, as long as half of the room is left for what calls them. */
static void set_parts(azr_proposer_prompt *prompt, const azr_stored_task *drawn, size_t n)
{
    size_t total = 0;
    prompt->parts = azr_alloc(n, sizeof *prompt->parts);
    for (size_t i = 0; i < n; i++) {
        azr_part *part = &prompt->parts[prompt->n_parts];
        if (!azr_part_init(part, &drawn[i].task, prompt->n_parts))
            continue;
        size_t size = strlen(part->program);
        if (total + size <= AZR_TASK_MAX_PROGRAM_BYTES / 2) {
            total += size;
            prompt->n_parts++;
        } else {
            azr_part_deinit(part);
        }
    }
    prompt->request.parts = prompt->parts;
    prompt->request.n_parts = prompt->n_parts;
}

azr_status azr_train__draw_parts(azr_trainer *trainer, const azr_rng_key *key,
                                 azr_proposer_prompt *prompt, azr_error *error)
{
    const azr_config *config = &trainer->config;
    azr_rng_key whether = *key, which = *key;
    whether.purpose = AZR_RNG_COMPOSITES;
    which.purpose = AZR_RNG_PARTS;
    int64_t step = key->step, least = config->composite_min;
    double chance = azr_train__composite_chance(config, step);
    if (prompt->request.kind == AZR_KIND_INDUCTION || step == 0 ||
        azr_rng_uniform(&whether, 0) >= chance)
        return AZR_OK;
    uint64_t n_numbers = (uint64_t)(azr_train__composite_max(config, step) - least + 1);
    size_t n = (size_t)least + (size_t)azr_rng_below(&whether, 1, n_numbers), n_drawn = 0;
    azr_stored_task *drawn = azr_alloc(n, sizeof *drawn);
    const azr_draw_from from = azr_train__reference_draw(config, step);
    azr_status status =
        azr_buffer_draw_parts(trainer->buffer, &from, &which, n, drawn, &n_drawn, error);
    if (status == AZR_OK)
        set_parts(prompt, drawn, n_drawn);
    for (size_t i = 0; i < n_drawn; i++)
        azr_stored_task_deinit(&drawn[i]);
    azr_free(drawn);
    return status;
}

char *azr_train__rated_text(const azr_config *config, const char *program)
{
    if (!config->composite_own_code)
        return azr_copy_text(program, strlen(program));
    azr_strbuf own = {0};
    azr_program_own_text(program, &own);
    if (own.size == 0)
        azr_strbuf_puts(&own, program);
    return azr_strbuf_steal(&own);
}

void azr_train__report_composites(azr_trainer *trainer, int64_t step,
                                  const azr_proposals *proposals)
{
    azr_metrics *metrics = &trainer->metrics;
    double chance = azr_train__composite_chance(&trainer->config, step);
    double n_asked = 0.0, n_valid = 0.0, n_stored = 0.0, n_broken = 0.0, n_parts = 0.0;
    if (chance <= 0.0)
        return;
    for (size_t i = 0; i < proposals->n_tries; i++) {
        const azr_proposal_try *try = &proposals->tries[i];
        size_t n = proposals->prompts[try->prompt].request.n_parts;
        if (n == 0)
            continue;
        n_asked++;
        n_parts += (double)n;
        n_valid += try->verdict == AZR_VERDICT_VALID;
        n_broken += try->verdict == AZR_VERDICT_NOT_COMPOSED;
        n_stored += try->task_id > 0;
    }
    azr_metrics_add(metrics, chance, "composite/chance");
    azr_metrics_add(metrics, (double)azr_train__composite_max(&trainer->config, step),
                    "composite/max");
    azr_metrics_add(metrics, n_asked, "composite/n");
    azr_metrics_add(metrics, n_valid, "composite/valid");
    azr_metrics_add(metrics, n_broken, "composite/not_composed");
    azr_metrics_add(metrics, n_stored, "composite/stored");
    if (n_asked > 0.0)
        azr_metrics_add(metrics, n_parts / n_asked, "composite/functions");
}
