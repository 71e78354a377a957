/* clean.c: programs cleaned up by their tokens, in C: f's name, comments, globals, prints; and what
 * they are refused for. */
#include "tasks/clean.h"

#include "tasks/python_places.h"
#include "tasks/text.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>
#include <strings.h>

/* A program that is being written anew from its tokens. */
typedef struct rewriting {
    azr_places list;
    const char *program;
    azr_strbuf out;
} rewriting;

static void begin(rewriting *r, const char *program)
{
    *r = (rewriting){.program = program};
    azr_places_read(program, &r->list);
}

/* Puts the new text in the old one's place. */
static void end(rewriting *r, char **program)
{
    azr_free(r->list.all);
    azr_strbuf_puts(&r->out, ""); /* there is a text, if an empty one */
    azr_free(*program);
    *program = azr_strbuf_steal(&r->out);
}

static const char *end_of(const azr_python_token *token)
{
    return token->text + token->size;
}

/* --- f's name --------------------------------------------------------------------------------- */

/* The function that the rules mean, by the index of its name; AZR_NO_PLACE when there is none, or
 * none that has to be renamed. */
static size_t chosen_function(const azr_places *list, azr_function_choice choice)
{
    size_t first = AZR_NO_PLACE, last = AZR_NO_PLACE;
    bool has_f = false;
    for (size_t i = 0; i < list->n; i++) {
        const azr_place *p = &list->all[i];
        if (!azr_places_starts_line(list, i) || p->indent > 0 || !azr_place_is_keyword(p, "def") ||
            azr_places_next(list, i)->token.kind != AZR_PYTHON_NAME)
            continue;
        has_f = has_f || azr_places_defines(list, i, "f");
        first = first == AZR_NO_PLACE ? i + 1 : first;
        last = i + 1;
    }
    bool any = choice == AZR_FUNCTION_F_OR_FIRST || choice == AZR_FUNCTION_F_OR_LAST;
    if (choice == AZR_FUNCTION_F || (any && has_f))
        return AZR_NO_PLACE;
    size_t chosen =
        choice == AZR_FUNCTION_FIRST || choice == AZR_FUNCTION_F_OR_FIRST ? first : last;
    return chosen != AZR_NO_PLACE && azr_place_is(&list->all[chosen], "f") ? AZR_NO_PLACE : chosen;
}

static bool same_name(const azr_python_token *a, const azr_python_token *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* Is the name at i that of a keyword argument in a call? Those of parameters are names. */
static bool is_keyword_argument(const azr_places *list, size_t i)
{
    const azr_place *p = &list->all[i];
    bool parameter = p->open != AZR_NO_PLACE && p->open >= 2 &&
                     azr_place_is_keyword(&list->all[p->open - 2], "def");
    return p->depth > 0 && azr_place_is_operator(azr_places_next(list, i), "=") && !parameter;
}

/* The chosen function is called f from now on, and what was called so is f_other. */
static void rename_to_f(azr_function_choice choice, char **program)
{
    rewriting r;
    begin(&r, *program);
    size_t chosen = chosen_function(&r.list, choice);
    if (chosen == AZR_NO_PLACE) {
        azr_free(r.list.all);
        return;
    }
    azr_python_token name = r.list.all[chosen].token;
    const char *from = *program;
    for (size_t i = 0; i < r.list.n; i++) {
        const azr_python_token *token = &r.list.all[i].token;
        bool is_chosen = same_name(token, &name), is_f = azr_python_token_is(token, "f");
        if (!azr_places_is_name(&r.list, i) || is_keyword_argument(&r.list, i) ||
            (!is_chosen && !is_f))
            continue;
        azr_strbuf_append(&r.out, from, (size_t)(token->text - from));
        azr_strbuf_puts(&r.out, is_chosen ? "f" : "f_other");
        from = end_of(token);
    }
    azr_strbuf_puts(&r.out, from);
    end(&r, program);
}

/* --- what is refused -------------------------------------------------------------------------- */

static bool has_several_functions(const azr_places *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += azr_place_is_keyword(&list->all[i], "def");
    return n > 1;
}

/* Does the text hold the word, in small letters or large ones? */
static bool mentions(const char *text, size_t size, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= size; i++)
        if (strncasecmp(text + i, word, n) == 0)
            return true;
    return false;
}

/* A comment between this token and the next that speaks of a test or an example? */
static bool comments_on_tests(const azr_places *list, size_t i)
{
    const char *text = end_of(&list->all[i].token);
    size_t size = (size_t)(azr_places_next(list, i)->token.text - text);
    const char *mark = memchr(text, '#', size);
    if (mark == NULL)
        return false;
    size -= (size_t)(mark - text);
    return mentions(mark, size, "test") || mentions(mark, size, "example");
}

