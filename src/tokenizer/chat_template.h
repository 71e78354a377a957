/* chat_template.h: runs a model's chat template, which is written in Jinja2. Private to tokenizer/.
 *
 * What is known: text, comments, expressions; for, if, elif, else, set, generation; white space
 * control, with Jinja's trim_blocks and lstrip_blocks as transformers sets them. Anything else is
 * AZR_ERROR_UNSUPPORTED, and the error names it and its line. Templates are files that strangers
 * write: steps, memory, output and depth are bounded, and nothing outside can be reached. */
#ifndef AZR_TOKENIZER_CHAT_TEMPLATE_H
#define AZR_TOKENIZER_CHAT_TEMPLATE_H

#include "azr/status.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AZR_CHAT_MAX_SOURCE = 256 << 10, /* bytes of a template */
    AZR_CHAT_MAX_DEPTH = 160,        /* of expressions and blocks in each other */
    AZR_CHAT_MAX_STEPS = 1 << 20,
    AZR_CHAT_MAX_WORK = 16 << 20, /* bytes of output and of all values on the way */
};

typedef struct azr_chat_message {
    const char *role, *content;
} azr_chat_message;

typedef struct azr_chat {
    const azr_chat_message *messages;
    size_t n_messages;
    bool add_generation_prompt;
    const char *bos, *eos; /* texts of the tokens; NULL: not defined */
} azr_chat;

/* Appends what transformers' apply_chat_template gives for the same source and messages, but that
 * there is no strftime_now: templates with a date fall back to a fixed one. UNSUPPORTED: a
 * construct that is not known; INPUT: the template is wrong, or it refuses (raise_exception);
 * LIMIT. */
azr_status azr_chat_template_render(const char *source, const azr_chat *chat, azr_strbuf *out,
                                    azr_error *error);

/* --- for the files of the interpreter --------------------------------------------------------- */

typedef struct azr_chat_span {
    const char *text;
    size_t size;
} azr_chat_span;

typedef enum azr_chat_type {
    AZR_CHAT_UNDEFINED,
    AZR_CHAT_NONE,
    AZR_CHAT_BOOL,
    AZR_CHAT_INT,
    AZR_CHAT_TEXT,
    AZR_CHAT_LIST,
    AZR_CHAT_MAP,
} azr_chat_type;

typedef struct azr_chat_value {
    azr_chat_type type;
    int64_t number;               /* BOOL: 0 or 1 */
    azr_chat_span text;           /* TEXT */
    struct azr_chat_items *items; /* LIST, MAP */
} azr_chat_value;

typedef struct azr_chat_items {
    azr_chat_value *keys; /* of a map, texts */
    azr_chat_value *values;
    size_t n, capacity;
    bool is_namespace; /* its entries may be set */
} azr_chat_items;

typedef enum azr_chat_kind {
    /* statements; lists of them are linked by next */
    AZR_CHAT_DATA,   /* name: the text */
    AZR_CHAT_OUTPUT, /* a */
    AZR_CHAT_IF,     /* a: condition, b: then, c: else */
    AZR_CHAT_FOR,    /* name, second: the variables, a: what, b: body, c: else, d: condition */
    AZR_CHAT_SET,    /* name [. second] = a */
    /* expressions */
    AZR_CHAT_CONSTANT,  /* value */
    AZR_CHAT_NAME,      /* name */
    AZR_CHAT_MAKE_LIST, /* a: linked elements */
    AZR_CHAT_MAKE_MAP,  /* a: linked keys and values in turn */
    AZR_CHAT_ATTRIBUTE, /* a . name */
    AZR_CHAT_INDEX,     /* a [b] */
    AZR_CHAT_SLICE,     /* a [b:c:d] */
    AZR_CHAT_CALL,      /* a (b: linked arguments); a named argument has a name in second */
    AZR_CHAT_FILTER,    /* a | name (b) */
    AZR_CHAT_TEST,      /* a is name */
    AZR_CHAT_BINARY,    /* a name b */
    AZR_CHAT_NOT,       /* a */
    AZR_CHAT_NEGATE,    /* a */
    AZR_CHAT_CHOOSE,    /* b if a else c */
} azr_chat_kind;

typedef struct azr_chat_node {
    azr_chat_kind kind;
    size_t line, depth;
    azr_chat_span name, second;
    azr_chat_value value;
    struct azr_chat_node *a, *b, *c, *d, *next;
} azr_chat_node;

typedef struct azr_chat_binding {
    azr_chat_span name;
    azr_chat_value value;
    const struct azr_chat_binding *next;
} azr_chat_binding;

/* One rendering. After a failure status says so, values are undefined, and nothing more is done. */
typedef struct azr_chat_run {
    azr_arena *arena;
    azr_strbuf *out;
    azr_status status;
    azr_error *error;
    size_t line, steps, work;
    const azr_chat_binding *bindings; /* the innermost first */
} azr_chat_run;

enum { AZR_CHAT_MAX_ARGUMENTS = 8 };
typedef struct azr_chat_arguments {
    azr_chat_value values[AZR_CHAT_MAX_ARGUMENTS];
    azr_chat_span names[AZR_CHAT_MAX_ARGUMENTS]; /* size 0: by position */
    size_t n;
} azr_chat_arguments;

/* Keeps the first sentence only; "chat template, line N: " is put before it. Returns undefined. */
azr_chat_value azr_chat__fail(azr_chat_run *run, azr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Accounts for a step and for bytes; false when there are no more, or after a failure. */
bool azr_chat__charge(azr_chat_run *run, size_t bytes);
bool azr_chat__is(azr_chat_span span, const char *text);

/* The whole source as linked statements. Texts point into source. */
azr_chat_node *azr_chat__parse(azr_chat_run *run, azr_chat_span source);
void azr_chat__execute(azr_chat_run *run, const azr_chat_node *statements);
azr_chat_value azr_chat__evaluate(azr_chat_run *run, const azr_chat_node *node);

azr_chat_value azr_chat__text(const char *text, size_t size);
azr_chat_value azr_chat__int(int64_t number);
azr_chat_value azr_chat__bool(bool truth);
azr_chat_value azr_chat__container(azr_chat_run *run, azr_chat_type type);
/* Adds or, for a map, replaces. */
void azr_chat__add(azr_chat_run *run, azr_chat_items *items, azr_chat_value key,
                   azr_chat_value value);
/* The entry of a map; undefined when there is none. */
azr_chat_value azr_chat__entry(const azr_chat_value *map, azr_chat_span key);
bool azr_chat__truth(const azr_chat_value *value);
bool azr_chat__equal(azr_chat_run *run, const azr_chat_value *a, const azr_chat_value *b,
                     int depth);
bool azr_chat__contains(azr_chat_run *run, const azr_chat_value *whole, const azr_chat_value *part);
/* Appends the value as an expression's output has it; json: as the filter tojson. */
void azr_chat__print(azr_chat_run *run, const azr_chat_value *value, bool json, int depth,
                     azr_strbuf *out);
/* A text of the arena, as azr_chat__print gives it. */
azr_chat_value azr_chat__printed(azr_chat_run *run, const azr_chat_value *value, bool json);

azr_chat_value azr_chat__filter(azr_chat_run *run, azr_chat_span name, const azr_chat_value *value,
                                const azr_chat_arguments *arguments);
azr_chat_value azr_chat__method(azr_chat_run *run, azr_chat_span name, const azr_chat_value *object,
                                const azr_chat_arguments *arguments);
azr_chat_value azr_chat__function(azr_chat_run *run, azr_chat_span name,
                                  const azr_chat_arguments *arguments);

#endif
