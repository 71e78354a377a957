#include "azr/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Sentences quote names and tokens out of files that nobody has checked: no line feed may break the
 * sentence in two, and no escape sequence may reach the user's terminal. */
static void replace_controls(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
}

azr_status azr_error_set(azr_error *error, azr_status status, const char *format, ...)
{
    if (error == NULL)
        return status;
    va_list args;
    va_start(args, format);
    error->status = status;
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    replace_controls(error->text);
    return status;
}

azr_status azr_error_prefix(azr_error *error, const char *format, ...)
{
    if (error == NULL)
        return AZR_ERROR_INTERNAL;
    char old[sizeof error->text];
    memcpy(old, error->text, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n + 3 < sizeof error->text) {
        int rest = (int)sizeof error->text - n;
        snprintf(error->text + n, (size_t)rest, ": %.*s", rest - 3, old);
    }
    replace_controls(error->text);
    return error->status;
}
