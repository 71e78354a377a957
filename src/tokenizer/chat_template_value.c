/* chat_template_value.c: values of chat templates, and the filters, methods and functions on them.
 * Texts are bytes; what depends on letters knows those of ASCII. */
#include "tokenizer/chat_template.h"

#include "base/check.h"

#include <inttypes.h>
#include <string.h>

azr_chat_value azr_chat__text(const char *text, size_t size)
{
    return (azr_chat_value){.type = AZR_CHAT_TEXT, .text = {text, size}};
}

azr_chat_value azr_chat__int(int64_t number)
{
    return (azr_chat_value){.type = AZR_CHAT_INT, .number = number};
}

azr_chat_value azr_chat__bool(bool truth)
{
    return (azr_chat_value){.type = AZR_CHAT_BOOL, .number = truth};
}

azr_chat_value azr_chat__container(azr_chat_run *run, azr_chat_type type)
{
    /* After a failure too, of which there is one, so that callers always have a container. */
    azr_chat__charge(run, sizeof(azr_chat_items));
    return (azr_chat_value){.type = type,
                            .items = azr_arena_alloc(run->arena, 1, sizeof(azr_chat_items))};
}

static size_t find_key(const azr_chat_items *items, azr_chat_span key)
{
    size_t i = 0;
    while (i < items->n && (items->keys[i].text.size != key.size ||
                            memcmp(items->keys[i].text.text, key.text, key.size) != 0))
        i++;
    return i;
}

void azr_chat__add(azr_chat_run *run, azr_chat_items *items, azr_chat_value key,
                   azr_chat_value value)
{
    bool map = key.type == AZR_CHAT_TEXT;
    /* A map is gone through for its key. */
    if (!azr_chat__charge(run, map ? items->n : 0))
        return;
    size_t i = map ? find_key(items, key.text) : items->n;
    if (i == items->n && items->n == items->capacity) {
        size_t capacity = items->capacity > 0 ? 2 * items->capacity : 4;
        if (!azr_chat__charge(run, 2 * capacity * sizeof value))
            return;
        azr_chat_value *grown = azr_arena_alloc(run->arena, 2 * capacity, sizeof value);
        for (size_t k = 0; k < items->n; k++) {
            grown[k] = items->values[k];
            grown[capacity + k] = items->keys[k];
        }
        items->values = grown;
        items->keys = grown + capacity;
        items->capacity = capacity;
    }
    items->n += i == items->n;
    items->keys[i] = key;
    items->values[i] = value;
}

azr_chat_value azr_chat__entry(const azr_chat_value *map, azr_chat_span key)
{
    size_t i = find_key(map->items, key);
    return i < map->items->n ? map->items->values[i] : (azr_chat_value){0};
}

bool azr_chat__truth(const azr_chat_value *value)
{
    switch (value->type) {
    case AZR_CHAT_BOOL:
    case AZR_CHAT_INT:
        return value->number != 0;
    case AZR_CHAT_TEXT:
        return value->text.size > 0;
    case AZR_CHAT_LIST:
    case AZR_CHAT_MAP:
        return value->items->n > 0;
    default:
        return false;
    }
}

static bool too_deep(azr_chat_run *run, int depth)
{
    if (depth > AZR_CHAT_MAX_DEPTH)
        azr_chat__fail(run, AZR_ERROR_LIMIT, "a value is nested more than %d deep",
                       AZR_CHAT_MAX_DEPTH);
    return run->status != AZR_OK;
}

bool azr_chat__equal(azr_chat_run *run, const azr_chat_value *a, const azr_chat_value *b, int depth)
{
    if (too_deep(run, depth) || !azr_chat__charge(run, 0))
        return false;
    bool number = a->type == AZR_CHAT_INT || a->type == AZR_CHAT_BOOL;
    if (number && (b->type == AZR_CHAT_INT || b->type == AZR_CHAT_BOOL))
        return a->number == b->number;
    if (a->type != b->type)
        return false;
    if (a->type == AZR_CHAT_TEXT)
        return a->text.size == b->text.size &&
               (a->text.size == 0 || memcmp(a->text.text, b->text.text, a->text.size) == 0);
    if (a->type != AZR_CHAT_LIST && a->type != AZR_CHAT_MAP)
        return true;
    bool equal = a->items->n == b->items->n;
    for (size_t i = 0; i < a->items->n && equal; i++) {
        azr_chat_value other = a->type == AZR_CHAT_MAP ? azr_chat__entry(b, a->items->keys[i].text)
                                                       : b->items->values[i];
        equal = azr_chat__charge(run, b->items->n) &&
                azr_chat__equal(run, &a->items->values[i], &other, depth + 1);
    }
    return equal;
}

