/* chat_template.c: runs the tree of a chat template: statements, names, operators. */
#include "tokenizer/chat_template.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

azr_chat_value azr_chat__fail(azr_chat_run *run, azr_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (run->status == AZR_OK)
        azr_error_set(run->error, status, "chat template, line %zu: %s", run->line, text);
    run->status = run->status == AZR_OK ? status : run->status;
    return (azr_chat_value){0};
}

bool azr_chat__charge(azr_chat_run *run, size_t bytes)
{
    if (++run->steps > AZR_CHAT_MAX_STEPS)
        azr_chat__fail(run, AZR_ERROR_LIMIT, "takes more than %d steps", AZR_CHAT_MAX_STEPS);
    else if (bytes > AZR_CHAT_MAX_WORK - run->work)
        azr_chat__fail(run, AZR_ERROR_LIMIT, "makes more than %d bytes of text", AZR_CHAT_MAX_WORK);
    else
        run->work += bytes;
    return run->status == AZR_OK;
}

bool azr_chat__is(azr_chat_span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.text, text, span.size) == 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static void bind(azr_chat_run *run, azr_chat_span name, azr_chat_value value)
{
    if (!azr_chat__charge(run, sizeof(azr_chat_binding)))
        return;
    azr_chat_binding *binding = azr_arena_alloc(run->arena, 1, sizeof *binding);
    *binding = (azr_chat_binding){name, value, run->bindings};
    run->bindings = binding;
}

static azr_chat_value look_up(azr_chat_run *run, azr_chat_span name)
{
    for (const azr_chat_binding *b = run->bindings; b != NULL && azr_chat__charge(run, 0);
         b = b->next)
        if (b->name.size == name.size && memcmp(b->name.text, name.text, name.size) == 0)
            return b->value;
    return (azr_chat_value){0};
}

static azr_chat_value name_text(const char *name)
{
    return azr_chat__text(name, strlen(name));
}

/* --- operators -------------------------------------------------------------------------------- */

static azr_chat_value join_texts(azr_chat_run *run, azr_chat_span a, azr_chat_span b)
{
    if (!azr_chat__charge(run, a.size + b.size))
        return (azr_chat_value){0};
    char *text = azr_arena_alloc(run->arena, a.size + b.size + 1, 1);
    if (a.size > 0)
        memcpy(text, a.text, a.size);
    if (b.size > 0)
        memcpy(text + a.size, b.text, b.size);
    return azr_chat__text(text, a.size + b.size);
}

static azr_chat_value join_lists(azr_chat_run *run, const azr_chat_items *a,
                                 const azr_chat_items *b)
{
    azr_chat_value list = azr_chat__container(run, AZR_CHAT_LIST);
    for (size_t i = 0; i < a->n && run->status == AZR_OK; i++)
        azr_chat__add(run, list.items, (azr_chat_value){0}, a->values[i]);
    for (size_t i = 0; i < b->n && run->status == AZR_OK; i++)
        azr_chat__add(run, list.items, (azr_chat_value){0}, b->values[i]);
    return list;
}

static bool is_number(const azr_chat_value *value)
{
    return value->type == AZR_CHAT_INT || value->type == AZR_CHAT_BOOL;
}

/* Division and remainder round down, as Python's do. */
static azr_chat_value calculate(azr_chat_run *run, char operator, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool overflow = false;
    if (operator== '+')
        overflow = __builtin_add_overflow(a, b, &result);
    else if (operator== '-')
        overflow = __builtin_sub_overflow(a, b, &result);
    else if (operator== '*')
        overflow = __builtin_mul_overflow(a, b, &result);
    else if (b == 0)
        return azr_chat__fail(run, AZR_ERROR_INPUT, "division by zero");
    else if (b == -1)
        overflow = operator== '/' && __builtin_sub_overflow((int64_t)0, a, &result);
    else if (operator== '%')
        result = a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0);
    else
        result = a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
    if (overflow)
        return azr_chat__fail(run, AZR_ERROR_LIMIT, "a number is too large");
    return azr_chat__int(result);
}

