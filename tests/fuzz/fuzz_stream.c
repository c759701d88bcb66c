/* Any bytes as what follows the magic number in an old stream of PyTorch; see table.h. */
#include "formats/torch.h"
#include "table.h"

static const uint8_t magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *stream = malloc(sizeof magic + size);
    if (stream == NULL) return 0;
    memcpy(stream, magic, sizeof magic);
    if (size > 0) memcpy(stream + sizeof magic, bytes, size);
    fuzz_format(&hst_torch_format, stream, sizeof magic + size);
    free(stream);
    return 0;
}