static const char *find_text(azr_chat_span whole, azr_chat_span part)
{
    return part.size == 0 ? whole.text : memmem(whole.text, whole.size, part.text, part.size);
}

bool azr_chat__contains(azr_chat_run *run, const azr_chat_value *whole, const azr_chat_value *part)
{
    bool found = false;
    if (whole->type == AZR_CHAT_TEXT && part->type == AZR_CHAT_TEXT)
        return azr_chat__charge(run, whole->text.size) && find_text(whole->text, part->text);
    if (whole->type == AZR_CHAT_MAP && part->type == AZR_CHAT_TEXT)
        return find_key(whole->items, part->text) < whole->items->n;
    if (whole->type != AZR_CHAT_LIST && whole->type != AZR_CHAT_UNDEFINED)
        azr_chat__fail(run, AZR_ERROR_INPUT, "'in' what is no list, map or text");
    for (size_t i = 0; whole->type == AZR_CHAT_LIST && i < whole->items->n && !found; i++)
        found = azr_chat__equal(run, &whole->items->values[i], part, 0);
    return found;
}

/* --- as text ---------------------------------------------------------------------------------- */

/* transformers writes JSON with ensure_ascii false, and not for HTML. */
static void print_json_text(azr_chat_span text, azr_strbuf *out)
{
    azr_strbuf_puts(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        static const char from[] = "\n\r\t\b\f\"\\", to[] = "nrtbf\"\\";
        unsigned char c = (unsigned char)text.text[i];
        const char *found = c != 0 ? strchr(from, c) : NULL;
        if (found != NULL)
            azr_strbuf_printf(out, "\\%c", to[found - from]);
        else if (c < 0x20)
            azr_strbuf_printf(out, "\\u%04x", c);
        else
            azr_strbuf_append(out, text.text + i, 1);
    }
    azr_strbuf_puts(out, "\"");
}

static void print_json_items(azr_chat_run *run, const azr_chat_value *value, int depth,
                             azr_strbuf *out)
{
    bool map = value->type == AZR_CHAT_MAP;
    azr_strbuf_puts(out, map ? "{" : "[");
    for (size_t i = 0; i < value->items->n && run->status == AZR_OK; i++) {
        azr_strbuf_puts(out, i > 0 ? ", " : "");
        if (map) {
            azr_chat__print(run, &value->items->keys[i], true, depth + 1, out);
            azr_strbuf_puts(out, ": ");
        }
        azr_chat__print(run, &value->items->values[i], true, depth + 1, out);
    }
    azr_strbuf_puts(out, map ? "}" : "]");
}

void azr_chat__print(azr_chat_run *run, const azr_chat_value *value, bool json, int depth,
                     azr_strbuf *out)
{
    enum { MAX_NUMBER = 24 };
    if (too_deep(run, depth) ||
        !azr_chat__charge(run, 6 * (size_t)json * value->text.size + value->text.size + MAX_NUMBER))
        return;
    switch (value->type) {
    case AZR_CHAT_UNDEFINED:
        if (json)
            azr_chat__fail(run, AZR_ERROR_INPUT, "tojson of an undefined value");
        break;
    case AZR_CHAT_NONE:
        azr_strbuf_puts(out, json ? "null" : "None");
        break;
    case AZR_CHAT_BOOL:
        azr_strbuf_puts(out, value->number ? json ? "true" : "True" : json ? "false" : "False");
        break;
    case AZR_CHAT_INT:
        azr_strbuf_printf(out, "%" PRId64, value->number);
        break;
    case AZR_CHAT_TEXT:
        if (json)
            print_json_text(value->text, out);
        else
            azr_strbuf_append(out, value->text.text, value->text.size);
        break;
    default:
        if (json)
            print_json_items(run, value, depth, out);
        else
            azr_chat__fail(run, AZR_ERROR_UNSUPPORTED,
                           "a list or map as text is not known without tojson");
    }
}

