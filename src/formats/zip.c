#include "formats/zip.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/utf8.h"
#include "formats/limits.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, CENTRAL_BYTES = 46, LOCAL_BYTES = 30, COMMENT_MAX = 65535,
    STORED = 0, ZIP64_EXTRA = 1,
    /* Of the flags only these two change nothing about the bytes: sizes follow the data; names are UTF-8. */
    FLAG_ENCRYPTED = 0x0001, FLAG_SIZES_FOLLOW = 0x0008, FLAGS_PLAIN = 0x0808,
    /* The upper half of the attributes is a mode of Unix. */
    MODE_KIND = 0170000, MODE_LINK = 0120000
};
#define END_MAGIC 0x06054b50u
#define LOCATOR_MAGIC 0x07064b50u
#define END64_MAGIC 0x06064b50u
#define CENTRAL_MAGIC 0x02014b50u
#define LOCAL_MAGIC 0x04034b50u

/* Where the directory is. */
struct directory {
    uint64_t offset, size_bytes, count;
    uint64_t end; /* of it: where the records behind it begin */
};

/* An entry as the directory tells it. */
struct record {
    uint64_t packed, size_bytes, local;
    uint32_t checksum, attributes;
    uint16_t flags, method, name_length, extra_length, comment_length;
};

/* `what` begins with the reason's word. */
static int invalid(uint64_t offset, const char *what, struct hst_error *err)
{
    return hst_error_at(err, HST_E_INVALID_FILE, offset, "%s", what);
}

static int read_piece(const struct hst_source *source, uint64_t offset, void *buffer, size_t length, struct hst_cursor *ret_cursor, struct hst_error *err)
{
    if (offset > source->size_bytes || length > source->size_bytes - offset) return invalid(offset, "zip: a part of the archive lies outside of the file", err);
    HST_TRY(source->read_at(source->context, offset, buffer, length, err));
    hst_cursor_init(ret_cursor, buffer, length, offset);
    return HST_OK;
}

/* The last record is the last of the file: in a comment behind it another one could hide. @return its offset, or a negative status */
static int64_t find_end(const struct hst_source *source, uint8_t *tail, size_t length, struct hst_error *err)
{
    uint32_t magic;
    for (size_t at = length - END_BYTES + 1; at-- > 0;) {
        memcpy(&magic, tail + at, sizeof magic);
        if (magic != END_MAGIC) continue;
        size_t comment = (size_t)tail[at + 20] | (size_t)tail[at + 21] << 8;
        if (at + END_BYTES + comment != length) continue;
        return comment == 0 ? (int64_t)(source->size_bytes - length + at) : invalid(source->size_bytes - length + at, "ambiguous: a comment follows the directory", err);
    }
    return hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: the archive has no directory at its end");
}

/* The larger record, which ends where its locator begins. */
static int read_wide(const struct hst_source *source, uint64_t at, uint64_t locator, struct directory *wide, struct hst_error *err)
{
    uint8_t bytes[END64_BYTES];
    struct hst_cursor cursor;
    HST_TRY(read_piece(source, at, bytes, END64_BYTES, &cursor, err));
    if (hst_cursor_u32(&cursor) != END64_MAGIC || at + END64_BYTES != locator) return invalid(locator, "zip: there is no Zip64 record where its locator says", err);
    hst_cursor_take(&cursor, 28);
    wide->count = hst_cursor_u64(&cursor);
    wide->size_bytes = hst_cursor_u64(&cursor);
    wide->offset = hst_cursor_u64(&cursor);
    wide->end = at;
    return HST_OK;
}

static bool is_same(const struct directory *a, const struct directory *b)
{
    return a->count == b->count && a->size_bytes == b->size_bytes && a->offset == b->offset;
}

