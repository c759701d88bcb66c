/* Any bytes as an archive of PyTorch; see table.h. */
#include "formats/torch.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return fuzz_format(&hst_torch_format, bytes, size);
}