/* An assignment to a name that a test would have? */
static bool assigns_for_test(const azr_places *list, size_t i)
{
    const azr_place *p = &list->all[i];
    if (!p->begins || p->token.kind != AZR_PYTHON_NAME ||
        !azr_place_is_operator(azr_places_next(list, i), "="))
        return false;
    return mentions(p->token.text, p->token.size, "input") || azr_place_is(p, "expected") ||
           azr_place_is(p, "output") || azr_place_is(p, "result");
}

/* A call of f at the left margin that ends its line, or one that is printed? */
static bool calls_f(const azr_places *list, size_t i)
{
    if (!azr_places_is_name(list, i) || !azr_place_is(&list->all[i], "f") ||
        !azr_place_is_operator(azr_places_next(list, i), "("))
        return false;
    if (i >= 2 && azr_place_is_operator(&list->all[i - 1], "(") &&
        azr_place_is(&list->all[i - 2], "print"))
        return true;
    size_t at = i + 2;
    while (list->all[at].depth > list->all[i].depth)
        at++;
    return list->all[i].indent == 0 && azr_place_is_operator(&list->all[at], ")") &&
           azr_place_is_layout(azr_places_next(list, at)) &&
           !azr_place_is_keyword(&list->all[list->all[i].statement], "def");
}

static bool has_tests(const azr_places *list, const char *program)
{
    /* Before the first token. */
    size_t head = (size_t)(list->all[0].token.text - program);
    const char *mark = memchr(program, '#', head);
    if (mark != NULL && (mentions(mark, head - (size_t)(mark - program), "test") ||
                         mentions(mark, head - (size_t)(mark - program), "example")))
        return true;
    for (size_t i = 0; i + 1 < list->n; i++)
        if (comments_on_tests(list, i) || assigns_for_test(list, i) || calls_f(list, i) ||
            azr_place_is_keyword(&list->all[i], "assert"))
            return true;
    return false;
}

/* Is the token one of the words, which have commas between? */
static bool is_listed(const azr_python_token *token, const char *words)
{
    while (*words != '\0') {
        size_t size = strcspn(words, ",");
        if (token->size == size && memcmp(token->text, words, size) == 0)
            return true;
        words += size + (words[size] == ',');
    }
    return false;
}

/* Any component of an import's module or of what it takes from it; not what it calls it. */
static bool imports_banned(const azr_places *list, const char *words)
{
    for (size_t i = 0; i < list->n; i++) {
        const azr_place *p = &list->all[i], *first = &list->all[p->statement];
        bool import = azr_place_is_keyword(first, "import") || azr_place_is_keyword(first, "from");
        if (import && p->token.kind == AZR_PYTHON_NAME &&
            !azr_place_is_keyword(azr_places_previous(list, i), "as") &&
            is_listed(&p->token, words))
            return true;
    }
    return false;
}

static azr_verdict check(const azr_program_rules *rules, const char *program)
{
    azr_verdict verdict = AZR_VERDICT_VALID;
    azr_places list = {0};
    azr_places_read(program, &list);
    if (rules->one_function && has_several_functions(&list))
        verdict = AZR_VERDICT_SEVERAL_FUNCTIONS;
    else if (rules->no_tests && has_tests(&list, program))
        verdict = AZR_VERDICT_HAS_TESTS;
    else if (rules->banned != NULL && imports_banned(&list, rules->banned))
        verdict = AZR_VERDICT_FORBIDDEN;
    azr_free(list.all);
    return verdict;
}

/* --- comments --------------------------------------------------------------------------------- */

/* A string that opens a block or the program, and stands alone. */
static bool is_docstring(const azr_places *list, size_t i)
{
    return list->all[i].token.kind == AZR_PYTHON_STRING && azr_places_starts_line(list, i) &&
           (i == 0 || azr_places_previous(list, i)->token.kind == AZR_PYTHON_INDENT) &&
           azr_places_next(list, i)->token.kind == AZR_PYTHON_NEWLINE;
}

/* Is nothing else in the docstring's block? */
static bool is_all_of_block(const azr_places *list, size_t i)
{
    return i > 0 && list->all[i + 2].token.kind == AZR_PYTHON_DEDENT;
}

/* What stands between two tokens, without comments and empty lines. */
static void put_gap(const char *text, size_t size, azr_strbuf *out)
{
    const char *line = text, *stop = text + size;
    bool broken = false, comment = false;
    for (const char *p = text; p < stop; p++) {
        if (*p == '\n' || *p == '\r') {
            /* A line that goes on behind a backslash may as well go on here. */
            bool joined = !comment && p > text && p[-1] == '\\';
            broken = broken || !joined;
            comment = false;
            line = p + 1;
        } else if (*p == '#') {
            comment = true;
        }
    }
    if (broken && out->size > 0)
        azr_strbuf_puts(out, "\n");
    if (!broken && line > text)
        azr_strbuf_puts(out, " ");
    azr_strbuf_append(out, line, (size_t)(stop - line));
}

