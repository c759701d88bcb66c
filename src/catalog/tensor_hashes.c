#include "catalog/tensor_hashes.h"

#include "base/cleanup.h"
#include "catalog/hashes.h"
#include "catalog/internal.h"
#include "model/layout.h"
#include "store/db_hashes.h"

_Static_assert(HST_TENSOR_HASH_BYTES == HST_XXH128_BYTES, "tensors are known by one kind of hash");

/* Of a file. */
struct wanted {
    bool asked;
    uint8_t *each; /* owned */
    size_t bytes;
};

struct hst_tensor_hashes {
    struct hst_db *db;       /* borrowed; NULL = nothing to read */
    struct hst_model *model; /* referenced */
    struct wanted *files;
};

static int ask(const struct hst_catalog *catalog, struct hst_tensor_hashes *hashes, struct hst_error *err)
{
    const struct hst_model *model = hashes->model;
    hashes->files = calloc(model->file_count + 1, sizeof *hashes->files);
    if (hashes->files == NULL) return hst_error_nomem(err);
    for (size_t i = 0; catalog != NULL && i < model->file_count; i++) {
        struct wanted *wanted = &hashes->files[i];
        if (model->files[i].hashes != NULL || hst_hashes_find(catalog, &model->files[i].id) == NULL) continue;
        if (hst_hashes_copy_each(catalog, &model->files[i].id, &wanted->each, &wanted->bytes) < 0) return hst_error_nomem(err);
        wanted->asked = wanted->each == NULL;
    }
    return HST_OK;
}

int hst_tensor_hashes_new(const struct hst_catalog *catalog, struct hst_model *model, struct hst_tensor_hashes **ret_hashes, struct hst_error *err)
{
    struct hst_tensor_hashes *hashes = calloc(1, sizeof *hashes);
    if (hashes == NULL) return hst_error_nomem(err);
    hashes->model = hst_model_ref(model);
    hashes->db = catalog != NULL ? catalog->db : NULL;
    int status = ask(catalog, hashes, err);
    if (status < 0)
        hst_tensor_hashes_free(hashes);
    else
        *ret_hashes = hashes;
    return status;
}

void hst_tensor_hashes_read(struct hst_tensor_hashes *hashes)
{
    for (size_t i = 0; hashes->db != NULL && i < hashes->model->file_count; i++) {
        const struct hst_file_id *id = &hashes->model->files[i].id;
        struct wanted *wanted = &hashes->files[i];
        if (wanted->asked) (void)hst_db_hash_each(hashes->db, id, &wanted->each, &wanted->bytes, NULL);
    }
}

void hst_tensor_hashes_note(struct hst_tensor_hashes *hashes)
{
    for (size_t i = 0; i < hashes->model->file_count; i++) {
        struct wanted *wanted = &hashes->files[i];
        if (wanted->each != NULL) hst_layout_note_hashes(hashes->model, i, hst_steal(&wanted->each), wanted->bytes / HST_TENSOR_HASH_BYTES);
    }
}

void hst_tensor_hashes_free(struct hst_tensor_hashes *hashes)
{
    if (hashes == NULL) return;
    for (size_t i = 0; hashes->files != NULL && i < hashes->model->file_count; i++)
        free(hashes->files[i].each);
    hst_model_unref(hashes->model);
    free(hashes->files);
    free(hashes);
}
