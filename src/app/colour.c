/* colour.c: escape sequences of a terminal, and when not to write them. */
#include "app/colour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wanted(void)
{
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (none != NULL && none[0] != '\0')
        return false;
    return isatty(STDOUT_FILENO) == 1 && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void azr_verdict_print(azr_verdict verdict, const char *detail)
{
    bool good = verdict == AZR_VERDICT_VALID || verdict == AZR_VERDICT_CORRECT;
    const char *colour = good ? "\033[32m" : verdict == AZR_VERDICT_WRONG ? "\033[31m" : "\033[33m";
    bool coloured = wanted();
    printf("%s%s%s (%s", coloured ? colour : "", azr_verdict_name(verdict),
           coloured ? "\033[0m" : "", azr_verdict_sentence(verdict));
    if (detail != NULL && detail[0] != '\0') {
        printf(": ");
        azr_text_print(detail, strlen(detail));
    }
    printf(")");
}

void azr_text_print(const char *text, size_t size)
{
    bool terminal = isatty(STDOUT_FILENO) == 1;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7F;
        putchar(control && terminal ? '?' : c);
    }
}
