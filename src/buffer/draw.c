/* draw.c: which stored tasks come up: uniformly or by weight, with or without coming up again. */
#include "buffer/store.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdlib.h>

/* Chance that remains to tasks that nobody or everybody solved. */
static const double least_interest = 0.1;

static double weight_of(const azr_buffer_known *row, azr_draw_weight weight)
{
    switch (weight) {
    case AZR_DRAW_EQUAL:
        return 1.0;
    case AZR_DRAW_STEP:
        return (double)row->step;
    case AZR_DRAW_STEP_FROM_ONE:
        return (double)row->step + 1.0;
    case AZR_DRAW_SUCCESS: {
        double success = row->success >= 0.0 ? row->success : 0.5;
        return least_interest + 4.0 * success * (1.0 - success);
    }
    }
    AZR_CHECK(!"a weight");
    return 0.0;
}

/* Rows with what is left of their chance. */
typedef struct candidates {
    int64_t *ids;
    double *weights;
    size_t n;
} candidates;

static bool is_of(const azr_buffer_known *row, const azr_draw_from *from)
{
    return row->step >= from->first_step &&
           (from->before_step == 0 || row->step < from->before_step);
}

static void candidates_init(candidates *c, const azr_buffer_known *rows, size_t n,
                            const azr_draw_from *from)
{
    c->ids = azr_alloc(n, sizeof *c->ids);
    c->weights = azr_alloc(n, sizeof *c->weights);
    c->n = 0;
    for (size_t i = 0; i < n; i++) {
        double weight = weight_of(&rows[i], from->weight);
        if (!is_of(&rows[i], from) || weight <= 0.0)
            continue;
        c->ids[c->n] = rows[i].id;
        c->weights[c->n++] = weight;
    }
}

static void candidates_deinit(candidates *c)
{
    azr_free(c->ids);
    azr_free(c->weights);
}

/* The index at which the running sum of weights passes u times their whole; there is one. */
static size_t find_share(const candidates *c, double u)
{
    double total = 0.0, sum = 0.0;
    for (size_t i = 0; i < c->n; i++)
        total += c->weights[i];
    size_t last = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->weights[i] <= 0.0)
            continue;
        sum += c->weights[i];
        last = i;
        if (sum > u * total)
            break;
    }
    return last;
}

/* One id. Equal chances: a step of a Fisher-Yates shuffle (Durstenfeld's form) over the first ids;
 * else by weight, and what was drawn has no weight any more unless it may come up again. */
static int64_t draw_one(candidates *c, const azr_draw_from *from, const azr_rng_key *key,
                        uint32_t position)
{
    if (from->weight == AZR_DRAW_EQUAL && !from->again) {
        size_t j = position + (size_t)azr_rng_below(key, position, c->n - position);
        int64_t id = c->ids[j];
        c->ids[j] = c->ids[position];
        c->ids[position] = id;
        return id;
    }
    size_t i = find_share(c, azr_rng_uniform(key, position));
    if (!from->again)
        c->weights[i] = 0.0;
    return c->ids[i];
}

azr_status azr_buffer_draw_from(azr_buffer *buffer, azr_kind kind, const azr_draw_from *from,
                                const azr_rng_key *key, size_t n, azr_stored_task *out_tasks,
                                size_t *out_n, azr_error *error)
{
    *out_n = 0;
    azr_status status = azr_buffer__know_rows(buffer, error);
    if (status != AZR_OK)
        return status;
    const azr_buffer_known *rows;
    size_t n_rows = azr_buffer__drawable(buffer, kind, &rows);
    candidates c;
    candidates_init(&c, rows, n_rows, from);
    if (c.n == 0)
        n = 0;
    else if (n > c.n && !from->again)
        n = c.n;
    AZR_CHECK(n <= UINT32_MAX);
    for (size_t i = 0; status == AZR_OK && i < n; i++) {
        int64_t id = draw_one(&c, from, key, (uint32_t)i);
        status = azr_buffer__get_task(buffer, id, &out_tasks[i], error);
        if (status == AZR_OK)
            *out_n = i + 1;
    }
    candidates_deinit(&c);
    if (status != AZR_OK) {
        for (size_t i = 0; i < *out_n; i++)
            azr_stored_task_deinit(&out_tasks[i]);
        *out_n = 0;
    }
    return status;
}

