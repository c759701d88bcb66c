#include "formats/folder.h"

#include "base/cleanup.h"
#include "base/map.h"
#include "formats/json.h"

#include <stddef.h>
#include <string.h>

/* Reading one object field by field: a table of names and what to do with each value. */
struct reader {
    struct hst_json json;
    void *target;
    struct hst_map seen;  /* keys of the object, to refuse duplicates */
    struct hst_map files; /* shard index: file name -> number + 1 */
    char key[HST_NAME_MAX + 1];
};

typedef int (*field_fn)(struct reader *reader, enum hst_json_token first);

static int fail(struct reader *reader, int status, const char *what)
{
    return hst_cursor_fail(&reader->json.cursor, status, what);
}

/* A copy of the present text, owned by the caller; NULL with the error recorded. */
static char *copy_text(struct reader *reader)
{
    const struct hst_json *json = &reader->json;
    if (memchr(json->text, '\0', json->length) != NULL) return fail(reader, HST_E_INVALID_FILE, "name: a NUL in a text"), NULL;
    char *copy = strndup(json->text, json->length);
    if (copy == NULL) fail(reader, HST_E_NOMEM, "out of memory");
    return copy;
}

static int skip(struct reader *reader, enum hst_json_token first)
{
    return hst_json_skip(&reader->json, first) ? HST_OK : fail(reader, HST_E_INVALID_FILE, "json: a key is expected");
}

/* The value as text into *ret_text (replacing nothing); other kinds of values are skipped. */
static int take_text(struct reader *reader, enum hst_json_token first, char **ret_text)
{
    if (first != HST_JSON_STRING) return skip(reader, first);
    *ret_text = copy_text(reader);
    return *ret_text != NULL ? HST_OK : reader->json.cursor.error.status;
}

static int take_key(struct reader *reader)
{
    if (reader->json.length > HST_NAME_MAX) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: name: a key is too long");
    if (memchr(reader->json.text, '\0', reader->json.length) != NULL) return fail(reader, HST_E_INVALID_FILE, "name: a NUL in a key");
    memcpy(reader->key, reader->json.text, reader->json.length);
    reader->key[reader->json.length] = '\0';
    return HST_OK;
}

/* Walk the object whose brace was read; `field` gets the first token of each value, with reader->key set. */
static int read_object(struct reader *reader, field_fn field)
{
    for (enum hst_json_token token; (token = hst_json_next(&reader->json)) != HST_JSON_OBJECT_END;) {
        if (token != HST_JSON_KEY) return fail(reader, HST_E_INVALID_FILE, "json: a key is expected");
        HST_TRY(take_key(reader));
        HST_TRY(field(reader, hst_json_next(&reader->json)));
    }
    return HST_OK;
}

static int read_document(struct reader *reader, field_fn field)
{
    if (hst_json_next(&reader->json) != HST_JSON_OBJECT_BEGIN) return fail(reader, HST_E_INVALID_FILE, "json: not an object");
    HST_TRY(read_object(reader, field));
    return hst_json_next(&reader->json) == HST_JSON_END ? HST_OK : fail(reader, HST_E_INVALID_FILE, "json: something follows the object");
}

/* Run a whole parse into `target`. */
static int parse(const void *json, size_t length, uint64_t limit, void *target, field_fn field, struct hst_error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return hst_error_nomem(err);
    reader->target = target;
    hst_json_init(&reader->json, json, length, 0);
    int status = length > limit ? fail(reader, HST_E_LIMIT_EXCEEDED, "limit: file: it is too long") : read_document(reader, field);
    if (status < 0 && err != NULL) *err = reader->json.cursor.error;
    hst_json_fini(&reader->json);
    hst_map_fini(&reader->seen);
    hst_map_fini(&reader->files);
    free(reader);
    return status;
}

/* One plain path segment, so that joining it to the folder cannot lead anywhere else. */
static bool is_segment(const char *text)
{
    return text[0] != '\0' && text[0] != '.' && strpbrk(text, "/\\") == NULL && strlen(text) < 256;
}

/* A part's value: ["library", "Class"], [null, null], or something that is no part. */
static int read_part(struct reader *reader, struct hst_pipeline_part *part)
{
    char **texts[] = {&part->library, &part->class_name};
    for (size_t i = 0; i < 2; i++) {
        enum hst_json_token token = hst_json_next(&reader->json);
        if (token == HST_JSON_NULL) continue;
        if (token != HST_JSON_STRING) return fail(reader, HST_E_INVALID_FILE, "type: a component is two texts");
        *texts[i] = copy_text(reader);
        if (*texts[i] == NULL) return reader->json.cursor.error.status;
    }
    return hst_json_next(&reader->json) == HST_JSON_ARRAY_END ? HST_OK : fail(reader, HST_E_INVALID_FILE, "type: a component is two texts");
}

