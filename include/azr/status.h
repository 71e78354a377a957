/* status.h: how a room says that something went wrong.
 *
 * Three kinds of error, three treatments: a bug aborts (AZR_CHECK, base/check.h); bad input returns
 * an azr_status and one sentence in the caller's azr_error; only app/ prints and exits. */
#ifndef AZR_STATUS_H
#define AZR_STATUS_H

typedef enum azr_status {
    AZR_OK = 0,
    AZR_ERROR_INPUT,       /* a file, option, request or model output is not what it must be */
    AZR_ERROR_IO,          /* the operating system refused: open, read, write, disk full */
    AZR_ERROR_MEMORY,      /* does not fit into the memory that may be used */
    AZR_ERROR_LIMIT,       /* a stated limit was exceeded */
    AZR_ERROR_UNSUPPORTED, /* well formed, but nothing azr knows; or missing on this machine */
    AZR_ERROR_NUMERIC,     /* NaN, infinity or a mismatch where there may be none */
    AZR_ERROR_INTERRUPTED, /* the user asked to stop */
    AZR_ERROR_INTERNAL,    /* a helper process died or the like; worth trying again */
} azr_status;

/* One sentence for the user: names the thing (file, option) and the limit, ends without a full
 * stop or line feed. Set by the deepest function that knows why. */
typedef struct azr_error {
    azr_status status;
    char text[1024];
} azr_error;

/* Formats the sentence into *error (which may be NULL) and returns status, so that a failing
 * function can end in `return azr_error_set(error, AZR_ERROR_INPUT, "...", ...)`. Control
 * characters become '?'. */
azr_status azr_error_set(azr_error *error, azr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<prefix>: " before the sentence already in *error; returns its status. */
azr_status azr_error_prefix(azr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
