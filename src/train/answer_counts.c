#include "train/answer_counts.h"

#include "azr/literal.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325); /* FNV-1a */
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        hash = (hash ^ *p) * UINT64_C(0x100000001B3);
    return hash;
}

static azr_answer_entry *find(const azr_answer_counts *counts, const char *text)
{
    size_t mask = counts->n_places - 1, i = (size_t)hash_text(text) & mask;
    while (counts->entries[i].text != NULL && strcmp(counts->entries[i].text, text) != 0)
        i = (i + 1) & mask;
    return &counts->entries[i];
}

static void grow(azr_answer_counts *counts)
{
    azr_answer_entry *old = counts->entries;
    size_t n_old = counts->n_places;
    counts->n_places = n_old > 0 ? 2 * n_old : 256;
    counts->entries = azr_alloc(counts->n_places, sizeof *counts->entries);
    for (size_t i = 0; i < n_old; i++)
        if (old[i].text != NULL)
            *find(counts, old[i].text) = old[i];
    azr_free(old);
}

static void type_name(const char *text, char *out, size_t out_size)
{
    azr_literal *literal = NULL;
    bool good = azr_literal_parse(text, strlen(text), &literal, NULL) == AZR_OK;
    snprintf(out, out_size, "%s", good ? azr_literal_type(literal) : "str");
    azr_literal_destroy(literal);
}

/* The type's place; n_types when it was never seen. */
static size_t find_type(const azr_answer_counts *counts, const char *name)
{
    size_t i = 0;
    while (i < counts->n_types && strcmp(counts->types[i].name, name) != 0)
        i++;
    return i;
}

void azr_answer_counts_add(azr_answer_counts *counts, const char *text)
{
    if (2 * (counts->n_entries + 1) > counts->n_places)
        grow(counts);
    azr_answer_entry *entry = find(counts, text);
    if (entry->text == NULL) {
        char name[24];
        type_name(text, name, sizeof name);
        size_t type = find_type(counts, name);
        if (type == counts->n_types) {
            counts->types = azr_realloc(counts->types, counts->n_types + 1, sizeof *counts->types);
            counts->types[type] = (azr_answer_type){0};
            memcpy(counts->types[type].name, name, sizeof name);
            counts->n_types++;
        }
        *entry = (azr_answer_entry){.text = azr_copy_text(text, strlen(text)), .type = type};
        counts->n_entries++;
        counts->types[type].n_distinct++;
    }
    entry->count++;
    counts->types[entry->type].n++;
    counts->n++;
}

double azr_answer_counts_diversity(const azr_answer_counts *counts, bool hierarchical,
                                   const char *text)
{
    if (counts->n == 0)
        return 1.0;
    const azr_answer_entry *entry = find(counts, text);
    double count = (double)entry->count;
    if (!hierarchical)
        return 1.0 - count / (double)counts->n;
    char name[24];
    type_name(text, name, sizeof name);
    size_t type = find_type(counts, name);
    if (type == counts->n_types)
        return 1.0;
    double n_type = (double)counts->types[type].n;
    return 0.5 * (1.0 - n_type / (double)counts->n) + 0.5 * (1.0 - count / n_type);
}

void azr_answer_counts_deinit(azr_answer_counts *counts)
{
    for (size_t i = 0; i < counts->n_places; i++)
        azr_free(counts->entries[i].text);
    azr_free(counts->entries);
    azr_free(counts->types);
    *counts = (azr_answer_counts){0};
}
