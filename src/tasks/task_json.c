/* task_json.c: a task as one line of JSON: ours, and the reference implementation's fields. */
#include "tasks/exception_name.h"
#include "tasks/imports.h"
#include "tasks/text.h"

#include "azr/claim.h"
#include "azr/program.h"

#include "base/check.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PAIRS = 1024 };

static azr_status bad(azr_error *error, const char *field, const char *what)
{
    return azr_error_set(error, AZR_ERROR_INPUT, "field '%s' %s", field, what);
}

/* The text of a field; *out_text is borrowed. */
static azr_status text_of(const json_t *value, const char *field, const char **out_text,
                          azr_error *error)
{
    if (value == NULL)
        return bad(error, field, "is missing");
    if (!json_is_string(value))
        return bad(error, field, "must be a text");
    *out_text = json_string_value(value);
    if (!azr_tasks__is_text((azr_span){*out_text, json_string_length(value)}))
        return bad(error, field, "holds control characters");
    return AZR_OK;
}

static azr_status read_kind(const json_t *root, azr_kind *out_kind, azr_error *error)
{
    const json_t *value = json_object_get(root, "kind");
    *out_kind = json_object_get(root, "inputs") != NULL  ? AZR_KIND_INDUCTION
                : json_object_get(root, "error") != NULL ? AZR_KIND_ERROR
                                                         : AZR_KIND_DEDUCTION;
    if (value == NULL || json_is_null(value))
        return AZR_OK;
    const char *name = "";
    azr_status status = text_of(value, "kind", &name, error);
    if (status == AZR_OK && !azr_kind_parse(name, out_kind))
        status = bad(error, "kind", "must be deduction, abduction, induction or error");
    return status;
}

static bool is_same(azr_span a, azr_span b)
{
    return a.size == b.size && memcmp(a.text, b.text, a.size) == 0;
}

/* Is this a line of the program, wherever it stands, or an import of several lines? */
static bool has_import(const char *program, azr_span wanted)
{
    azr_span rest = {program, strlen(program)}, line, statement;
    bool found = false;
    while (!found && azr_tasks__next_line(&rest, &line))
        found = is_same(azr_tasks__trim(line), wanted);
    azr_places places = {0};
    size_t i = 0;
    azr_places_read(program, &places);
    while (!found && azr_tasks__next_import(&places, &i, &statement))
        found = is_same(statement, wanted);
    azr_free(places.all);
    return found;
}

static azr_status read_program(const json_t *root, azr_task_claim *task, azr_error *error)
{
    const char *field = json_object_get(root, "program") != NULL ? "program" : "snippet";
    const json_t *value = json_object_get(root, field), *imports = json_object_get(root, "imports");
    const char *program = "", *line = "";
    azr_status status = text_of(value, value != NULL ? field : "program", &program, error);
    if (status != AZR_OK)
        return status;
    if (imports != NULL && !json_is_array(imports))
        return bad(error, "imports", "must be a list of texts");
    azr_strbuf text = {0};
    for (size_t i = 0; status == AZR_OK && i < json_array_size(imports); i++) {
        status = text_of(json_array_get(imports, i), "imports", &line, error);
        if (status != AZR_OK)
            break;
        azr_span span = azr_tasks__trim((azr_span){line, strlen(line)});
        if (has_import(program, span))
            continue;
        azr_strbuf_append(&text, span.text, span.size);
        azr_strbuf_puts(&text, "\n");
    }
    azr_tasks__append_program((azr_span){program, strlen(program)}, &text);
    task->program = azr_strbuf_steal(&text);
    if (status == AZR_OK && !azr_tasks__defines_f((azr_span){task->program, strlen(task->program)}))
        status = bad(error, field, "has no function f at its left margin");
    return status;
}

static azr_status read_text(const json_t *value, const char *field, char **out_text,
                            azr_error *error)
{
    const char *text = "";
    azr_status status = text_of(value, field, &text, error);
    if (status == AZR_OK)
        *out_text = azr_copy_text(text, strlen(text));
    return status;
}