static azr_chat_value keep(azr_chat_run *run, azr_strbuf *text)
{
    azr_chat_value value =
        azr_chat__text(azr_arena_text(run->arena, azr_strbuf_text(text), text->size), text->size);
    azr_strbuf_deinit(text);
    return value;
}

azr_chat_value azr_chat__printed(azr_chat_run *run, const azr_chat_value *value, bool json)
{
    azr_strbuf text = {0};
    if (value->type == AZR_CHAT_TEXT && !json)
        return *value;
    azr_chat__print(run, value, json, 0, &text);
    return keep(run, &text);
}

/* --- texts ------------------------------------------------------------------------------------ */

static const char white[] = " \t\n\v\f\r\x1c\x1d\x1e\x1f";

static azr_chat_value strip(azr_chat_span text, azr_chat_span set, bool left, bool right)
{
    while (left && text.size > 0 && memchr(set.text, text.text[0], set.size) != NULL) {
        text.text++;
        text.size--;
    }
    while (right && text.size > 0 && memchr(set.text, text.text[text.size - 1], set.size) != NULL)
        text.size--;
    return azr_chat__text(text.text, text.size);
}

static char change_case(char c, bool upper)
{
    char low = upper ? 'a' : 'A', high = upper ? 'z' : 'Z';
    return (char)(c >= low && c <= high ? c ^ 0x20 : c);
}

static azr_chat_value letters(azr_chat_run *run, azr_chat_span text, bool upper, bool upper_first)
{
    if (!azr_chat__charge(run, text.size))
        return (azr_chat_value){0};
    char *changed = azr_arena_text(run->arena, text.text, text.size);
    for (size_t i = 0; i < text.size; i++)
        changed[i] = change_case(changed[i], upper || (upper_first && i == 0));
    return azr_chat__text(changed, text.size);
}

static azr_chat_value replace(azr_chat_run *run, azr_chat_span text, azr_chat_span from,
                              azr_chat_span to)
{
    azr_strbuf out = {0};
    if (from.size == 0)
        return azr_chat__fail(run, AZR_ERROR_UNSUPPORTED, "replacing the empty text is not known");
    while (azr_chat__charge(run, to.size)) {
        const char *found = find_text(text, from);
        size_t n = found != NULL ? (size_t)(found - text.text) : text.size;
        if (!azr_chat__charge(run, n))
            break;
        azr_strbuf_append(&out, text.text, n);
        if (found == NULL)
            break;
        azr_strbuf_append(&out, to.text, to.size);
        text = (azr_chat_span){found + from.size, text.size - n - from.size};
    }
    return keep(run, &out);
}

static azr_chat_value split(azr_chat_run *run, azr_chat_span text, azr_chat_span mark)
{
    azr_chat_value list = azr_chat__container(run, AZR_CHAT_LIST);
    if (mark.size == 0)
        return azr_chat__fail(run, AZR_ERROR_UNSUPPORTED, "split needs a separator");
    while (azr_chat__charge(run, 0)) {
        const char *found = find_text(text, mark);
        size_t n = found != NULL ? (size_t)(found - text.text) : text.size;
        azr_chat__add(run, list.items, (azr_chat_value){0}, azr_chat__text(text.text, n));
        if (found == NULL)
            break;
        text = (azr_chat_span){found + mark.size, text.size - n - mark.size};
    }
    return list;
}

static azr_chat_value join(azr_chat_run *run, const azr_chat_value *list, azr_chat_span mark)
{
    azr_strbuf out = {0};
    for (size_t i = 0; i < list->items->n && azr_chat__charge(run, mark.size); i++) {
        if (i > 0)
            azr_strbuf_append(&out, mark.text, mark.size);
        azr_chat__print(run, &list->items->values[i], false, 0, &out);
    }
    return keep(run, &out);
}

/* --- filters, methods, functions -------------------------------------------------------------- */

static azr_chat_value unknown(azr_chat_run *run, const char *what, azr_chat_span name)
{
    return azr_chat__fail(run, AZR_ERROR_UNSUPPORTED,
                          "the %s '%.*s' is not known for such a value and arguments", what,
                          (int)(name.size < 64 ? name.size : 64), name.text);
}

/* Arguments n, texts all and by position. */
static bool takes_texts(const azr_chat_arguments *arguments, size_t n)
{
    bool fits = arguments->n == n;
    for (size_t i = 0; fits && i < n; i++)
        fits = arguments->values[i].type == AZR_CHAT_TEXT && arguments->names[i].size == 0;
    return fits;
}

