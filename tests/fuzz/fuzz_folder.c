/* Any bytes as one of the JSON files of a model folder; the first byte says which. File names stay plain. */
#include "formats/folder.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_name(const char *name)
{
    if (strchr(name, '/') != NULL || strcmp(name, "..") == 0 || strcmp(name, ".") == 0 || name[0] == '\0') abort();
}

static void read_shards(const uint8_t *bytes, size_t size)
{
    struct hst_shard_index index;
    if (hst_shard_index_parse(bytes, size, &index, NULL) < 0) return;
    for (size_t i = 0; i < index.file_count; i++)
        check_name(index.files[i]);
    for (size_t i = 0; i < index.count; i++)
        if (index.entries[i].file >= index.file_count) abort();
    hst_shard_index_fini(&index);
}

static void read_pipeline(const uint8_t *bytes, size_t size)
{
    struct hst_pipeline_index index;
    if (hst_pipeline_index_parse(bytes, size, &index, NULL) < 0) return;
    for (size_t i = 0; i < index.count; i++)
        check_name(index.parts[i].role);
    hst_pipeline_index_fini(&index);
}

static void read_config(const uint8_t *bytes, size_t size)
{
    struct hst_model_config config;
    if (hst_model_config_parse(bytes, size, &config, NULL) == 0) hst_model_config_fini(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const readers[])(const uint8_t *bytes, size_t size) = {read_shards, read_pipeline, read_config};
    if (size > 0) readers[bytes[0] % 3](bytes + 1, size - 1);
    return 0;
}
