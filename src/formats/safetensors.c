#include "formats/safetensors.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "formats/builder.h"
#include "formats/json.h"
#include "formats/limits.h"

#include <endian.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

/* The parse: the JSON, the table, and the tensor whose record is being read. */
struct parse {
    struct hst_json json;
    struct hst_builder builder;
    struct hst_error *err;
};

/* A record of the header, before it is checked. */
struct record {
    enum hst_dtype dtype;
    uint64_t shape[HST_RANK_MAX];
    uint32_t rank;
    uint64_t offsets[2];
    unsigned seen; /* bits of the fields that were there */
};

static bool is_printable(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] < 0x20 || bytes[i] > 0x7e) return false;
    return true;
}

/* A length that no header has, before what reads like one all the same: not a text with a brace in the ninth place, and none of the other formats. */
static bool claims_too_much(const uint8_t *head, size_t length)
{
    bool other = head[0] == 0x80 || memcmp(head, "PK", 2) == 0 || memcmp(head, "GGUF", 4) == 0;
    if (other || length < LENGTH_BYTES + 2 || is_printable(head, LENGTH_BYTES)) return false;
    return memchr("\"} ", head[LENGTH_BYTES + 1], 3) != NULL;
}

static bool sniff(const uint8_t *head, size_t length, uint64_t file_size)
{
    uint64_t header;
    (void)file_size;
    if (length <= LENGTH_BYTES || head[LENGTH_BYTES] != '{') return false;
    memcpy(&header, head, LENGTH_BYTES);
    return le64toh(header) <= HST_SAFETENSORS_HEADER_MAX || claims_too_much(head, length);
}

static int fail(struct parse *parse, int status, const char *what)
{
    int recorded = hst_cursor_fail(&parse->json.cursor, status, what);
    if (parse->err != NULL) *parse->err = parse->json.cursor.error;
    return recorded;
}

static int expect(struct parse *parse, enum hst_json_token wanted, const char *what)
{
    return hst_json_next(&parse->json) == wanted ? HST_OK : fail(parse, HST_E_INVALID_FILE, what);
}

static int read_dtype(struct parse *parse, struct record *record)
{
    HST_TRY(expect(parse, HST_JSON_STRING, "dtype: not a string"));
    record->dtype = hst_dtype_parse(parse->json.text, parse->json.length);
    return record->dtype != 0 ? HST_OK : fail(parse, HST_E_INVALID_FILE, "dtype: unknown element type");
}

static int read_number(struct parse *parse, enum hst_json_token token, uint64_t *ret_value)
{
    if (token == HST_JSON_NUMBER && hst_json_u64(&parse->json, ret_value)) return HST_OK;
    return fail(parse, HST_E_INVALID_FILE, token == HST_JSON_NUMBER ? "overflow: not an unsigned 64-bit integer" : "type: a number is expected");
}

/* An array of at most `room` numbers. */
static int read_numbers(struct parse *parse, uint64_t *values, uint32_t room, uint32_t *ret_count)
{
    uint32_t count = 0;
    HST_TRY(expect(parse, HST_JSON_ARRAY_BEGIN, "type: an array is expected"));
    for (enum hst_json_token token; (token = hst_json_next(&parse->json)) != HST_JSON_ARRAY_END; count++) {
        if (count == room)
            return room == 2 ? fail(parse, HST_E_INVALID_FILE, "type: data_offsets are two numbers") : fail(parse, HST_E_LIMIT_EXCEEDED, "limit: rank: a shape has too many numbers");
        HST_TRY(read_number(parse, token, &values[count]));
    }
    *ret_count = count;
    return HST_OK;
}

static int read_shape(struct parse *parse, struct record *record)
{
    return read_numbers(parse, record->shape, HST_RANK_MAX, &record->rank);
}