static azr_status read_list(const json_t *root, const char *field, size_t n, char **texts,
                            azr_error *error)
{
    const json_t *list = json_object_get(root, field);
    if (!json_is_array(list) || json_array_size(list) != n)
        return azr_error_set(error, AZR_ERROR_INPUT, "field '%s' must be a list of %zu texts",
                             field, n);
    azr_status status = AZR_OK;
    for (size_t i = 0; status == AZR_OK && i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s[%zu]", field, i);
        status = read_text(json_array_get(list, i), name, &texts[i], error);
    }
    return status;
}

static azr_status read_pairs(const json_t *root, azr_task_claim *task, azr_error *error)
{
    bool induction = task->kind == AZR_KIND_INDUCTION;
    size_t n = 1;
    if (induction) {
        const json_t *inputs = json_object_get(root, "inputs");
        if (inputs == NULL)
            return bad(error, "inputs", "is missing");
        n = json_array_size(inputs);
        if (n < 2 || n > MAX_PAIRS)
            return azr_error_set(error, AZR_ERROR_INPUT,
                                 "field 'inputs' must be a list of 2 to %d texts", MAX_PAIRS);
    }
    task->n_pairs = n;
    task->inputs = azr_alloc(n, sizeof *task->inputs);
    task->outputs = azr_alloc(n, sizeof *task->outputs);
    azr_status status;
    if (induction) {
        status = read_list(root, "inputs", n, task->inputs, error);
        if (status == AZR_OK)
            status = read_list(root, "outputs", n, task->outputs, error);
        return status;
    }
    status = read_text(json_object_get(root, "input"), "input", &task->inputs[0], error);
    const char *field = "output";
    if (task->kind == AZR_KIND_ERROR && json_object_get(root, field) == NULL)
        field = "error";
    if (status == AZR_OK)
        status = read_text(json_object_get(root, field), field, &task->outputs[0], error);
    return status;
}

static azr_status read_message(const json_t *root, azr_task_claim *task, azr_error *error)
{
    if (task->kind != AZR_KIND_INDUCTION)
        return AZR_OK;
    const char *text = "";
    azr_status status = text_of(json_object_get(root, "message"), "message", &text, error);
    if (status != AZR_OK)
        return status;
    azr_strbuf line = {0};
    azr_tasks__append_one_line((azr_span){text, strlen(text)}, &line);
    task->message = azr_strbuf_steal(&line); /* may be empty: the reference has such tasks */
    return AZR_OK;
}

/* Rows of the evaluation sets, by fields that tasks do not have. */
static azr_status refuse_evaluation(const json_t *root, azr_error *error)
{
    static const struct {
        const char *field, *other, *set;
    } rows[] = {
        {"canonical_solution", "entry_point", "HumanEval or MBPP"},
        {"plus_input", "base_input", "HumanEval+ or MBPP+"},
        {"test_list", "text", "MBPP"},
        {"question", "answer", "GSM8K"},
        {"problem", "answer", "a set of mathematics"},
        {"code", "output", "CRUXEval"},
        {"question_content", "question_id", "LiveCodeBench"},
        {"question_content", "public_test_cases", "LiveCodeBench"},
        {"question_content", "question_title", "LiveCodeBench"},
    };
    for (size_t i = 0; i < AZR_COUNT(rows); i++)
        if (json_object_get(root, rows[i].field) != NULL &&
            json_object_get(root, rows[i].other) != NULL)
            return azr_error_set(error, AZR_ERROR_UNSUPPORTED,
                                 "a row of %s (fields '%s' and '%s'): evaluation sets are never "
                                 "trained on",
                                 rows[i].set, rows[i].field, rows[i].other);
    return AZR_OK;
}

