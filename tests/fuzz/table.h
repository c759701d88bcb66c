#ifndef HST_TESTS_TABLE_H
#define HST_TESTS_TABLE_H
/** @file
 * What any bytes must come to, whichever format reads them: a refusal that says why, or a table whose every tensor lies in the file. */
#include "base/utf8.h"
#include "formats/format.h"

#include <stdlib.h>
#include <string.h>

/** A text with a reason, and nothing in it that could forge a line. */
static inline void check_refusal(const struct hst_error *err)
{
    if (err->status >= 0 || err->text[0] == '\0' || !hst_utf8_valid(err->text, strlen(err->text))) abort();
    for (const char *c = err->text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) abort();
}

/** Sizes are those of types and shapes, and lie in the file; names are texts. */
static inline void check_table(const struct hst_tensor_table *table, uint64_t size)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct hst_tensor *tensor = &table->tensors[i];
        uint64_t bytes;
        if (tensor->offset > size || tensor->size_bytes > size - tensor->offset || tensor->rank > 64) abort();
        if (!hst_dtype_bytes(tensor->dtype, tensor->elements, &bytes) || bytes != tensor->size_bytes) abort();
        if (!hst_utf8_valid(tensor->name, strlen(tensor->name))) abort();
    }
}

/** Parse `size` bytes with this format. @return 0, as a fuzzer wants it */
static inline int fuzz_format(const struct hst_format *format, const uint8_t *bytes, size_t size)
{
    struct hst_source_bytes memory = {bytes, size};
    struct hst_source source = hst_source_memory(&memory);
    struct hst_tensor_table *table;
    struct hst_error err = {0};
    if (format->parse(&source, &table, &err) < 0) {
        check_refusal(&err);
        return 0;
    }
    check_table(table, size);
    hst_tensor_table_free(table);
    return 0;
}
#endif
