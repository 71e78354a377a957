/* normalise.c: a program without what makes no other program, and without names and constants. */
#include "azr/program.h"

#include "azr/literal.h"
#include "tasks/python_tokens.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

/* A program on its way through. A token is written when the one behind it is known. */
typedef struct writer {
    azr_strbuf *normal, *shape;
    bool line_is_empty;   /* nothing of this statement was written yet */
    bool after_constant;  /* the last thing written was a constant */
    bool after_operand;   /* ... or a name or a closing bracket: a sign is an operator */
    bool header;          /* the statement opens a block */
    int depth, n_lambdas; /* brackets; lambdas whose colon is to come */
    size_t n_line_blocks; /* blocks open on the line of their header */
} writer;

/* --- writing ---------------------------------------------------------------------------------- */

static void put(writer *w, const char *text, size_t size, const char *shape)
{
    if (!w->line_is_empty)
        azr_strbuf_puts(w->normal, " ");
    azr_strbuf_append(w->normal, text, size);
    if (shape[0] != '\0')
        azr_strbuf_printf(w->shape, "%s ", shape);
    w->line_is_empty = false;
}

static void end_line(writer *w)
{
    if (!w->line_is_empty) {
        azr_strbuf_puts(w->normal, "\n");
        azr_strbuf_puts(w->shape, "\n");
    }
    w->line_is_empty = true;
    w->after_constant = w->after_operand = w->header = false;
    w->depth = w->n_lambdas = 0;
}

static void put_bracket(writer *w, const char *bracket)
{
    end_line(w);
    azr_strbuf_printf(w->normal, "%s\n", bracket);
    azr_strbuf_printf(w->shape, "%s\n", bracket);
}

/* A constant in its canonical form when it is a plain value: 'a' and "a", 16 and 0x10. */
static void put_constant(writer *w, const azr_python_token *token)
{
    azr_literal *literal = NULL;
    azr_strbuf copy = {0};
    azr_strbuf_append(&copy, token->text, token->size);
    char *text = NULL;
    if (azr_literal_parse(copy.data, copy.size, &literal, NULL) == AZR_OK)
        text = azr_literal_print(literal);
    azr_literal_destroy(literal);
    const char *written = text != NULL ? text : copy.data;
    put(w, written, strlen(written), w->after_constant ? "" : "c");
    azr_free(text);
    azr_strbuf_deinit(&copy);
    w->after_constant = w->after_operand = true;
}

static bool is_one_of(const azr_python_token *token, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (azr_python_token_is(token, texts[i]))
            return true;
    return false;
}

static void put_keyword(writer *w, const azr_python_token *token)
{
    static const char *const constants[] = {"True", "False", "None"};
    static const char *const headers[] = {"def",   "class", "if",   "elif",   "else",    "for",
                                          "while", "try",   "with", "except", "finally", "async"};
    if (is_one_of(token, constants, AZR_COUNT(constants))) {
        put_constant(w, token);
        return;
    }
    if (w->line_is_empty)
        w->header = is_one_of(token, headers, AZR_COUNT(headers));
    if (azr_python_token_is(token, "lambda"))
        w->n_lambdas++;
    char shape[16] = "";
    AZR_CHECK(token->size < sizeof shape);
    memcpy(shape, token->text, token->size);
    put(w, token->text, token->size, shape);
    w->after_constant = w->after_operand = false;
}

/* True when the token is the colon behind which the header's block begins. */
static bool ends_header(writer *w, const azr_python_token *token)
{
    if (!azr_python_token_is(token, ":") || w->depth > 0)
        return false;
    if (w->n_lambdas > 0) {
        w->n_lambdas--;
        return false;
    }
    return w->header;
}

static void put_operator(writer *w, const azr_python_token *token, const azr_python_token *next)
{
    char c = token->size == 1 ? token->text[0] : '\0';
    bool open = c == '(' || c == '[' || c == '{', close = c == ')' || c == ']' || c == '}';
    if (close && w->depth > 0)
        w->depth--;
    if (c == ';' && w->depth == 0) {
        end_line(w);
        return;
    }
    char shape[8] = "";
    AZR_CHECK(token->size < sizeof shape);
    memcpy(shape, token->text, token->size);
    bool of_constant =
        (c == '-' || c == '+') && !w->after_operand && next->kind == AZR_PYTHON_NUMBER;
    put(w, token->text, token->size, of_constant ? "" : shape);
    w->depth += open;
    w->after_constant = false;
    w->after_operand = close;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool ends_statement(const azr_python_token *token)
{
    return token->kind == AZR_PYTHON_NEWLINE || token->kind == AZR_PYTHON_END ||
           azr_python_token_is(token, ";");
}

/* Writes a token; next is the one behind it. */
static void write_token(writer *w, const azr_python_token *token, const azr_python_token *next)
{
    switch (token->kind) {
    case AZR_PYTHON_NEWLINE:
        end_line(w);
        for (; w->n_line_blocks > 0; w->n_line_blocks--)
            put_bracket(w, "}");
        break;
    case AZR_PYTHON_INDENT:
        put_bracket(w, "{");
        break;
    case AZR_PYTHON_DEDENT:
        put_bracket(w, "}");
        break;
    case AZR_PYTHON_NAME:
        put(w, token->text, token->size, "n");
        w->after_constant = false;
        w->after_operand = true;
        break;
    case AZR_PYTHON_KEYWORD:
        put_keyword(w, token);
        break;
    case AZR_PYTHON_STRING:
        /* A string that is a statement of its own does nothing: docstrings. */
        if (w->line_is_empty && ends_statement(next))
            break;
        put_constant(w, token);
        break;
    case AZR_PYTHON_NUMBER:
        put_constant(w, token);
        break;
    case AZR_PYTHON_OPERATOR: {
        bool opens_block = ends_header(w, token);
        put_operator(w, token, next);
        if (opens_block && next->kind != AZR_PYTHON_NEWLINE && next->kind != AZR_PYTHON_END) {
            put_bracket(w, "{");
            w->n_line_blocks++;
        }
        break;
    }
    case AZR_PYTHON_END:
        break;
    }
}

void azr_program_normalise(const char *program, azr_strbuf *normal, azr_strbuf *shape)
{
    writer w = {.normal = normal, .shape = shape, .line_is_empty = true};
    azr_python_tokens tokens;
    azr_python_tokens_init(&tokens, program);
    azr_python_token token = azr_python_tokens_next(&tokens);
    while (token.kind != AZR_PYTHON_END) {
        azr_python_token next = azr_python_tokens_next(&tokens);
        write_token(&w, &token, &next);
        token = next;
    }
    end_line(&w);
}
