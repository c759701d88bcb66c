#ifndef HST_BASE_CURSOR_H
#define HST_BASE_CURSOR_H
/** @file
 * Bounded reading of bytes in memory with a sticky error: after the first failure every read returns zero, and the cause
 * and its offset are kept. So a parser reads a whole record and checks once. */
#include "base/error.h"

/** Where the reading stands. */
struct hst_cursor {
    const uint8_t *bytes;   /**< borrowed */
    uint64_t size;          /**< bytes that may be read */
    uint64_t at;            /**< next byte */
    uint64_t base;          /**< offset of bytes[0] in its file, for error messages */
    struct hst_error error; /**< the first failure; status 0 while all is well */
};

/** Start reading `size` bytes; bytes[0] is at `base` of its file. */
void hst_cursor_init(struct hst_cursor *cursor, const void *bytes, uint64_t size, uint64_t base);
/** Has nothing failed yet? */
static inline bool hst_cursor_ok(const struct hst_cursor *cursor)
{
    return cursor->error.status == HST_OK;
}

/** Bytes left; 0 after a failure. */
static inline uint64_t hst_cursor_left(const struct hst_cursor *cursor)
{
    return hst_cursor_ok(cursor) ? cursor->size - cursor->at : 0;
}

/** Record a failure at the present offset unless one is recorded already. @return the recorded status */
int hst_cursor_fail(struct hst_cursor *cursor, int status, const char *what);
/** `length` bytes in place (borrowed), or NULL with HST_E_TRUNCATED. */
const uint8_t *hst_cursor_take(struct hst_cursor *cursor, uint64_t length);
/** The next byte without taking it, or -1 at the end or after a failure. */
static inline int hst_cursor_peek(const struct hst_cursor *cursor)
{
    return hst_cursor_left(cursor) > 0 ? cursor->bytes[cursor->at] : -1;
}

/** One byte. */
uint8_t hst_cursor_u8(struct hst_cursor *cursor);
/** 16-bit little-endian. */
uint16_t hst_cursor_u16(struct hst_cursor *cursor);
/** 32-bit little-endian. */
uint32_t hst_cursor_u32(struct hst_cursor *cursor);
/** 64-bit little-endian. */
uint64_t hst_cursor_u64(struct hst_cursor *cursor);
#endif
