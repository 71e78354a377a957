/* Writing one safetensors file. The header is made by hand, so that the same tensors give the same
 * bytes whatever library reads JSON here. */
#include "azr/formats.h"
#include "base/check.h"
#include "base/memory.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name as JSON string. Names are ours or came through azr_weights_open: no control characters. */
static void append_name(azr_strbuf *header, const char *name)
{
    azr_strbuf_puts(header, "\"");
    for (const char *c = name; *c != '\0'; c++) {
        AZR_CHECK((unsigned char)*c >= 0x20);
        if (*c == '"' || *c == '\\')
            azr_strbuf_puts(header, "\\");
        azr_strbuf_append(header, c, 1);
    }
    azr_strbuf_puts(header, "\"");
}

/* Bytes of a tensor's elements. */
static size_t tensor_bytes(const azr_tensor_out *tensor)
{
    size_t n_bytes = sizeof(float);
    AZR_CHECK(tensor->n_dims >= 0 && tensor->n_dims <= AZR_TENSOR_MAX_DIMS);
    for (int i = 0; i < tensor->n_dims; i++) {
        AZR_CHECK(tensor->dims[i] >= 0);
        AZR_CHECK(azr_multiply_sizes(n_bytes, (size_t)tensor->dims[i], &n_bytes));
    }
    return n_bytes;
}

/* {u64 size, JSON, spaces up to a multiple of 8}, so that the tensors behind it are aligned. */
static void make_header(azr_strbuf *header, const azr_tensor_out *tensors, size_t n_tensors)
{
    size_t at = 0;
    uint64_t size = 0;
    azr_strbuf_append(header, (const char *)&size, sizeof size);
    azr_strbuf_puts(header, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < n_tensors; i++) {
        const azr_tensor_out *tensor = &tensors[i];
        size_t n_bytes = tensor_bytes(tensor);
        azr_strbuf_puts(header, ",");
        append_name(header, tensor->name);
        azr_strbuf_puts(header, ":{\"dtype\":\"F32\",\"shape\":[");
        for (int d = 0; d < tensor->n_dims; d++)
            azr_strbuf_printf(header, "%s%" PRId64, d > 0 ? "," : "", tensor->dims[d]);
        azr_strbuf_printf(header, "],\"data_offsets\":[%zu,%zu]}", at, at + n_bytes);
        at += n_bytes;
    }
    azr_strbuf_puts(header, "}");
    while (header->size % 8 != 0)
        azr_strbuf_puts(header, " ");
    size = header->size - sizeof size;
    memcpy(header->data, &size, sizeof size);
}

static azr_status write_all(int fd, const char *path, const void *bytes, size_t size,
                            azr_error *error)
{
    const char *from = bytes;
    while (size > 0) {
        ssize_t n = write(fd, from, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return azr_error_set(error, AZR_ERROR_IO, "cannot write %s: %s", path, strerror(errno));
        from += n;
        size -= (size_t)n;
    }
    return AZR_OK;
}

azr_status azr_safetensors_write(const char *path, const azr_tensor_out *tensors, size_t n_tensors,
                                 azr_error *error)
{
    azr_strbuf header = {0};
    make_header(&header, tensors, n_tensors);
    azr_status status = AZR_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        status = azr_error_set(error, AZR_ERROR_IO, "cannot create %s: %s", path, strerror(errno));
        goto done;
    }
    status = write_all(fd, path, header.data, header.size, error);
    for (size_t i = 0; status == AZR_OK && i < n_tensors; i++)
        status = write_all(fd, path, tensors[i].data, tensor_bytes(&tensors[i]), error);
    if (status == AZR_OK && fsync(fd) != 0)
        status = azr_error_set(error, AZR_ERROR_IO, "cannot sync %s: %s", path, strerror(errno));
    if (close(fd) != 0 && status == AZR_OK)
        status = azr_error_set(error, AZR_ERROR_IO, "cannot close %s: %s", path, strerror(errno));
    struct stat kind;
    if (status != AZR_OK && stat(path, &kind) == 0 && S_ISREG(kind.st_mode))
        unlink(path); /* half a file helps nobody; devices stay */
done:
    azr_strbuf_deinit(&header);
    return status;
}
