#include "executor/wire.h"

#include <string.h>

typedef struct request_head {
    uint32_t n_bytes, n_program, n_arguments, reserved;
    uint64_t id;
    int32_t cpu_ms, wall_ms, memory_mb, result_bytes;
} request_head;

typedef struct reply_head {
    uint32_t n_bytes, status;
    uint64_t id;
    int64_t cpu_us, wall_us;
    uint32_t sizes[4]; /* UINT32_MAX: no text */
} reply_head;

void azr_wire_put_request(azr_strbuf *out, const azr_wire_request *request)
{
    request_head head = {.n_bytes = (uint32_t)(sizeof head - sizeof head.n_bytes +
                                               request->program_size + request->arguments_size),
                         .n_program = (uint32_t)request->program_size,
                         .n_arguments = (uint32_t)request->arguments_size,
                         .id = request->id,
                         .cpu_ms = request->limits.cpu_ms,
                         .wall_ms = request->limits.wall_ms,
                         .memory_mb = request->limits.memory_mb,
                         .result_bytes = request->limits.result_bytes};
    azr_strbuf_append(out, (const char *)&head, sizeof head);
    azr_strbuf_append(out, request->program, request->program_size);
    azr_strbuf_append(out, request->arguments, request->arguments_size);
}

void azr_wire_put_reply(azr_strbuf *out, const azr_wire_reply *reply)
{
    reply_head head = {.status = (uint32_t)reply->status,
                       .id = reply->id,
                       .cpu_us = reply->cpu_us,
                       .wall_us = reply->wall_us};
    size_t n_bytes = sizeof head - sizeof head.n_bytes;
    for (int i = 0; i < 4; i++) {
        head.sizes[i] = reply->texts[i] != NULL ? (uint32_t)reply->sizes[i] : UINT32_MAX;
        n_bytes += reply->texts[i] != NULL ? reply->sizes[i] : 0;
    }
    head.n_bytes = (uint32_t)n_bytes;
    azr_strbuf_append(out, (const char *)&head, sizeof head);
    for (int i = 0; i < 4; i++)
        if (reply->texts[i] != NULL)
            azr_strbuf_append(out, reply->texts[i], reply->sizes[i]);
}

size_t azr_wire_frame_size(const char *bytes, size_t size)
{
    uint32_t n;
    if (size < sizeof n)
        return 0;
    memcpy(&n, bytes, sizeof n);
    if (n > AZR_WIRE_MAX_FRAME)
        return (size_t)-1;
    return size >= sizeof n + n ? sizeof n + n : 0;
}

bool azr_wire_get_request(const char *frame, size_t size, azr_wire_request *out)
{
    request_head head;
    if (size < sizeof head)
        return false;
    memcpy(&head, frame, sizeof head);
    if ((size_t)head.n_program + head.n_arguments != size - sizeof head)
        return false;
    *out =
        (azr_wire_request){.id = head.id,
                           .limits = {head.cpu_ms, head.wall_ms, head.memory_mb, head.result_bytes},
                           .program = frame + sizeof head,
                           .program_size = head.n_program,
                           .arguments = frame + sizeof head + head.n_program,
                           .arguments_size = head.n_arguments};
    return true;
}

bool azr_wire_get_reply(const char *frame, size_t size, azr_wire_reply *out)
{
    reply_head head;
    if (size < sizeof head)
        return false;
    memcpy(&head, frame, sizeof head);
    *out = (azr_wire_reply){.id = head.id,
                            .status = (azr_exec_status)head.status,
                            .cpu_us = head.cpu_us,
                            .wall_us = head.wall_us};
    size_t at = sizeof head;
    for (int i = 0; i < 4; i++) {
        if (head.sizes[i] == UINT32_MAX)
            continue;
        if (head.sizes[i] > size - at)
            return false;
        out->texts[i] = frame + at;
        out->sizes[i] = head.sizes[i];
        at += head.sizes[i];
    }
    return at == size && head.status < AZR_N_EXEC_STATUSES;
}
