/* compare.c: two results files of one suite, item by item. */
#include "eval/results.h"
#include "eval/statistics.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

typedef struct score {
    char *id;
    int64_t n, n_right;
    bool judged; /* all of its samples */
} score;

typedef struct scores {
    score *rows;
    size_t n, capacity;
} scores;

static bool add_row(void *context, const azr_eval_row *row)
{
    scores *s = context;
    if (s->n == 0 || strcmp(s->rows[s->n - 1].id, row->id) != 0) {
        if (s->n == s->capacity) {
            s->capacity = s->capacity > 0 ? 2 * s->capacity : 256;
            s->rows = azr_realloc(s->rows, s->capacity, sizeof *s->rows);
        }
        s->rows[s->n++] = (score){.id = azr_copy_text(row->id, strlen(row->id)), .judged = true};
    }
    score *last = &s->rows[s->n - 1];
    last->n++;
    last->judged = last->judged && row->verdict != NULL;
    last->n_right += row->verdict != NULL && strcmp(row->verdict, "right") == 0;
    return true;
}

static void scores_deinit(scores *s)
{
    for (size_t i = 0; i < s->n; i++)
        azr_free(s->rows[i].id);
    azr_free(s->rows);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const score *)a)->id, ((const score *)b)->id);
}

static azr_status read_scores(const char *path, scores *out, char **out_suite, char **out_name,
                              azr_error *error)
{
    azr_eval_results results;
    azr_status status = azr_eval__results_open(&results, path, true, error);
    if (status == AZR_OK)
        status = azr_eval__results_each(&results, add_row, out, error);
    if (status == AZR_OK) {
        *out_suite = azr_eval__results_get(&results, "suite");
        char *model = azr_eval__results_get(&results, "model");
        azr_strbuf name = {0};
        azr_strbuf_printf(&name, "%s of %s", *out_suite != NULL ? *out_suite : "?",
                          model != NULL && model[0] != '\0' ? model : "?");
        *out_name = azr_strbuf_steal(&name);
        azr_free(model);
        if (*out_suite == NULL)
            status = azr_error_set(error, AZR_ERROR_INPUT, "%s: does not say its suite", path);
    }
    azr_eval__results_close(&results);
    return status;
}

/* b's items are sorted by id. */
static void pair(const scores *a, const scores *b, azr_eval_comparison *out)
{
    double *differences = azr_alloc(a->n, sizeof *differences);
    out->changes = azr_alloc(a->n, sizeof *out->changes);
    for (size_t i = 0; i < a->n; i++) {
        const score *x = &a->rows[i];
        const score *y = b->n > 0 ? bsearch(x, b->rows, b->n, sizeof *b->rows, by_id) : NULL;
        if (y == NULL || !x->judged || !y->judged)
            continue;
        double share_a = (double)x->n_right / (double)x->n;
        double share_b = (double)y->n_right / (double)y->n;
        out->rate_a += share_a;
        out->rate_b += share_b;
        differences[out->n_items++] = share_b - share_a;
        out->n_better += share_b > share_a;
        out->n_worse += share_b < share_a;
        if (share_a != share_b)
            out->changes[out->n_changes++] = (azr_eval_change){
                .id = azr_copy_text(x->id, strlen(x->id)), .a = share_a, .b = share_b};
    }
    if (out->n_items > 0) {
        out->rate_a /= (double)out->n_items;
        out->rate_b /= (double)out->n_items;
    }
    out->difference = out->rate_b - out->rate_a;
    out->interval = azr_eval__paired_interval(differences, out->n_items);
    out->p = azr_eval__mcnemar((int64_t)out->n_better, (int64_t)out->n_worse);
    azr_free(differences);
}

azr_status azr_eval_compare(const char *path_a, const char *path_b,
                            azr_eval_comparison *out_comparison, azr_error *error)
{
    scores a = {0}, b = {0};
    char *suite_a = NULL, *suite_b = NULL;
    *out_comparison = (azr_eval_comparison){0};
    azr_status status = read_scores(path_a, &a, &suite_a, &out_comparison->name_a, error);
    if (status == AZR_OK)
        status = read_scores(path_b, &b, &suite_b, &out_comparison->name_b, error);
    if (status == AZR_OK && strcmp(suite_a, suite_b) != 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s is of suite %.64s, %s of %.64s", path_a,
                               suite_a, path_b, suite_b);
    if (status == AZR_OK) {
        if (b.n > 0)
            qsort(b.rows, b.n, sizeof *b.rows, by_id);
        pair(&a, &b, out_comparison);
        if (out_comparison->n_items == 0)
            status = azr_error_set(error, AZR_ERROR_INPUT,
                                   "%s and %s have no judged item in common", path_a, path_b);
    }
    if (status != AZR_OK)
        azr_eval_comparison_deinit(out_comparison);
    azr_free(suite_a);
    azr_free(suite_b);
    scores_deinit(&a);
    scores_deinit(&b);
    return status;
}

void azr_eval_comparison_deinit(azr_eval_comparison *comparison)
{
    for (size_t i = 0; i < comparison->n_changes; i++)
        azr_free(comparison->changes[i].id);
    azr_free(comparison->changes);
    azr_free(comparison->name_a);
    azr_free(comparison->name_b);
    *comparison = (azr_eval_comparison){0};
}