static bool has_part(const struct hst_pipeline_index *index, const char *role)
{
    for (size_t i = 0; i < index->count; i++)
        if (strcmp(index->parts[i].role, role) == 0) return true;
    return false;
}

static int add_part(struct reader *reader)
{
    struct hst_pipeline_index *index = reader->target;
    if (!is_segment(reader->key)) return fail(reader, HST_E_INVALID_FILE, "path: a component's name is no folder name");
    if (has_part(index, reader->key)) return fail(reader, HST_E_INVALID_FILE, "duplicate: a component appears twice");
    if (index->count == HST_PARTS_MAX) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: components: there are too many");
    if (index->parts == NULL) index->parts = calloc(HST_PARTS_MAX, sizeof *index->parts);
    if (index->parts == NULL) return fail(reader, HST_E_NOMEM, "out of memory");
    struct hst_pipeline_part *part = &index->parts[index->count++];
    part->role = strdup(reader->key);
    return part->role != NULL ? read_part(reader, part) : fail(reader, HST_E_NOMEM, "out of memory");
}

static int pipeline_field(struct reader *reader, enum hst_json_token first)
{
    struct hst_pipeline_index *index = reader->target;
    if (strcmp(reader->key, "_class_name") == 0 && index->class_name == NULL) return take_text(reader, first, &index->class_name);
    bool private_key = reader->key[0] == '_';
    return first == HST_JSON_ARRAY_BEGIN && !private_key ? add_part(reader) : skip(reader, first);
}

int hst_pipeline_index_parse(const void *json, size_t length, struct hst_pipeline_index *ret_index, struct hst_error *err)
{
    struct hst_pipeline_index index = {0};
    int status = parse(json, length, HST_CONFIG_MAX, &index, pipeline_field, err);
    if (status < 0)
        hst_pipeline_index_fini(&index);
    else
        *ret_index = index;
    return status;
}

void hst_pipeline_index_fini(struct hst_pipeline_index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        free(index->parts[i].role);
        free(index->parts[i].library);
        free(index->parts[i].class_name);
    }
    free(index->parts);
    free(index->class_name);
    *index = (struct hst_pipeline_index){0};
}

/* Number of the file, which is added when it is new. */
static int file_number(struct reader *reader, uint32_t *ret_number)
{
    struct hst_shard_index *index = reader->target;
    uintptr_t known = (uintptr_t)hst_map_get(&reader->files, reader->json.text, reader->json.length);
    if (known != 0) {
        *ret_number = (uint32_t)(known - 1);
        return HST_OK;
    }
    if (index->file_count == HST_SHARDS_MAX) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: shards: there are too many");
    if (index->files == NULL) index->files = calloc(HST_SHARDS_MAX, sizeof *index->files);
    char *name = index->files != NULL ? copy_text(reader) : NULL;
    if (name == NULL) return fail(reader, HST_E_NOMEM, "out of memory");
    index->files[index->file_count++] = name;
    if (!is_segment(name)) return fail(reader, HST_E_INVALID_FILE, "path: a shard's name is no file name");
    *ret_number = (uint32_t)index->file_count - 1;
    return hst_map_put_str(&reader->files, name, (void *)(uintptr_t)index->file_count) < 0 ? fail(reader, HST_E_NOMEM, "out of memory") : HST_OK;
}

static int grow_entries(struct hst_shard_index *index)
{
    if (index->count > 0 && (index->count & (index->count - 1)) != 0) return HST_OK;
    struct hst_shard_entry *grown = realloc(index->entries, (index->count ? index->count * 2 : 1) * sizeof *grown);
    if (grown == NULL) return HST_E_NOMEM;
    index->entries = grown;
    return HST_OK;
}

static int weight_field(struct reader *reader, enum hst_json_token first)
{
    struct hst_shard_index *index = reader->target;
    uint32_t file = 0;
    if (first != HST_JSON_STRING) return fail(reader, HST_E_INVALID_FILE, "type: weight_map values are file names");
    if (index->count == HST_TENSORS_MAX) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: tensors: there are too many");
    if (hst_map_get_str(&reader->seen, reader->key) != NULL) return fail(reader, HST_E_INVALID_FILE, "duplicate: a tensor appears twice");
    HST_TRY(file_number(reader, &file));
    if (grow_entries(index) < 0) return fail(reader, HST_E_NOMEM, "out of memory");
    char *name = strdup(reader->key);
    if (name == NULL) return fail(reader, HST_E_NOMEM, "out of memory");
    index->entries[index->count++] = (struct hst_shard_entry){name, file};
    return hst_map_put_str(&reader->seen, name, name) < 0 ? fail(reader, HST_E_NOMEM, "out of memory") : HST_OK;
}

