/* corpus_files.c: the programs of benchmark files, for corpus.h. */
#include "corpus.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

static const char *text_of(const json_t *item, const char *name)
{
    const char *text = json_string_value(json_object_get(item, name));
    return text != NULL ? text : "";
}

/* As a Python literal: JSON's texts and numbers are Python's too. */
static void write_value(const json_t *value, azr_strbuf *out)
{
    const char *key;
    json_t *inner;
    size_t i;
    if (json_is_array(value)) {
        azr_strbuf_puts(out, "[");
        json_array_foreach(value, i, inner)
        {
            azr_strbuf_puts(out, i > 0 ? ", " : "");
            write_value(inner, out);
        }
        azr_strbuf_puts(out, "]");
    } else if (json_is_object(value)) {
        azr_strbuf_puts(out, "{");
        json_object_foreach((json_t *)(uintptr_t)value, key, inner)
        {
            json_t *text = json_string(key);
            write_value(text, out);
            json_decref(text);
            azr_strbuf_puts(out, ": ");
            write_value(inner, out);
            azr_strbuf_puts(out, ", ");
        }
        azr_strbuf_puts(out, "}");
    } else if (json_is_null(value)) {
        azr_strbuf_puts(out, "None");
    } else if (json_is_boolean(value)) {
        azr_strbuf_puts(out, json_is_true(value) ? "True" : "False");
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        azr_strbuf_puts(out, text != NULL ? text : "None");
        free(text);
    }
}

/* {"snippet" or "code", "input" or "inputs"}. */
static void add_task(azr_test_corpus *corpus, const json_t *item, size_t max_inputs)
{
    const char *code = text_of(item, "snippet");
    azr_test_program *p = azr_test_corpus_add(corpus, *code != '\0' ? code : text_of(item, "code"));
    const json_t *inputs = json_object_get(item, "inputs");
    p->constructors = json_object_get(item, "code") != NULL;
    if (inputs == NULL)
        azr_test_program_add_input(p, text_of(item, "input"));
    for (size_t i = 0; i < json_array_size(inputs) && i < max_inputs; i++)
        azr_test_program_add_input(p, json_string_value(json_array_get(inputs, i)));
}

/* {"prompt", "canonical_solution", "entry_point", "base_input", "plus_input"}: the solution. */
static void add_solution(azr_test_corpus *corpus, const json_t *item, size_t max_inputs)
{
    static const char *const lists[] = {"base_input", "plus_input"};
    azr_strbuf text = {0};
    azr_strbuf_printf(&text, "%s\n%s", text_of(item, "prompt"),
                      text_of(item, "canonical_solution"));
    azr_test_program *p = azr_test_corpus_add(corpus, azr_strbuf_text(&text));
    const char *name = text_of(item, "entry_point");
    p->function = azr_copy_text(name, strlen(name));
    for (size_t k = 0; k < AZR_COUNT(lists); k++) {
        const json_t *list = json_object_get(item, lists[k]);
        for (size_t i = 0; i < json_array_size(list) && i < (max_inputs + 1) / 2; i++) {
            text.size = 0;
            write_value(json_array_get(list, i), &text);
            /* [a, b]: the arguments are what is between. */
            if (text.size < 2 || text.size > 100000 || text.data[0] != '[')
                continue;
            text.data[text.size - 1] = '\0';
            azr_test_program_add_input(p, text.data + 1);
        }
    }
    azr_strbuf_deinit(&text);
}

static void add_file(azr_test_corpus *corpus, const char *path, bool solutions, size_t max_inputs)
{
    char chunk[1 << 14];
    azr_strbuf line = {0};
    gzFile file = gzopen(path, "rb");
    while (file != NULL && gzgets(file, chunk, sizeof chunk) != NULL) {
        azr_strbuf_puts(&line, chunk);
        if (line.size == 0 || line.data[line.size - 1] != '\n')
            continue;
        json_t *item = json_loadb(line.data, line.size, JSON_ALLOW_NUL, NULL);
        if (json_is_object(item) && solutions)
            add_solution(corpus, item, max_inputs);
        else if (json_is_object(item))
            add_task(corpus, item, max_inputs);
        json_decref(item);
        line.size = 0;
    }
    if (file != NULL)
        gzclose(file);
    azr_strbuf_deinit(&line);
}

bool azr_test_corpus_add_files(azr_test_corpus *corpus, const char *folder, size_t max_inputs)
{
    static const struct {
        const char *path;
        bool solutions;
    } files[] = {
        {"azr-seeds/7b_coder_seed_io.jsonl", false},
        {"azr-seeds/7b_coder_code_f_seed_io.jsonl", false},
        {"cruxeval-dev/cruxeval-dev.jsonl", false},
        {"humanevalplus/HumanEvalPlus.jsonl.gz", true},
        {"mbppplus/MbppPlus.jsonl.gz", true},
    };
    struct stat info;
    size_t before = corpus->n;
    azr_strbuf path = {0};
    for (size_t i = 0; i < AZR_COUNT(files); i++) {
        path.size = 0;
        azr_strbuf_printf(&path, "%s/data/%s", folder, files[i].path);
        if (stat(path.data, &info) == 0)
            add_file(corpus, path.data, files[i].solutions, max_inputs);
    }
    azr_strbuf_deinit(&path);
    return corpus->n > before;
}