/* What a locator before the last record leads to. Its numbers count where those of 32 bits are at their limit, and say the same elsewhere. */
static int read_end64(const struct hst_source *source, uint64_t locator, bool large, struct directory *directory, struct hst_error *err)
{
    uint8_t bytes[LOCATOR_BYTES];
    struct hst_cursor cursor;
    struct directory wide = {0};
    HST_TRY(read_piece(source, locator, bytes, LOCATOR_BYTES, &cursor, err));
    if (hst_cursor_u32(&cursor) != LOCATOR_MAGIC) return large ? invalid(locator, "zip: there is no Zip64 locator", err) : HST_OK;
    uint32_t disk = hst_cursor_u32(&cursor);
    uint64_t record = hst_cursor_u64(&cursor);
    if (disk != 0 || hst_cursor_u32(&cursor) > 1) return invalid(locator, "multidisk: a part of an archive on several disks", err);
    HST_TRY(read_wide(source, record, locator, &wide, err));
    if (!large && !is_same(&wide, directory)) return invalid(locator, "ambiguous: the two ends of the archive name two directories", err);
    *directory = wide;
    return HST_OK;
}

static int read_numbers(const struct hst_source *source, struct hst_cursor *cursor, struct directory *directory, struct hst_error *err)
{
    uint64_t end = cursor->base;
    hst_cursor_take(cursor, 4);
    uint32_t disks = hst_cursor_u32(cursor);
    uint16_t here = hst_cursor_u16(cursor);
    *directory = (struct directory){.end = end};
    directory->count = hst_cursor_u16(cursor);
    directory->size_bytes = hst_cursor_u32(cursor);
    directory->offset = hst_cursor_u32(cursor);
    if (disks != 0 || here != directory->count) return invalid(end, "multidisk: a part of an archive on several disks", err);
    bool large = directory->count == UINT16_MAX || directory->size_bytes == UINT32_MAX || directory->offset == UINT32_MAX;
    if (end >= LOCATOR_BYTES) HST_TRY(read_end64(source, end - LOCATOR_BYTES, large, directory, err));
    if (directory->offset > directory->end || directory->size_bytes != directory->end - directory->offset)
        return invalid(directory->offset, "ambiguous: the directory does not lie where the archive ends", err);
    return HST_OK;
}

static int read_end(const struct hst_source *source, struct directory *directory, struct hst_error *err)
{
    size_t length = (size_t)hst_min_u64(source->size_bytes, END_BYTES + COMMENT_MAX);
    struct hst_cursor cursor;
    if (length < END_BYTES) return hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: the archive has no directory");
    HST_AUTO(hst_freep) uint8_t *tail = malloc(length);
    if (tail == NULL) return hst_error_nomem(err);
    HST_TRY(source->read_at(source->context, source->size_bytes - length, tail, length, err));
    int64_t end = find_end(source, tail, length, err);
    if (end < 0) return (int)end;
    hst_cursor_init(&cursor, tail + ((uint64_t)end - (source->size_bytes - length)), END_BYTES, (uint64_t)end);
    return read_numbers(source, &cursor, directory, err);
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
    hst_cursor_take(cursor, 4);
    record->checksum = hst_cursor_u32(cursor);
    record->packed = hst_cursor_u32(cursor);
    record->size_bytes = hst_cursor_u32(cursor);
    record->name_length = hst_cursor_u16(cursor);
    record->extra_length = hst_cursor_u16(cursor);
    record->comment_length = hst_cursor_u16(cursor);
    hst_cursor_take(cursor, 4);
    record->attributes = hst_cursor_u32(cursor);
    record->local = hst_cursor_u32(cursor);
}

/* An entry's own header, as far as it must say what the directory says. */
struct local {
    uint32_t magic, packed, size_bytes;
    uint16_t flags, method, name_length, extra_length;
};

