#ifndef HST_STORE_DB_H
#define HST_STORE_DB_H
/** @file
 * What the catalog remembers over a restart, in SQLite: which id belongs to which path. One connection, used by one thread at a time (writers wait for each other);
 * the packaged SQLite (3.40.1) has the WAL-reset bug with two connections, so there is never a second one. */
#include "base/error.h"

/** The database. */
struct hst_db;

/** A remembered model. Texts are borrowed; NULL = none. */
struct hst_db_row {
    const char *id;          /**< model id */
    const char *path;        /**< where it was */
    const char *name;        /**< for people */
    const char *type;        /**< checkpoint, lora, ... */
    const char *family;      /**< or NULL */
    const char *variant;     /**< or NULL */
    const char *format;      /**< safetensors, ... */
    uint64_t device;         /**< of its first file */
    uint64_t inode;          /**< of its first file */
    uint64_t fingerprint;    /**< of all its files */
    uint64_t size_bytes;     /**< of all its files */
    uint64_t generation;     /**< how often its content changed, from 1 */
};

/** What the user said of a model against what hoist found. Texts are borrowed. */
struct hst_db_override {
    const char *id;    /**< model id */
    const char *key;   /**< "family", "title", ... */
    const char *value; /**< NULL = it is taken back */
};

/** Called for each override; a negative result ends the reading and is its result. */
typedef int (*hst_db_override_fn)(void *context, const struct hst_db_override *row);

/** Called for each row; a negative result ends the reading and is its result. */
typedef int (*hst_db_row_fn)(void *context, const struct hst_db_row *row);

/** Open or make the database. One that is corrupt is moved aside (path.corrupt-N) and made anew: it is a cache of what the disk
 * tells. HST_E_CONFIG when it was written by a newer hoist, HST_E_IO, HST_E_BUSY when another process has it. */
int hst_db_open(const char *path, struct hst_db **ret_db, struct hst_error *err);
/** Was the one before it corrupt, and set aside? */
bool hst_db_was_corrupt(const struct hst_db *db);
/** Read every row in order of id. */
int hst_db_each(struct hst_db *db, hst_db_row_fn fn, void *context, struct hst_error *err);
/** Write rows in one transaction: all or none. */
int hst_db_put(struct hst_db *db, const struct hst_db_row *rows, size_t count, struct hst_error *err);
/** Read every override. */
int hst_db_each_override(struct hst_db *db, hst_db_override_fn fn, void *context, struct hst_error *err);
/** Write overrides in one transaction: all or none. Any thread. */
int hst_db_put_overrides(struct hst_db *db, const struct hst_db_override *rows, size_t count, struct hst_error *err);
/** Close. NULL is fine. */
void hst_db_close(struct hst_db *db);
#endif
