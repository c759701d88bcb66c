#include "catalog/adopt.h"

#include "base/cleanup.h"
#include "catalog/content.h"
#include "model/reopen.h"

#include <string.h>

/* What is compared first; the key of catalog->vanished, and the first two words of struct hst_content. */
struct measure {
    uint64_t data_bytes, tensor_count;
};
_Static_assert(offsetof(struct hst_content, data_bytes) == 0 && offsetof(struct hst_content, tensor_count) == sizeof(uint64_t),
               "a struct hst_content begins with a struct measure");

static bool has_vanished(const struct hst_catalog *catalog, const struct hst_entry *entry)
{
    return entry->seen != catalog->scan.number && entry->content.known && entry->content.data_bytes > 0;
}

void hst_adopt_begin(struct hst_catalog *catalog)
{
    hst_adopt_end(catalog);
    for (size_t i = catalog->count; i > 0; i--) { /* from the end, so that each chain is in order of the ids */
        struct hst_entry *entry = catalog->sorted[i - 1];
        if (!has_vanished(catalog, entry)) continue;
        entry->next_vanished = hst_map_remove(&catalog->vanished, &entry->content, sizeof(struct measure));
        (void)hst_map_put(&catalog->vanished, &entry->content, sizeof(struct measure), entry); /* without memory it stays missing */
    }
}

static struct hst_entry *first_like(const struct hst_catalog *catalog, const struct hst_model *model)
{
    struct measure measure;
    hst_content_measure(model, &measure.data_bytes, &measure.tensor_count);
    return hst_map_get(&catalog->vanished, &measure, sizeof measure);
}

bool hst_adopt_may(const struct hst_catalog *catalog, const struct hst_model *model)
{
    return model->state == HST_MODEL_OK && first_like(catalog, model) != NULL;
}

static int sketch_file(const struct hst_model_file *file, uint8_t ret_sketch[HST_XXH128_BYTES], struct hst_error *err)
{
    struct hst_tensor_table *table;
    HST_AUTO(hst_closep) int fd = -1;
    HST_TRY(hst_reopen(file->path, &file->id, &fd, &table, err));
    int status = table != NULL ? hst_hash_sketch(fd, table, ret_sketch, err) : HST_E_FILE_CHANGED;
    hst_tensor_table_free(table);
    return status;
}

int hst_adopt_sketch(const struct hst_model *model, uint8_t ret_sketch[HST_XXH128_BYTES], struct hst_error *err)
{
    HST_AUTO(hst_freep) uint8_t(*sketches)[HST_XXH128_BYTES] = calloc(model->file_count + 1, sizeof *sketches);
    if (sketches == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < model->file_count; i++)
        HST_TRY(sketch_file(&model->files[i], sketches[i], err));
    hst_content_sketch((const uint8_t(*)[HST_XXH128_BYTES])sketches, model->file_count, ret_sketch);
    return HST_OK;
}

static bool same_name(const char *path, const char *other)
{
    const char *a = strrchr(path, '/'), *b = strrchr(other, '/');
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

struct hst_entry *hst_adopt_find(const struct hst_catalog *catalog, const struct hst_model *model, const uint8_t sketch[HST_XXH128_BYTES])
{
    struct hst_entry *found = NULL;
    for (struct hst_entry *entry = first_like(catalog, model); entry != NULL; entry = entry->next_vanished) {
        if (!has_vanished(catalog, entry) || memcmp(entry->content.sketch, sketch, HST_XXH128_BYTES) != 0) continue;
        if (same_name(entry->path, model->path)) return entry;
        if (found == NULL) found = entry;
    }
    return found;
}

void hst_adopt_end(struct hst_catalog *catalog)
{
    hst_map_fini(&catalog->vanished);
}
