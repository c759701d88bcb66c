#include "proto/frame.h"

#include <string.h>

/* The platform is little-endian (checked in index.h), so a word in memory is a word on the wire. */
static uint8_t *put(uint8_t *out, const void *value, size_t length)
{
    memcpy(out, value, length);
    return out + length;
}

void hst_frame_encode(const struct hst_frame *frame, uint8_t *out)
{
    out = put(out, &frame->type, sizeof frame->type);
    out = put(out, &frame->flags, sizeof frame->flags);
    out = put(out, &frame->request, sizeof frame->request);
    out = put(out, &frame->body_bytes, sizeof frame->body_bytes);
    put(out, &frame->fd_count, sizeof frame->fd_count);
}

int hst_frame_decode(const uint8_t *packet, size_t length, struct hst_frame *ret_frame, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, packet, length, 0);
    struct hst_frame frame = {.type = hst_cursor_u16(&cursor), .flags = hst_cursor_u16(&cursor)};
    frame.request = hst_cursor_u32(&cursor);
    frame.body_bytes = hst_cursor_u32(&cursor);
    frame.fd_count = hst_cursor_u32(&cursor);
    if (!hst_cursor_ok(&cursor)) return hst_error_set(err, HST_E_PROTOCOL, "a packet of %zu bytes is shorter than its header", length);
    if (length > HST_FRAME_MAX) return hst_error_set(err, HST_E_PROTOCOL, "a packet of %zu bytes is too long", length);
    if (frame.body_bytes != hst_cursor_left(&cursor))
        return hst_error_set(err, HST_E_PROTOCOL, "a header announces %u bytes but %zu follow", frame.body_bytes, length - HST_FRAME_HEADER);
    if (frame.fd_count > HST_FRAME_FDS_MAX) return hst_error_set(err, HST_E_PROTOCOL, "a packet announces %u fds", frame.fd_count);
    *ret_frame = frame;
    return HST_OK;
}

void hst_hello_encode(const struct hst_hello *hello, uint8_t *out)
{
    out = put(out, &hello->magic, sizeof hello->magic);
    out = put(out, &hello->major, sizeof hello->major);
    out = put(out, &hello->minor, sizeof hello->minor);
    put(out, &hello->features, sizeof hello->features);
}

int hst_hello_decode(const uint8_t *body, size_t length, struct hst_hello *ret_hello, struct hst_error *err)
{
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, body, length, 0);
    struct hst_hello hello = {.magic = hst_cursor_u64(&cursor), .major = hst_cursor_u32(&cursor), .minor = hst_cursor_u32(&cursor)};
    hello.features = hst_cursor_u64(&cursor);
    if (!hst_cursor_ok(&cursor) || hello.magic != HST_PROTO_MAGIC) return hst_error_set(err, HST_E_PROTOCOL, "the peer does not speak hoist's protocol");
    if (hello.major != HST_PROTO_MAJOR)
        return hst_error_set(err, HST_E_PROTOCOL, "the peer speaks version %u.%u of the protocol, this is %u.%u", hello.major, hello.minor,
                             HST_PROTO_MAJOR, HST_PROTO_MINOR);
    *ret_hello = hello;
    return HST_OK;
}
