/* solutions.c: answers that are given instead of sampled. */
#include "eval/evaluation.h"

#include "base/memory.h"

#include <string.h>

static size_t find_item(const azr_eval *eval, const char *id, size_t hint)
{
    for (size_t i = 0; i < eval->n_items; i++) {
        size_t at = (hint + i) % eval->n_items;
        if (strcmp(eval->items[at].id, id) == 0)
            return at;
    }
    return eval->n_items;
}

static azr_status take_line(azr_eval *eval, const azr_eval_line *line, size_t *n_given,
                            size_t *hint, azr_error *error)
{
    char *id = NULL, *text = NULL;
    azr_status status = azr_eval__either_field(line, "task_id", "id", &id, error);
    size_t size = 0;
    bool whole = azr_eval__field(line, "solution", &size) != NULL;
    if (status == AZR_OK)
        status = azr_eval__text_field(line, whole ? "solution" : "completion", &text, error);
    size_t item = status == AZR_OK ? find_item(eval, id, *hint) : 0;
    if (status == AZR_OK && item == eval->n_items)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s, line %zu: there is no item '%.100s'",
                               line->path, line->number, id);
    if (status == AZR_OK && n_given[item] == eval->n_samples)
        status = azr_error_set(error, AZR_ERROR_INPUT,
                               "%s, line %zu: more than %zu samples of %.100s: --samples says how "
                               "many there are",
                               line->path, line->number, eval->n_samples, id);
    if (status == AZR_OK) {
        size_t at = item * eval->n_samples + n_given[item]++;
        azr_eval_sample *sample = &eval->samples[at];
        *hint = item;
        *sample = (azr_eval_sample){.state = AZR_EVAL_ANSWERED};
        if (whole) {
            sample->answer = text;
            text = NULL;
        } else {
            sample->answer =
                eval->suite->answer(&eval->way, &eval->items[item], text, strlen(text), "");
        }
        status = azr_eval__keep(eval, at, NULL, error);
    }
    azr_free(id);
    azr_free(text);
    return status;
}

azr_status azr_eval_read_solutions(azr_eval *eval, const char *path, azr_error *error)
{
    char *text = NULL;
    size_t size = 0, hint = 0;
    size_t *n_given = azr_alloc(eval->n_items, sizeof *n_given);
    azr_status status = azr_eval__forget(eval, error);
    if (status == AZR_OK)
        status = azr_eval__read_file(path, &text, &size, error);
    azr_eval_cursor cursor = {.text = text, .size = size};
    azr_eval_line line = {.path = path};
    while (status == AZR_OK && azr_eval__next_line(&cursor, &line))
        status = take_line(eval, &line, n_given, &hint, error);
    for (size_t i = 0; status == AZR_OK && i < eval->n_items; i++)
        if (n_given[i] > 0 && n_given[i] < eval->n_samples)
            status = azr_error_set(error, AZR_ERROR_INPUT, "%s: has %zu samples of %.100s, not %zu",
                                   path, n_given[i], eval->items[i].id, eval->n_samples);
    azr_free(n_given);
    azr_free(text);
    return status;
}

azr_status azr_eval_take_canonical(azr_eval *eval, azr_error *error)
{
    azr_status status = azr_eval__forget(eval, error);
    for (size_t i = 0; status == AZR_OK && i < eval->n_items; i++) {
        const char *own = eval->items[i].canonical;
        if (own == NULL)
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                                 "item %.100s has no answer of its own", eval->items[i].id);
        for (size_t j = 0; status == AZR_OK && j < eval->n_samples; j++) {
            size_t at = i * eval->n_samples + j;
            eval->samples[at] = (azr_eval_sample){.state = AZR_EVAL_ANSWERED,
                                                  .answer = azr_copy_text(own, strlen(own))};
            status = azr_eval__keep(eval, at, NULL, error);
        }
    }
    return status;
}
