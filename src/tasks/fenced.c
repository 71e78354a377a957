/* fenced.c: finds what a reply wraps up in fences, tags or phrases. Reads once from front to back:
 * time is linear in the text for each question asked. */
#include "tasks/fenced.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char fence[] = "```";

static azr_span behind(azr_span text, size_t n)
{
    return (azr_span){text.text + n, text.size - n};
}

size_t azr_tasks__find_text(azr_span text, const char *wanted, bool last)
{
    size_t n = strlen(wanted), found = text.size;
    for (size_t i = 0; i + n <= text.size; i++) {
        if (strncasecmp(text.text + i, wanted, n) != 0)
            continue;
        found = i;
        if (!last)
            break;
    }
    return found;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_label(azr_span word, const char *label)
{
    return word.size == strlen(label) && strncasecmp(word.text, label, word.size) == 0;
}

/* A word right behind the fence is a label when its line ends with it, or when it is one of ours
 * and a blank follows; else the text begins there. */
static azr_span read_label(azr_span text)
{
    static const char *const ours[] = {"python", "py",      "python3", "input",
                                       "output", "message", "error"};
    size_t n = 0, end;
    while (n < text.size && is_word(text.text[n]))
        n++;
    azr_span word = {text.text, n};
    for (end = n; end < text.size && strchr(" \t\r", text.text[end]) != NULL; end++)
        ;
    if (end < text.size && text.text[end] == '\n')
        return word;
    for (size_t i = 0; i < AZR_COUNT(ours); i++)
        if (end > n && is_label(word, ours[i]))
            return word;
    return (azr_span){text.text, 0};
}

bool azr_tasks__next_block(azr_span *rest, azr_block *out_block)
{
    size_t start = azr_tasks__find_text(*rest, fence, false);
    if (start == rest->size)
        return false;
    azr_span text = behind(*rest, start + strlen(fence));
    out_block->label = read_label(text);
    text = behind(text, out_block->label.size);
    size_t end = azr_tasks__find_text(text, fence, false);
    if (end == text.size)
        return false;
    out_block->text = azr_tasks__trim((azr_span){text.text, end});
    *rest = behind(text, end + strlen(fence));
    return true;
}

bool azr_tasks__is_block(const azr_block *block, const char *label)
{
    if (strcmp(label, "python") == 0 && (block->label.size == 0 || is_label(block->label, "py") ||
                                         is_label(block->label, "python3")))
        return true;
    return is_label(block->label, label);
}

bool azr_tasks__find_block(azr_span text, const char *label, bool last, azr_span *out_text)
{
    azr_block block;
    bool found = false;
    while ((last || !found) && azr_tasks__next_block(&text, &block)) {
        if (azr_tasks__is_block(&block, label)) {
            *out_text = block.text;
            found = true;
        }
    }
    return found;
}

/* Takes `text` up to the first `end`, trimmed. */
static azr_span up_to(azr_span text, const char *end)
{
    return azr_tasks__trim((azr_span){text.text, azr_tasks__find_text(text, end, false)});
}

static bool is_program(const azr_block *block)
{
    return azr_tasks__is_block(block, "python") &&
           azr_tasks__find_text(block->text, "def ", false) < block->text.size;
}

bool azr_tasks__find_heading(azr_span text, const char *label, azr_span *out_text)
{
    char heading[32];
    snprintf(heading, sizeof heading, "# %s:", label);
    azr_span rest = text;
    azr_block block;
    bool more;
    do { /* what stands before the next program, then what stands behind it */
        azr_span before = rest;
        while ((more = azr_tasks__next_block(&rest, &block)) && !is_program(&block))
            ;
        if (more)
            before.size = (size_t)(block.text.text - before.text);
        size_t at = azr_tasks__find_text(before, heading, false);
        if (at < before.size) {
            *out_text = up_to(behind(before, at + strlen(heading)), fence);
            return true;
        }
    } while (more);
    return false;
}

bool azr_tasks__find_tag(azr_span text, const char *tag, azr_span *out_text)
{
    char open[32], close[32];
    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    size_t at = azr_tasks__find_text(text, open, true);
    if (at == text.size)
        return false;
    *out_text = up_to(behind(text, at + strlen(open)), close);
    return true;
}

bool azr_tasks__find_answer(azr_span text, const char *label, azr_span *out_text)
{
    if (azr_tasks__find_block(text, label, true, out_text) ||
        azr_tasks__find_heading(text, label, out_text))
        return true;
    char phrase[48];
    snprintf(phrase, sizeof phrase, "%s(", label);
    size_t at = azr_tasks__find_text(text, phrase, true);
    azr_span line = behind(text, at == text.size ? at : at + strlen(phrase)), whole = line;
    if (azr_tasks__next_line(&whole, &line) && azr_tasks__call_arguments(line, out_text))
        return true;
    if (azr_tasks__find_tag(text, label, out_text))
        return true;
    snprintf(phrase, sizeof phrase, "the %s is", label);
    at = azr_tasks__find_text(text, phrase, true);
    if (at == text.size)
        return false;
    *out_text = up_to(behind(text, at + strlen(phrase)), "\n");
    if (out_text->size > 0 && out_text->text[0] == ':')
        *out_text = azr_tasks__trim(behind(*out_text, 1));
    if (out_text->size > 0 && out_text->text[out_text->size - 1] == '.')
        out_text->size--;
    return true;
}
