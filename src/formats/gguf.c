#include "formats/gguf.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "formats/builder.h"
#include "formats/limits.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES = 65536, RANK_MAX = 4, ALIGNMENT_DEFAULT = 32 };
_Static_assert(HST_GGUF_TEXT_MAX <= WINDOW_BYTES && HST_NAME_MAX <= WINDOW_BYTES, "what is taken in one piece fits into the window");

/* Types of metadata values; the numbers are the format's. */
enum value_type { UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64, VALUE_TYPES };
static const uint8_t value_bytes[VALUE_TYPES] = {[UINT8] = 1, [INT8] = 1, [UINT16] = 2, [INT16] = 2, [UINT32] = 4, [INT32] = 4, [FLOAT32] = 4,
                                                 [BOOL] = 1, [UINT64] = 8, [INT64] = 8, [FLOAT64] = 8};

/* Element types of tensors by GGML's numbers; 0 = there is none. */
static const uint8_t dtypes[] = {
    [0] = HST_DTYPE_F32, [1] = HST_DTYPE_F16, [2] = HST_DTYPE_Q4_0, [3] = HST_DTYPE_Q4_1, [6] = HST_DTYPE_Q5_0, [7] = HST_DTYPE_Q5_1, [8] =
    HST_DTYPE_Q8_0, [9] = HST_DTYPE_Q8_1, [10] = HST_DTYPE_Q2_K, [11] = HST_DTYPE_Q3_K, [12] = HST_DTYPE_Q4_K, [13] = HST_DTYPE_Q5_K, [14] =
    HST_DTYPE_Q6_K, [15] = HST_DTYPE_Q8_K, [16] = HST_DTYPE_IQ2_XXS, [17] = HST_DTYPE_IQ2_XS, [18] = HST_DTYPE_IQ3_XXS, [19] =
    HST_DTYPE_IQ1_S, [20] = HST_DTYPE_IQ4_NL, [21] = HST_DTYPE_IQ3_S, [22] = HST_DTYPE_IQ2_S, [23] = HST_DTYPE_IQ4_XS, [24] = HST_DTYPE_I8,
    [25] = HST_DTYPE_I16, [26] = HST_DTYPE_I32, [27] = HST_DTYPE_I64, [28] = HST_DTYPE_F64, [29] = HST_DTYPE_IQ1_M, [30] = HST_DTYPE_BF16,
    [34] = HST_DTYPE_TQ1_0, [35] = HST_DTYPE_TQ2_0, [39] = HST_DTYPE_MXFP4, [40] = HST_DTYPE_NVFP4, [41] = HST_DTYPE_Q1_0};

/* The file is read through a window, since how long the part before the data is stands nowhere. */
struct reader {
    const struct hst_source *source;
    struct hst_builder builder;
    struct hst_error *err;
    uint64_t at;            /* next byte of the file */
    uint64_t begin;         /* of the window in the file */
    size_t length;          /* of what is in the window */
    uint64_t alignment;
    uint32_t version;
    uint8_t window[WINDOW_BYTES];
};

static int fail(struct reader *reader, int status, const char *what)
{
    return hst_error_at(reader->err, status, reader->at, "%s", what);
}

/* Move on without looking. */
static int skip(struct reader *reader, uint64_t count)
{
    if (count > reader->source->size_bytes - reader->at) return fail(reader, HST_E_TRUNCATED, "truncated: the file ends before its data");
    reader->at += count;
    return reader->at <= HST_GGUF_HEADER_MAX ? HST_OK : fail(reader, HST_E_LIMIT_EXCEEDED, "limit: header: too much comes before the data");
}

/* `count` bytes (at most WINDOW_BYTES) in one piece, valid until the next call. */
static int take(struct reader *reader, uint64_t count, const uint8_t **ret_bytes)
{
    uint64_t from = reader->at;
    HST_TRY(skip(reader, count));
    if (from < reader->begin || reader->at > reader->begin + reader->length) {
        reader->begin = from;
        reader->length = (size_t)hst_min_u64(WINDOW_BYTES, reader->source->size_bytes - from);
        HST_TRY(reader->source->read_at(reader->source->context, from, reader->window, reader->length, reader->err));
    }
    *ret_bytes = reader->window + (from - reader->begin);
    return HST_OK;
}

static int take_u32(struct reader *reader, uint32_t *ret_value)
{
    const uint8_t *bytes;
    HST_TRY(take(reader, sizeof *ret_value, &bytes));
    memcpy(ret_value, bytes, sizeof *ret_value);
    *ret_value = le32toh(*ret_value);
    return HST_OK;
}

static int take_u64(struct reader *reader, uint64_t *ret_value)
{
    const uint8_t *bytes;
    HST_TRY(take(reader, sizeof *ret_value, &bytes));
    memcpy(ret_value, bytes, sizeof *ret_value);
    *ret_value = le64toh(*ret_value);
    return HST_OK;
}

