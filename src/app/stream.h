/* stream.h: one completion, printed while it grows. */
#ifndef AZR_APP_STREAM_H
#define AZR_APP_STREAM_H

#include "app/engine.h"

/* Generates sample 0 of the request: the same tokens that azr_rollout_run gives. write receives the
 * text in pieces that end between characters and never holds any of a stop string. *out_n: tokens
 * sampled. AZR_ERROR_INTERRUPTED on azr_stop_requested. */
azr_status azr_stream_run(const azr_engine *engine, const azr_rollout_request *request,
                          void (*write)(void *context, const char *text, size_t size),
                          void *context, azr_stop *out_stop, size_t *out_n, azr_error *error);

/* How many bytes of text[0..size) can be shown while it grows: all but a begun character, and but
 * an ending that may become a stop string. */
size_t azr_stream_safe(const char *text, size_t size, const char *const *stops);

#endif
