#include "catalog/hashes.h"

#include "base/cleanup.h"
#include "catalog/internal.h"
#include "store/db_hashes.h"

#include <string.h>

/* What is known of a file; `id` begins with the key of the map. */
struct record {
    struct hst_file_id id;
    int status;              /* why there are no hashes */
    struct hst_hashes hashes;
    struct hst_list dirty;   /* in catalog->dirty_hashes while it is not in the database */
    uint8_t *each;           /* until written; owned */
    size_t each_bytes;
};

static struct record *find(const struct hst_catalog *catalog, const struct hst_file_id *id)
{
    struct record *record = hst_map_get(&catalog->hashes, id, HST_FILE_KEY_BYTES);
    return record != NULL && hst_file_id_equal(&record->id, id) ? record : NULL;
}

const struct hst_hashes *hst_hashes_find(const struct hst_catalog *catalog, const struct hst_file_id *id)
{
    const struct record *record = find(catalog, id);
    return record != NULL && record->status == HST_OK ? &record->hashes : NULL;
}

int hst_hashes_failure(const struct hst_catalog *catalog, const struct hst_file_id *id)
{
    const struct record *record = find(catalog, id);
    return record != NULL ? record->status : HST_OK;
}

int hst_hashes_copy_each(const struct hst_catalog *catalog, const struct hst_file_id *id, uint8_t **ret_each, size_t *ret_bytes)
{
    const struct record *record = find(catalog, id);
    if (record == NULL || record->each == NULL) return HST_OK;
    *ret_each = malloc(record->each_bytes + 1);
    if (*ret_each == NULL) return HST_E_NOMEM;
    memcpy(*ret_each, record->each, record->each_bytes);
    *ret_bytes = record->each_bytes;
    return HST_OK;
}

static void free_record(struct record *record)
{
    hst_list_remove(&record->dirty);
    free(record->each);
    free(record);
}

/* A new record in place of any other of this inode. */
static int replace(struct hst_catalog *catalog, const struct hst_file_id *id, struct record **ret_record, struct hst_error *err)
{
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL) return hst_error_nomem(err);
    record->id = *id;
    hst_list_init(&record->dirty);
    struct record *old = hst_map_remove(&catalog->hashes, id, HST_FILE_KEY_BYTES);
    if (old != NULL) free_record(old);
    if (hst_map_put(&catalog->hashes, &record->id, HST_FILE_KEY_BYTES, record) < 0) {
        free(record);
        return hst_error_nomem(err);
    }
    *ret_record = record;
    return HST_OK;
}

int hst_hashes_put(struct hst_catalog *catalog, const struct hst_file_id *id, const struct hst_hashes *hashes, uint8_t *each, size_t each_bytes,
                   struct hst_error *err)
{
    struct record *record;
    int status = replace(catalog, id, &record, err);
    if (status < 0 || catalog->db == NULL) free(hst_steal(&each));
    HST_TRY(status);
    record->hashes = *hashes;
    record->each = each;
    record->each_bytes = each != NULL ? each_bytes : 0;
    if (catalog->db != NULL) hst_list_append(&catalog->dirty_hashes, &record->dirty);
    return HST_OK;
}

void hst_hashes_put_failure(struct hst_catalog *catalog, const struct hst_file_id *id, int status)
{
    struct record *record;
    if (replace(catalog, id, &record, NULL) == HST_OK) record->status = status;
}

void hst_hashes_forget_failure(struct hst_catalog *catalog, const struct hst_file_id *id)
{
    struct record *record = find(catalog, id);
    if (record == NULL || record->status == HST_OK) return;
    hst_map_remove(&catalog->hashes, id, HST_FILE_KEY_BYTES);
    free_record(record);
}

void hst_hashes_free_all(struct hst_catalog *catalog)
{
    size_t cursor = 0;
    for (struct record *record; (record = hst_map_next(&catalog->hashes, &cursor));)
        free_record(record);
    hst_map_fini(&catalog->hashes);
}

static int recall_row(void *context, const struct hst_db_hash *row)
{
    struct record *record;
    struct hst_file_id id = {row->device, row->inode, row->size_bytes, row->mtime_ns, row->ctime_ns};
    HST_TRY(replace(context, &id, &record, NULL));
    struct hst_hashes *hashes = &record->hashes;
    *hashes = (struct hst_hashes){.crc32 = row->crc32, .data_bytes = row->data_bytes, .has_tensors = row->tensors != NULL, .has_blake3 = row->blake3 != NULL};
    memcpy(hashes->sha256, row->sha256, sizeof hashes->sha256);
    memcpy(hashes->autov1, row->autov1, sizeof hashes->autov1);
    memcpy(hashes->sketch, row->sketch, sizeof hashes->sketch);
    if (hashes->has_tensors) memcpy(hashes->tensors, row->tensors, sizeof hashes->tensors);
    if (hashes->has_blake3) memcpy(hashes->blake3, row->blake3, sizeof hashes->blake3);
    return HST_OK;
}

int hst_hashes_recall(struct hst_catalog *catalog, struct hst_error *err)
{
    uint64_t key = 0;
    HST_TRY(hst_db_hash_key(catalog->db, &key, err));
    hst_hash_set_key(key);
    return hst_db_each_hash(catalog->db, recall_row, catalog, err);
}

/* What a row borrows: a copy of a record, or of an entry's content. */
struct kept {
    struct hst_file_id id;
    struct hst_hashes hashes;
    uint8_t *each;
    size_t each_bytes;
    struct hst_content content;
    char *model_id;
};