/* A text; *ret_text is NULL when it is longer than `most`, and then it was walked over. */
static int take_text(struct reader *reader, uint64_t most, const char **ret_text, uint64_t *ret_length)
{
    const uint8_t *bytes = NULL;
    HST_TRY(take_u64(reader, ret_length));
    HST_TRY(*ret_length <= most ? take(reader, *ret_length, &bytes) : skip(reader, *ret_length));
    *ret_text = (const char *)bytes;
    return HST_OK;
}

/* ---- metadata ---- */

static int skip_texts(struct reader *reader, uint64_t count)
{
    uint64_t length;
    const char *text;
    for (uint64_t i = 0; i < count; i++)
        HST_TRY(take_text(reader, 0, &text, &length));
    return HST_OK;
}

static int skip_array(struct reader *reader)
{
    uint32_t type;
    uint64_t count, bytes;
    HST_TRY(take_u32(reader, &type));
    HST_TRY(take_u64(reader, &count));
    if (type == STRING) return skip_texts(reader, count);
    if (type >= VALUE_TYPES || value_bytes[type] == 0) return fail(reader, HST_E_INVALID_FILE, "type: an array of an unknown type");
    if (!hst_checked_mul(count, value_bytes[type], &bytes)) return fail(reader, HST_E_INVALID_FILE, "overflow: an array is longer than any file");
    return skip(reader, bytes);
}

/* Any number as text. */
static void print_number(enum value_type type, const uint8_t *bytes, char out[40])
{
    uint64_t raw = 0;
    float single;
    double real;
    memcpy(&raw, bytes, value_bytes[type]);
    raw = le64toh(raw);
    memcpy(&single, &raw, sizeof single);
    memcpy(&real, &raw, sizeof real);
    if (type == FLOAT32 || type == FLOAT64)
        snprintf(out, 40, "%.9g", type == FLOAT32 ? (double)single : real);
    else if (type == INT8 || type == INT16 || type == INT32 || type == INT64)
        snprintf(out, 40, "%" PRId64, (int64_t)(raw << (64 - 8 * value_bytes[type])) >> (64 - 8 * value_bytes[type]));
    else
        snprintf(out, 40, "%" PRIu64, raw);
}

static const char alignment_key[] = "general.alignment";

static int keep(struct reader *reader, const char *key, const char *value, uint64_t length)
{
    return hst_builder_metadata(&reader->builder, key, strlen(key), value, length, reader->err);
}

static int keep_number(struct reader *reader, const char *key, enum value_type type)
{
    char text[40];
    const uint8_t *bytes;
    HST_TRY(take(reader, value_bytes[type], &bytes));
    print_number(type, bytes, text);
    if (strcmp(key, alignment_key) == 0) reader->alignment = strtoull(text, NULL, 10);
    return keep(reader, key, text, strlen(text));
}

static int keep_text(struct reader *reader, const char *key)
{
    const char *text;
    uint64_t length;
    HST_TRY(take_text(reader, HST_GGUF_TEXT_MAX, &text, &length));
    return keep(reader, key, text != NULL ? text : "", text != NULL ? length : 0);
}

static int read_value(struct reader *reader, const char *key, uint32_t type)
{
    if (type != UINT32 && strcmp(key, alignment_key) == 0) return fail(reader, HST_E_INVALID_FILE, "alignment_type: general.alignment is no uint32");
    if (type == STRING) return keep_text(reader, key);
    if (type != ARRAY) return type < VALUE_TYPES ? keep_number(reader, key, (enum value_type)type) : fail(reader, HST_E_INVALID_FILE, "type: a value of an unknown type");
    HST_TRY(hst_builder_key(&reader->builder, key, strlen(key), reader->err));
    return skip_array(reader);
}

static int read_pair(struct reader *reader)
{
    const char *text;
    uint64_t length;
    uint32_t type;
    HST_TRY(take_text(reader, HST_NAME_MAX, &text, &length));
    if (text == NULL) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: name: a key is too long");
    HST_AUTO(hst_freep) char *key = strndup(text, length);
    if (key == NULL) return hst_error_nomem(reader->err);
    if (length == 0 || strlen(key) != length || !hst_utf8_valid(key, length)) return fail(reader, HST_E_INVALID_FILE, "key: a key is empty, contains a NUL or is not UTF-8");
    HST_TRY(take_u32(reader, &type));
    return read_value(reader, key, type);
}

/* ---- tensors ---- */

/* GGML stores the innermost dimension first; its rows are made of whole blocks. */
static int read_shape(struct reader *reader, struct hst_tensor *tensor, const uint64_t *sizes, uint32_t rank)
{
    uint64_t shape[RANK_MAX];
    const struct hst_dtype_info *info = hst_dtype_info(tensor->dtype);
    for (uint32_t i = 0; i < rank; i++)
        shape[i] = sizes[rank - 1 - i];
    if ((rank > 0 ? sizes[0] : 1) % info->block != 0) return fail(reader, HST_E_INVALID_FILE, "shape: a row is no whole number of blocks");
    return hst_builder_shape(&reader->builder, tensor, shape, rank, reader->err);
}

