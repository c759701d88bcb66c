#ifndef HST_STORE_INTERNAL_H
#define HST_STORE_INTERNAL_H
/** @file
 * The private half of the database, shared by the files of store/ alone. */
#include "store/db.h"

#include <pthread.h>
#include <sqlite3.h>

/** The database. */
struct hst_db {
    sqlite3 *handle;      /**< the one connection */
    pthread_mutex_t lock; /**< one thread at a time */
    bool is_new;          /**< the old one was corrupt */
};

/** What SQLite says about the last failure, as a status. */
int hst_db_fail(struct hst_db *db, struct hst_error *err, const char *what);
/** Bind and run a statement for row `index` of `rows`. @return did it work? */
typedef bool (*hst_db_bind_fn)(sqlite3_stmt *statement, const void *rows, size_t index);
/** Write rows in one transaction: all or none. */
int hst_db_write(struct hst_db *db, const char *sql, hst_db_bind_fn bind, const void *rows, size_t count, struct hst_error *err);
/** Called for each row of a query; a negative result ends it and is its result. */
typedef int (*hst_db_step_fn)(sqlite3_stmt *statement, void *context);
/** Read every row that a query gives. */
int hst_db_read(struct hst_db *db, const char *sql, hst_db_step_fn step, void *context, struct hst_error *err);
/** Run a bound statement and make it ready for the next row. @return did it work? */
bool hst_db_run(sqlite3_stmt *statement);
#endif
