/* clock.h: time that only goes forward, and the user's wish to stop. */
#ifndef AZR_BASE_CLOCK_H
#define AZR_BASE_CLOCK_H

#include <stdbool.h>

/* Seconds since some fixed moment; for durations and metrics only, never for decisions that
 * a repeated run must take again. */
double azr_clock_seconds(void);

/* The wish to stop: set from the signal handler that app/ installs, read by long loops. */
void azr_stop_request(void);
bool azr_stop_requested(void);

/* One line about long work, without a line feed. NULL function: nobody listens. */
typedef struct azr_progress {
    void (*line)(void *context, const char *text);
    void *context;
} azr_progress;

void azr_progress_printf(const azr_progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
