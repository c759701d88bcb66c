#include "service/view_hash.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "catalog/hashes.h"
#include "service/jsonx.h"

#include <stdio.h>
#include <string.h>

/* Lower-case hex behind a prefix. */
static void set_hex(json_t *object, const char *key, const char *prefix, const uint8_t *bytes, size_t count)
{
    char text[2 * HST_SHA256_BYTES + 8];
    int used = snprintf(text, sizeof text, "%s", prefix);
    hst_hex(bytes, count, text + used);
    json_object_set_new(object, key, json_string(text));
}

/* The names are those that users and other tools know (docs/decisions/0008). */
static void set_hashes(json_t *object, const struct hst_hashes *hashes)
{
    char crc[16];
    snprintf(crc, sizeof crc, "%08x", hashes->crc32);
    set_hex(object, "sha256", "", hashes->sha256, sizeof hashes->sha256);
    set_hex(object, "autov1", "", hashes->autov1, sizeof hashes->autov1);
    set_hex(object, "autov2", "", hashes->sha256, 5);
    if (hashes->has_tensors) set_hex(object, "autov3", "", hashes->tensors, 6);
    json_object_set_new(object, "crc32", json_string(crc));
    if (hashes->has_tensors) set_hex(object, "modelspec", "0x", hashes->tensors, sizeof hashes->tensors);
    if (hashes->has_blake3) set_hex(object, "blake3", "", hashes->blake3, sizeof hashes->blake3);
}

/* A path below the model's folder, or beside its first part, as it is written there. */
static const char *relative(const struct hst_model *model, const char *path)
{
    size_t length = strlen(model->path);
    if (strncmp(path, model->path, length) == 0 && path[length] == '/') return path + length + 1;
    return hst_path_name(path);
}

static json_t *hashes_of_files(const struct hst_catalog *catalog, const struct hst_model *model)
{
    json_t *files = json_array();
    for (size_t i = 0; i < model->file_count; i++) {
        const struct hst_hashes *hashes = hst_hashes_find(catalog, &model->files[i].id);
        if (hashes == NULL) continue;
        json_t *file = json_pack("{s:o, s:o}", "path", hst_jsonx_text(relative(model, model->files[i].path)), "size_bytes",
                                 hst_jsonx_size(model->files[i].id.size_bytes));
        set_hashes(file, hashes);
        json_array_append_new(files, file);
    }
    return files;
}

json_t *hst_view_hashes(const struct hst_catalog *catalog, const struct hst_model *model)
{
    json_t *view = json_object();
    const uint8_t *digest = hst_catalog_digest(catalog, model);
    const struct hst_hashes *hashes = model->file_count == 1 ? hst_hashes_find(catalog, &model->files[0].id) : NULL;
    if (hashes != NULL) set_hashes(view, hashes);
    if (model->file_count <= 1) return view;
    json_object_set_new(view, "files", hashes_of_files(catalog, model));
    if (digest != NULL) set_hex(view, "combined", "", digest, HST_SHA256_BYTES);
    return view;
}

json_t *hst_view_hashing(const struct hst_hash_status *status)
{
    json_t *view = json_pack("{s:s, s:o, s:o, s:o, s:o}", "state", status->state, "files_done", hst_jsonx_size(status->files_done), "files_total",
                             hst_jsonx_size(status->files_total), "bytes_done", hst_jsonx_size(status->bytes_done), "bytes_total",
                             hst_jsonx_size(status->bytes_total));
    const struct hst_status_info *failure = status->failure < 0 ? hst_status_info(status->failure) : NULL;
    if (failure != NULL) json_object_set_new(view, "problem", json_pack("{s:s, s:s}", "code", failure->code, "text", failure->text));
    return view;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *hst_view_duplicates(const struct hst_catalog *catalog, const struct hst_model *model)
{
    size_t count = 0;
    const struct hst_model *other = NULL;
    while ((other = hst_catalog_next_duplicate(catalog, model, other)) != NULL)
        count++;
    HST_AUTO(hst_freep) const char **ids = calloc(count + 1, sizeof(const char *));
    if (ids == NULL) return NULL;
    for (size_t i = 0; i < count; i++)
        ids[i] = (other = hst_catalog_next_duplicate(catalog, model, other))->id;
    qsort(ids, count, sizeof *ids, compare_texts);
    return hst_jsonx_texts(ids, count);
}

void hst_view_identity(const struct hst_catalog *catalog, const struct hst_model *model, json_t *object)
{
    struct hst_hash_status status = hst_catalog_hash_status_of(catalog, model);
    uint64_t since = hst_catalog_weights_since(catalog, model);
    json_object_set_new(object, "hashes", hst_view_hashes(catalog, model));
    json_object_set_new(object, "hashing", hst_view_hashing(&status));
    json_object_set_new(object, "duplicates", hst_view_duplicates(catalog, model));
    json_object_set_new(object, "weights_since_generation", since > 0 ? hst_jsonx_size(since) : json_null());
}
