/* Any bytes as a model file of any format; see table.h. What lies in another file lies in what that must at least have. */
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct hst_source_bytes memory = {bytes, size};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format;
    struct hst_tensor_table *table;
    struct hst_error err = {0};
    if (hst_format_parse(&source, &format, &table, &err) < 0) {
        check_refusal(&err);
        return 0;
    }
    check_table(table, size);
    for (size_t i = 0; i < table->external_count; i++)
        check_table(table->externals[i].table, table->externals[i].least_bytes);
    hst_tensor_table_free(table);
    return 0;
}