static struct local read_local(struct hst_cursor *cursor)
{
    struct local local = {.magic = hst_cursor_u32(cursor)};
    hst_cursor_take(cursor, 2);
    local.flags = hst_cursor_u16(cursor);
    local.method = hst_cursor_u16(cursor);
    hst_cursor_take(cursor, 8);
    local.packed = hst_cursor_u32(cursor);
    local.size_bytes = hst_cursor_u32(cursor);
    local.name_length = hst_cursor_u16(cursor);
    local.extra_length = hst_cursor_u16(cursor);
    return local;
}

/* Sizes may follow the data, or stand in the extra field. */
static bool says_the_same(const struct local *local, const struct record *record)
{
    bool open = local->flags & FLAG_SIZES_FOLLOW || local->size_bytes == UINT32_MAX;
    bool sizes = open || (local->packed == record->packed && local->size_bytes == record->size_bytes);
    return sizes && local->method == record->method && local->flags == record->flags && local->name_length == record->name_length;
}

/* The data begins behind the local header, whose extra field may have another length than the directory's. */
static int find_data(const struct hst_source *source, const struct record *record, struct hst_zip_entry *entry, struct hst_error *err)
{
    uint8_t bytes[LOCAL_BYTES];
    char name[HST_NAME_MAX];
    struct hst_cursor cursor;
    HST_TRY(read_piece(source, record->local, bytes, sizeof bytes, &cursor, err));
    struct local local = read_local(&cursor);
    if (local.magic != LOCAL_MAGIC) return invalid(record->local, "zip: an entry is not where the directory says", err);
    if (!says_the_same(&local, record)) return invalid(record->local, "ambiguous: an entry's two headers differ", err);
    HST_TRY(read_piece(source, record->local + LOCAL_BYTES, name, local.name_length, &cursor, err));
    if (memcmp(name, entry->name, local.name_length) != 0) return invalid(record->local, "ambiguous: an entry has two names", err);
    entry->header = record->local;
    entry->offset = record->local + LOCAL_BYTES + local.name_length + local.extra_length;
    bool fits = entry->offset <= source->size_bytes && entry->size_bytes <= source->size_bytes - entry->offset;
    return fits ? HST_OK : hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: '%.64s' ends beyond the file", entry->name);
}

static bool is_segment(const char *name, size_t length)
{
    return length > 0 && !(length == 1 && name[0] == '.') && !(length == 2 && name[0] == '.' && name[1] == '.');
}

/* A name that could lead nowhere but into the archive's own folder. */
static bool is_plain_name(const char *name, size_t length)
{
    if (!hst_utf8_valid(name, length) || memchr(name, '\0', length) != NULL || memchr(name, '\\', length) != NULL || memchr(name, ':', length) != NULL) return false;
    for (const char *end = name + length, *part = name, *slash;; part = slash + 1) {
        slash = memchr(part, '/', (size_t)(end - part));
        if (slash == NULL) return part == end ? part != name : is_segment(part, (size_t)(end - part)); /* a folder ends in a slash */
        if (!is_segment(part, (size_t)(slash - part))) return false;
    }
}

/* What makes an entry one that cannot be read as it lies, or NULL. */
static const char *refuse(const struct record *record, const char *name)
{
    if (record->flags & FLAG_ENCRYPTED) return "encrypted: an entry needs a password";
    if (record->flags & ~FLAGS_PLAIN) return "flags: an entry is packed in an unusual way";
    if (record->method != STORED || record->packed != record->size_bytes) return "compressed: an entry is compressed";
    if (record->name_length > HST_NAME_MAX || !is_plain_name(name, record->name_length)) return "name: an entry's name leads out of the archive, or is none";
    return (record->attributes >> 16 & MODE_KIND) == MODE_LINK ? "name: an entry is a link" : NULL;
}

