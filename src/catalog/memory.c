/* What the catalog remembers over a restart: rows of the database. Tensors are not among them: headers are read again. */
#include "base/cleanup.h"
#include "model/draft.h"
#include "catalog/internal.h"
#include "catalog/limits.h"

#include <string.h>

/* A remembered model until a scan has seen its files. */
static int make_stub(const struct hst_db_row *row, struct hst_model **ret_model, struct hst_error *err)
{
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    HST_TRY(hst_draft_new(row->path, row->format, &model, err));
    HST_TRY(hst_draft_text(&model->name, row->name, err));
    HST_TRY(hst_draft_text(&model->type, row->type, err));
    HST_TRY(hst_draft_text(&model->family, row->family, err));
    HST_TRY(hst_draft_text(&model->variant, row->variant, err));
    HST_TRY(hst_draft_set_id(model, row->id, err));
    model->size_bytes = row->size_bytes;
    model->generation = row->generation;
    model->state = HST_MODEL_MISSING;
    hst_error_set(&model->problem, HST_E_FILE_MISSING, "%s was not looked at since the start", row->path);
    *ret_model = hst_steal(&model);
    return HST_OK;
}

static int recall_row(void *context, const struct hst_db_row *row)
{
    struct hst_catalog *catalog = context;
    struct hst_entry *entry;
    if (hst_map_get_str(&catalog->by_path, row->path) != NULL) return HST_OK;
    HST_TRY(hst_entry_add(catalog, row->id, row->path, &entry, NULL));
    entry->device = row->device;
    entry->inode = row->inode;
    entry->fingerprint = row->fingerprint;
    entry->generation = row->generation;
    int status = make_stub(row, &entry->model, NULL);
    if (status < 0) {
        hst_entry_drop(catalog, catalog->count - 1); /* it is the last one */
        hst_entry_close_gaps(catalog);
    }
    catalog->models += status == HST_OK;
    return status;
}

static int recall_override(void *context, const struct hst_db_override *row)
{
    struct hst_entry *entry = hst_map_get_str(&((struct hst_catalog *)context)->by_id, row->id);
    return entry != NULL ? hst_override_set(&entry->said, row->key, row->value, NULL) : HST_OK;
}

int hst_memory_recall(struct hst_catalog *catalog, struct hst_error *err)
{
    int status = hst_db_each(catalog->db, recall_row, catalog, err);
    hst_entry_order(catalog);
    HST_TRY(status);
    HST_TRY(hst_config_recall(catalog, err));
    return hst_db_each_override(catalog->db, recall_override, catalog, err);
}

/* Rows on their way to the database; their texts belong to the models, which are referenced meanwhile. */
struct batch {
    struct hst_catalog *catalog;
    void (*done)(struct hst_catalog *catalog);
    struct hst_model **models;
    struct hst_db_row *rows;
    size_t count;
    int status;
};

static void free_batch(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        hst_model_unref(batch->models[i]);
    free(batch->models);
    free(batch->rows);
    free(batch);
}

static void add_row(struct batch *batch, struct hst_entry *entry)
{
    struct hst_model *model = hst_model_ref(entry->model);
    batch->models[batch->count] = model;
    batch->rows[batch->count++] = (struct hst_db_row){.id = model->id,
                                                      .path = model->path,
                                                      .name = model->name,
                                                      .type = model->type,
                                                      .family = model->family,
                                                      .variant = model->variant,
                                                      .format = model->format,
                                                      .device = entry->device,
                                                      .inode = entry->inode,
                                                      .fingerprint = entry->fingerprint,
                                                      .size_bytes = model->size_bytes,
                                                      .generation = model->generation};
    entry->dirty = false;
}

static void write_work(void *arg)
{
    struct batch *batch = arg;
    batch->status = hst_db_put(batch->catalog->db, batch->rows, batch->count, NULL);
}

/* What could not be written stays dirty: the next scan tries again. */
static void stay_dirty(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct hst_entry *entry = hst_map_get_str(&batch->catalog->by_id, batch->rows[i].id);
        if (entry != NULL) entry->dirty = true;
    }
}

static void write_done(void *arg)
{
    struct batch *batch = arg;
    struct hst_catalog *catalog = batch->catalog;
    if (batch->status < 0) stay_dirty(batch);
    catalog->scan.status.errors += batch->status < 0;
    void (*done)(struct hst_catalog *) = batch->done;
    free_batch(batch);
    done(catalog);
}

/* @return false when memory ran out */
static bool collect(struct batch *batch, size_t begin, size_t end)
{
    const struct hst_catalog *catalog = batch->catalog;
    batch->models = calloc(end - begin + 1, sizeof(struct hst_model *));
    batch->rows = calloc(end - begin + 1, sizeof *batch->rows);
    if (batch->models == NULL || batch->rows == NULL) return false;
    for (size_t i = begin; i < end; i++)
        if (catalog->sorted[i]->dirty && catalog->sorted[i]->model != NULL) add_row(batch, catalog->sorted[i]);
    return true;
}

int hst_memory_write(struct hst_catalog *catalog, size_t *at, void (*done)(struct hst_catalog *catalog), struct hst_error *err)
{
    size_t begin = *at, end = catalog->count - begin < HST_MEMORY_ROWS ? catalog->count : begin + HST_MEMORY_ROWS;
    bool is_dirty = false;
    *at = end;
    for (size_t i = begin; i < end && !is_dirty; i++)
        is_dirty = catalog->sorted[i]->dirty && catalog->sorted[i]->model != NULL;
    if (!is_dirty) return 0;
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) return hst_error_nomem(err);
    *batch = (struct batch){.catalog = catalog, .done = done};
    if (collect(batch, begin, end) && hst_exec_submit(catalog->exec, write_work, write_done, batch) == HST_OK) return 1;
    stay_dirty(batch);
    free_batch(batch);
    return hst_error_nomem(err);
}
