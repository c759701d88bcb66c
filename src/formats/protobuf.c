#include "formats/protobuf.h"

#include "base/checked.h"

enum { WIRE_BITS = 3, FIELD_MAX = (1 << 29) - 1, LAST_SHIFT = 63 };

void hst_protobuf_init(struct hst_protobuf *reader, const struct hst_source *source, uint8_t *window, size_t room, struct hst_error *err)
{
    *reader = (struct hst_protobuf){.source = source, .err = err, .window = window, .room = room};
    reader->ends[0] = source->size_bytes;
}

int hst_protobuf_fail(const struct hst_protobuf *reader, int status, const char *what)
{
    return hst_error_at(reader->err, status, reader->at, "%s", what);
}

bool hst_protobuf_ended(const struct hst_protobuf *reader)
{
    return reader->at == reader->ends[reader->depth];
}

/* Have the byte at `offset` in the window, and as many after it as there is room for. */
static int load(struct hst_protobuf *reader, uint64_t offset)
{
    size_t length = (size_t)hst_min_u64(reader->room, reader->source->size_bytes - offset);
    reader->length = 0;
    HST_TRY(reader->source->read_at(reader->source->context, offset, reader->window, length, reader->err));
    reader->begin = offset;
    reader->length = length;
    return HST_OK;
}

static int take_byte(struct hst_protobuf *reader, uint8_t *ret_byte)
{
    if (hst_protobuf_ended(reader)) return hst_protobuf_fail(reader, HST_E_TRUNCATED, "truncated: a number does not end in its message");
    if (reader->at - reader->begin >= reader->length) HST_TRY(load(reader, reader->at)); /* wraps for what lies before the window */
    *ret_byte = reader->window[reader->at++ - reader->begin];
    return HST_OK;
}

int hst_protobuf_varint(struct hst_protobuf *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; byte >= 0x80; shift += 7) {
        HST_TRY(take_byte(reader, &byte));
        if (shift == LAST_SHIFT && byte > 1) return hst_protobuf_fail(reader, HST_E_INVALID_FILE, "varint: longer than 64 bits");
        value |= (uint64_t)(byte & 0x7f) << shift;
    }
    *ret_value = value;
    return HST_OK;
}

static int read_tag(struct hst_protobuf *reader, struct hst_protobuf_field *field)
{
    static const bool wires[1 << WIRE_BITS] = {[HST_PROTOBUF_VARINT] = true, [HST_PROTOBUF_FIXED64] = true, [HST_PROTOBUF_BYTES] = true, [HST_PROTOBUF_FIXED32] = true};
    uint64_t tag;
    HST_TRY(hst_protobuf_varint(reader, &tag));
    if (tag >> WIRE_BITS == 0 || tag >> WIRE_BITS > FIELD_MAX) return hst_protobuf_fail(reader, HST_E_INVALID_FILE, "field: no number that a field can have");
    unsigned wire = tag & ((1 << WIRE_BITS) - 1);
    if (!wires[wire]) return hst_protobuf_fail(reader, HST_E_INVALID_FILE, "wire: a group, or a type that does not exist");
    field->number = (uint32_t)(tag >> WIRE_BITS);
    field->wire = (enum hst_protobuf_wire)wire;
    return HST_OK;
}

/* The number of a varint, or how long the value is. */
static int read_number(struct hst_protobuf *reader, struct hst_protobuf_field *field)
{
    field->offset = reader->at;
    field->length = field->wire == HST_PROTOBUF_FIXED32 ? 4 : 8;
    if (field->wire == HST_PROTOBUF_VARINT) HST_TRY(hst_protobuf_varint(reader, &field->value));
    if (field->wire == HST_PROTOBUF_BYTES) HST_TRY(hst_protobuf_varint(reader, &field->length));
    if (field->wire == HST_PROTOBUF_VARINT) field->length = reader->at - field->offset;
    if (field->wire == HST_PROTOBUF_BYTES) field->offset = reader->at;
    return HST_OK;
}

int hst_protobuf_next(struct hst_protobuf *reader, struct hst_protobuf_field *ret_field)
{
    *ret_field = (struct hst_protobuf_field){0};
    if (hst_protobuf_ended(reader)) return 0;
    if (++reader->fields > HST_PROTOBUF_FIELDS_MAX) return hst_protobuf_fail(reader, HST_E_LIMIT_EXCEEDED, "limit: too many fields");
    HST_TRY(read_tag(reader, ret_field));
    HST_TRY(read_number(reader, ret_field));
    if (ret_field->length > reader->ends[reader->depth] - ret_field->offset)
        return hst_protobuf_fail(reader, HST_E_TRUNCATED, "truncated: a value reaches beyond its message");
    reader->at = ret_field->offset + ret_field->length;
    return 1;
}

int hst_protobuf_enter(struct hst_protobuf *reader, const struct hst_protobuf_field *field)
{
    if (reader->depth == HST_PROTOBUF_DEPTH_MAX) return hst_protobuf_fail(reader, HST_E_LIMIT_EXCEEDED, "limit: messages nested to a depth of more than 100");
    reader->ends[++reader->depth] = field->offset + field->length;
    reader->at = field->offset;
    return HST_OK;
}

void hst_protobuf_leave(struct hst_protobuf *reader)
{
    reader->at = reader->ends[reader->depth--];
}

int hst_protobuf_bytes(struct hst_protobuf *reader, const struct hst_protobuf_field *field, const uint8_t **ret_bytes)
{
    uint64_t skipped = field->offset - reader->begin;
    if (field->length > reader->room) return hst_protobuf_fail(reader, HST_E_LIMIT_EXCEEDED, "limit: a text is too long");
    if (skipped > reader->length || field->length > reader->length - skipped) {
        HST_TRY(load(reader, field->offset));
        skipped = 0;
    }
    *ret_bytes = reader->window + skipped;
    return HST_OK;
}