azr_status azr_buffer_draw(azr_buffer *buffer, azr_kind kind, const azr_rng_key *key, size_t n,
                           azr_stored_task *out_tasks, size_t *out_n, azr_error *error)
{
    const azr_draw_from all = {.weight = AZR_DRAW_EQUAL};
    return azr_buffer_draw_from(buffer, kind, &all, key, n, out_tasks, out_n, error);
}

/* --- programs --------------------------------------------------------------------------------- */

/* By program, then the oldest first. */
static int compare_programs(const void *a, const void *b)
{
    const azr_buffer_known *x = a, *y = b;
    if (x->program != y->program)
        return x->program < y->program ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int compare_ids(const void *a, const void *b)
{
    const azr_buffer_known *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Rows of triplets, each program once, by its newest row, in order of ids. only_parts: programs
 * that can be parts of others. */
static azr_buffer_known *list_programs(const azr_buffer *buffer, bool only_parts,
                                       const azr_draw_from *from, size_t *out_n)
{
    const azr_buffer_known *deductions, *abductions;
    size_t n_deductions = azr_buffer__drawable(buffer, AZR_KIND_DEDUCTION, &deductions);
    size_t n_abductions = azr_buffer__drawable(buffer, AZR_KIND_ABDUCTION, &abductions);
    size_t n_all = 0, n = 0;
    azr_buffer_known *all = azr_alloc(n_deductions + n_abductions, sizeof *all);
    for (size_t i = 0; i < n_deductions; i++)
        if (is_of(&deductions[i], from))
            all[n_all++] = deductions[i];
    for (size_t i = 0; i < n_abductions; i++)
        if (is_of(&abductions[i], from))
            all[n_all++] = abductions[i];
    if (n_all > 0)
        qsort(all, n_all, sizeof *all, compare_programs);
    for (size_t i = 0; i < n_all; i++)
        if ((i + 1 == n_all || all[i + 1].program != all[i].program) &&
            (all[i].part || !only_parts))
            all[n++] = all[i];
    if (n > 0)
        qsort(all, n, sizeof *all, compare_ids);
    *out_n = n;
    return all;
}

static azr_status draw_programs(azr_buffer *buffer, bool only_parts, const azr_draw_from *from,
                                const azr_rng_key *key, size_t n, azr_stored_task *out_tasks,
                                size_t *out_n, azr_error *error)
{
    *out_n = 0;
    azr_status status = azr_buffer__know_rows(buffer, error);
    if (status != AZR_OK)
        return status;
    size_t n_programs = 0;
    azr_buffer_known *programs = list_programs(buffer, only_parts, from, &n_programs);
    candidates c;
    candidates_init(&c, programs, n_programs, from);
    azr_free(programs);
    for (size_t i = 0; status == AZR_OK && i < n && i < c.n; i++) {
        int64_t id = draw_one(&c, from, key, (uint32_t)i);
        status = azr_buffer__get_task(buffer, id, &out_tasks[i], error);
        *out_n += status == AZR_OK;
    }
    candidates_deinit(&c);
    if (status != AZR_OK) {
        for (size_t i = 0; i < *out_n; i++)
            azr_stored_task_deinit(&out_tasks[i]);
        *out_n = 0;
    }
    return status;
}

azr_status azr_buffer_draw_program(azr_buffer *buffer, const azr_draw_from *from,
                                   const azr_rng_key *key, azr_stored_task *out_task,
                                   bool *out_found, azr_error *error)
{
    size_t n = 0;
    azr_status status = draw_programs(buffer, false, from, key, 1, out_task, &n, error);
    *out_found = n == 1;
    return status;
}

azr_status azr_buffer_draw_parts(azr_buffer *buffer, const azr_draw_from *from,
                                 const azr_rng_key *key, size_t n, azr_stored_task *out_tasks,
                                 size_t *out_n, azr_error *error)
{
    return draw_programs(buffer, true, from, key, n, out_tasks, out_n, error);
}
