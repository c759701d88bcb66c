#include "proto/answer.h"

#include "base/checked.h"
#include "proto/table.h"

#include <endian.h>
#include <string.h>

/* A string literal: its length is known. */
static const char version[] = HOIST_VERSION;

static void put(struct hst_strbuf *out, const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t word = htole32(values[i]);
        hst_strbuf_append(out, &word, sizeof word);
    }
}

static int bad(struct hst_error *err, const char *what)
{
    return hst_error_set(err, HST_E_PROTOCOL, "a message of the parser's process makes no sense: %s", what);
}

void hst_answer_put_hello(struct hst_strbuf *out, const struct hst_answer_hello *hello)
{
    put(out, (uint32_t[]){HST_ANSWER_MAGIC, hello->protections, hello->landlock}, 3);
    hst_strbuf_append(out, version, sizeof version - 1);
}

int hst_answer_read_hello(const void *bytes, size_t length, struct hst_answer_hello *ret_hello, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, bytes, length, 0);
    bool magic = hst_cursor_u32(&cursor) == HST_ANSWER_MAGIC;
    struct hst_answer_hello hello = {.protections = hst_cursor_u32(&cursor), .landlock = hst_cursor_u32(&cursor)};
    uint64_t left = hst_cursor_left(&cursor);
    const uint8_t *text = hst_cursor_take(&cursor, left);
    if (!magic || text == NULL) return bad(err, "it is no greeting");
    if (left != sizeof version - 1 || memcmp(text, version, left) != 0) return bad(err, "it is of another version of hoist");
    *ret_hello = hello;
    return HST_OK;
}

void hst_answer_put_request(uint64_t size_bytes, uint8_t out[HST_ANSWER_REQUEST_BYTES])
{
    const uint32_t head[2] = {htole32(HST_ANSWER_MAGIC), 0};
    uint64_t size = htole64(size_bytes);
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, &size, sizeof size);
}

int hst_answer_read_request(const void *bytes, size_t length, uint64_t *ret_size_bytes, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, bytes, length, 0);
    bool magic = hst_cursor_u32(&cursor) == HST_ANSWER_MAGIC && hst_cursor_u32(&cursor) == 0;
    *ret_size_bytes = hst_cursor_u64(&cursor);
    return magic && length == HST_ANSWER_REQUEST_BYTES ? HST_OK : bad(err, "it is no request");
}

uint64_t hst_answer_limit(uint64_t file_size_bytes)
{
    uint64_t bytes;
    if (!hst_checked_mul(file_size_bytes, HST_ANSWER_GROWTH, &bytes)) return HST_ANSWER_BYTES_MAX;
    return hst_min_u64(bytes, HST_ANSWER_BYTES_MAX - HST_ANSWER_FREE_BYTES) + HST_ANSWER_FREE_BYTES;
}

/* Number of the format, from 1. */
static uint32_t number_of(const struct hst_format *format)
{
    uint32_t i = 0;
    while (hst_formats[i] != format)
        i++;
    return i + 1;
}

static const struct hst_format *format_of(uint32_t number)
{
    for (uint32_t i = 0; hst_formats[i] != NULL; i++)
        if (i + 1 == number) return hst_formats[i];
    return NULL;
}

static void put_error(struct hst_strbuf *out, int status, const struct hst_error *why)
{
    uint64_t offset = htole64(why->offset);
    put(out, (uint32_t[]){0, (uint32_t)-status, why->has_offset}, 3);
    hst_strbuf_append(out, &offset, sizeof offset);
    hst_strbuf_puts(out, why->text);
}

void hst_answer_put(struct hst_strbuf *out, int status, const struct hst_error *why, const struct hst_format *format, const struct hst_tensor_table *table)
{
    if (status < 0) {
        put_error(out, status, why);
        return;
    }
    put(out, (uint32_t[]){number_of(format)}, 1);
    hst_table_encode(table, out);
}

/* What a parser may say: something about the file, or that it could not read or remember it. */
static bool is_parsers(int status)
{
    const struct hst_status_info *info = hst_status_info(status);
    return info->status == status && status != HST_E_PARSER_FAILED &&
           (strcmp(info->category, "format") == 0 || status == HST_E_IO || status == HST_E_NOMEM);
}

static int read_error(struct hst_cursor *bytes, struct hst_error *err)
{
    uint32_t negated = hst_cursor_u32(bytes), has_offset = hst_cursor_u32(bytes);
    uint64_t offset = hst_cursor_u64(bytes), length = hst_cursor_left(bytes);
    const uint8_t *text = hst_cursor_take(bytes, length);
    int status = negated > 0 && negated < INT32_MAX ? -(int)negated : 0;
    if (text == NULL || !is_parsers(status) || length >= HST_ERROR_TEXT_MAX) return bad(err, "no parser gives such an error");
    if (status == HST_E_NOMEM) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: reading it takes more memory than a parser may have");
    return has_offset != 0 ? hst_error_at(err, status, offset, "%.*s", (int)length, (const char *)text)
                           : hst_error_set(err, status, "%.*s", (int)length, (const char *)text);
}

int hst_answer_read(const void *bytes, size_t length, uint64_t file_size_bytes, const struct hst_format **ret_format,
                    struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, bytes, length, 0);
    uint32_t number = hst_cursor_u32(&cursor);
    if (!hst_cursor_ok(&cursor)) return bad(err, "it is empty");
    if (number == 0) return read_error(&cursor, err);
    const struct hst_format *format = format_of(number);
    if (format == NULL) return bad(err, "there is no such format");
    HST_TRY(hst_table_decode(&cursor, format->name, file_size_bytes, ret_table, err));
    *ret_format = format;
    return HST_OK;
}
