#include "formats/onnx_external.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <string.h>

/* ---- where a tensor lies ---- */

void hst_onnx_place_clear(struct hst_onnx_place *place)
{
    place->seen = 0;
    place->offset = place->length = 0;
    place->has_length = false;
    place->location[0] = place->sha1[0] = '\0';
}

/* A name of the path, up to the next slash: is it one that stays in its folder? */
static bool is_plain_name(const char *name, size_t length)
{
    bool dots = (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
    return length > 0 && length <= HST_ONNX_LOCATION_NAME_MAX && !dots;
}

/* No empty name, so that nothing is absolute; and what another system reads as a path does not count as a name. */
static bool is_below(const char *path)
{
    if (strlen(path) > HST_ONNX_LOCATION_MAX || strchr(path, '\\') != NULL || (path[0] != '\0' && path[1] == ':')) return false;
    for (const char *name = path;; name++) {
        size_t length = strcspn(name, "/");
        if (!is_plain_name(name, length)) return false;
        name += length;
        if (*name == '\0') return true;
    }
}

static bool set_location(struct hst_onnx_place *place, const char *value)
{
    while (strncmp(value, "./", 2) == 0 && value[2] != '\0')
        value += 2;
    if (!is_below(value)) return false;
    memcpy(place->location, value, strlen(value) + 1);
    return true;
}

/* Decimal digits alone, and no more than a file can have bytes. */
static bool read_size(const char *value, uint64_t *ret_size)
{
    enum { DIGITS = 19 }; /* of 2^63 - 1 */
    size_t length = strlen(value);
    if (length == 0 || length > DIGITS || strspn(value, "0123456789") != length) return false;
    *ret_size = strtoull(value, NULL, 10);
    return *ret_size <= INT64_MAX;
}

static bool set_offset(struct hst_onnx_place *place, const char *value)
{
    return read_size(value, &place->offset);
}

static bool set_length(struct hst_onnx_place *place, const char *value)
{
    place->has_length = true;
    return read_size(value, &place->length);
}

static bool set_checksum(struct hst_onnx_place *place, const char *value)
{
    if (strlen(value) != HST_ONNX_SHA1_DIGITS || strspn(value, "0123456789abcdefABCDEF") != HST_ONNX_SHA1_DIGITS) return false;
    for (size_t i = 0; i <= HST_ONNX_SHA1_DIGITS; i++)
        place->sha1[i] = (char)(value[i] >= 'A' && value[i] <= 'F' ? value[i] - 'A' + 'a' : value[i]);
    return true;
}

static const struct {
    const char *key;
    bool (*set)(struct hst_onnx_place *place, const char *value);
    const char *wrong;
} keys[] = {
    {"location", set_location, "path: external data does not lie below the folder of the model"},
    {"offset", set_offset, "offset: of external data: not a number of bytes"},
    {"length", set_length, "length: of external data: not a number of bytes"},
    {"checksum", set_checksum, "checksum: of external data: not a SHA-1"},
};

int hst_onnx_place_set(struct hst_onnx_place *place, const char *key, const char *value, uint64_t at, struct hst_error *err)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].key, key) != 0) continue;
        if (place->seen & 1u << i) return hst_error_at(err, HST_E_INVALID_FILE, at, "duplicate: external data names its %s twice", key);
        place->seen |= 1u << i;
        return keys[i].set(place, value) ? HST_OK : hst_error_at(err, HST_E_INVALID_FILE, at, "%s: '%.64s'", keys[i].wrong, value);
    }
    return HST_OK;
}

/* ---- the files ---- */

static void free_file(struct hst_onnx_external *file)
{
    hst_builder_fini(&file->builder);
    free(file->location);
    free(file);
}

static int add_file(struct hst_onnx_externals *externals, struct hst_onnx_external *file, const char *location, struct hst_error *err)
{
    HST_TRY(hst_builder_init(&file->builder, "onnx", err));
    file->location = strdup(location);
    if (externals->files == NULL) externals->files = calloc(HST_EXTERNALS_MAX, sizeof(struct hst_onnx_external *));
    if (file->location == NULL || externals->files == NULL) return hst_error_nomem(err);
    if (hst_map_put_str(&externals->by_location, file->location, file) < 0) return hst_error_nomem(err);
    externals->files[externals->count++] = file;
    return HST_OK;
}

