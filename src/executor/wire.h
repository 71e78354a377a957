/* wire.h: frames between azr and its fork servers. Private to executor/.
 *
 * Every frame is {u32 bytes that follow, u64 run id, ...}; numbers are in the machine's own order:
 * both ends are one program. */
#ifndef AZR_EXECUTOR_WIRE_H
#define AZR_EXECUTOR_WIRE_H

#include "azr/executor.h"

#include "base/strbuf.h"

enum { AZR_WIRE_MAX_FRAME = 8 << 20, AZR_WIRE_MAX_MESSAGE = 500 };

/* One run: a program, one canonical argument list. */
typedef struct azr_wire_request {
    uint64_t id;
    azr_exec_limits limits;
    const char *program, *arguments;
    size_t program_size, arguments_size;
} azr_wire_request;

/* How it ended. Texts point into the frame; NULL: none. */
typedef struct azr_wire_reply {
    uint64_t id;
    azr_exec_status status;
    int64_t cpu_us, wall_us;
    const char *texts[4]; /* value, type, exception, message */
    size_t sizes[4];
} azr_wire_reply;

void azr_wire_put_request(azr_strbuf *out, const azr_wire_request *request);
void azr_wire_put_reply(azr_strbuf *out, const azr_wire_reply *reply);
/* Bytes of the whole frame at the start of buf; 0: not all there yet; (size_t)-1: it is no frame.
 */
size_t azr_wire_frame_size(const char *bytes, size_t size);
/* False when the frame's inner lengths do not add up. */
bool azr_wire_get_request(const char *frame, size_t size, azr_wire_request *out);
bool azr_wire_get_reply(const char *frame, size_t size, azr_wire_reply *out);

#endif
