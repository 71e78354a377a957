/* libFuzzer's way in to formats/: safetensors files. See `make fuzz`. */
#include "../support/fuzz_formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_formats_safetensors(NULL, bytes, size);
    return 0;
}
