#include "formats/builder.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "formats/limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int hst_builder_init(struct hst_builder *builder, const char *format, struct hst_error *err)
{
    *builder = (struct hst_builder){.table = calloc(1, sizeof *builder->table)};
    if (builder->table != NULL) builder->table->arena = hst_arena_new();
    if (builder->table == NULL || builder->table->arena == NULL) return hst_error_nomem(err);
    builder->table->format = format;
    return HST_OK;
}

/* Room for one more of `size` bytes in *array, which doubles. */
static int grow(void *array_pointer, size_t *room, size_t count, size_t size, struct hst_error *err)
{
    void **array = array_pointer;
    if (count < *room) return HST_OK;
    size_t more = *room ? *room * 2 : 64;
    void *grown = realloc(*array, more * size);
    if (grown == NULL) return hst_error_nomem(err);
    *array = grown;
    *room = more;
    return HST_OK;
}

char *hst_builder_text(struct hst_builder *builder, const char *text, size_t length)
{
    return hst_arena_text(builder->table->arena, text, length);
}

/* Copy a name after checking it, and put it into `seen`; *ret_copy is in the arena. */
static int take_name(struct hst_builder *builder, struct hst_map *seen, const char *name, size_t length, char **ret_copy, struct hst_error *err)
{
    if (length > HST_NAME_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: name: it is longer than %u bytes", HST_NAME_MAX);
    if (!hst_utf8_valid(name, length)) return hst_error_set(err, HST_E_INVALID_FILE, "utf8: a name is not UTF-8");
    if (memchr(name, '\0', length) != NULL) return hst_error_set(err, HST_E_INVALID_FILE, "name: a name contains a NUL");
    if (!hst_utf8_valid(name, length)) return hst_error_set(err, HST_E_INVALID_FILE, "utf8: a name is no UTF-8");
    if (hst_map_get(seen, name, length) != NULL)
        return hst_error_set(err, HST_E_INVALID_FILE, "duplicate: '%.*s' appears twice", (int)hst_min_u64(length, 64), name);
    char *copy = hst_builder_text(builder, name, length);
    if (copy == NULL || hst_map_put(seen, copy, length, copy) < 0) return hst_error_nomem(err);
    *ret_copy = copy;
    return HST_OK;
}

int hst_builder_add(struct hst_builder *builder, const char *name, size_t length, struct hst_tensor **ret_tensor, struct hst_error *err)
{
    struct hst_tensor_table *table = builder->table;
    char *copy;
    if (table->count == HST_TENSORS_MAX)
        return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: tensors: there are more than %u", HST_TENSORS_MAX);
    HST_TRY(take_name(builder, &builder->names, name, length, &copy, err));
    HST_TRY(grow(&table->tensors, &builder->tensor_room, table->count, sizeof *table->tensors, err));
    *ret_tensor = &table->tensors[table->count++];
    **ret_tensor = (struct hst_tensor){.name = copy};
    return HST_OK;
}

int hst_builder_shape(struct hst_builder *builder, struct hst_tensor *tensor, const uint64_t *shape, uint32_t rank, struct hst_error *err)
{
    uint64_t *copy = hst_arena_alloc(builder->table->arena, rank * sizeof *copy);
    uint64_t elements = 1, not_zero = 1;
    if (copy == NULL) return hst_error_nomem(err);
    for (uint32_t i = 0; i < rank; i++) {
        copy[i] = shape[i];
        elements *= shape[i] == 0 ? 0 : 1;
        if (shape[i] != 0 && !hst_checked_mul(not_zero, shape[i], &not_zero))
            return hst_error_set(err, HST_E_INVALID_FILE, "overflow: the shape of '%.64s' has too many elements", tensor->name);
    }
    tensor->shape = copy;
    tensor->rank = rank;
    tensor->elements = elements * not_zero;
    const struct hst_dtype_info *info = hst_dtype_info(tensor->dtype);
    if (tensor->elements % info->block != 0 && !info->padded)
        return hst_error_set(err, HST_E_INVALID_FILE, "size: '%.64s' does not have a whole number of bytes", tensor->name);
    if (!hst_dtype_bytes(tensor->dtype, tensor->elements, &tensor->size_bytes))
        return hst_error_set(err, HST_E_INVALID_FILE, "overflow: '%.64s' has more bytes than any file", tensor->name);
    return HST_OK;
}

int hst_builder_key(struct hst_builder *builder, const char *key, size_t length, struct hst_error *err)
{
    char *copy;
    return take_name(builder, &builder->keys, key, length, &copy, err);
}

int hst_builder_metadata(struct hst_builder *builder, const char *key, size_t key_length, const char *value, size_t value_length, struct hst_error *err)
{
    struct hst_tensor_table *table = builder->table;
    char *key_copy;
    HST_TRY(take_name(builder, &builder->keys, key, key_length, &key_copy, err));
    HST_TRY(grow(&table->metadata, &builder->metadata_room, table->metadata_count, sizeof *table->metadata, err));
    char *value_copy = hst_builder_text(builder, value, value_length);
    if (value_copy == NULL) return hst_error_nomem(err);
    table->metadata[table->metadata_count++] = (struct hst_metadata){key_copy, value_copy};
    return HST_OK;
}

int hst_builder_warn(struct hst_builder *builder, struct hst_error *err, const char *format, ...)
{
    struct hst_tensor_table *table = builder->table;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (table->warning_count == HST_WARNINGS_MAX) return HST_OK;
    char *copy = hst_builder_text(builder, text, strlen(text));
    if (copy == NULL) return hst_error_nomem(err);
    table->warnings[table->warning_count++] = copy;
    return HST_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct hst_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

/* Most writers list the tensors as they lie. */
static bool is_sorted(const struct hst_tensor_table *table)
{
    for (size_t i = 1; i < table->count; i++)
        if (by_offset(&table->tensors[i - 1], &table->tensors[i]) > 0) return false;
    return true;
}

void hst_builder_sort(struct hst_builder *builder)
{
    struct hst_tensor_table *table = builder->table;
    if (!is_sorted(table)) qsort(table->tensors, table->count, sizeof *table->tensors, by_offset);
}

static int check_gap(const struct hst_tensor *tensor, uint64_t covered, struct hst_error *err)
{
    const char *what = tensor->offset > covered ? "hole: no tensor covers the bytes before" : "overlap: an earlier tensor covers bytes of";
    return hst_error_at(err, HST_E_INVALID_FILE, hst_min_u64(tensor->offset, covered), "%s '%.64s'", what, tensor->name);
}

int hst_builder_check_cover(struct hst_builder *builder, uint64_t alignment, uint64_t *ret_end, struct hst_error *err)
{
    struct hst_tensor_table *table = builder->table;
    uint64_t covered = table->data_offset, size = table->file_size_bytes;
    hst_builder_sort(builder);
    for (size_t i = 0; i < table->count; i++) {
        const struct hst_tensor *tensor = &table->tensors[i];
        uint64_t padding = (alignment - covered % alignment) % alignment;
        if (!hst_checked_add(covered, padding, &covered) || tensor->offset != covered) return check_gap(tensor, covered, err);
        if (!hst_checked_add(covered, tensor->size_bytes, &covered))
            return hst_error_set(err, HST_E_INVALID_FILE, "overflow: '%.64s' ends beyond any file", tensor->name);
    }
    if (covered > size)
        return hst_error_at(err, HST_E_TRUNCATED, size, "truncated: %" PRIu64 " bytes are missing at the end: the file has %" PRIu64 " and should have %" PRIu64,
                            covered - size, size, covered);
    *ret_end = covered;
    return HST_OK;
}

/* Give back the room that was not needed; a table lives as long as its model. */
static void fit(void *array_pointer, size_t count, size_t size)
{
    void **array = array_pointer;
    void *fitting = count > 0 ? realloc(*array, count * size) : NULL;
    if (fitting != NULL) *array = fitting;
}

struct hst_tensor_table *hst_builder_finish(struct hst_builder *builder)
{
    struct hst_tensor_table *table = hst_steal(&builder->table);
    fit(&table->tensors, table->count, sizeof *table->tensors);
    fit(&table->metadata, table->metadata_count, sizeof *table->metadata);
    hst_builder_fini(builder);
    return table;
}

void hst_builder_fini(struct hst_builder *builder)
{
    hst_tensor_table_free(builder->table);
    hst_map_fini(&builder->names);
    hst_map_fini(&builder->keys);
    *builder = (struct hst_builder){0};
}
