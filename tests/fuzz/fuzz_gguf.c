/* Any bytes as a GGUF; see table.h. */
#include "formats/gguf.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return fuzz_format(&hst_gguf_format, bytes, size);
}
