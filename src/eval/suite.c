/* suite.c: the table of benchmarks, and from a file to its items. */
#include "eval/suite.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/nearest.h"

#include <stdio.h>
#include <string.h>

static const azr_eval_suite *const suites[] = {
    &azr_eval__cruxeval_o, &azr_eval__cruxeval_i, &azr_eval__humaneval, &azr_eval__humaneval_plus,
    &azr_eval__mbpp_plus,  &azr_eval__gsm8k,      &azr_eval__math,      &azr_eval__tasks,
};

const char *azr_eval_suite_names(void)
{
    return "cruxeval-o, cruxeval-i, humaneval, humaneval+, mbpp+, gsm8k, math, tasks";
}

azr_status azr_eval__suite_find(const char *name, const azr_eval_suite **out_suite,
                                azr_error *error)
{
    azr_nearest nearest = {.wanted = name};
    for (size_t i = 0; i < AZR_COUNT(suites); i++) {
        azr_nearest_offer(&nearest, suites[i]->name);
        *out_suite = suites[i];
        if (strcmp(suites[i]->name, name) == 0)
            return AZR_OK;
    }
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "unknown suite '%.64s', did you mean %s? There are %s", name, nearest.name,
                         azr_eval_suite_names());
}

azr_status azr_eval__way_find(const azr_eval_suite *suite, const char *template,
                              azr_eval_way *out_way, azr_error *error)
{
    *out_way = (azr_eval_way){0};
    if (suite->tasks) {
        azr_status status = azr_template_find(template, &out_way->template, error);
        out_way->chat = status == AZR_OK && azr_template_is_chat(out_way->template);
        return status;
    }
    out_way->chat = strcmp(template, "chat") == 0;
    if (!out_way->chat && strcmp(template, suite->template) != 0)
        return azr_error_set(error, AZR_ERROR_INPUT,
                             "suite %s is asked by template %s or chat, not '%.64s'", suite->name,
                             suite->template, template);
    return AZR_OK;
}

/* --- items ------------------------------------------------------------------------------------ */

void azr_eval__item_deinit(azr_eval_item *item)
{
    azr_free(item->id);
    azr_free(item->question);
    azr_free(item->entry);
    azr_free(item->test);
    azr_free(item->reference);
    azr_free(item->canonical);
    azr_task_deinit(&item->task);
    *item = (azr_eval_item){0};
}

void azr_eval__items_free(azr_eval_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        azr_eval__item_deinit(&items[i]);
    azr_free(items);
}

void azr_eval__job_deinit(azr_eval_job *job)
{
    azr_strbuf_deinit(&job->program);
    azr_strbuf_deinit(&job->input);
    azr_free(job->inputs);
    *job = (azr_eval_job){0};
}

/* An id that came before would make two items of one. */
static azr_status check_ids(const char *path, const azr_eval_item *items, size_t n,
                            azr_error *error)
{
    size_t capacity = 16;
    while (capacity < 2 * n)
        capacity *= 2;
    size_t *slots = azr_try_alloc(capacity, sizeof *slots);
    if (slots == NULL)
        return azr_error_set(error, AZR_ERROR_MEMORY, "no memory for %zu items of %s", n, path);
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < n; i++) {
        size_t at = (size_t)azr_hash_text(AZR_HASH_START, items[i].id) & (capacity - 1);
        while (slots[at] != 0 && strcmp(items[slots[at] - 1].id, items[i].id) != 0)
            at = (at + 1) & (capacity - 1);
        if (slots[at] != 0)
            status = azr_error_set(error, AZR_ERROR_INPUT, "%s: two items have the id '%.100s'",
                                   path, items[i].id);
        slots[at] = i + 1;
    }
    azr_free(slots);
    return status;
}

static azr_status read_lines(const azr_eval_suite *suite, const azr_eval_options *options,
                             azr_eval_item **out_items, size_t *out_n, azr_error *error)
{
    char *text = NULL;
    size_t size = 0, capacity = 0, n = 0;
    azr_eval_item *items = NULL;
    azr_status status = azr_eval__read_file(options->data, &text, &size, error);
    azr_eval_cursor cursor = {.text = text, .size = size};
    azr_eval_line line = {.path = options->data};
    while (status == AZR_OK && (options->limit == 0 || n < (size_t)options->limit) &&
           azr_eval__next_line(&cursor, &line)) {
        if (n == AZR_EVAL_MAX_ITEMS) {
            status = azr_error_set(error, AZR_ERROR_LIMIT, "%s: holds more than %d items",
                                   options->data, AZR_EVAL_MAX_ITEMS);
            break;
        }
        if (n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 64;
            items = azr_realloc(items, capacity, sizeof *items);
        }
        items[n] = (azr_eval_item){0};
        status = suite->read(suite, &line, &items[n], error);
        bool wanted = options->kind == NULL || options->kind[0] == '\0' || !suite->tasks ||
                      strcmp(suite->name, "tasks") != 0 ||
                      strcmp(azr_kind_name(items[n].task.kind), options->kind) == 0;
        if (status == AZR_OK && wanted)
            n++;
        else
            azr_eval__item_deinit(&items[n]);
    }
    azr_free(text);
    *out_items = items;
    *out_n = n;
    return status;
}

static bool is_database(const char *path)
{
    char head[16] = {0};
    FILE *file = fopen(path, "rb");
    size_t n = file != NULL ? fread(head, 1, sizeof head, file) : 0;
    if (file != NULL)
        fclose(file);
    return n == sizeof head && memcmp(head, "SQLite format 3", sizeof head) == 0;
}

azr_status azr_eval__items_read(const azr_eval_suite *suite, const azr_eval_options *options,
                                azr_eval_item **out_items, size_t *out_n, azr_error *error)
{
    *out_items = NULL;
    *out_n = 0;
    azr_status status = AZR_OK;
    if (suite == &azr_eval__tasks && is_database(options->data))
        status = azr_eval__stored_tasks(options, out_items, out_n, error);
    else
        status = read_lines(suite, options, out_items, out_n, error);
    if (status == AZR_OK && *out_n == 0)
        status = azr_error_set(error, AZR_ERROR_INPUT, "%s: holds no item to ask", options->data);
    if (status == AZR_OK)
        status = check_ids(options->data, *out_items, *out_n, error);
    if (status != AZR_OK) {
        azr_eval__items_free(*out_items, *out_n);
        *out_items = NULL;
        *out_n = 0;
    }
    return status;
}

void azr_eval__say_run(const azr_exec_run *run, azr_strbuf *why)
{
    if (run->status != AZR_EXEC_EXCEPTION) {
        azr_strbuf_puts(why, azr_exec_status_name(run->status));
    } else {
        azr_strbuf_puts(why, run->exception != NULL ? run->exception : "exception");
        if (run->message != NULL && run->message[0] != '\0')
            azr_strbuf_printf(why, ": %s", run->message);
    }
}
