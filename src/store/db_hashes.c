#include "store/db_hashes.h"

#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

/* Digests have fixed lengths: a column of another length was written by nobody we know, and counts as none. */
enum { SHA256 = 32, XXH128 = 16, SHORT = 4 };

static const uint8_t *blob(sqlite3_stmt *statement, int column, int bytes)
{
    return sqlite3_column_bytes(statement, column) == bytes ? sqlite3_column_blob(statement, column) : NULL;
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static void bind_blob(sqlite3_stmt *statement, int column, const uint8_t *bytes, size_t length)
{
    if (bytes == NULL)
        sqlite3_bind_null(statement, column);
    else
        sqlite3_bind_blob64(statement, column, bytes, length, SQLITE_STATIC);
}

/* Who gets the rows. */
struct reader {
    hst_db_hash_fn hash;
    hst_db_content_fn content;
    void *context;
};

static int read_hash(sqlite3_stmt *statement, void *context)
{
    const struct reader *reader = context;
    struct hst_db_hash row = {.device = number(statement, 0),
                              .inode = number(statement, 1),
                              .size_bytes = number(statement, 2),
                              .mtime_ns = sqlite3_column_int64(statement, 3),
                              .ctime_ns = sqlite3_column_int64(statement, 4),
                              .crc32 = (uint32_t)number(statement, 5),
                              .data_bytes = number(statement, 6),
                              .sha256 = blob(statement, 7, SHA256),
                              .tensors = blob(statement, 8, SHA256),
                              .blake3 = blob(statement, 9, SHA256),
                              .autov1 = blob(statement, 10, SHORT),
                              .sketch = blob(statement, 11, XXH128)};
    bool whole = row.sha256 != NULL && row.autov1 != NULL && row.sketch != NULL;
    return whole ? reader->hash(reader->context, &row) : HST_OK;
}

int hst_db_each_hash(struct hst_db *db, hst_db_hash_fn fn, void *context, struct hst_error *err)
{
    struct reader reader = {.hash = fn, .context = context};
    return hst_db_read(db, "SELECT device, inode, size_bytes, mtime_ns, ctime_ns, crc32, data_bytes, sha256, tensors, blake3, autov1, sketch FROM hashes",
                       read_hash, &reader, err);
}

static bool write_hash(sqlite3_stmt *statement, const void *rows, size_t index)
{
    const struct hst_db_hash *row = (const struct hst_db_hash *)rows + index;
    const uint64_t numbers[] = {row->device, row->inode, row->size_bytes, (uint64_t)row->mtime_ns, (uint64_t)row->ctime_ns, row->crc32, row->data_bytes};
    for (int i = 0; i < 7; i++)
        sqlite3_bind_int64(statement, i + 1, (sqlite3_int64)numbers[i]);
    bind_blob(statement, 8, row->sha256, SHA256);
    bind_blob(statement, 9, row->tensors, SHA256);
    bind_blob(statement, 10, row->blake3, SHA256);
    bind_blob(statement, 11, row->autov1, SHORT);
    bind_blob(statement, 12, row->sketch, XXH128);
    bind_blob(statement, 13, row->each, row->each_bytes);
    return hst_db_run(statement);
}

int hst_db_put_hashes(struct hst_db *db, const struct hst_db_hash *rows, size_t count, struct hst_error *err)
{
    return hst_db_write(db, "INSERT OR REPLACE INTO hashes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", write_hash, rows, count, err);
}

/* The blob that is asked for. */
struct each {
    uint8_t *bytes;
    size_t length;
};

static int read_each(sqlite3_stmt *statement, void *context)
{
    struct each *each = context;
    int length = sqlite3_column_bytes(statement, 0);
    if (length <= 0) return HST_OK;
    each->bytes = malloc((size_t)length);
    if (each->bytes == NULL) return HST_E_NOMEM;
    memcpy(each->bytes, sqlite3_column_blob(statement, 0), (size_t)length);
    each->length = (size_t)length;
    return HST_OK;
}

int hst_db_hash_each(struct hst_db *db, const struct hst_file_id *id, uint8_t **ret_each, size_t *ret_bytes, struct hst_error *err)
{
    char sql[320];
    struct each each = {0};
    sqlite3_snprintf(sizeof sql, sql, "SELECT each FROM hashes WHERE device = %lld AND inode = %lld AND size_bytes = %lld AND mtime_ns = %lld AND ctime_ns = %lld",
                     (sqlite3_int64)id->device, (sqlite3_int64)id->inode, (sqlite3_int64)id->size_bytes, (sqlite3_int64)id->mtime_ns, (sqlite3_int64)id->ctime_ns);
    int status = hst_db_read(db, sql, read_each, &each, err);
    if (status == HST_E_NOMEM) return hst_error_nomem(err);
    HST_TRY(status);
    *ret_each = each.bytes;
    *ret_bytes = each.length;
    return HST_OK;
}

static int read_key(sqlite3_stmt *statement, void *context)
{
    if (sqlite3_column_bytes(statement, 0) == sizeof(uint64_t)) memcpy(context, sqlite3_column_blob(statement, 0), sizeof(uint64_t));
    return HST_OK;
}

int hst_db_hash_key(struct hst_db *db, uint64_t *ret_key, struct hst_error *err)
{
    return hst_db_read(db, "SELECT value FROM secrets WHERE name = 'tensors'", read_key, ret_key, err);
}

static int read_content(sqlite3_stmt *statement, void *context)
{
    const struct reader *reader = context;
    struct hst_db_content row = {.id = (const char *)sqlite3_column_text(statement, 0),
                                 .data_bytes = number(statement, 1),
                                 .tensor_count = number(statement, 2),
                                 .since_generation = number(statement, 3),
                                 .digest = blob(statement, 4, SHA256),
                                 .sketch = blob(statement, 5, XXH128)};
    bool whole = row.id != NULL && row.digest != NULL && row.sketch != NULL;
    return whole ? reader->content(reader->context, &row) : HST_OK;
}

int hst_db_each_content(struct hst_db *db, hst_db_content_fn fn, void *context, struct hst_error *err)
{
    struct reader reader = {.content = fn, .context = context};
    return hst_db_read(db, "SELECT id, data_bytes, tensor_count, since_generation, digest, sketch FROM contents ORDER BY id", read_content, &reader, err);
}

static bool write_content(sqlite3_stmt *statement, const void *rows, size_t index)
{
    const struct hst_db_content *row = (const struct hst_db_content *)rows + index;
    sqlite3_bind_text(statement, 1, row->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)row->data_bytes);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)row->tensor_count);
    sqlite3_bind_int64(statement, 4, (sqlite3_int64)row->since_generation);
    bind_blob(statement, 5, row->digest, SHA256);
    bind_blob(statement, 6, row->sketch, XXH128);
    return hst_db_run(statement);
}

int hst_db_put_contents(struct hst_db *db, const struct hst_db_content *rows, size_t count, struct hst_error *err)
{
    return hst_db_write(db, "INSERT OR REPLACE INTO contents VALUES (?,?,?,?,?,?)", write_content, rows, count, err);
}
