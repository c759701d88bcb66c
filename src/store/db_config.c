#include "store/db_config.h"

#include "store/internal.h"

static bool bind_number(sqlite3_stmt *statement, int column, int64_t value, int64_t unsaid)
{
    return (value == unsaid ? sqlite3_bind_null(statement, column) : sqlite3_bind_int64(statement, column, value)) == SQLITE_OK;
}

static bool write_row(sqlite3_stmt *statement, const void *rows, size_t index)
{
    const struct hst_db_config *row = (const struct hst_db_config *)rows + index;
    bool bound = sqlite3_bind_text(statement, 1, row->id, -1, SQLITE_STATIC) == SQLITE_OK && bind_number(statement, 2, row->pin, -1) &&
                 bind_number(statement, 3, row->ttl_seconds, -1) && bind_number(statement, 4, row->priority, HST_DB_UNSAID) &&
                 sqlite3_bind_text(statement, 5, row->precision, -1, SQLITE_STATIC) == SQLITE_OK;
    return bound && hst_db_run(statement);
}

int hst_db_put_configs(struct hst_db *db, const struct hst_db_config *rows, size_t count, struct hst_error *err)
{
    return hst_db_write(db, "INSERT OR REPLACE INTO configs VALUES (?,?,?,?,?)", write_row, rows, count, err);
}

/* Who gets the rows. */
struct reader {
    hst_db_config_fn fn;
    void *context;
};

static int64_t number(sqlite3_stmt *statement, int column, int64_t unsaid)
{
    return sqlite3_column_type(statement, column) == SQLITE_INTEGER ? sqlite3_column_int64(statement, column) : unsaid;
}

static int read_row(sqlite3_stmt *statement, void *context)
{
    const struct reader *reader = context;
    const struct hst_db_config row = {.id = (const char *)sqlite3_column_text(statement, 0),
                                      .pin = (int)number(statement, 1, -1),
                                      .ttl_seconds = number(statement, 2, -1),
                                      .priority = (int)number(statement, 3, HST_DB_UNSAID),
                                      .precision = (const char *)sqlite3_column_text(statement, 4)};
    return reader->fn(reader->context, &row);
}

int hst_db_each_config(struct hst_db *db, hst_db_config_fn fn, void *context, struct hst_error *err)
{
    struct reader reader = {fn, context};
    return hst_db_read(db, "SELECT id, pin, ttl_seconds, priority, precision FROM configs ORDER BY id", read_row, &reader, err);
}
