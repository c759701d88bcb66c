#include "formats/format.h"

#include "base/checked.h"
#include "formats/gguf.h"
#include "formats/onnx.h"
#include "formats/safetensors.h"
#include "formats/stranger.h"
#include "formats/torch.h"

#include <string.h>

const struct hst_format *const hst_formats[] = {&hst_safetensors_format, &hst_gguf_format, &hst_torch_format, &hst_onnx_format, NULL};

int hst_format_parse(const struct hst_source *source, const struct hst_format **ret_format, struct hst_tensor_table **ret_table,
                     struct hst_error *err)
{
    uint8_t head[HST_STRANGER_HEAD_BYTES];
    size_t length = (size_t)hst_min_u64(source->size_bytes, sizeof head);
    HST_TRY(source->read_at(source->context, 0, head, length, err));
    for (size_t i = 0; hst_formats[i] != NULL; i++) {
        if (!hst_formats[i]->sniff(head, length, source->size_bytes)) continue;
        HST_TRY(hst_formats[i]->parse(source, ret_table, err));
        *ret_format = hst_formats[i];
        return HST_OK;
    }
    return hst_stranger_name(head, length, err);
}

static int read_memory(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    const struct hst_source_bytes *bytes = context;
    if (offset > bytes->size_bytes || length > bytes->size_bytes - offset)
        return hst_error_at(err, HST_E_TRUNCATED, bytes->size_bytes, "the file ends too early");
    if (length > 0) memcpy(buffer, bytes->bytes + offset, length);
    return HST_OK;
}

struct hst_source hst_source_memory(const struct hst_source_bytes *bytes)
{
    union {
        const void *borrowed;
        void *context;
    } cast = {.borrowed = bytes};
    return (struct hst_source){.size_bytes = bytes->size_bytes, .read_at = read_memory, .context = cast.context};
}
