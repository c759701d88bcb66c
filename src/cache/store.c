/* The files of a residency: opened once, checked to be those that were parsed, leased against writers. */
#include "base/cleanup.h"
#include "cache/internal.h"
#include "model/reread.h"
#include "os/filelease.h"

static int open_file(struct hst_held_file *file, const struct hst_model_file *model_file, struct hst_error *err)
{
    int fd = hst_reread_open(model_file, err);
    if (fd < 0) return fd;
    file->fd = fd;
    file->leased = hst_filelease_take(fd);
    return HST_OK;
}

static int make_files(struct hst_store *store, size_t count, struct hst_error *err)
{
    store->files = calloc(count + 1, sizeof *store->files);
    if (store->files == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        store->files[i].fd = store->files[i].direct_fd = -1;
    store->file_count = count;
    return HST_OK;
}

/* Is (nearly) all that is wanted of the file in memory already? */
static bool is_resident(const struct hst_store *store, uint32_t file)
{
    uint64_t present = 0, wanted = 0;
    for (size_t i = 0; i < store->extents.count; i++) {
        const struct hst_extent *extent = &store->extents.items[i];
        if (extent->file != file) continue;
        present += hst_hold_resident(store->files[file].fd, extent->offset, extent->size_bytes);
        wanted += extent->size_bytes;
    }
    return present >= wanted - wanted / 8;
}

int hst_store_open(struct hst_store *store, const struct hst_component *component, struct hst_error *err)
{
    const struct hst_model *model = component->model;
    if (store->files == NULL) HST_TRY(make_files(store, model->file_count, err));
    if (store->extents.items == NULL) HST_TRY(hst_extents_of(component, hst_hold_page_size(), &store->extents, err));
    for (size_t i = 0; i < store->extents.count; i++) {
        uint32_t file = store->extents.items[i].file;
        if (store->files[file].fd >= 0) continue;
        HST_TRY(open_file(&store->files[file], &model->files[file], err));
        store->files[file].was_resident = is_resident(store, file);
    }
    return HST_OK;
}

int hst_store_check(const struct hst_store *store, const struct hst_model *model, struct hst_error *err)
{
    struct hst_file_id id;
    for (size_t i = 0; i < store->file_count; i++) {
        if (store->files[i].fd < 0) continue;
        HST_TRY(hst_file_identify(store->files[i].fd, &id, err));
        if (!hst_file_id_equal(&id, &model->files[i].id))
            return hst_error_set(err, HST_E_FILE_CHANGED, "%s changed while it was read", model->files[i].path);
    }
    return HST_OK;
}

void hst_store_fini(struct hst_store *store)
{
    for (size_t i = 0; i < store->file_count; i++) {
        if (store->files[i].leased) hst_filelease_release(store->files[i].fd);
        hst_closep(&store->files[i].fd);
        hst_closep(&store->files[i].direct_fd);
    }
    free(store->files);
    hst_extents_fini(&store->extents);
    store->files = NULL;
    store->file_count = 0;
}
