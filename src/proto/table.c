#include "proto/table.h"

#include "base/checked.h"
#include "base/utf8.h"
#include "formats/builder.h"
#include "formats/limits.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { SHA1_DIGITS = 40 };

/* Who adds a member must let it travel, too, or say here why it need not. */
_Static_assert(sizeof(struct hst_tensor) == 48, "hst_tensor has another member");
_Static_assert(sizeof(struct hst_tensor_table) == 80, "hst_tensor_table has another member");
_Static_assert(sizeof(struct hst_external) == 40, "hst_external has another member");

/* ---- writing ---- */

static void put_u32(struct hst_strbuf *out, uint64_t value)
{
    uint32_t word = htole32((uint32_t)value);
    hst_strbuf_append(out, &word, sizeof word);
}

static void put_u64(struct hst_strbuf *out, uint64_t value)
{
    uint64_t word = htole64(value);
    hst_strbuf_append(out, &word, sizeof word);
}

static void put_metadata(struct hst_strbuf *out, const struct hst_metadata *pair)
{
    size_t key_length = strlen(pair->key), value_length = strlen(pair->value);
    put_u32(out, key_length);
    put_u32(out, value_length);
    hst_strbuf_append(out, pair->key, key_length);
    hst_strbuf_append(out, pair->value, value_length);
}

static void put_tensor(struct hst_strbuf *out, const struct hst_tensor *tensor)
{
    size_t name_length = strlen(tensor->name);
    put_u32(out, name_length);
    put_u32(out, tensor->dtype);
    put_u32(out, tensor->rank);
    put_u64(out, tensor->offset);
    for (uint32_t i = 0; i < tensor->rank; i++)
        put_u64(out, tensor->shape[i]);
    hst_strbuf_append(out, tensor->name, name_length);
}

static void put_table(struct hst_strbuf *out, const struct hst_tensor_table *table)
{
    put_u32(out, table->metadata_count);
    put_u32(out, table->count);
    put_u64(out, table->data_offset);
    for (size_t i = 0; i < table->metadata_count; i++)
        put_metadata(out, &table->metadata[i]);
    for (size_t i = 0; i < table->count; i++)
        put_tensor(out, &table->tensors[i]);
}

static void put_external(struct hst_strbuf *out, const struct hst_external *external)
{
    const char *sha1 = external->sha1 != NULL ? external->sha1 : "";
    size_t location_length = strlen(external->location), sha1_length = strlen(sha1);
    put_u32(out, location_length);
    put_u32(out, sha1_length);
    put_u32(out, external->exact);
    put_u64(out, external->least_bytes);
    hst_strbuf_append(out, external->location, location_length);
    hst_strbuf_append(out, sha1, sha1_length);
    put_table(out, external->table);
}

void hst_table_encode(const struct hst_tensor_table *table, struct hst_strbuf *out)
{
    put_table(out, table);
    put_u32(out, table->external_count);
    for (size_t i = 0; i < table->external_count; i++)
        put_external(out, &table->externals[i]);
}

/* ---- reading ---- */

static int bad(struct hst_error *err, const char *what)
{
    return hst_error_set(err, HST_E_PROTOCOL, "a table of tensors makes no sense: %s", what);
}

static int read_metadata(struct hst_cursor *bytes, struct hst_builder *builder, struct hst_error *err)
{
    uint32_t key_length = hst_cursor_u32(bytes), value_length = hst_cursor_u32(bytes);
    const char *key = (const char *)hst_cursor_take(bytes, key_length), *value = (const char *)hst_cursor_take(bytes, value_length);
    if (!hst_cursor_ok(bytes)) return bad(err, "it ends too early");
    return hst_builder_metadata(builder, key, key_length, value, value_length, err);
}

static int read_shape(struct hst_cursor *bytes, struct hst_builder *builder, struct hst_tensor *tensor, uint32_t rank, struct hst_error *err)
{
    uint64_t shape[HST_RANK_MAX];
    if (rank > HST_RANK_MAX) return bad(err, "a tensor has too many dimensions");
    for (uint32_t i = 0; i < rank; i++)
        shape[i] = hst_cursor_u64(bytes);
    return hst_builder_shape(builder, tensor, shape, rank, err);
}

/* Does it lie between what came before it and the end of the file? */
static int check_place(const struct hst_tensor_table *table, const struct hst_tensor *tensor, struct hst_error *err)
{
    uint64_t earliest = tensor > table->tensors ? tensor[-1].offset : table->data_offset, end;
    if (tensor->offset < earliest) return bad(err, "the tensors are not in order");
    if (!hst_checked_add(tensor->offset, tensor->size_bytes, &end) || end > table->file_size_bytes) return bad(err, "a tensor lies outside of the file");
    return HST_OK;
}

static int read_tensor(struct hst_cursor *bytes, struct hst_builder *builder, struct hst_error *err)
{
    struct hst_cursor ahead = *bytes; /* the name comes last */
    uint32_t name_length = hst_cursor_u32(bytes), dtype = hst_cursor_u32(bytes), rank = hst_cursor_u32(bytes);
    uint64_t offset = hst_cursor_u64(bytes);
    struct hst_tensor *tensor;
    hst_cursor_take(&ahead, 20 + (uint64_t)rank * sizeof(uint64_t));
    const char *name = (const char *)hst_cursor_take(&ahead, name_length);
    if (!hst_cursor_ok(&ahead)) return bad(err, "it ends too early");
    if (dtype > INT32_MAX || hst_dtype_info((enum hst_dtype)dtype) == NULL) return bad(err, "a tensor is of an unknown type");
    HST_TRY(hst_builder_add(builder, name, name_length, &tensor, err));
    tensor->dtype = (enum hst_dtype)dtype;
    tensor->offset = offset;
    HST_TRY(read_shape(bytes, builder, tensor, rank, err));
    *bytes = ahead;
    return check_place(builder->table, tensor, err);
}