static int read_entry(const struct hst_source *source, struct hst_cursor *cursor, struct hst_arena *arena, struct hst_zip *zip, struct hst_error *err)
{
    struct record record = {0};
    struct hst_cursor extra;
    struct hst_zip_entry *entry = &zip->entries[zip->count];
    uint64_t where = cursor->base + cursor->at;
    if (hst_cursor_u32(cursor) != CENTRAL_MAGIC) return invalid(where, "zip: the directory is broken", err);
    read_record(cursor, &record);
    const char *name = (const char *)hst_cursor_take(cursor, record.name_length);
    const uint8_t *more = hst_cursor_take(cursor, record.extra_length);
    hst_cursor_take(cursor, record.comment_length);
    if (!hst_cursor_ok(cursor)) return invalid(where, "zip: the directory is cut", err);
    hst_cursor_init(&extra, more, record.extra_length, where);
    read_extra(&extra, &record);
    const char *wrong = refuse(&record, name);
    if (wrong != NULL) return invalid(where, wrong, err);
    entry->name = hst_arena_text(arena, name, record.name_length);
    if (entry->name == NULL) return hst_error_nomem(err);
    entry->size_bytes = record.size_bytes;
    zip->has_checksums |= record.checksum != 0;
    return find_data(source, &record, entry, err);
}

static int by_offset(const void *a, const void *b)
{
    const struct hst_zip_entry *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The archive begins with an entry, and each begins behind the one before. */
static int check_apart(struct hst_zip *zip, uint64_t directory, struct hst_error *err)
{
    uint64_t covered = 0;
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_offset);
    if (zip->count > 0 && zip->entries[0].header != 0) return invalid(0, "prefix: something lies before the first entry", err);
    for (size_t i = 0; i < zip->count; i++) {
        if (zip->entries[i].header < covered) return invalid(zip->entries[i].header, "overlap: two entries share bytes", err);
        covered = zip->entries[i].offset + zip->entries[i].size_bytes;
    }
    return covered <= directory ? HST_OK : invalid(directory, "overlap: an entry reaches into the directory", err);
}

static int read_entries(const struct hst_source *source, const struct directory *directory, struct hst_cursor *cursor, struct hst_arena *arena, struct hst_zip *zip,
                        struct hst_error *err)
{
    for (; zip->count < directory->count; zip->count++)
        HST_TRY(read_entry(source, cursor, arena, zip, err));
    return hst_cursor_left(cursor) == 0 ? check_apart(zip, directory->offset, err) : invalid(directory->offset, "ambiguous: the directory is longer than its entries", err);
}

int hst_zip_read(const struct hst_source *source, struct hst_arena *arena, struct hst_zip *ret_zip, struct hst_error *err)
{
    struct directory directory = {0};
    struct hst_cursor cursor;
    HST_TRY(read_end(source, &directory, err));
    if (directory.size_bytes > HST_ZIP_DIRECTORY_MAX) return hst_error_at(err, HST_E_LIMIT_EXCEEDED, directory.offset, "limit: directory: it is too large");
    if (directory.count > directory.size_bytes / CENTRAL_BYTES) return invalid(directory.offset, "zip: the directory is too small for its entries", err);
    HST_AUTO(hst_freep) uint8_t *bytes = malloc(directory.size_bytes + 1);
    struct hst_zip zip = {.entries = hst_arena_alloc(arena, directory.count * sizeof *zip.entries)};
    if (bytes == NULL || zip.entries == NULL) return hst_error_nomem(err);
    HST_TRY(read_piece(source, directory.offset, bytes, directory.size_bytes, &cursor, err));
    HST_TRY(read_entries(source, &directory, &cursor, arena, &zip, err));
    *ret_zip = zip;
    return HST_OK;
}

const struct hst_zip_entry *hst_zip_find_end(const struct hst_zip *zip, size_t from, const char *suffix)
{
    size_t cut = strlen(suffix);
    for (size_t i = from; i < zip->count; i++) {
        size_t length = strlen(zip->entries[i].name);
        if (length >= cut && strcmp(zip->entries[i].name + length - cut, suffix) == 0) return &zip->entries[i];
    }
    return NULL;
}