static int new_file(struct hst_onnx_externals *externals, const char *location, struct hst_onnx_external **ret_file, struct hst_error *err)
{
    struct hst_onnx_external *file = calloc(1, sizeof *file);
    if (file == NULL) return hst_error_nomem(err);
    int status = add_file(externals, file, location, err);
    if (status < 0)
        free_file(file);
    else
        *ret_file = file;
    return status;
}

/* What is said of the whole file must be said alike. */
static int agree(struct hst_onnx_external *file, const struct hst_onnx_place *place, uint64_t at, struct hst_error *err)
{
    if (place->sha1[0] == '\0') return HST_OK;
    if (file->sha1[0] != '\0' && strcmp(file->sha1, place->sha1) != 0)
        return hst_error_at(err, HST_E_INVALID_FILE, at, "checksum: two tensors in '%.64s' name different ones", file->location);
    memcpy(file->sha1, place->sha1, sizeof file->sha1);
    return HST_OK;
}

int hst_onnx_externals_find(struct hst_onnx_externals *externals, const struct hst_onnx_place *place, uint64_t at, struct hst_onnx_external **ret_file,
                            struct hst_error *err)
{
    if (place->location[0] == '\0') return hst_error_at(err, HST_E_INVALID_FILE, at, "path: external data without a location");
    struct hst_onnx_external *file = hst_map_get_str(&externals->by_location, place->location);
    if (file == NULL && externals->count == HST_EXTERNALS_MAX)
        return hst_error_at(err, HST_E_LIMIT_EXCEEDED, at, "limit: external data lies in more than %u files", HST_EXTERNALS_MAX);
    if (file == NULL) HST_TRY(new_file(externals, place->location, &file, err));
    *ret_file = file;
    return agree(file, place, at, err);
}

/* A tensor without a length reaches to the end of the file: no other may lie behind it. */
static bool is_consistent(const struct hst_onnx_external *file, uint64_t end, bool is_last)
{
    if (is_last && end < file->least_bytes) return false;
    return !file->exact || end <= file->least_bytes;
}

int hst_onnx_external_place(struct hst_onnx_external *file, const struct hst_onnx_place *place, struct hst_tensor *tensor, uint64_t at, struct hst_error *err)
{
    uint64_t end = place->offset + tensor->size_bytes; /* neither of which is longer than a file */
    if (place->has_length && place->length != tensor->size_bytes)
        return hst_error_at(err, HST_E_INVALID_FILE, at, "size: the external bytes of '%.64s' do not fit its type and shape", tensor->name);
    if (end > INT64_MAX)
        return hst_error_at(err, HST_E_INVALID_FILE, at, "overflow: '%.64s' ends beyond any file", tensor->name);
    if (!is_consistent(file, end, !place->has_length))
        return hst_error_at(err, HST_E_INVALID_FILE, at, "size: another tensor lies behind '%.64s', which says that it is the last", tensor->name);
    file->least_bytes = hst_max_u64(file->least_bytes, end);
    file->exact = file->exact || !place->has_length;
    tensor->offset = place->offset;
    return HST_OK;
}

/* Move one into the table. @return false when memory ran out */
static bool hand_over(struct hst_onnx_external *file, struct hst_arena *arena, struct hst_external *out)
{
    out->location = hst_arena_text(arena, file->location, strlen(file->location));
    out->sha1 = file->sha1[0] != '\0' ? hst_arena_text(arena, file->sha1, HST_ONNX_SHA1_DIGITS) : NULL;
    out->least_bytes = file->least_bytes;
    out->exact = file->exact;
    hst_builder_sort(&file->builder);
    out->table = hst_builder_finish(&file->builder);
    return out->location != NULL && (file->sha1[0] == '\0' || out->sha1 != NULL);
}

int hst_onnx_externals_finish(struct hst_onnx_externals *externals, struct hst_tensor_table *table, struct hst_error *err)
{
    if (externals->count == 0) return HST_OK;
    table->externals = calloc(externals->count, sizeof *table->externals);
    if (table->externals == NULL) return hst_error_nomem(err);
    for (table->external_count = 0; table->external_count < externals->count;) {
        size_t i = table->external_count++;
        if (!hand_over(externals->files[i], table->arena, &table->externals[i])) return hst_error_nomem(err);
    }
    return HST_OK;
}

void hst_onnx_externals_fini(struct hst_onnx_externals *externals)
{
    for (size_t i = 0; i < externals->count; i++)
        free_file(externals->files[i]);
    free(externals->files);
    hst_map_fini(&externals->by_location);
    *externals = (struct hst_onnx_externals){0};
}