static int read_offsets(struct parse *parse, struct record *record)
{
    uint32_t count;
    HST_TRY(read_numbers(parse, record->offsets, 2, &count));
    return count == 2 ? HST_OK : fail(parse, HST_E_INVALID_FILE, "type: data_offsets are two numbers");
}

static int skip_field(struct parse *parse, struct record *record)
{
    (void)record;
    return hst_json_skip(&parse->json, hst_json_next(&parse->json)) ? HST_OK : fail(parse, HST_E_INVALID_FILE, "json: a key is expected");
}

static const struct {
    const char *name;
    int (*read)(struct parse *parse, struct record *record);
} fields[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}, {NULL, skip_field}};
enum { FIELD_COUNT = 3, ALL_FIELDS = (1 << FIELD_COUNT) - 1 };

static int read_field(struct parse *parse, struct record *record)
{
    size_t field = 0;
    while (field < FIELD_COUNT && !hst_json_is(&parse->json, fields[field].name))
        field++;
    if (field < FIELD_COUNT && (record->seen & (1u << field))) return fail(parse, HST_E_INVALID_FILE, "duplicate: a field appears twice");
    record->seen |= 1u << field;
    return fields[field].read(parse, record);
}

static int read_record(struct parse *parse, struct record *record)
{
    HST_TRY(expect(parse, HST_JSON_OBJECT_BEGIN, "type: a tensor record is expected"));
    for (enum hst_json_token token; (token = hst_json_next(&parse->json)) != HST_JSON_OBJECT_END;) {
        if (token != HST_JSON_KEY) return fail(parse, HST_E_INVALID_FILE, "json: a key is expected");
        HST_TRY(read_field(parse, record));
    }
    if ((record->seen & ALL_FIELDS) == ALL_FIELDS) return HST_OK;
    return fail(parse, HST_E_INVALID_FILE, "type: a tensor record lacks dtype, shape or data_offsets");
}

/* Place the tensor in the file; offsets of the record count from the end of the header. */
static int place(struct parse *parse, struct hst_tensor *tensor, const struct record *record)
{
    uint64_t begin = record->offsets[0], end = record->offsets[1];
    if (begin > end || !hst_checked_add(parse->builder.table->data_offset, end, &end))
        return fail(parse, HST_E_INVALID_FILE, "offset: data_offsets are not a range");
    if (record->offsets[1] - begin != tensor->size_bytes)
        return fail(parse, HST_E_INVALID_FILE, "size: data_offsets do not fit dtype and shape");
    tensor->offset = parse->builder.table->data_offset + begin;
    return HST_OK;
}

static int read_tensor(struct parse *parse)
{
    struct record record = {0};
    struct hst_tensor *tensor;
    HST_TRY(hst_builder_add(&parse->builder, parse->json.text, parse->json.length, &tensor, parse->err));
    HST_TRY(read_record(parse, &record));
    tensor->dtype = record.dtype;
    HST_TRY(hst_builder_shape(&parse->builder, tensor, record.shape, record.rank, parse->err));
    return place(parse, tensor, &record);
}

static int read_pair(struct parse *parse, enum hst_json_token token)
{
    if (token != HST_JSON_KEY) return fail(parse, HST_E_INVALID_FILE, "json: a key is expected");
    size_t length = parse->json.length;
    HST_AUTO(hst_freep) char *key = malloc(length + 1);
    if (key == NULL) return hst_error_nomem(parse->err);
    memcpy(key, parse->json.text, length);
    HST_TRY(expect(parse, HST_JSON_STRING, "metadata: a value is not a string"));
    return hst_builder_metadata(&parse->builder, key, length, parse->json.text, parse->json.length, parse->err);
}