static int compare_texts(azr_chat_span a, azr_chat_span b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n > 0 ? memcmp(a.text, b.text, n) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static azr_chat_value operate(azr_chat_run *run, azr_chat_span operator, const azr_chat_value * a,
                              const azr_chat_value *b)
{
    if (azr_chat__is(operator, "=="))
        return azr_chat__bool(azr_chat__equal(run, a, b, 0));
    if (azr_chat__is(operator, "!="))
        return azr_chat__bool(!azr_chat__equal(run, a, b, 0));
    if (azr_chat__is(operator, "in"))
        return azr_chat__bool(azr_chat__contains(run, b, a));
    if (azr_chat__is(operator, "not in"))
        return azr_chat__bool(!azr_chat__contains(run, b, a));
    bool texts = a->type == AZR_CHAT_TEXT && b->type == AZR_CHAT_TEXT;
    bool numbers = is_number(a) && is_number(b);
    char sign = operator.text[0];
    if (sign == '~') {
        azr_chat_value left = azr_chat__printed(run, a, false);
        azr_chat_value right = azr_chat__printed(run, b, false);
        return join_texts(run, left.text, right.text);
    }
    if ((sign == '<' || sign == '>') && (texts || numbers)) {
        int order = texts ? compare_texts(a->text, b->text)
                          : (a->number > b->number) - (a->number < b->number);
        order = sign == '<' ? order : -order;
        return azr_chat__bool(operator.size == 2 ? order <= 0 : order<0);
    }
    if (sign == '+' && texts)
        return join_texts(run, a->text, b->text);
    if (sign == '+' && a->type == AZR_CHAT_LIST && b->type == AZR_CHAT_LIST)
        return join_lists(run, a->items, b->items);
    if (sign != '<' && sign != '>' && numbers)
        return calculate(run, sign, a->number, b->number);
    return azr_chat__fail(run, AZR_ERROR_INPUT, "'%.*s' between values that do not go with it",
                          (int)operator.size, operator.text);
}

static azr_chat_value binary(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_value a = azr_chat__evaluate(run, node->a);
    bool either = azr_chat__is(node->name, "or");
    if (run->status == AZR_OK && (either || azr_chat__is(node->name, "and")))
        return azr_chat__truth(&a) == either ? a : azr_chat__evaluate(run, node->b);
    azr_chat_value b = azr_chat__evaluate(run, node->b);
    return run->status == AZR_OK ? operate(run, node->name, &a, &b) : b;
}

/* --- parts of values -------------------------------------------------------------------------- */

static azr_chat_value index_of(azr_chat_run *run, const azr_chat_value *object,
                               const azr_chat_value *key)
{
    if (object->type == AZR_CHAT_MAP && key->type == AZR_CHAT_TEXT)
        return azr_chat__charge(run, 0) ? azr_chat__entry(object, key->text) : *key;
    if (object->type == AZR_CHAT_UNDEFINED)
        return azr_chat__fail(run, AZR_ERROR_INPUT, "a part of an undefined value");
    if (key->type != AZR_CHAT_INT)
        return (azr_chat_value){0};
    bool text = object->type == AZR_CHAT_TEXT;
    if (!text && object->type != AZR_CHAT_LIST)
        return (azr_chat_value){0};
    int64_t n = (int64_t)(text ? object->text.size : object->items->n), i = key->number;
    i = i < 0 && i >= -n ? i + n : i;
    if (i < 0 || i >= n)
        return (azr_chat_value){0};
    return text ? azr_chat__text(object->text.text + i, 1) : object->items->values[i];
}

/* A bound of a slice: from the end when negative, and inside. */
static int64_t bound(azr_chat_run *run, const azr_chat_node *node, int64_t fallback, int64_t low,
                     int64_t n)
{
    if (node == NULL)
        return fallback;
    azr_chat_value value = azr_chat__evaluate(run, node);
    if (value.type != AZR_CHAT_INT) {
        azr_chat__fail(run, AZR_ERROR_INPUT, "a slice's bound is no whole number");
        return fallback;
    }
    int64_t i = value.number < 0 ? value.number + n : value.number;
    return i < low ? low : i > n + low ? n + low : i;
}

static azr_chat_value slice(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_value object = azr_chat__evaluate(run, node->a);
    azr_chat_value step = node->d != NULL ? azr_chat__evaluate(run, node->d) : azr_chat__int(1);
    if (step.type != AZR_CHAT_INT || (step.number != 1 && step.number != -1))
        return azr_chat__fail(run, AZR_ERROR_UNSUPPORTED, "a slice's step must be 1 or -1");
    bool text = object.type == AZR_CHAT_TEXT;
    if (!text && object.type != AZR_CHAT_LIST)
        return azr_chat__fail(run, AZR_ERROR_INPUT, "a slice of what is no list and no text");
    int64_t n = (int64_t)(text ? object.text.size : object.items->n);
    int64_t low = step.number < 0 ? -1 : 0;
    int64_t from = bound(run, node->b, step.number < 0 ? n - 1 : 0, low, n);
    int64_t to = bound(run, node->c, step.number < 0 ? -1 : n, low, n);
    if (text && step.number == 1)
        return azr_chat__text(object.text.text + from, from < to ? (size_t)(to - from) : 0);
    if (text)
        return azr_chat__fail(run, AZR_ERROR_UNSUPPORTED, "a reversed text is not known");
    azr_chat_value list = azr_chat__container(run, AZR_CHAT_LIST);
    for (int64_t i = from; (step.number > 0 ? i < to : i > to) && run->status == AZR_OK;
         i += step.number)
        azr_chat__add(run, list.items, (azr_chat_value){0}, object.items->values[i]);
    return list;
}

static void collect(azr_chat_run *run, const azr_chat_node *node, azr_chat_arguments *arguments)
{
    for (; node != NULL && run->status == AZR_OK; node = node->next) {
        if (arguments->n == AZR_CHAT_MAX_ARGUMENTS) {
            azr_chat__fail(run, AZR_ERROR_LIMIT, "more than %d arguments", AZR_CHAT_MAX_ARGUMENTS);
            return;
        }
        arguments->names[arguments->n] = node->second;
        arguments->values[arguments->n++] = azr_chat__evaluate(run, node);
    }
}

static azr_chat_value call(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_arguments arguments = {.n = 0};
    azr_chat_value object = {0};
    bool method = node->a->kind == AZR_CHAT_ATTRIBUTE;
    if (!method && node->a->kind != AZR_CHAT_NAME)
        return azr_chat__fail(run, AZR_ERROR_UNSUPPORTED, "a call of what is no name");
    if (method)
        object = azr_chat__evaluate(run, node->a->a);
    collect(run, node->b, &arguments);
    run->line = node->line;
    if (run->status != AZR_OK)
        return object;
    return method ? azr_chat__method(run, node->a->name, &object, &arguments)
                  : azr_chat__function(run, node->a->name, &arguments);
}

static azr_chat_value test(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_value v = azr_chat__evaluate(run, node->a);
    bool list = v.type == AZR_CHAT_LIST, map = v.type == AZR_CHAT_MAP;
    bool text = v.type == AZR_CHAT_TEXT;
    const struct {
        const char *name;
        bool holds;
    } tests[] = {
        {"defined", v.type != AZR_CHAT_UNDEFINED},
        {"undefined", v.type == AZR_CHAT_UNDEFINED},
        {"none", v.type == AZR_CHAT_NONE},
        {"string", text},
        {"mapping", map},
        {"sequence", text || list || map},
        {"iterable", text || list || map || v.type == AZR_CHAT_UNDEFINED},
        {"boolean", v.type == AZR_CHAT_BOOL},
        {"true", v.type == AZR_CHAT_BOOL && v.number != 0},
        {"false", v.type == AZR_CHAT_BOOL && v.number == 0},
        {"number", is_number(&v)},
        {"integer", v.type == AZR_CHAT_INT},
        {"odd", v.type == AZR_CHAT_INT && v.number % 2 != 0},
        {"even", v.type == AZR_CHAT_INT && v.number % 2 == 0},
    };
    for (size_t i = 0; i < AZR_COUNT(tests); i++)
        if (azr_chat__is(node->name, tests[i].name))
            return azr_chat__bool(tests[i].holds);
    return azr_chat__fail(run, AZR_ERROR_UNSUPPORTED, "the test '%.*s' is not known",
                          (int)node->name.size, node->name.text);
}

static azr_chat_value make(azr_chat_run *run, const azr_chat_node *node)
{
    bool map = node->kind == AZR_CHAT_MAKE_MAP;
    azr_chat_value whole = azr_chat__container(run, map ? AZR_CHAT_MAP : AZR_CHAT_LIST);
    for (const azr_chat_node *i = node->a; i != NULL && run->status == AZR_OK; i = i->next) {
        azr_chat_value key = {0};
        if (map) {
            key = azr_chat__evaluate(run, i);
            i = i->next;
            if (key.type != AZR_CHAT_TEXT)
                azr_chat__fail(run, AZR_ERROR_UNSUPPORTED, "a key that is no text");
        }
        azr_chat__add(run, whole.items, key, azr_chat__evaluate(run, i));
    }
    return whole;
}

static azr_chat_value apply_filter(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_arguments arguments = {.n = 0};
    azr_chat_value value = azr_chat__evaluate(run, node->a);
    collect(run, node->b, &arguments);
    run->line = node->line;
    return run->status == AZR_OK ? azr_chat__filter(run, node->name, &value, &arguments) : value;
}

azr_chat_value azr_chat__evaluate(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_value a, b;
    if (!azr_chat__charge(run, 0))
        return (azr_chat_value){0};
    run->line = node->line;
    switch (node->kind) {
    case AZR_CHAT_CONSTANT:
        return node->value;
    case AZR_CHAT_NAME:
        return look_up(run, node->name);
    case AZR_CHAT_MAKE_LIST:
    case AZR_CHAT_MAKE_MAP:
        return make(run, node);
    case AZR_CHAT_ATTRIBUTE:
        a = azr_chat__evaluate(run, node->a);
        b = azr_chat__text(node->name.text, node->name.size);
        return run->status == AZR_OK ? index_of(run, &a, &b) : a;
    case AZR_CHAT_INDEX:
        a = azr_chat__evaluate(run, node->a);
        b = azr_chat__evaluate(run, node->b);
        return run->status == AZR_OK ? index_of(run, &a, &b) : a;
    case AZR_CHAT_SLICE:
        return slice(run, node);
    case AZR_CHAT_CALL:
        return call(run, node);
    case AZR_CHAT_FILTER:
        return apply_filter(run, node);
    case AZR_CHAT_TEST:
        return test(run, node);
    case AZR_CHAT_BINARY:
        return binary(run, node);
    case AZR_CHAT_NOT:
        a = azr_chat__evaluate(run, node->a);
        return azr_chat__bool(!azr_chat__truth(&a));
    case AZR_CHAT_NEGATE:
        a = azr_chat__evaluate(run, node->a);
        if (!is_number(&a))
            return azr_chat__fail(run, AZR_ERROR_INPUT, "'-' before what is no number");
        return calculate(run, '-', 0, a.number);
    case AZR_CHAT_CHOOSE:
        a = azr_chat__evaluate(run, node->a);
        if (azr_chat__truth(&a))
            return azr_chat__evaluate(run, node->b);
        return node->c != NULL ? azr_chat__evaluate(run, node->c) : (azr_chat_value){0};
    default:
        AZR_CHECK(!"a statement in an expression");
        return (azr_chat_value){0};
    }
}

/* --- statements ------------------------------------------------------------------------------- */

static void assign(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_value value = azr_chat__evaluate(run, node->a);
    if (node->second.size == 0) {
        bind(run, node->name, value);
        return;
    }
    azr_chat_value object = look_up(run, node->name);
    if (object.type == AZR_CHAT_MAP && object.items->is_namespace)
        azr_chat__add(run, object.items, azr_chat__text(node->second.text, node->second.size),
                      value);
    else
        azr_chat__fail(run, AZR_ERROR_INPUT, "'%.*s' is no namespace", (int)node->name.size,
                       node->name.text);
}

static void bind_loop(azr_chat_run *run, const azr_chat_items *list, size_t i)
{
    const struct {
        const char *name;
        azr_chat_value value;
    } entries[] = {
        {"index", azr_chat__int((int64_t)i + 1)},
        {"index0", azr_chat__int((int64_t)i)},
        {"revindex", azr_chat__int((int64_t)(list->n - i))},
        {"revindex0", azr_chat__int((int64_t)(list->n - i) - 1)},
        {"length", azr_chat__int((int64_t)list->n)},
        {"first", azr_chat__bool(i == 0)},
        {"last", azr_chat__bool(i + 1 == list->n)},
        {"previtem", i > 0 ? list->values[i - 1] : (azr_chat_value){0}},
        {"nextitem", i + 1 < list->n ? list->values[i + 1] : (azr_chat_value){0}},
    };
    azr_chat_value loop = azr_chat__container(run, AZR_CHAT_MAP);
    for (size_t k = 0; k < AZR_COUNT(entries) && run->status == AZR_OK; k++)
        azr_chat__add(run, loop.items, name_text(entries[k].name), entries[k].value);
    bind(run, (azr_chat_span){"loop", 4}, loop);
}

static void bind_item(azr_chat_run *run, const azr_chat_node *node, const azr_chat_value *item)
{
    if (node->second.size == 0) {
        bind(run, node->name, *item);
    } else if (item->type == AZR_CHAT_LIST && item->items->n == 2) {
        bind(run, node->name, item->items->values[0]);
        bind(run, node->second, item->items->values[1]);
    } else {
        azr_chat__fail(run, AZR_ERROR_INPUT, "an element is no pair");
    }
}

/* What a loop goes through, as a list: a map's keys; what the condition keeps. */
static azr_chat_value loop_items(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_value whole = azr_chat__evaluate(run, node->a);
    azr_chat_value kept = azr_chat__container(run, AZR_CHAT_LIST);
    const azr_chat_binding *outside = run->bindings;
    if (run->status != AZR_OK || whole.type == AZR_CHAT_UNDEFINED)
        return kept;
    if (whole.type != AZR_CHAT_LIST && whole.type != AZR_CHAT_MAP)
        azr_chat__fail(run, AZR_ERROR_INPUT, "a loop over what is no list");
    const azr_chat_items *items = whole.items;
    for (size_t i = 0; run->status == AZR_OK && i < items->n; i++) {
        azr_chat_value item = whole.type == AZR_CHAT_MAP ? items->keys[i] : items->values[i];
        azr_chat_value keep = azr_chat__bool(true);
        if (node->d != NULL) {
            bind_item(run, node, &item);
            keep = azr_chat__evaluate(run, node->d);
            run->bindings = outside;
        }
        if (azr_chat__truth(&keep))
            azr_chat__add(run, kept.items, (azr_chat_value){0}, item);
    }
    return kept;
}

/* What is set inside is gone behind each round, as in Jinja. */
static void loop(azr_chat_run *run, const azr_chat_node *node)
{
    azr_chat_value list = loop_items(run, node);
    const azr_chat_binding *outside = run->bindings;
    for (size_t i = 0; run->status == AZR_OK && i < list.items->n; i++) {
        bind_loop(run, list.items, i);
        bind_item(run, node, &list.items->values[i]);
        azr_chat__execute(run, node->b);
        run->bindings = outside;
    }
    if (run->status == AZR_OK && list.items->n == 0)
        azr_chat__execute(run, node->c);
    run->bindings = outside;
}

static void print(azr_chat_run *run, const azr_chat_value *value)
{
    if (run->status == AZR_OK)
        azr_chat__print(run, value, false, 0, run->out);
}

void azr_chat__execute(azr_chat_run *run, const azr_chat_node *node)
{
    for (; node != NULL && azr_chat__charge(run, 0); node = node->next) {
        azr_chat_value value;
        run->line = node->line;
        if (node->kind == AZR_CHAT_DATA) {
            value = azr_chat__text(node->name.text, node->name.size);
            print(run, &value);
        } else if (node->kind == AZR_CHAT_OUTPUT) {
            value = azr_chat__evaluate(run, node->a);
            print(run, &value);
        } else if (node->kind == AZR_CHAT_SET) {
            assign(run, node);
        } else if (node->kind == AZR_CHAT_FOR) {
            loop(run, node);
        } else {
            AZR_CHECK(node->kind == AZR_CHAT_IF);
            value = azr_chat__evaluate(run, node->a);
            azr_chat__execute(run, azr_chat__truth(&value) ? node->b : node->c);
        }
    }
}

/* --- the door --------------------------------------------------------------------------------- */

static void bind_chat(azr_chat_run *run, const azr_chat *chat)
{
    azr_chat_value messages = azr_chat__container(run, AZR_CHAT_LIST);
    for (size_t i = 0; i < chat->n_messages && run->status == AZR_OK; i++) {
        azr_chat_value message = azr_chat__container(run, AZR_CHAT_MAP);
        azr_chat__add(run, message.items, name_text("role"), name_text(chat->messages[i].role));
        azr_chat__add(run, message.items, name_text("content"),
                      name_text(chat->messages[i].content));
        azr_chat__add(run, messages.items, (azr_chat_value){0}, message);
    }
    bind(run, (azr_chat_span){"messages", 8}, messages);
    bind(run, (azr_chat_span){"add_generation_prompt", 21},
         azr_chat__bool(chat->add_generation_prompt));
    const azr_chat_value none = {.type = AZR_CHAT_NONE};
    bind(run, (azr_chat_span){"tools", 5}, none);
    bind(run, (azr_chat_span){"documents", 9}, none);
    if (chat->bos != NULL)
        bind(run, (azr_chat_span){"bos_token", 9}, name_text(chat->bos));
    if (chat->eos != NULL)
        bind(run, (azr_chat_span){"eos_token", 9}, name_text(chat->eos));
}

/* Line feeds as Jinja has them, and without the last one. */
static azr_chat_span normalise(azr_chat_run *run, const char *source, size_t size)
{
    char *text = azr_arena_alloc(run->arena, size + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (source[i] == '\r' && source[i + 1] == '\n')
            continue;
        text[n++] = source[i];
        if (source[i] == '\r')
            text[n - 1] = '\n';
    }
    n -= n > 0 && text[n - 1] == '\n';
    text[n] = '\0';
    return (azr_chat_span){text, n};
}

azr_status azr_chat_template_render(const char *source, const azr_chat *chat, azr_strbuf *out,
                                    azr_error *error)
{
    size_t size = strlen(source);
    if (size > AZR_CHAT_MAX_SOURCE)
        return azr_error_set(error, AZR_ERROR_LIMIT, "chat template: longer than %d bytes",
                             AZR_CHAT_MAX_SOURCE);
    azr_strbuf text = {0};
    azr_chat_run run = {.arena = azr_arena_create(), .out = &text, .error = error};
    const azr_chat_node *statements = azr_chat__parse(&run, normalise(&run, source, size));
    bind_chat(&run, chat);
    if (run.status == AZR_OK)
        azr_chat__execute(&run, statements);
    if (run.status == AZR_OK)
        azr_strbuf_append(out, azr_strbuf_text(&text), text.size);
    azr_strbuf_deinit(&text);
    azr_arena_destroy(run.arena);
    return run.status;
}