static int read_type(struct reader *reader, enum hst_dtype *ret_dtype)
{
    uint32_t type;
    HST_TRY(take_u32(reader, &type));
    bool known = type < sizeof dtypes / sizeof dtypes[0] && dtypes[type] != 0;
    *ret_dtype = known ? (enum hst_dtype)dtypes[type] : (enum hst_dtype)0;
    return known ? HST_OK : fail(reader, HST_E_INVALID_FILE, "dtype: unknown element type");
}

static int read_tensor(struct reader *reader)
{
    struct hst_tensor *tensor;
    const char *name;
    uint64_t length, sizes[RANK_MAX];
    uint32_t rank;
    HST_TRY(take_text(reader, HST_NAME_MAX, &name, &length));
    if (name == NULL) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: name: a tensor's name is too long");
    HST_TRY(hst_builder_add(&reader->builder, name, length, &tensor, reader->err));
    HST_TRY(take_u32(reader, &rank));
    if (rank > RANK_MAX) return fail(reader, HST_E_INVALID_FILE, "rank: GGML has four dimensions at most");
    for (uint32_t i = 0; i < rank; i++)
        HST_TRY(take_u64(reader, &sizes[i]));
    HST_TRY(read_type(reader, &tensor->dtype));
    HST_TRY(take_u64(reader, &tensor->offset));
    return read_shape(reader, tensor, sizes, rank);
}

/* What follows the last tensor is none of ours, and does no harm; padding of it is no more than the format asks for. */
static int check_end(struct reader *reader, uint64_t end)
{
    uint64_t size = reader->source->size_bytes;
    if (size < end || size - end < reader->alignment) return HST_OK;
    return hst_builder_warn(&reader->builder, reader->err, "trailing_bytes: %" PRIu64 " bytes follow the last tensor", size - end);
}

/* Offsets are from where the data begins, and grow from tensor to tensor. */
static int place(struct reader *reader)
{
    struct hst_tensor_table *table = reader->builder.table;
    uint64_t end = hst_round_up(reader->at, reader->alignment), before = end;
    table->data_offset = end;
    for (size_t i = 0; i < table->count; i++) {
        struct hst_tensor *tensor = &table->tensors[i];
        if (!hst_checked_add(tensor->offset, table->data_offset, &tensor->offset)) return fail(reader, HST_E_INVALID_FILE, "overflow: a tensor begins beyond any file");
        if (tensor->offset < before) return hst_error_at(reader->err, HST_E_INVALID_FILE, tensor->offset, "offset: '%.64s' lies before the tensor that it follows", tensor->name);
        before = tensor->offset;
    }
    if (table->count > 0) HST_TRY(hst_builder_check_cover(&reader->builder, reader->alignment, &end, reader->err));
    return check_end(reader, end); /* none: a vocabulary alone */
}

/* ---- the file ---- */

static int check_head(struct reader *reader)
{
    const uint8_t *magic;
    HST_TRY(take(reader, 4, &magic));
    HST_TRY(take_u32(reader, &reader->version));
    if (reader->version == 2 || reader->version == 3) return HST_OK;
    bool big = reader->version != 0 && (reader->version & 0xffff) == 0;
    return fail(reader, HST_E_INVALID_FILE, big ? "byteorder: a big-endian GGUF" : "version: GGUF of another version than 2 or 3");
}

static int read_all(struct reader *reader)
{
    uint64_t tensors, pairs;
    HST_TRY(check_head(reader));
    HST_TRY(take_u64(reader, &tensors));
    HST_TRY(take_u64(reader, &pairs));
    for (uint64_t i = 0; i < pairs; i++)
        HST_TRY(read_pair(reader));
    uint64_t alignment = reader->alignment;
    if (alignment == 0 || alignment > HST_GGUF_ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
        return fail(reader, HST_E_INVALID_FILE, "alignment: general.alignment is no power of two, or too large");
    for (uint64_t i = 0; i < tensors; i++)
        HST_TRY(read_tensor(reader));
    return place(reader);
}

static bool sniff(const uint8_t *head, size_t length, uint64_t file_size)
{
    (void)file_size;
    return length >= 4 && memcmp(head, "GGUF", 4) == 0;
}

static int parse_file(const struct hst_source *source, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct reader *reader = calloc(1, sizeof *reader); /* the window is too large for a small stack, even for a moment */
    if (reader == NULL) return hst_error_nomem(err);
    reader->source = source;
    reader->err = err;
    reader->alignment = ALIGNMENT_DEFAULT;
    int status = hst_builder_init(&reader->builder, hst_gguf_format.name, err);
    if (status == HST_OK) {
        reader->builder.table->file_size_bytes = source->size_bytes;
        status = read_all(reader);
    }
    if (status == HST_OK) *ret_table = hst_builder_finish(&reader->builder);
    hst_builder_fini(&reader->builder);
    return status;
}

const struct hst_format hst_gguf_format = {.name = "gguf", .raw = true, .sniff = sniff, .parse = parse_file};