static int shard_metadata_field(struct reader *reader, enum hst_json_token first)
{
    struct hst_shard_index *index = reader->target;
    if (first == HST_JSON_NUMBER && strcmp(reader->key, "total_size") == 0) {
        if (!hst_json_u64(&reader->json, &index->total_size_bytes)) index->total_size_bytes = 0;
        return HST_OK;
    }
    return skip(reader, first);
}

static int shard_field(struct reader *reader, enum hst_json_token first)
{
    if (first != HST_JSON_OBJECT_BEGIN) return skip(reader, first);
    if (strcmp(reader->key, "weight_map") == 0) return read_object(reader, weight_field);
    if (strcmp(reader->key, "metadata") == 0) return read_object(reader, shard_metadata_field);
    return skip(reader, first);
}

int hst_shard_index_parse(const void *json, size_t length, struct hst_shard_index *ret_index, struct hst_error *err)
{
    struct hst_shard_index index = {0};
    int status = parse(json, length, HST_SHARD_INDEX_MAX, &index, shard_field, err);
    if (status == HST_OK && index.count == 0) status = hst_error_set(err, HST_E_INVALID_FILE, "the shard index names no tensor");
    if (status < 0)
        hst_shard_index_fini(&index);
    else
        *ret_index = index;
    return status;
}

void hst_shard_index_fini(struct hst_shard_index *index)
{
    for (size_t i = 0; i < index->file_count; i++)
        free(index->files[i]);
    for (size_t i = 0; i < index->count; i++)
        free(index->entries[i].tensor);
    free(index->files);
    free(index->entries);
    *index = (struct hst_shard_index){0};
}

/* "architectures": ["BertModel", ...]: the first one. */
static int architectures_field(struct reader *reader, enum hst_json_token first, char **ret_text)
{
    if (first != HST_JSON_ARRAY_BEGIN) return skip(reader, first);
    enum hst_json_token token = hst_json_next(&reader->json);
    if (token == HST_JSON_ARRAY_END) return HST_OK;
    HST_TRY(take_text(reader, token, ret_text));
    while ((token = hst_json_next(&reader->json)) != HST_JSON_ARRAY_END)
        HST_TRY(skip(reader, token));
    return HST_OK;
}

static bool is_key(const struct reader *reader, const char *name)
{
    return strcmp(reader->key, name) == 0;
}

/* Fields that are kept as text, numbers as they are written. */
static const struct {
    const char *name;
    size_t member;
} config_fields[] = {{"_class_name", offsetof(struct hst_model_config, class_name)},
                     {"model_type", offsetof(struct hst_model_config, model_type)},
                     {"scaling_factor", offsetof(struct hst_model_config, scaling_factor)},
                     {"prediction_type", offsetof(struct hst_model_config, prediction_type)}};

static int config_field(struct reader *reader, enum hst_json_token first)
{
    struct hst_model_config *config = reader->target;
    if (is_key(reader, "auto_map") || is_key(reader, "custom_pipelines")) config->has_code = true;
    if (is_key(reader, "architectures") && config->architecture == NULL) return architectures_field(reader, first, &config->architecture);
    for (size_t i = 0; i < sizeof config_fields / sizeof config_fields[0]; i++) {
        char **text = (char **)(void *)((char *)config + config_fields[i].member);
        if (is_key(reader, config_fields[i].name) && *text == NULL) return take_text(reader, first == HST_JSON_NUMBER ? HST_JSON_STRING : first, text);
    }
    return skip(reader, first);
}

int hst_model_config_parse(const void *json, size_t length, struct hst_model_config *ret_config, struct hst_error *err)
{
    struct hst_model_config config = {0};
    int status = parse(json, length, HST_CONFIG_MAX, &config, config_field, err);
    if (status < 0)
        hst_model_config_fini(&config);
    else
        *ret_config = config;
    return status;
}

void hst_model_config_fini(struct hst_model_config *config)
{
    free(config->class_name);
    free(config->architecture);
    free(config->model_type);
    free(config->scaling_factor);
    free(config->prediction_type);
    *config = (struct hst_model_config){0};
}