/* Rows on their way to the database. */
struct batch {
    struct hst_catalog *catalog;
    struct kept *kept;
    struct hst_db_hash *hashes;
    struct hst_db_content *contents;
    size_t hash_count, content_count;
    int status;
};

static void free_batch(struct batch *batch)
{
    for (size_t i = 0; batch->kept != NULL && i < batch->hash_count + batch->content_count; i++) {
        free(batch->kept[i].each);
        free(batch->kept[i].model_id);
    }
    free(batch->kept);
    free(batch->hashes);
    free(batch->contents);
    free(batch);
}

static size_t length_of(const struct hst_list *list)
{
    size_t length = 0;
    HST_LIST_FOREACH(node, list)
        length++;
    return length;
}

static void take_hash(struct batch *batch, struct record *record)
{
    struct kept *kept = &batch->kept[batch->hash_count];
    *kept = (struct kept){.id = record->id, .hashes = record->hashes, .each = hst_steal(&record->each), .each_bytes = record->each_bytes};
    batch->hashes[batch->hash_count++] = (struct hst_db_hash){.device = kept->id.device,
                                                              .inode = kept->id.inode,
                                                              .size_bytes = kept->id.size_bytes,
                                                              .mtime_ns = kept->id.mtime_ns,
                                                              .ctime_ns = kept->id.ctime_ns,
                                                              .crc32 = kept->hashes.crc32,
                                                              .data_bytes = kept->hashes.data_bytes,
                                                              .sha256 = kept->hashes.sha256,
                                                              .tensors = kept->hashes.has_tensors ? kept->hashes.tensors : NULL,
                                                              .blake3 = kept->hashes.has_blake3 ? kept->hashes.blake3 : NULL,
                                                              .autov1 = kept->hashes.autov1,
                                                              .sketch = kept->hashes.sketch,
                                                              .each = kept->each,
                                                              .each_bytes = kept->each_bytes};
    hst_list_remove(&record->dirty);
}

/* @return false when memory ran out: it stays dirty */
static bool take_content(struct batch *batch, struct hst_entry *entry)
{
    struct kept *kept = &batch->kept[batch->hash_count + batch->content_count];
    *kept = (struct kept){.content = entry->content, .model_id = strdup(entry->id)};
    if (kept->model_id == NULL) return false;
    batch->contents[batch->content_count++] = (struct hst_db_content){.id = kept->model_id,
                                                                      .data_bytes = kept->content.data_bytes,
                                                                      .tensor_count = kept->content.tensor_count,
                                                                      .since_generation = kept->content.since_generation,
                                                                      .digest = kept->content.digest,
                                                                      .sketch = kept->content.sketch};
    hst_list_remove(&entry->content.dirty);
    return true;
}

static void write_work(void *arg)
{
    struct batch *batch = arg;
    struct hst_db *db = batch->catalog->db;
    batch->status = hst_db_put_hashes(db, batch->hashes, batch->hash_count, NULL);
    if (batch->status == HST_OK) batch->status = hst_db_put_contents(db, batch->contents, batch->content_count, NULL);
}

/* What could not be written is tried again with the next hash. */
static void put_back(struct batch *batch)
{
    struct hst_catalog *catalog = batch->catalog;
    for (size_t i = 0; i < batch->hash_count; i++) {
        struct record *record = find(catalog, &batch->kept[i].id);
        if (record == NULL || !hst_list_empty(&record->dirty)) continue;
        record->each = hst_steal(&batch->kept[i].each);
        hst_list_append(&catalog->dirty_hashes, &record->dirty);
    }
    for (size_t i = 0; i < batch->content_count; i++) {
        struct hst_entry *entry = hst_map_get_str(&catalog->by_id, batch->contents[i].id);
        if (entry != NULL && hst_list_empty(&entry->content.dirty)) hst_list_append(&catalog->dirty_contents, &entry->content.dirty);
    }
}

static void write_done(void *arg)
{
    struct batch *batch = arg;
    struct hst_catalog *catalog = batch->catalog;
    catalog->writing_hashes = false;
    if (batch->status < 0) put_back(batch);
    if (batch->status == HST_OK) hst_hashes_write(catalog);
    free_batch(batch);
}

static bool collect(struct batch *batch)
{
    struct hst_catalog *catalog = batch->catalog;
    size_t hashes = length_of(&catalog->dirty_hashes), contents = length_of(&catalog->dirty_contents);
    batch->kept = calloc(hashes + contents + 1, sizeof *batch->kept);
    batch->hashes = calloc(hashes + 1, sizeof *batch->hashes);
    batch->contents = calloc(contents + 1, sizeof *batch->contents);
    if (batch->kept == NULL || batch->hashes == NULL || batch->contents == NULL) return false;
    HST_LIST_FOREACH(node, &catalog->dirty_hashes)
        take_hash(batch, hst_container_of(node, struct record, dirty));
    HST_LIST_FOREACH(node, &catalog->dirty_contents)
        if (!take_content(batch, hst_container_of(node, struct hst_entry, content.dirty))) break;
    return true;
}

void hst_hashes_write(struct hst_catalog *catalog)
{
    bool clean = hst_list_empty(&catalog->dirty_hashes) && hst_list_empty(&catalog->dirty_contents);
    if (clean || catalog->db == NULL || catalog->writing_hashes) return;
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) return;
    batch->catalog = catalog;
    catalog->writing_hashes = collect(batch) && hst_exec_submit(catalog->exec, write_work, write_done, batch) == HST_OK;
    if (catalog->writing_hashes) return;
    put_back(batch);
    free_batch(batch);
}
