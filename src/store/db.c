#include "base/cleanup.h"
#include "os/file.h"
#include "store/internal.h"

#include <stdio.h>
#include <string.h>

/* "HOST": marks our files; a database of somebody else is never touched. */
#define APPLICATION_ID 0x484f5354
#define SCHEMA_VERSION 2

/* What each version added; every statement may be run again over a database that has it already. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    /* 1 */
    "CREATE TABLE IF NOT EXISTS models (id TEXT PRIMARY KEY, path TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, family TEXT,"
    " variant TEXT, format TEXT NOT NULL, device INTEGER, inode INTEGER, fingerprint INTEGER, size_bytes INTEGER, generation INTEGER) WITHOUT ROWID;"
    /* 2 */
    "CREATE TABLE IF NOT EXISTS hashes (device INTEGER, inode INTEGER, size_bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,"
    " crc32 INTEGER, data_bytes INTEGER, sha256 BLOB NOT NULL, tensors BLOB, blake3 BLOB, autov1 BLOB NOT NULL, sketch BLOB NOT NULL, each BLOB,"
    " PRIMARY KEY (device, inode)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS overrides (id TEXT NOT NULL, key TEXT NOT NULL, value TEXT, PRIMARY KEY (id, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS contents (id TEXT PRIMARY KEY, data_bytes INTEGER, tensor_count INTEGER, since_generation INTEGER,"
    " digest BLOB NOT NULL, sketch BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS configs (id TEXT PRIMARY KEY, pin INTEGER, ttl_seconds INTEGER, priority INTEGER, precision TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS notes (area TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (area, key)) WITHOUT ROWID;"
    /* The key of tensors' hashes; those that were made without one are made again. */
    "CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "DELETE FROM hashes WHERE NOT EXISTS (SELECT 1 FROM secrets);"
    "INSERT OR IGNORE INTO secrets VALUES ('tensors', randomblob(8));"
    "PRAGMA application_id = 1213158228; PRAGMA user_version = 2; COMMIT;";
_Static_assert(APPLICATION_ID == 1213158228, "the schema writes APPLICATION_ID");

int hst_db_fail(struct hst_db *db, struct hst_error *err, const char *what)
{
    int code = sqlite3_errcode(db->handle), status = HST_E_IO;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) status = HST_E_BUSY;
    if (code == SQLITE_FULL) status = HST_E_NO_SPACE;
    return hst_error_set(err, status, "cannot %s the catalog: %s", what, sqlite3_errmsg(db->handle));
}

static int run(struct hst_db *db, const char *sql, struct hst_error *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? HST_OK : hst_db_fail(db, err, "write");
}

/* The number that a one-row pragma gives, or -1. */
static int pragma(struct hst_db *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int value = -1;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static bool is_sound(struct hst_db *db)
{
    sqlite3_stmt *statement = NULL;
    bool sound = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    return sound;
}

/* Is the file ours, of a version we know? An empty one is new. */
static int check_version(struct hst_db *db, struct hst_error *err)
{
    int application = pragma(db, "PRAGMA application_id"), version = pragma(db, "PRAGMA user_version");
    if (application != 0 && application != APPLICATION_ID) return hst_error_set(err, HST_E_CONFIG, "the catalog's file belongs to another program");
    if (version > SCHEMA_VERSION) return hst_error_set(err, HST_E_CONFIG, "the catalog was written by a newer hoist (version %d)", version);
    return HST_OK;
}

static int open_once(const char *path, struct hst_db **ret_db, struct hst_error *err)
{
    struct hst_db *db = calloc(1, sizeof *db);
    if (db == NULL) return hst_error_nomem(err);
    pthread_mutex_init(&db->lock, NULL);
    int status = HST_OK;
    if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) status = hst_db_fail(db, err, "open");
    if (status == HST_OK) status = run(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = NORMAL;", err);
    if (status == HST_OK) status = check_version(db, err);
    if (status == HST_OK && !is_sound(db)) status = hst_error_set(err, HST_E_INVALID_FILE, "the catalog's file is corrupt");
    if (status == HST_OK) status = run(db, schema, err);
    if (status < 0)
        hst_db_close(db);
    else
        *ret_db = db;
    return status;
}

static bool is_corrupt(int status, const char *path)
{
    return status == HST_E_INVALID_FILE || (status == HST_E_IO && strcmp(path, ":memory:") != 0);
}

int hst_db_open(const char *path, struct hst_db **ret_db, struct hst_error *err)
{
    int status = open_once(path, ret_db, err);
    if (!is_corrupt(status, path) || !hst_file_is_writable(path)) return status;
    HST_TRY(hst_file_set_aside(path, "corrupt", err));
    HST_TRY(open_once(path, ret_db, err));
    (*ret_db)->is_new = true;
    return HST_OK;
}

bool hst_db_was_corrupt(const struct hst_db *db)
{
    return db->is_new;
}

static const char *text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static int give_row(sqlite3_stmt *statement, hst_db_row_fn fn, void *context)
{
    struct hst_db_row row = {
        .id = text(statement, 0),         .path = text(statement, 1),     .name = text(statement, 2),          .type = text(statement, 3),
        .family = text(statement, 4),     .variant = text(statement, 5),  .format = text(statement, 6),        .device = number(statement, 7),
        .inode = number(statement, 8),    .fingerprint = number(statement, 9), .size_bytes = number(statement, 10), .generation = number(statement, 11)};
    return fn(context, &row);
}

/* Who gets the rows. */
struct reader {
    hst_db_row_fn fn;
    void *context;
};

static int read_row(sqlite3_stmt *statement, void *context)
{
    const struct reader *reader = context;
    return give_row(statement, reader->fn, reader->context);
}

int hst_db_read(struct hst_db *db, const char *sql, hst_db_step_fn step, void *context, struct hst_error *err)
{
    sqlite3_stmt *statement = NULL;
    int status = HST_OK, result = SQLITE_DONE;
    pthread_mutex_lock(&db->lock);
    if (sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) != SQLITE_OK) result = SQLITE_ERROR;
    while (statement != NULL && status == HST_OK && (result = sqlite3_step(statement)) == SQLITE_ROW)
        status = step(statement, context);
    if (status == HST_OK && result != SQLITE_DONE) status = hst_db_fail(db, err, "read");
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&db->lock);
    return status;
}

