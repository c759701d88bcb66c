#include "formats/zip.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "formats/limits.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, CENTRAL_BYTES = 46, LOCAL_BYTES = 30, COMMENT_MAX = 65535,
    FLAG_ENCRYPTED = 1, STORED = 0, ZIP64_EXTRA = 1
};
#define END_MAGIC 0x06054b50u
#define LOCATOR_MAGIC 0x07064b50u
#define END64_MAGIC 0x06064b50u
#define CENTRAL_MAGIC 0x02014b50u
#define LOCAL_MAGIC 0x04034b50u

/* Where the directory is. */
struct directory {
    uint64_t offset, size_bytes, count;
};

/* An entry as the directory tells it. */
struct record {
    uint64_t packed, size_bytes, local;
    uint16_t flags, method, name_length, extra_length, comment_length;
};

static int invalid(uint64_t offset, const char *what, struct hst_error *err)
{
    return hst_error_at(err, HST_E_INVALID_FILE, offset, "zip: %s", what);
}

static int read_piece(const struct hst_source *source, uint64_t offset, void *buffer, size_t length, struct hst_cursor *ret_cursor, struct hst_error *err)
{
    if (offset > source->size_bytes || length > source->size_bytes - offset) return invalid(offset, "a part of the archive lies outside of the file", err);
    HST_TRY(source->read_at(source->context, offset, buffer, length, err));
    hst_cursor_init(ret_cursor, buffer, length, offset);
    return HST_OK;
}

/* The last record, which a comment may follow. @return its offset, or a negative status */
static int64_t find_end(const struct hst_source *source, uint8_t *tail, size_t length, struct hst_error *err)
{
    uint32_t magic;
    for (size_t at = length - END_BYTES + 1; at-- > 0;) {
        memcpy(&magic, tail + at, sizeof magic);
        if (magic != END_MAGIC) continue;
        size_t comment = (size_t)tail[at + 20] | (size_t)tail[at + 21] << 8;
        if (at + END_BYTES + comment == length) return (int64_t)(source->size_bytes - length + at);
    }
    return hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: the archive has no directory at its end");
}

/* The larger record that numbers of 32 bits point to. */
static int read_end64(const struct hst_source *source, uint64_t end, struct directory *directory, struct hst_error *err)
{
    uint8_t bytes[END64_BYTES];
    struct hst_cursor cursor;
    if (end < LOCATOR_BYTES) return invalid(end, "there is no Zip64 locator", err);
    HST_TRY(read_piece(source, end - LOCATOR_BYTES, bytes, LOCATOR_BYTES, &cursor, err));
    if (hst_cursor_u32(&cursor) != LOCATOR_MAGIC) return invalid(end, "there is no Zip64 locator", err);
    hst_cursor_u32(&cursor);
    HST_TRY(read_piece(source, hst_cursor_u64(&cursor), bytes, END64_BYTES, &cursor, err));
    if (hst_cursor_u32(&cursor) != END64_MAGIC) return invalid(end, "there is no Zip64 record where its locator says", err);
    hst_cursor_take(&cursor, 28);
    directory->count = hst_cursor_u64(&cursor);
    directory->size_bytes = hst_cursor_u64(&cursor);
    directory->offset = hst_cursor_u64(&cursor);
    return HST_OK;
}

static int read_end(const struct hst_source *source, struct directory *directory, struct hst_error *err)
{
    size_t length = (size_t)hst_min_u64(source->size_bytes, END_BYTES + COMMENT_MAX);
    HST_AUTO(hst_freep) uint8_t *tail = malloc(length);
    struct hst_cursor cursor;
    if (tail == NULL) return hst_error_nomem(err);
    if (length < END_BYTES) return hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: the archive has no directory");
    HST_TRY(source->read_at(source->context, source->size_bytes - length, tail, length, err));
    int64_t end = find_end(source, tail, length, err);
    if (end < 0) return (int)end;
    hst_cursor_init(&cursor, tail + ((uint64_t)end - (source->size_bytes - length)), END_BYTES, (uint64_t)end);
    hst_cursor_take(&cursor, 10);
    directory->count = hst_cursor_u16(&cursor);
    directory->size_bytes = hst_cursor_u32(&cursor);
    directory->offset = hst_cursor_u32(&cursor);
    bool large = directory->count == UINT16_MAX || directory->size_bytes == UINT32_MAX || directory->offset == UINT32_MAX;
    return large ? read_end64(source, (uint64_t)end, directory, err) : HST_OK;
}

/* Sizes that do not fit into 32 bits stand in the extra field, in this order, as far as they are wanted. */
static void read_extra(struct hst_cursor *extra, struct record *record)
{
    uint64_t *const wide[] = {&record->size_bytes, &record->packed, &record->local};
    while (hst_cursor_left(extra) >= 4) {
        uint16_t id = hst_cursor_u16(extra), length = hst_cursor_u16(extra);
        const uint8_t *bytes = hst_cursor_take(extra, length);
        if (id != ZIP64_EXTRA || bytes == NULL) continue;
        struct hst_cursor inner;
        hst_cursor_init(&inner, bytes, length, 0);
        for (size_t i = 0; i < 3; i++)
            if (*wide[i] == UINT32_MAX) *wide[i] = hst_cursor_u64(&inner);
    }
}

