/* Any bytes as the index that a daemon hands to a client: refused, or every tensor lies in its segment. */
#include "proto/index.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_tensor(const struct hst_index *index, uint64_t i)
{
    struct hst_index_tensor tensor = hst_index_tensor(index, i);
    if (tensor.component >= index->component_count || strlen(tensor.name) > 1u << 20) abort();
    if (tensor.size_bytes == 0) return;
    struct hst_index_segment segment = hst_index_segment(index, tensor.segment);
    if (tensor.offset > segment.size_bytes || tensor.size_bytes > segment.size_bytes - tensor.offset) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct hst_index index;
    uint64_t *words = malloc(size + 8);
    memcpy(words, bytes, size);
    if (hst_index_open(words, size, 3, &index, NULL) == 0) {
        for (uint64_t i = 0; i < index.tensor_count; i++)
            check_tensor(&index, i);
        for (uint64_t i = 0; i < index.component_count; i++)
            if (hst_index_component(&index, i).role == NULL) abort();
    }
    free(words);
    return 0;
}
