/* Any bytes as what a parser's process answers: refused, or every tensor lies in its file and is what its shape says. */
#include "proto/answer.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_tensor(const struct hst_tensor *tensor)
{
    uint64_t elements = 1, size_bytes;
    if (tensor->offset > FILE_BYTES || tensor->size_bytes > FILE_BYTES - tensor->offset || tensor->name[strlen(tensor->name)] != '\0') abort();
    for (uint32_t i = 0; i < tensor->rank; i++)
        elements *= tensor->shape[i];
    if (elements != tensor->elements || !hst_dtype_bytes(tensor->dtype, elements, &size_bytes) || size_bytes != tensor->size_bytes) abort();
}

static void check_table(const struct hst_format *format, const struct hst_tensor_table *table)
{
    if (strcmp(format->name, table->format) != 0 || table->file_size_bytes != FILE_BYTES || table->data_offset > FILE_BYTES) abort();
    for (size_t i = 0; i < table->count; i++)
        check_tensor(&table->tensors[i]);
    for (size_t i = 0; i < table->metadata_count; i++)
        if (hst_tensor_table_metadata(table, table->metadata[i].key) == NULL) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct hst_format *format = NULL;
    struct hst_tensor_table *table = NULL;
    struct hst_error err = {0};
    int status = hst_answer_read(bytes, size, FILE_BYTES, &format, &table, &err);
    if ((status == HST_OK) != (table != NULL) || status > 0 || status != err.status) abort();
    if (table != NULL) check_table(format, table);
    hst_tensor_table_free(table);
    return 0;
}