static int read_table(struct hst_cursor *bytes, struct hst_builder *builder, struct hst_error *err)
{
    struct hst_tensor_table *table = builder->table;
    uint32_t metadata_count = hst_cursor_u32(bytes), count = hst_cursor_u32(bytes);
    table->data_offset = hst_cursor_u64(bytes);
    if (table->data_offset > table->file_size_bytes) return bad(err, "the data begin beyond the file");
    for (uint32_t i = 0; i < metadata_count; i++)
        HST_TRY(read_metadata(bytes, builder, err));
    for (uint32_t i = 0; i < count; i++)
        HST_TRY(read_tensor(bytes, builder, err));
    return hst_cursor_ok(bytes) ? HST_OK : bad(err, "it ends too early");
}

/* A table in which no tensor may end beyond `least_bytes`; the size of its file is known to nobody yet. */
static int read_external_table(struct hst_cursor *bytes, const char *format, uint64_t least_bytes, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct hst_builder builder;
    int status = hst_builder_init(&builder, format, err);
    if (status == HST_OK) {
        builder.table->file_size_bytes = least_bytes;
        status = read_table(bytes, &builder, err);
    }
    if (status == HST_OK) {
        builder.table->file_size_bytes = 0;
        *ret_table = hst_builder_finish(&builder);
    }
    hst_builder_fini(&builder);
    return status;
}

/* What it leads to is checked when it is opened. */
static bool is_location(const char *text, uint32_t length)
{
    return length > 0 && length <= HST_ONNX_LOCATION_MAX && memchr(text, '\0', length) == NULL && hst_utf8_valid(text, length);
}

/* Lower-case digits, or nothing. */
static bool is_sha1(const char *text, uint32_t length)
{
    bool digits = true;
    for (uint32_t i = 0; digits && i < length; i++)
        digits = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    return digits && (length == 0 || length == SHA1_DIGITS);
}

static int read_texts(struct hst_cursor *bytes, struct hst_builder *builder, uint32_t location_length, uint32_t sha1_length, struct hst_external *external, struct hst_error *err)
{
    const char *location = (const char *)hst_cursor_take(bytes, location_length), *sha1 = (const char *)hst_cursor_take(bytes, sha1_length);
    if (!hst_cursor_ok(bytes) || !is_location(location, location_length)) return bad(err, "a file of external data has no name");
    if (!is_sha1(sha1, sha1_length)) return bad(err, "a checksum is none");
    external->location = hst_builder_text(builder, location, location_length);
    external->sha1 = sha1_length > 0 ? hst_builder_text(builder, sha1, sha1_length) : NULL;
    return external->location != NULL && (external->sha1 != NULL) == (sha1_length > 0) ? HST_OK : hst_error_nomem(err);
}

static int read_external(struct hst_cursor *bytes, struct hst_builder *builder, struct hst_error *err)
{
    struct hst_tensor_table *table = builder->table;
    struct hst_external *grown = realloc(table->externals, (table->external_count + 1) * sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    table->externals = grown;
    struct hst_external *external = &grown[table->external_count];
    uint32_t location_length = hst_cursor_u32(bytes), sha1_length = hst_cursor_u32(bytes), exact = hst_cursor_u32(bytes);
    *external = (struct hst_external){.exact = exact != 0, .least_bytes = hst_cursor_u64(bytes)};
    table->external_count++;
    HST_TRY(read_texts(bytes, builder, location_length, sha1_length, external, err));
    return read_external_table(bytes, table->format, external->least_bytes, &external->table, err);
}

static int read_all(struct hst_cursor *bytes, struct hst_builder *builder, struct hst_error *err)
{
    HST_TRY(read_table(bytes, builder, err));
    uint32_t count = hst_cursor_u32(bytes);
    if (count > HST_EXTERNALS_MAX) return bad(err, "there are too many files of external data");
    for (uint32_t i = 0; i < count; i++)
        HST_TRY(read_external(bytes, builder, err));
    return hst_cursor_ok(bytes) && hst_cursor_left(bytes) == 0 ? HST_OK : bad(err, "it does not end where it should");
}

/* What the builder refuses, no parser has made. */
static int name_failure(int status, struct hst_error *err)
{
    if (err != NULL && status != HST_E_NOMEM) err->status = HST_E_PROTOCOL;
    return status != HST_E_NOMEM ? HST_E_PROTOCOL : status;
}

int hst_table_decode(struct hst_cursor *bytes, const char *format, uint64_t file_size_bytes, struct hst_tensor_table **ret_table,
                     struct hst_error *err)
{
    struct hst_builder builder;
    int status = hst_builder_init(&builder, format, err);
    if (status == HST_OK) {
        builder.table->file_size_bytes = file_size_bytes;
        status = read_all(bytes, &builder, err);
    }
    if (status == HST_OK) *ret_table = hst_builder_finish(&builder);
    hst_builder_fini(&builder);
    return status == HST_OK ? HST_OK : name_failure(status, err);
}
