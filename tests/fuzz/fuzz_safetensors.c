/* Any bytes as a model file: refused, or a table whose every tensor lies in the file, or in what another file must at least have. */
#include "formats/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_within(const struct hst_tensor_table *table, uint64_t size)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->tensors[i].offset > size || table->tensors[i].size_bytes > size - table->tensors[i].offset) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct hst_source_bytes memory = {bytes, size};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format;
    struct hst_tensor_table *table;
    struct hst_error error = {0};
    if (hst_format_parse(&source, &format, &table, &error) < 0) {
        if (error.status >= 0 || error.text[0] == '\0') abort(); /* every refusal says why */
        return 0;
    }
    check_within(table, size);
    for (size_t i = 0; i < table->external_count; i++)
        check_within(table->externals[i].table, table->externals[i].least_bytes);
    hst_tensor_table_free(table);
    return 0;
}