azr_status azr_task_claim_read(const char *line, size_t size, azr_task_claim *out_claim,
                               azr_error *error)
{
    *out_claim = (azr_task_claim){0};
    if (size > AZR_TASK_MAX_JSON_BYTES)
        return azr_error_set(error, AZR_ERROR_LIMIT, "a task of %zu bytes is over the limit of %d",
                             size, AZR_TASK_MAX_JSON_BYTES);
    json_error_t fault;
    json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &fault);
    if (root == NULL)
        return azr_error_set(error, AZR_ERROR_INPUT, "no JSON at column %d: %s", fault.column,
                             fault.text);
    azr_status status = AZR_OK;
    if (!json_is_object(root))
        status = azr_error_set(error, AZR_ERROR_INPUT, "a task must be a JSON object");
    if (status == AZR_OK)
        status = refuse_evaluation(root, error);
    if (status == AZR_OK)
        status = read_kind(root, &out_claim->kind, error);
    if (status == AZR_OK)
        status = read_program(root, out_claim, error);
    if (status == AZR_OK)
        status = read_pairs(root, out_claim, error);
    if (status == AZR_OK)
        status = read_message(root, out_claim, error);
    const json_t *kind = json_object_get(root, "kind");
    out_claim->any_triplet =
        out_claim->kind == AZR_KIND_DEDUCTION && (kind == NULL || json_is_null(kind));
    json_decref(root);
    if (status != AZR_OK)
        azr_task_claim_deinit(out_claim);
    return status;
}

static azr_status check_name(const char *text, azr_error *error)
{
    if (azr_tasks__is_exception_name(text, strlen(text)))
        return AZR_OK;
    return azr_error_set(error, AZR_ERROR_INPUT,
                         "the output of an error task must be the name of an exception, or %s",
                         azr_task_no_error);
}

/* Makes a text the canonical literal, or argument list, that it says. */
static azr_status make_literal(char **text, const char *field, bool arguments, azr_error *error)
{
    azr_literal *literal = NULL;
    azr_status status = arguments ? azr_arguments_parse(*text, strlen(*text), &literal, error)
                                  : azr_literal_parse(*text, strlen(*text), &literal, error);
    if (status != AZR_OK) {
        azr_error_prefix(error, "field '%s' must be %s", field,
                         arguments ? "plain values as between the brackets of a call"
                                   : "a plain value");
        return status;
    }
    azr_free(*text);
    *text = azr_literal_print(literal);
    azr_literal_destroy(literal);
    return AZR_OK;
}

azr_status azr_task_from_json(const char *line, size_t size, azr_task *out_task, azr_error *error)
{
    azr_task_claim claim;
    *out_task = (azr_task){0};
    azr_status status = azr_task_claim_read(line, size, &claim, error);
    for (size_t i = 0; status == AZR_OK && i < 2 * claim.n_pairs; i++) {
        bool input = i < claim.n_pairs, one = claim.kind != AZR_KIND_INDUCTION;
        size_t k = input ? i : i - claim.n_pairs;
        char field[64];
        snprintf(field, sizeof field, one ? "%s" : "%ss[%zu]", input ? "input" : "output", k);
        status =
            !input && claim.kind == AZR_KIND_ERROR
                ? check_name(claim.outputs[k], error)
                : make_literal(input ? &claim.inputs[k] : &claim.outputs[k], field, input, error);
    }
    if (status != AZR_OK) {
        azr_task_claim_deinit(&claim);
        return status;
    }
    *out_task = (azr_task){.kind = claim.kind,
                           .program = claim.program,
                           .n_pairs = claim.n_pairs,
                           .inputs = claim.inputs,
                           .outputs = claim.outputs,
                           .message = claim.message};
    return AZR_OK;
}