static int read_metadata(struct parse *parse)
{
    static const char name[] = "__metadata__";
    if (hst_map_get_str(&parse->builder.keys, name) != NULL) return fail(parse, HST_E_INVALID_FILE, "duplicate: __metadata__ appears twice");
    HST_TRY(hst_map_put_str(&parse->builder.keys, name, parse));
    enum hst_json_token token = hst_json_next(&parse->json);
    if (token == HST_JSON_NULL) return HST_OK;
    if (token != HST_JSON_OBJECT_BEGIN) return fail(parse, HST_E_INVALID_FILE, "metadata: not an object");
    while ((token = hst_json_next(&parse->json)) != HST_JSON_OBJECT_END)
        HST_TRY(read_pair(parse, token));
    return HST_OK;
}

static int read_header(struct parse *parse)
{
    HST_TRY(expect(parse, HST_JSON_OBJECT_BEGIN, "json: the header is not an object"));
    for (enum hst_json_token token; (token = hst_json_next(&parse->json)) != HST_JSON_OBJECT_END;) {
        if (token != HST_JSON_KEY) return fail(parse, HST_E_INVALID_FILE, "json: a key is expected");
        HST_TRY(hst_json_is(&parse->json, "__metadata__") ? read_metadata(parse) : read_tensor(parse));
    }
    return expect(parse, HST_JSON_END, "json: something follows the header");
}

/* N, checked against the file before anything is allocated for it. */
static int read_length(const struct hst_source *source, uint64_t *ret_length, struct hst_error *err)
{
    uint8_t head[LENGTH_BYTES + 1];
    uint64_t length;
    if (source->size_bytes < sizeof head) return hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: no room for a header");
    HST_TRY(source->read_at(source->context, 0, head, sizeof head, err));
    memcpy(&length, head, LENGTH_BYTES);
    length = le64toh(length);
    if (length > HST_SAFETENSORS_HEADER_MAX)
        return hst_error_at(err, HST_E_LIMIT_EXCEEDED, 0, "limit: header: it claims %llu bytes", (unsigned long long)length);
    if (length > source->size_bytes - LENGTH_BYTES) return hst_error_at(err, HST_E_TRUNCATED, source->size_bytes, "truncated: the header does not end: the file has %llu bytes and the header alone %llu",
                            (unsigned long long)source->size_bytes, (unsigned long long)(LENGTH_BYTES + length));
    if (length < 2 || head[LENGTH_BYTES] != '{') return hst_error_at(err, HST_E_INVALID_FILE, LENGTH_BYTES, "json: the header does not begin with '{'");
    *ret_length = length;
    return HST_OK;
}

static int parse_header(const struct hst_source *source, const char *header, uint64_t length, struct parse *parse)
{
    uint64_t end;
    HST_TRY(hst_builder_init(&parse->builder, hst_safetensors_format.name, parse->err));
    parse->builder.table->data_offset = LENGTH_BYTES + length;
    parse->builder.table->file_size_bytes = source->size_bytes;
    hst_json_init(&parse->json, header, length, LENGTH_BYTES);
    HST_TRY(read_header(parse));
    HST_TRY(hst_builder_check_cover(&parse->builder, 1, &end, parse->err));
    if (end == source->size_bytes) return HST_OK;
    return hst_error_at(parse->err, HST_E_INVALID_FILE, end, "trailing: %llu bytes follow the last tensor", (unsigned long long)(source->size_bytes - end));
}

static int parse_file(const struct hst_source *source, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct parse parse = {.err = err};
    uint64_t length;
    HST_TRY(read_length(source, &length, err));
    HST_AUTO(hst_freep) char *header = malloc(length);
    if (header == NULL) return hst_error_nomem(err);
    HST_TRY(source->read_at(source->context, LENGTH_BYTES, header, length, err));
    int status = parse_header(source, header, length, &parse);
    hst_json_fini(&parse.json);
    if (status == HST_OK) *ret_table = hst_builder_finish(&parse.builder);
    hst_builder_fini(&parse.builder);
    return status;
}

const struct hst_format hst_safetensors_format = {.name = "safetensors", .raw = true, .sniff = sniff, .parse = parse_file};
