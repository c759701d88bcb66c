#include "base/cursor.h"

#include <endian.h>
#include <string.h>

void hst_cursor_init(struct hst_cursor *cursor, const void *bytes, uint64_t size, uint64_t base)
{
    *cursor = (struct hst_cursor){.bytes = bytes, .size = size, .base = base};
}

int hst_cursor_fail(struct hst_cursor *cursor, int status, const char *what)
{
    if (hst_cursor_ok(cursor)) hst_error_at(&cursor->error, status, cursor->base + cursor->at, "%s", what);
    return cursor->error.status;
}

const uint8_t *hst_cursor_take(struct hst_cursor *cursor, uint64_t length)
{
    if (hst_cursor_left(cursor) < length) {
        hst_cursor_fail(cursor, HST_E_TRUNCATED, "truncated: the data ends too early");
        return NULL;
    }
    const uint8_t *start = cursor->bytes + cursor->at;
    cursor->at += length;
    return start;
}

static void take_into(struct hst_cursor *cursor, void *value, size_t length)
{
    const uint8_t *bytes = hst_cursor_take(cursor, length);
    if (bytes != NULL) memcpy(value, bytes, length);
}

uint8_t hst_cursor_u8(struct hst_cursor *cursor)
{
    uint8_t value = 0;
    take_into(cursor, &value, sizeof value);
    return value;
}

uint16_t hst_cursor_u16(struct hst_cursor *cursor)
{
    uint16_t value = 0;
    take_into(cursor, &value, sizeof value);
    return le16toh(value);
}

uint32_t hst_cursor_u32(struct hst_cursor *cursor)
{
    uint32_t value = 0;
    take_into(cursor, &value, sizeof value);
    return le32toh(value);
}

uint64_t hst_cursor_u64(struct hst_cursor *cursor)
{
    uint64_t value = 0;
    take_into(cursor, &value, sizeof value);
    return le64toh(value);
}