static azr_chat_value text_method(azr_chat_run *run, azr_chat_span name, azr_chat_span text,
                                  const azr_chat_arguments *a)
{
    const azr_chat_span set =
        takes_texts(a, 1) ? a->values[0].text : (azr_chat_span){white, sizeof white - 1};
    bool one = takes_texts(a, 1), none = a->n == 0;
    if (azr_chat__is(name, "strip") && (none || one))
        return strip(text, set, true, true);
    if (azr_chat__is(name, "lstrip") && (none || one))
        return strip(text, set, true, false);
    if (azr_chat__is(name, "rstrip") && (none || one))
        return strip(text, set, false, true);
    if (azr_chat__is(name, "startswith") && one)
        return azr_chat__bool(text.size >= set.size && memcmp(text.text, set.text, set.size) == 0);
    if (azr_chat__is(name, "endswith") && one)
        return azr_chat__bool(text.size >= set.size &&
                              memcmp(text.text + text.size - set.size, set.text, set.size) == 0);
    if (azr_chat__is(name, "split") && one)
        return split(run, text, set);
    if (azr_chat__is(name, "replace") && takes_texts(a, 2))
        return replace(run, text, a->values[0].text, a->values[1].text);
    bool upper = azr_chat__is(name, "upper"), first = azr_chat__is(name, "capitalize");
    if ((upper || first || azr_chat__is(name, "lower")) && none)
        return letters(run, text, upper, first);
    return unknown(run, "method", name);
}

/* Pairs, keys or values of a map, as lists. */
static azr_chat_value map_part(azr_chat_run *run, const azr_chat_items *map, char part)
{
    azr_chat_value list = azr_chat__container(run, AZR_CHAT_LIST);
    for (size_t i = 0; i < map->n && run->status == AZR_OK; i++) {
        azr_chat_value item = part == 'v' ? map->values[i] : map->keys[i];
        if (part == 'i') {
            item = azr_chat__container(run, AZR_CHAT_LIST);
            azr_chat__add(run, item.items, (azr_chat_value){0}, map->keys[i]);
            azr_chat__add(run, item.items, (azr_chat_value){0}, map->values[i]);
        }
        azr_chat__add(run, list.items, (azr_chat_value){0}, item);
    }
    return list;
}

azr_chat_value azr_chat__method(azr_chat_run *run, azr_chat_span name, const azr_chat_value *object,
                                const azr_chat_arguments *arguments)
{
    if (object->type == AZR_CHAT_TEXT && azr_chat__is(name, "join") && arguments->n == 1 &&
        arguments->values[0].type == AZR_CHAT_LIST)
        return join(run, &arguments->values[0], object->text);
    if (object->type == AZR_CHAT_TEXT)
        return text_method(run, name, object->text, arguments);
    if (object->type != AZR_CHAT_MAP)
        return unknown(run, "method", name);
    if (azr_chat__is(name, "get") && (arguments->n == 1 || arguments->n == 2) &&
        arguments->values[0].type == AZR_CHAT_TEXT) {
        const azr_chat_value none = {.type = AZR_CHAT_NONE};
        azr_chat_span key = arguments->values[0].text;
        if (find_key(object->items, key) < object->items->n)
            return azr_chat__entry(object, key);
        return arguments->n == 2 ? arguments->values[1] : none;
    }
    if ((azr_chat__is(name, "items") || azr_chat__is(name, "keys") ||
         azr_chat__is(name, "values")) &&
        arguments->n == 0)
        return map_part(run, object->items, name.text[0]);
    return unknown(run, "method", name);
}

static azr_chat_value length(const azr_chat_value *value)
{
    size_t n = 0;
    if (value->type == AZR_CHAT_LIST || value->type == AZR_CHAT_MAP)
        n = value->items->n;
    for (size_t i = 0; value->type == AZR_CHAT_TEXT && i < value->text.size; i++)
        n += ((unsigned char)value->text.text[i] & 0xc0) != 0x80; /* characters, not bytes */
    return azr_chat__int((int64_t)n);
}

