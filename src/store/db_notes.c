#include "store/db_notes.h"

#include "base/cleanup.h"
#include "store/internal.h"

/* Who gets the notes of which area. */
struct note_reader {
    const char *area;
    hst_db_note_fn fn;
    void *context;
};

static const char *text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static int read_note(sqlite3_stmt *statement, void *context)
{
    const struct note_reader *reader = context;
    struct hst_db_note note = {reader->area, text(statement, 0), text(statement, 1)};
    return note.key != NULL && note.value != NULL ? reader->fn(reader->context, &note) : HST_OK;
}

int hst_db_each_note(struct hst_db *db, const char *area, hst_db_note_fn fn, void *context, struct hst_error *err)
{
    struct note_reader reader = {area, fn, context};
    char sql[128];
    sqlite3_snprintf(sizeof sql, sql, "SELECT key, value FROM notes WHERE area = %Q ORDER BY key", area);
    return hst_db_read(db, sql, read_note, &reader, err);
}

static bool bind_note(sqlite3_stmt *statement, const void *rows, size_t index)
{
    const struct hst_db_note *note = (const struct hst_db_note *)rows + index;
    const char *texts[] = {note->area, note->key, note->value};
    for (int i = 0; i < 3; i++)
        sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC);
    return hst_db_run(statement);
}

int hst_db_put_notes(struct hst_db *db, const struct hst_db_note *notes, size_t count, struct hst_error *err)
{
    HST_TRY(hst_db_write(db, "INSERT OR REPLACE INTO notes SELECT ?1, ?2, ?3 WHERE ?3 IS NOT NULL", bind_note, notes, count, err));
    return hst_db_write(db, "DELETE FROM notes WHERE area = ?1 AND key = ?2 AND ?3 IS NULL", bind_note, notes, count, err);
}