static void read_record(struct hst_cursor *cursor, struct record *record)
{
    hst_cursor_take(cursor, 4);
    record->flags = hst_cursor_u16(cursor);
    record->method = hst_cursor_u16(cursor);
    hst_cursor_take(cursor, 8);
    record->packed = hst_cursor_u32(cursor);
    record->size_bytes = hst_cursor_u32(cursor);
    record->name_length = hst_cursor_u16(cursor);
    record->extra_length = hst_cursor_u16(cursor);
    record->comment_length = hst_cursor_u16(cursor);
    hst_cursor_take(cursor, 8);
    record->local = hst_cursor_u32(cursor);
}

/* The data begins behind the local header, whose extra field may have another length than the directory's. */
static int find_data(const struct hst_source *source, const struct record *record, struct hst_zip_entry *entry, struct hst_error *err)
{
    uint8_t bytes[LOCAL_BYTES];
    struct hst_cursor cursor;
    HST_TRY(read_piece(source, record->local, bytes, sizeof bytes, &cursor, err));
    uint32_t magic = hst_cursor_u32(&cursor);
    hst_cursor_take(&cursor, 22);
    uint16_t name_length = hst_cursor_u16(&cursor), extra_length = hst_cursor_u16(&cursor);
    if (magic != LOCAL_MAGIC || name_length != record->name_length) return invalid(record->local, "an entry is not where the directory says", err);
    entry->offset = record->local + LOCAL_BYTES + name_length + extra_length;
    bool fits = entry->offset <= source->size_bytes && entry->size_bytes <= source->size_bytes - entry->offset;
    return fits ? HST_OK : hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: '%.64s' ends beyond the file", entry->name);
}

static int read_entry(const struct hst_source *source, struct hst_cursor *cursor, struct hst_arena *arena, struct hst_zip_entry *entry, struct hst_error *err)
{
    struct record record = {0};
    struct hst_cursor extra;
    uint64_t where = cursor->base + cursor->at;
    if (hst_cursor_u32(cursor) != CENTRAL_MAGIC) return invalid(where, "the directory is broken", err);
    read_record(cursor, &record);
    const uint8_t *name = hst_cursor_take(cursor, record.name_length), *more = hst_cursor_take(cursor, record.extra_length);
    hst_cursor_take(cursor, record.comment_length);
    if (!hst_cursor_ok(cursor)) return invalid(where, "the directory is cut", err);
    hst_cursor_init(&extra, more, record.extra_length, where);
    read_extra(&extra, &record);
    if (memchr(name, '\0', record.name_length) != NULL) return invalid(where, "a name contains a NUL", err);
    if (record.method != STORED || record.packed != record.size_bytes) return invalid(where, "an entry is compressed", err);
    if (record.flags & FLAG_ENCRYPTED) return invalid(where, "an entry is encrypted", err);
    entry->name = hst_arena_text(arena, (const char *)name, record.name_length);
    if (entry->name == NULL) return hst_error_nomem(err);
    entry->size_bytes = record.size_bytes;
    return find_data(source, &record, entry, err);
}

static int by_offset(const void *a, const void *b)
{
    const struct hst_zip_entry *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static int check_apart(struct hst_zip *zip, struct hst_error *err)
{
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_offset);
    for (size_t i = 1; i < zip->count; i++)
        if (zip->entries[i].offset - zip->entries[i - 1].offset < zip->entries[i - 1].size_bytes) return invalid(zip->entries[i].offset, "two entries overlap", err);
    return HST_OK;
}

int hst_zip_read(const struct hst_source *source, struct hst_arena *arena, struct hst_zip *ret_zip, struct hst_error *err)
{
    struct directory directory = {0};
    struct hst_cursor cursor;
    HST_TRY(read_end(source, &directory, err));
    if (directory.size_bytes > HST_ZIP_DIRECTORY_MAX) return hst_error_at(err, HST_E_LIMIT_EXCEEDED, directory.offset, "limit: the directory is too large");
    if (directory.count > directory.size_bytes / CENTRAL_BYTES) return invalid(directory.offset, "the directory is too small for its entries", err);
    HST_AUTO(hst_freep) uint8_t *bytes = malloc(directory.size_bytes + 1);
    struct hst_zip zip = {.entries = hst_arena_alloc(arena, directory.count * sizeof *zip.entries)};
    if (bytes == NULL || zip.entries == NULL) return hst_error_nomem(err);
    HST_TRY(read_piece(source, directory.offset, bytes, directory.size_bytes, &cursor, err));
    for (; zip.count < directory.count; zip.count++)
        HST_TRY(read_entry(source, &cursor, arena, &zip.entries[zip.count], err));
    HST_TRY(check_apart(&zip, err));
    *ret_zip = zip;
    return HST_OK;
}

const struct hst_zip_entry *hst_zip_find_end(const struct hst_zip *zip, const char *suffix)
{
    size_t cut = strlen(suffix);
    for (size_t i = 0; i < zip->count; i++) {
        size_t length = strlen(zip->entries[i].name);
        if (length >= cut && strcmp(zip->entries[i].name + length - cut, suffix) == 0) return &zip->entries[i];
    }
    return NULL;
}