static azr_chat_value list_filter(azr_chat_run *run, azr_chat_span name,
                                  const azr_chat_value *value, const azr_chat_arguments *a)
{
    const azr_chat_items *items = value->items;
    const azr_chat_span mark = takes_texts(a, 1) ? a->values[0].text : (azr_chat_span){"", 0};
    if (azr_chat__is(name, "first") && a->n == 0)
        return items->n > 0 ? items->values[0] : (azr_chat_value){0};
    if (azr_chat__is(name, "last") && a->n == 0)
        return items->n > 0 ? items->values[items->n - 1] : (azr_chat_value){0};
    if (azr_chat__is(name, "join") && (a->n == 0 || takes_texts(a, 1)))
        return join(run, value, mark);
    if (azr_chat__is(name, "list") && a->n == 0)
        return *value;
    return unknown(run, "filter", name);
}

/* default(value, true) takes what is false for undefined, too. */
static bool is_default(azr_chat_span name, const azr_chat_arguments *a)
{
    return (azr_chat__is(name, "default") || azr_chat__is(name, "d")) && a->n >= 1 && a->n <= 2;
}

azr_chat_value azr_chat__filter(azr_chat_run *run, azr_chat_span name, const azr_chat_value *value,
                                const azr_chat_arguments *a)
{
    if (is_default(name, a)) {
        bool is_absent = value->type == AZR_CHAT_UNDEFINED;
        if (a->n == 2 && azr_chat__truth(&a->values[1]))
            is_absent = !azr_chat__truth(value);
        return is_absent ? a->values[0] : *value;
    }
    if (azr_chat__is(name, "tojson") && a->n == 0)
        return azr_chat__printed(run, value, true);
    if ((azr_chat__is(name, "length") || azr_chat__is(name, "count")) && a->n == 0 &&
        value->type != AZR_CHAT_INT && value->type != AZR_CHAT_BOOL)
        return length(value);
    if (azr_chat__is(name, "safe") && a->n == 0)
        return *value;
    if (azr_chat__is(name, "string") && a->n == 0)
        return azr_chat__printed(run, value, false);
    if (azr_chat__is(name, "items") && a->n == 0 && value->type == AZR_CHAT_MAP)
        return map_part(run, value->items, 'i');
    if (value->type == AZR_CHAT_LIST)
        return list_filter(run, name, value, a);
    static const char *const texts[] = {"trim", "replace", "upper", "lower", "capitalize"};
    azr_chat_value text = *value;
    if (value->type != AZR_CHAT_MAP)
        text = azr_chat__printed(run, value, false);
    for (size_t i = 0; text.type == AZR_CHAT_TEXT && i < AZR_COUNT(texts); i++)
        if (azr_chat__is(name, texts[i]))
            return text_method(run, i == 0 ? (azr_chat_span){"strip", 5} : name, text.text, a);
    return unknown(run, "filter", name);
}

static azr_chat_value range(azr_chat_run *run, const azr_chat_arguments *a)
{
    int64_t from = a->n == 2 ? a->values[0].number : 0, to = a->values[a->n - 1].number;
    azr_chat_value list = azr_chat__container(run, AZR_CHAT_LIST);
    for (int64_t i = from; i < to && run->status == AZR_OK; i++)
        azr_chat__add(run, list.items, (azr_chat_value){0}, azr_chat__int(i));
    return list;
}

azr_chat_value azr_chat__function(azr_chat_run *run, azr_chat_span name,
                                  const azr_chat_arguments *a)
{
    if (azr_chat__is(name, "raise_exception") && takes_texts(a, 1))
        return azr_chat__fail(run, AZR_ERROR_INPUT, "the template refuses: %.*s",
                              (int)(a->values[0].text.size < 256 ? a->values[0].text.size : 256),
                              a->values[0].text.text);
    if (azr_chat__is(name, "namespace")) {
        azr_chat_value space = azr_chat__container(run, AZR_CHAT_MAP);
        for (size_t i = 0; i < a->n; i++) {
            if (a->names[i].size == 0)
                return unknown(run, "function", name);
            azr_chat__add(run, space.items, azr_chat__text(a->names[i].text, a->names[i].size),
                          a->values[i]);
        }
        if (run->status == AZR_OK)
            space.items->is_namespace = true;
        return space;
    }
    bool counts = a->n == 1 || a->n == 2;
    for (size_t i = 0; i < a->n; i++)
        counts = counts && a->values[i].type == AZR_CHAT_INT;
    if (azr_chat__is(name, "range") && counts)
        return range(run, a);
    return unknown(run, "function", name);
}
