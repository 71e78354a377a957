/* exception_name.c: names of exceptions as answers. They come from processes that ran somebody's
 * program, or from a model: nothing of them is believed. */
#include "tasks/exception_name.h"

#include "tasks/python_tokens.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>
#include <strings.h>

const char azr_task_no_error[] = "NoError";

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_char(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

bool azr_tasks__is_exception_name(const char *text, size_t size)
{
    if (size == 0 || size > AZR_TASK_MAX_EXCEPTION_BYTES || !is_letter(text[0]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_name_char(text[i]))
            return false;
    return true;
}

bool azr_tasks__same_exception(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

/* Names and dots from its start on. */
static azr_span dotted_name(azr_span text)
{
    size_t n = 0;
    while (n < text.size && (is_name_char(text.text[n]) || text.text[n] == '.'))
        n++;
    return (azr_span){text.text, n};
}

/* May the name end in front of this? */
static bool ends_name(azr_span rest)
{
    return rest.size == 0 || strchr(" \t\n:('\"`", rest.text[0]) != NULL;
}

void azr_tasks__read_exception(azr_span text, azr_answer *answer)
{
    text = azr_tasks__trim(text);
    size_t n_quotes = 0;
    while (n_quotes < text.size && strchr("'\"`", text.text[n_quotes]) != NULL)
        n_quotes++;
    azr_span rest = {text.text + n_quotes, text.size - n_quotes}, name = dotted_name(rest);
    bool ended = ends_name((azr_span){rest.text + name.size, rest.size - name.size});
    const char *dot = memrchr(name.text, '.', name.size);
    if (dot != NULL)
        name = (azr_span){dot + 1, name.size - (size_t)(dot + 1 - name.text)};
    if (!ended || !azr_tasks__is_exception_name(name.text, name.size)) {
        answer->verdict = AZR_VERDICT_NO_ANSWER;
        name = text;
    }
    answer->text = azr_copy_text(name.text, name.size);
}

static azr_verdict refuse(azr_verdict verdict, const char *why, azr_strbuf *detail)
{
    if (detail != NULL)
        azr_strbuf_printf(detail, "%s%s", detail->size > 0 ? ": " : "", why);
    return verdict;
}

azr_verdict azr_tasks__exception_of_run(const azr_exec_run *run, char **out_name,
                                        azr_strbuf *detail)
{
    static const char *const unread[] = {"SyntaxError", "IndentationError", "TabError"};
    const char *name = run->status == AZR_EXEC_OK ? azr_task_no_error : run->exception;
    if (name == NULL)
        return refuse(AZR_VERDICT_INTERNAL, "the sandbox named no exception", detail);
    if (detail != NULL && run->status != AZR_EXEC_OK)
        azr_tasks__append_short(name, detail);
    for (size_t i = 0; i < AZR_COUNT(unread); i++)
        if (strcmp(name, unread[i]) == 0)
            return refuse(AZR_VERDICT_FAILED, "the program cannot be read", detail);
    size_t size = strlen(name);
    if (size > AZR_TASK_MAX_EXCEPTION_BYTES)
        return refuse(AZR_VERDICT_TOO_LONG, "the name of its exception is too long", detail);
    if (!azr_tasks__is_exception_name(name, size))
        return refuse(AZR_VERDICT_NOT_LITERAL, "its exception has no name of plain letters",
                      detail);
    if (run->status != AZR_EXEC_OK && azr_tasks__same_exception(name, azr_task_no_error))
        return refuse(AZR_VERDICT_NOT_LITERAL, "its exception is called like none", detail);
    *out_name = azr_copy_text(name, size);
    return AZR_VERDICT_VALID;
}

/* --- keywords --------------------------------------------------------------------------------- */

static const char *const keyword_names[AZR_N_KEYWORDS] = {
    [AZR_KEYWORD_RAISE] = "raise",
    [AZR_KEYWORD_ASSERT] = "assert",
    [AZR_KEYWORD_TRY] = "try",
    [AZR_KEYWORD_EXCEPT] = "except",
};

const char *azr_keyword_name(azr_keyword keyword)
{
    AZR_CHECK((unsigned)keyword < AZR_N_KEYWORDS);
    return keyword_names[keyword];
}

unsigned azr_keywords_parse(const char *list)
{
    unsigned found = 0;
    for (const char *word = list; *word != '\0';) {
        size_t size = strcspn(word, ",");
        for (unsigned i = 0; i < AZR_N_KEYWORDS; i++)
            if (strlen(keyword_names[i]) == size && strncmp(word, keyword_names[i], size) == 0)
                found |= 1U << i;
        word += size + (word[size] == ',');
    }
    return found;
}

bool azr_tasks__uses_keywords(const char *program, unsigned keywords)
{
    if (keywords == 0)
        return false;
    azr_python_tokens tokens;
    azr_python_tokens_init(&tokens, program);
    for (;;) {
        azr_python_token token = azr_python_tokens_next(&tokens);
        if (token.kind == AZR_PYTHON_END)
            return false;
        for (unsigned i = 0; i < AZR_N_KEYWORDS; i++)
            if ((keywords >> i & 1) != 0 && token.kind == AZR_PYTHON_KEYWORD &&
                azr_python_token_is(&token, keyword_names[i]))
                return true;
    }
}
