#include "cache/recordio.h"

#include "base/cleanup.h"
#include "cache/record.h"
#include "formats/dtype.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

void hst_recordio_put(struct hst_strbuf *out, uint64_t value)
{
    uint64_t bytes = htole64(value);
    hst_strbuf_append(out, &bytes, sizeof bytes);
}

/* The end of a record. */
void hst_recordio_seal(struct hst_strbuf *out)
{
    hst_recordio_put(out, hst_record_checksum(out->text, out->length));
}

void hst_recordio_put_text(struct hst_strbuf *out, const char *text)
{
    size_t length = strlen(text);
    hst_recordio_put(out, length);
    hst_strbuf_append(out, text, length);
}

void hst_recordio_put_id(struct hst_strbuf *out, const struct hst_file_id *id)
{
    hst_recordio_put(out, id->device);
    hst_recordio_put(out, id->inode);
    hst_recordio_put(out, id->size_bytes);
    hst_recordio_put(out, (uint64_t)id->mtime_ns);
    hst_recordio_put(out, (uint64_t)id->ctime_ns);
}

void hst_recordio_refuse(struct hst_cursor *cursor)
{
    hst_cursor_fail(cursor, HST_E_PROTOCOL, "this is no record of hoist's");
}

void hst_recordio_begin(struct hst_cursor *cursor, const void *bytes, size_t length)
{
    struct hst_cursor last;
    size_t text = length >= sizeof(uint64_t) ? length - sizeof(uint64_t) : 0;
    hst_cursor_init(&last, (const char *)bytes + text, length - text, text);
    hst_cursor_init(cursor, bytes, text, 0);
    if (hst_cursor_u64(&last) != hst_record_checksum(bytes, text) || hst_cursor_u64(cursor) != HST_RECORD_VERSION) hst_recordio_refuse(cursor);
}

/* @return HST_OK when all was as it should be, and nothing is left */
int hst_recordio_end(struct hst_cursor *cursor, struct hst_error *err)
{
    if (hst_cursor_left(cursor) > 0) hst_recordio_refuse(cursor);
    if (hst_cursor_ok(cursor)) return HST_OK;
    bool is_ours = cursor->error.status == HST_E_NOMEM;
    return is_ours ? hst_error_nomem(err) : hst_error_set(err, HST_E_PROTOCOL, "%s", cursor->error.text);
}

/* A number below `limit`. */
uint64_t hst_recordio_take(struct hst_cursor *cursor, uint64_t limit)
{
    uint64_t value = hst_cursor_u64(cursor);
    if (value < limit) return value;
    hst_recordio_refuse(cursor);
    return 0;
}

/* A string of less than `room` bytes, none of them NUL. */
void hst_recordio_take_text(struct hst_cursor *cursor, char *out, size_t room)
{
    uint64_t length = hst_recordio_take(cursor, room);
    const uint8_t *bytes = hst_cursor_take(cursor, length);
    if (bytes != NULL && memchr(bytes, '\0', length) != NULL) hst_recordio_refuse(cursor);
    if (bytes != NULL) memcpy(out, bytes, length);
    out[hst_cursor_ok(cursor) ? length : 0] = '\0';
}

/* A string of its own, or NULL. */
char *hst_recordio_take_string(struct hst_cursor *cursor)
{
    uint64_t room = hst_cursor_left(cursor) + 1;
    char *text = malloc(room);
    if (text == NULL)
        hst_cursor_fail(cursor, HST_E_NOMEM, "out of memory");
    else
        hst_recordio_take_text(cursor, text, room);
    return text;
}

struct hst_file_id hst_recordio_take_id(struct hst_cursor *cursor)
{
    struct hst_file_id id = {.device = hst_cursor_u64(cursor)};
    id.inode = hst_cursor_u64(cursor);
    id.size_bytes = hst_cursor_u64(cursor);
    id.mtime_ns = (int64_t)hst_cursor_u64(cursor);
    id.ctime_ns = (int64_t)hst_cursor_u64(cursor);
    return id;
}

/* Room for a table whose rows have `numbers` numbers in the text: that many rows are there. NULL after a failure. */
void *hst_recordio_take_table(struct hst_cursor *cursor, size_t numbers, size_t row_bytes, size_t *ret_count)
{
    uint64_t count = hst_cursor_u64(cursor);
    if (count > hst_cursor_left(cursor) / (numbers * sizeof(uint64_t))) hst_recordio_refuse(cursor);
    if (!hst_cursor_ok(cursor)) return NULL;
    void *rows = calloc(count + 1, row_bytes);
    if (rows == NULL) hst_cursor_fail(cursor, HST_E_NOMEM, "out of memory");
    *ret_count = rows != NULL ? count : 0;
    return rows;
}

bool hst_recordio_is_dtype(uint64_t value)
{
    return value <= UINT8_MAX && hst_dtype_info((enum hst_dtype)value) != NULL;
}

void hst_recordio_put_row(struct hst_strbuf *out, const void *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hst_recordio_put(out, ((const uint64_t *)row)[i]);
}

void hst_recordio_take_row(struct hst_cursor *cursor, void *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((uint64_t *)row)[i] = hst_cursor_u64(cursor);
}

struct hst_file_id *hst_recordio_take_ids(struct hst_cursor *cursor, size_t *ret_count)
{
    struct hst_file_id *ids = hst_recordio_take_table(cursor, 5, sizeof *ids, ret_count);
    for (size_t i = 0; i < *ret_count; i++)
        ids[i] = hst_recordio_take_id(cursor);
    return ids;
}
