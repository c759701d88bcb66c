#include "formats/tensors.h"

#include "formats/arena.h"

#include <stdlib.h>
#include <string.h>

const struct hst_tensor *hst_tensor_table_find(const struct hst_tensor_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->tensors[i].name, name) == 0) return &table->tensors[i];
    return NULL;
}

const char *hst_tensor_table_metadata(const struct hst_tensor_table *table, const char *key)
{
    for (size_t i = 0; i < table->metadata_count; i++)
        if (strcmp(table->metadata[i].key, key) == 0) return table->metadata[i].value;
    return NULL;
}

void hst_tensor_table_free(struct hst_tensor_table *table)
{
    if (table == NULL) return;
    for (size_t i = 0; i < table->external_count; i++) /* an external table has none of its own */
        hst_tensor_table_free(table->externals[i].table);
    free(table->externals);
    hst_arena_free(table->arena);
    free(table->tensors);
    free(table->metadata);
    free(table);
}