static void drop_comments(char **program)
{
    rewriting r;
    begin(&r, *program);
    const char *from = *program;
    for (size_t i = 0; i < r.list.n; i++) {
        const azr_python_token *token = &r.list.all[i].token;
        if (token->size == 0)
            continue;
        bool doc = is_docstring(&r.list, i), alone = doc && is_all_of_block(&r.list, i);
        if (!doc || alone)
            put_gap(from, (size_t)(token->text - from), &r.out);
        if (!doc)
            azr_strbuf_append(&r.out, token->text, token->size);
        else if (alone)
            azr_strbuf_puts(&r.out, "pass");
        from = end_of(token);
    }
    azr_strbuf_puts(&r.out, "\n");
    end(&r, program);
}

/* --- statements ------------------------------------------------------------------------------- */

/* May the line at i stay at the left margin? A decorator goes with what it decorates. */
static bool stays(const azr_place *p)
{
    static const char *const kept[] = {"import", "from", "def", "class", "async"};
    for (size_t i = 0; i < AZR_COUNT(kept); i++)
        if (azr_place_is_keyword(p, kept[i]))
            return true;
    return azr_place_is_operator(p, "@");
}

static void drop_globals(char **program)
{
    rewriting r;
    begin(&r, *program);
    const char *from = *program;
    for (size_t i = 0; i < r.list.n; i++) {
        const azr_place *p = &r.list.all[i];
        if (!azr_places_starts_line(&r.list, i) || p->indent > 0 || stays(p))
            continue;
        azr_strbuf_append(&r.out, from, (size_t)(p->token.text - from));
        from = r.list.all[azr_places_end_of_statement(&r.list, i)].token.text;
    }
    azr_strbuf_puts(&r.out, from);
    end(&r, program);
}

/* The index of the bracket that closes a call of print which is all of its statement, or
 * AZR_NO_PLACE. */
static size_t end_of_print(const azr_places *list, size_t i)
{
    const azr_place *p = &list->all[i];
    if (!p->begins || p->token.kind != AZR_PYTHON_NAME || !azr_place_is(p, "print") ||
        !azr_place_is_operator(azr_places_next(list, i), "("))
        return AZR_NO_PLACE;
    size_t at = i + 2;
    while (list->all[at].depth > p->depth)
        at++;
    const azr_place *after = azr_places_next(list, at);
    bool ends = azr_place_is_layout(after) || azr_place_is_operator(after, ";");
    return azr_place_is_operator(&list->all[at], ")") && ends ? at : AZR_NO_PLACE;
}

static void drop_prints(char **program)
{
    rewriting r;
    begin(&r, *program);
    const char *from = *program;
    for (size_t i = 0; i < r.list.n; i++) {
        size_t last = end_of_print(&r.list, i);
        if (last == AZR_NO_PLACE)
            continue;
        const char *start = r.list.all[i].token.text;
        azr_strbuf_append(&r.out, from, (size_t)(start - from));
        azr_strbuf_puts(&r.out, "pass"); /* its block may have nothing else */
        from = end_of(&r.list.all[last].token);
    }
    azr_strbuf_puts(&r.out, from);
    end(&r, program);
}

static bool applies(azr_clean_up when, bool seeding)
{
    return when == AZR_CLEAN_UP_ALWAYS || (when == AZR_CLEAN_UP_SEEDS && seeding);
}

azr_program_rules azr_program_rules_of(const azr_config *config, bool seeding)
{
    return (azr_program_rules){.function = (azr_function_choice)config->entry_function,
                               .drop_comments = applies(config->remove_comments, seeding),
                               .drop_globals = applies(config->remove_globals, seeding),
                               .drop_prints = applies(config->remove_prints, seeding),
                               .last_block = config->program_block == AZR_PROGRAM_BLOCK_LAST,
                               .one_function = config->reject_several_functions,
                               .no_tests = config->reject_tests,
                               .banned = config->banned_imports,
                               .constructors = config->allow_constructors};
}

azr_verdict azr_tasks__clean_program(const azr_program_rules *rules, char **program)
{
    rename_to_f(rules->function, program);
    azr_verdict verdict = check(rules, *program);
    if (verdict != AZR_VERDICT_VALID)
        return verdict;
    if (rules->drop_prints)
        drop_prints(program);
    if (rules->drop_globals)
        drop_globals(program);
    if (rules->drop_comments)
        drop_comments(program);
    return AZR_VERDICT_VALID;
}
