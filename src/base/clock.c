#include "base/clock.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static volatile sig_atomic_t stop_flag;

double azr_clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void azr_stop_request(void)
{
    stop_flag = 1;
}

bool azr_stop_requested(void)
{
    return stop_flag != 0;
}

void azr_progress_printf(const azr_progress *progress, const char *format, ...)
{
    if (progress == NULL || progress->line == NULL)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    progress->line(progress->context, text);
}