int hst_db_each(struct hst_db *db, hst_db_row_fn fn, void *context, struct hst_error *err)
{
    struct reader reader = {fn, context};
    return hst_db_read(db, "SELECT * FROM models ORDER BY id", read_row, &reader, err);
}

bool hst_db_run(sqlite3_stmt *statement)
{
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
    return done;
}

static bool write_row(sqlite3_stmt *statement, const void *rows, size_t index)
{
    const struct hst_db_row *row = (const struct hst_db_row *)rows + index;
    const char *texts[] = {row->id, row->path, row->name, row->type, row->family, row->variant, row->format};
    const uint64_t numbers[] = {row->device, row->inode, row->fingerprint, row->size_bytes, row->generation};
    for (int i = 0; i < 7; i++)
        sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC);
    for (int i = 0; i < 5; i++)
        sqlite3_bind_int64(statement, i + 8, (sqlite3_int64)numbers[i]);
    return hst_db_run(statement);
}

static int write_all(struct hst_db *db, const char *sql, hst_db_bind_fn bind, const void *rows, size_t count, struct hst_error *err)
{
    sqlite3_stmt *statement = NULL;
    HST_TRY(run(db, "BEGIN IMMEDIATE", err));
    bool good = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) == SQLITE_OK;
    for (size_t i = 0; good && i < count; i++)
        good = bind(statement, rows, i);
    int status = good ? HST_OK : hst_db_fail(db, err, "write");
    sqlite3_finalize(statement);
    if (status == HST_OK) status = run(db, "COMMIT", err);
    if (status < 0) sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

int hst_db_write(struct hst_db *db, const char *sql, hst_db_bind_fn bind, const void *rows, size_t count, struct hst_error *err)
{
    if (count == 0) return HST_OK;
    pthread_mutex_lock(&db->lock);
    int status = write_all(db, sql, bind, rows, count, err);
    pthread_mutex_unlock(&db->lock);
    return status;
}

int hst_db_put(struct hst_db *db, const struct hst_db_row *rows, size_t count, struct hst_error *err)
{
    return hst_db_write(db, "INSERT OR REPLACE INTO models VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", write_row, rows, count, err);
}

static bool write_override(sqlite3_stmt *statement, const void *rows, size_t index)
{
    const struct hst_db_override *row = (const struct hst_db_override *)rows + index;
    sqlite3_bind_text(statement, 1, row->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, row->key, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, row->value, -1, SQLITE_STATIC);
    return hst_db_run(statement);
}

/* What is taken back stays as a row without a value. */
int hst_db_put_overrides(struct hst_db *db, const struct hst_db_override *rows, size_t count, struct hst_error *err)
{
    return hst_db_write(db, "INSERT OR REPLACE INTO overrides VALUES (?,?,?)", write_override, rows, count, err);
}

/* Who gets the overrides. */
struct override_reader {
    hst_db_override_fn fn;
    void *context;
};

static int read_override(sqlite3_stmt *statement, void *context)
{
    const struct override_reader *reader = context;
    return reader->fn(reader->context, &(struct hst_db_override){text(statement, 0), text(statement, 1), text(statement, 2)});
}

int hst_db_each_override(struct hst_db *db, hst_db_override_fn fn, void *context, struct hst_error *err)
{
    struct override_reader reader = {fn, context};
    return hst_db_read(db, "SELECT id, key, value FROM overrides WHERE value IS NOT NULL ORDER BY id, key", read_override, &reader, err);
}

void hst_db_close(struct hst_db *db)
{
    if (db == NULL) return;
    sqlite3_close(db->handle);
    pthread_mutex_destroy(&db->lock);
    free(db);
}
