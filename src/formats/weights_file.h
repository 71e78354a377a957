/* weights_file.h: what an opened set of tensors is made of. Inside formats/ only (and its tests).
 */
#ifndef AZR_FORMATS_WEIGHTS_FILE_H
#define AZR_FORMATS_WEIGHTS_FILE_H

#include "azr/formats.h"
#include "base/files.h"
#include "formats/names.h"

/* Stated limits; a file that claims more is refused. */
enum {
    AZR_FORMATS__MAX_TENSORS = 1 << 17,
    AZR_FORMATS__MAX_PARTS = 1024,
    AZR_FORMATS__MAX_METADATA = 1 << 16,         /* GGUF key-value pairs */
    AZR_FORMATS__MAX_JSON_BYTES = 100 * 1000000, /* the limit of the safetensors format itself */
};

#define AZR_FORMATS__SINGLE_NAME "model.safetensors"
#define AZR_FORMATS__INDEX_NAME "model.safetensors.index.json"

/* One file of the set. */
typedef struct azr_formats__part {
    char *path;
    azr_file_map map;
    bool is_mapped; /* false: somebody else's memory */
    char *names;    /* [names_bytes]; those of its tensors, one after the other */
    size_t names_bytes;
} azr_formats__part;

struct azr_weights_file {
    azr_formats__part *parts; /* [n_parts] */
    size_t n_parts;
    azr_tensor *tensors; /* [n_tensors], by part, then by place in it */
    size_t n_tensors;
    azr_formats__names names;               /* of tensors */
    struct azr_formats__metadata *metadata; /* of a GGUF file, else NULL */
};

/* Reads one file of either format into file->parts[i_part] (its path and map are set) and appends
 * its tensors. */
azr_status azr_formats__gguf_read(azr_weights_file *file, size_t i_part, azr_error *error);
azr_status azr_formats__safetensors_read(azr_weights_file *file, size_t i_part, azr_error *error);

/* Opens the index of folder with all parts that it names, and the table of names. */
azr_status azr_formats__index_open(azr_weights_file *file, const char *folder, azr_error *error);

/* Room for n_parts parts, and for n more tensors (which start as zeros; n_tensors grows by the
 * caller). */
azr_status azr_formats__add_parts(azr_weights_file *file, size_t n_parts, azr_error *error);
azr_status azr_formats__add_tensors(azr_weights_file *file, size_t n, const char *path,
                                    azr_error *error);
/* Maps parts[i_part].path and reads it, whichever format it is. */
azr_status azr_formats__open_part(azr_weights_file *file, size_t i_part, azr_error *error);
/* Builds the table of names; refuses a name that is there twice. */
azr_status azr_formats__index_names(azr_weights_file *file, azr_error *error);

/* As azr_weights_open for one file whose bytes are in memory already: bytes stay the caller's and
 * must outlive *out_file; path is for messages. For tests and fuzzing. */
azr_status azr_formats__open_bytes(const char *path, const uint8_t *bytes, size_t size,
                                   azr_weights_file **out_file, azr_error *error);

#endif