static json_t *list_of(char *const *texts, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

char *azr_task_to_json(const azr_task *task)
{
    json_t *root = json_object();
    json_object_set_new(root, "kind", json_string(azr_kind_name(task->kind)));
    json_object_set_new(root, "program", json_string(task->program));
    if (task->kind == AZR_KIND_INDUCTION) {
        json_object_set_new(root, "inputs", list_of(task->inputs, task->n_pairs));
        json_object_set_new(root, "outputs", list_of(task->outputs, task->n_pairs));
        json_object_set_new(root, "message", json_string(task->message));
    } else {
        json_object_set_new(root, "input", json_string(task->inputs[0]));
        json_object_set_new(root, "output", json_string(task->outputs[0]));
    }
    char *dumped = json_dumps(root, 0);
    char *text = azr_copy_text(dumped, strlen(dumped));
    free(dumped);
    json_decref(root);
    return text;
}

/* --- the reference implementation's form ------------------------------------------------------ */

/* Statements at the left margin that import. */
static json_t *imports_of(const char *program)
{
    azr_places places = {0};
    azr_span statement;
    size_t i = 0;
    json_t *list = json_array();
    azr_places_read(program, &places);
    while (azr_tasks__next_import(&places, &i, &statement))
        json_array_append_new(list, json_stringn(statement.text, statement.size));
    azr_free(places.all);
    return list;
}

static json_t *type_of(const char *text, bool arguments)
{
    azr_literal *value = NULL;
    if (!arguments)
        azr_literal_parse(text, strlen(text), &value, NULL);
    else if (azr_arguments_parse(text, strlen(text), &value, NULL) == AZR_OK &&
             azr_arguments_count(value) == 1) {
        /* One argument is written as its value. */
        azr_literal *alone = NULL;
        azr_literal_parse(text, strlen(text), &alone, NULL);
        azr_literal_destroy(value);
        value = alone;
    }
    const char *type = value != NULL ? azr_literal_type(value) : "str"; /* an exception */
    json_t *name = json_string(strcmp(type, "arguments") == 0 ? "tuple" : type);
    azr_literal_destroy(value);
    return name;
}

static json_t *types_of(char *const *texts, size_t n, bool arguments)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, type_of(texts[i], arguments));
    return list;
}

/* Without the functions that its writer was given, and without line feeds at the end. */
static json_t *own_text_of(const char *program)
{
    azr_strbuf text = {0};
    azr_program_own_text(program, &text);
    while (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    json_t *own = json_stringn(azr_strbuf_text(&text), text.size);
    azr_strbuf_deinit(&text);
    return own;
}

static json_t *parts_of(const char *program)
{
    json_t *list = json_array();
    azr_strbuf part = {0};
    for (size_t k = 0; azr_program_part_text(program, k, &part); k++) {
        json_array_append_new(list, json_stringn(part.data, part.size));
        azr_strbuf_reset(&part);
    }
    azr_strbuf_deinit(&part);
    return list;
}

char *azr_task_to_reference_json(const azr_task *task)
{
    json_t *root = json_object();
    size_t n_program = strlen(task->program);
    while (n_program > 0 && task->program[n_program - 1] == '\n')
        n_program--;
    json_object_set_new(root, "snippet", json_stringn(task->program, n_program));
    json_object_set_new(root, "kind", json_string(azr_kind_name(task->kind)));
    if (task->kind == AZR_KIND_INDUCTION) {
        json_object_set_new(root, "inputs", list_of(task->inputs, task->n_pairs));
        json_object_set_new(root, "outputs", list_of(task->outputs, task->n_pairs));
        json_object_set_new(root, "message", json_string(task->message));
        json_object_set_new(root, "_input_types", types_of(task->inputs, task->n_pairs, true));
        json_object_set_new(root, "_output_types", types_of(task->outputs, task->n_pairs, false));
    } else {
        json_object_set_new(root, "input", json_string(task->inputs[0]));
        json_object_set_new(root, "output", json_string(task->outputs[0]));
        if (task->kind == AZR_KIND_ERROR)
            json_object_set_new(root, "error", json_string(task->outputs[0]));
        json_object_set_new(root, "original_snippet", own_text_of(task->program));
        json_object_set_new(root, "composite_functions", parts_of(task->program));
        json_object_set_new(root, "_input_type", type_of(task->inputs[0], true));
        json_object_set_new(root, "_output_type", type_of(task->outputs[0], false));
    }
    json_object_set_new(root, "imports", imports_of(task->program));
    char *dumped = json_dumps(root, 0);
    char *text = azr_copy_text(dumped, strlen(dumped));
    free(dumped);
    json_decref(root);
    return text;
}
