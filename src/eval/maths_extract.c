/* maths_extract.c: finds the final answer in a worked solution. */
#include "eval/maths.h"

#include "base/memory.h"
#include "base/strbuf.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The last place of word in text, letters of either case; NULL when it is nowhere. */
static const char *find_last(const char *text, const char *word)
{
    size_t size = strlen(word);
    const char *found = NULL;
    for (const char *c = text; *c != '\0'; c++)
        if (strncasecmp(c, word, size) == 0)
            found = c;
    return found;
}

/* Behind the opening bracket: the bytes up to the one that closes it; false when none does. */
static bool braced_size(const char *text, size_t *out_size)
{
    int depth = 1;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\\' && c[1] != '\0') {
            c++;
        } else if (*c == '{') {
            depth++;
        } else if (*c == '}' && --depth == 0) {
            *out_size = (size_t)(c - text);
            return true;
        }
    }
    return false;
}

static char *boxed(const char *solution)
{
    static const char *const boxes[] = {"\\boxed{", "\\fbox{", "\\boxed {"};
    const char *last = NULL;
    size_t size = 0;
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        const char *found = find_last(solution, boxes[i]);
        if (found != NULL && (last == NULL || found + strlen(boxes[i]) > last))
            last = found + strlen(boxes[i]);
    }
    return last != NULL && braced_size(last, &size) ? azr_copy_text(last, size) : NULL;
}

/* One line, or up to the point that ends the sentence, without what frames it. */
static char *rest_of_sentence(const char *text)
{
    size_t size = strcspn(text, "\n");
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && (i + 1 == size || text[i + 1] == ' ')) {
            size = i;
            break;
        }
    }
    while (size > 0 && strchr(" :*$\t", *text) != NULL) {
        text++;
        size--;
    }
    while (size > 0 && strchr(" .*$\t\r", text[size - 1]) != NULL)
        size--;
    return size > 0 ? azr_copy_text(text, size) : NULL;
}

static char *last_number(const char *text)
{
    const char *end = text + strlen(text);
    while (end > text && !isdigit((unsigned char)end[-1]))
        end--;
    const char *start = end;
    while (start > text && (isdigit((unsigned char)start[-1]) ||
                            (strchr(".,/", start[-1]) != NULL && start - 1 > text &&
                             isdigit((unsigned char)start[-2]) && isdigit((unsigned char)*start))))
        start--;
    if (start > text && start[-1] == '-' &&
        (start - 1 == text || !isalnum((unsigned char)start[-2])))
        start--;
    return end > start ? azr_copy_text(start, (size_t)(end - start)) : NULL;
}

char *azr_maths_extract(const char *solution)
{
    char *answer = boxed(solution);
    if (answer != NULL)
        return answer;
    static const char *const marks[] = {"####", "answer is", "answer:", "answer:**"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *found = find_last(solution, marks[i]);
        if (found != NULL && (answer = rest_of_sentence(found + strlen(marks[i]))) != NULL)
            return answer;
    }
    return last_number(solution);
}
