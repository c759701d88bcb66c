#include "formats/sidecar.h"

#include "base/cleanup.h"
#include "base/utf8.h"
#include "formats/card.h"
#include "formats/json.h"

#include <string.h>

/* What is looked at in each kind of JSON; "files.hashes" is a path through objects and arrays. The rest is skipped unread. */
static const struct wanted {
    enum hst_sidecar_kind kind;
    const char *path;
} wanted[] = {
    {HST_SIDECAR_SWARM, "*"},
    {HST_SIDECAR_A1111, "description"},
    {HST_SIDECAR_A1111, "sd version"},
    {HST_SIDECAR_A1111, "activation text"},
    {HST_SIDECAR_A1111, "preferred weight"},
    {HST_SIDECAR_A1111, "negative text"},
    {HST_SIDECAR_A1111, "notes"},
    {HST_SIDECAR_A1111, "vae"},
    {HST_SIDECAR_LORA_MANAGER, "model_name"},
    {HST_SIDECAR_LORA_MANAGER, "model_type"},
    {HST_SIDECAR_LORA_MANAGER, "base_model"},
    {HST_SIDECAR_LORA_MANAGER, "sha256"},
    {HST_SIDECAR_LORA_MANAGER, "notes"},
    {HST_SIDECAR_LORA_MANAGER, "tags"},
    {HST_SIDECAR_LORA_MANAGER, "modelDescription"},
    {HST_SIDECAR_LORA_MANAGER, "usage_tips"},
    {HST_SIDECAR_LORA_MANAGER, "civitai.name"},
    {HST_SIDECAR_LORA_MANAGER, "civitai.baseModel"},
    {HST_SIDECAR_LORA_MANAGER, "civitai.trainedWords"},
    {HST_SIDECAR_LORA_MANAGER, "civitai.createdAt"},
    {HST_SIDECAR_LORA_MANAGER, "civitai.model.name"},
    {HST_SIDECAR_LORA_MANAGER, "civitai.model.type"},
    {HST_SIDECAR_LORA_MANAGER, "civitai.creator.username"},
    {HST_SIDECAR_CM_INFO, "ModelName"},
    {HST_SIDECAR_CM_INFO, "ModelDescription"},
    {HST_SIDECAR_CM_INFO, "ModelType"},
    {HST_SIDECAR_CM_INFO, "BaseModel"},
    {HST_SIDECAR_CM_INFO, "Nsfw"},
    {HST_SIDECAR_CM_INFO, "Tags"},
    {HST_SIDECAR_CM_INFO, "VersionName"},
    {HST_SIDECAR_CM_INFO, "VersionDescription"},
    {HST_SIDECAR_CM_INFO, "AuthorUsername"},
    {HST_SIDECAR_CM_INFO, "TrainedWords"},
    {HST_SIDECAR_CM_INFO, "UserTitle"},
    {HST_SIDECAR_CM_INFO, "ImportedAt"},
    {HST_SIDECAR_CM_INFO, "Hashes.SHA256"},
    {HST_SIDECAR_CM_INFO, "Hashes.AutoV2"},
    {HST_SIDECAR_CM_INFO, "Hashes.CRC32"},
    {HST_SIDECAR_CM_INFO, "Hashes.BLAKE3"},
    {HST_SIDECAR_CIVITAI, "name"},
    {HST_SIDECAR_CIVITAI, "description"},
    {HST_SIDECAR_CIVITAI, "baseModel"},
    {HST_SIDECAR_CIVITAI, "baseModelType"},
    {HST_SIDECAR_CIVITAI, "trainedWords"},
    {HST_SIDECAR_CIVITAI, "createdAt"},
    {HST_SIDECAR_CIVITAI, "nsfw"},
    {HST_SIDECAR_CIVITAI, "model.name"},
    {HST_SIDECAR_CIVITAI, "model.type"},
    {HST_SIDECAR_CIVITAI, "model.nsfw"},
    {HST_SIDECAR_CIVITAI, "model.tags"},
    {HST_SIDECAR_CIVITAI, "model.description"},
    {HST_SIDECAR_CIVITAI, "creator.username"},
    {HST_SIDECAR_CIVITAI, "files.hashes.SHA256"},
    {HST_SIDECAR_CIVITAI, "files.hashes.AutoV1"},
    {HST_SIDECAR_CIVITAI, "files.hashes.AutoV2"},
    {HST_SIDECAR_CIVITAI, "files.hashes.AutoV3"},
    {HST_SIDECAR_CIVITAI, "files.hashes.CRC32"},
    {HST_SIDECAR_CIVITAI, "files.hashes.BLAKE3"},
    {HST_SIDECAR_CONFIG, "_name_or_path"},
};

/* Longest path of the table, and how many levels it has. */
enum { PATH_MAX_BYTES = 160, LEVELS = 4 };

struct reader {
    struct hst_json json;
    enum hst_sidecar_kind kind;
    hst_sidecar_fn fn;
    void *context;
    struct hst_strbuf value;
    char path[PATH_MAX_BYTES];
    size_t level[LEVELS + 2]; /* length of the path of the container at each depth */
    unsigned pairs;
};

static int fail(struct reader *reader, int status, const char *what)
{
    return hst_cursor_fail(&reader->json.cursor, status, what);
}

/* Does this row stand for the path itself, or (deeper) for something below it? */
static bool is_asked_for(const struct wanted *row, const struct reader *reader, bool below)
{
    size_t length = strlen(reader->path);
    if (row->kind != reader->kind) return false;
    if (row->path[0] == '*') return !below && reader->json.depth == 1;
    return strncmp(row->path, reader->path, length) == 0 && row->path[length] == (below ? '.' : '\0');
}

static bool is_wanted(const struct reader *reader, bool below)
{
    for (size_t i = 0; reader->path[0] != '\0' && i < sizeof wanted / sizeof wanted[0]; i++)
        if (is_asked_for(&wanted[i], reader, below)) return true;
    return false;
}

static int skip(struct reader *reader, enum hst_json_token first)
{
    return hst_json_skip(&reader->json, first) ? HST_OK : fail(reader, HST_E_INVALID_FILE, "json");
}

static int give(struct reader *reader)
{
    if (!hst_strbuf_ok(&reader->value)) return fail(reader, HST_E_NOMEM, "out of memory");
    if (reader->value.length == 0 || strlen(reader->value.text) != reader->value.length) return HST_OK; /* empty, or a NUL inside */
    if (++reader->pairs > HST_SIDECAR_PAIRS_MAX) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: too many values");
    int status = reader->fn(reader->context, reader->path, reader->value.text);
    return status < 0 ? fail(reader, status, "not kept") : HST_OK;
}

/* Add a scalar to the value being put together; other kinds of values add nothing. */
static int take_scalar(struct reader *reader, enum hst_json_token token)
{
    static const char *const words[] = {[HST_JSON_TRUE] = "true", [HST_JSON_FALSE] = "false"};
    const struct hst_json *json = &reader->json;
    bool text = token == HST_JSON_STRING || token == HST_JSON_NUMBER, word = token == HST_JSON_TRUE || token == HST_JSON_FALSE;
    if (!text && !word) return skip(reader, token);
    if (reader->value.length > 0) hst_strbuf_puts(&reader->value, ", ");
    if (text) hst_strbuf_append(&reader->value, json->text, json->length);
    if (word) hst_strbuf_puts(&reader->value, words[token]);
    return HST_OK;
}

/* A wanted value: a scalar, or a list of them. */
static int take_value(struct reader *reader, enum hst_json_token token)
{
    hst_strbuf_reset(&reader->value);
    if (token != HST_JSON_ARRAY_BEGIN) HST_TRY(take_scalar(reader, token));
    if (token == HST_JSON_ARRAY_BEGIN)
        while ((token = hst_json_next(&reader->json)) != HST_JSON_ARRAY_END)
            HST_TRY(take_scalar(reader, token));
    return give(reader);
}

/* The path of the member whose key was read: that of its object, and the key. */
static void enter(struct reader *reader)
{
    const struct hst_json *json = &reader->json;
    size_t used = reader->level[json->depth], dot = used > 0;
    bool fits = used + dot + json->length < sizeof reader->path && memchr(json->text, '\0', json->length) == NULL;
    if (dot) reader->path[used] = '.';
    if (fits) memcpy(reader->path + used + dot, json->text, json->length);
    reader->path[fits ? used + dot + json->length : 0] = '\0'; /* no row has an empty path */
}

/* A container through which a row leads is walked on by the loop of read_tokens. */
static int take_member(struct reader *reader, enum hst_json_token token)
{
    bool opens = token == HST_JSON_OBJECT_BEGIN || token == HST_JSON_ARRAY_BEGIN;
    if (opens && reader->json.depth <= LEVELS && is_wanted(reader, true)) {
        reader->level[reader->json.depth] = strlen(reader->path);
        return HST_OK;
    }
    return is_wanted(reader, false) ? take_value(reader, token) : skip(reader, token);
}

static int read_token(struct reader *reader, enum hst_json_token token)
{
    struct hst_json *json = &reader->json;
    if (token == HST_JSON_ERROR) return fail(reader, HST_E_INVALID_FILE, "json");
    if (token == HST_JSON_OBJECT_END || token == HST_JSON_ARRAY_END) return HST_OK;
    if (token == HST_JSON_KEY) {
        enter(reader);
        return take_member(reader, hst_json_next(json));
    }
    if (token != HST_JSON_OBJECT_BEGIN) return skip(reader, token); /* an element of an array that says nothing */
    if (json->depth > LEVELS) return skip(reader, token);
    reader->level[json->depth] = reader->level[json->depth - 1];
    return HST_OK;
}

static int read_document(struct reader *reader)
{
    if (hst_json_next(&reader->json) != HST_JSON_OBJECT_BEGIN) return fail(reader, HST_E_INVALID_FILE, "json: not an object");
    for (enum hst_json_token token; (token = hst_json_next(&reader->json)) != HST_JSON_END;)
        HST_TRY(read_token(reader, token));
    return HST_OK;
}

static int read_json(enum hst_sidecar_kind kind, const char *bytes, size_t length, hst_sidecar_fn fn, void *context, struct hst_error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return hst_error_nomem(err);
    *reader = (struct reader){.kind = kind, .fn = fn, .context = context};
    hst_json_init(&reader->json, bytes, length, 0);
    int status = read_document(reader);
    if (status < 0 && err != NULL) *err = reader->json.cursor.error;
    hst_json_fini(&reader->json);
    hst_strbuf_fini(&reader->value);
    free(reader);
    return status;
}

static int read_text(const char *bytes, size_t length, hst_sidecar_fn fn, void *context, struct hst_error *err)
{
    while (length > 0 && strchr(" \t\r\n", bytes[length - 1]) != NULL)
        length--;
    if (length == 0) return HST_OK;
    if (!hst_utf8_valid(bytes, length) || memchr(bytes, '\0', length) != NULL) return hst_error_set(err, HST_E_INVALID_FILE, "utf8: it is no text");
    HST_AUTO(hst_freep) char *text = strndup(bytes, length);
    return text != NULL ? fn(context, "description", text) : hst_error_nomem(err);
}

int hst_sidecar_parse(enum hst_sidecar_kind kind, const void *bytes, size_t length, hst_sidecar_fn fn, void *context, struct hst_error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin UTF-8 with it */
    const char *text = bytes;
    if (length > HST_SIDECAR_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: it has more than %llu bytes", (unsigned long long)HST_SIDECAR_MAX);
    size_t marked = length >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    text += marked;
    length -= marked;
    if (kind == HST_SIDECAR_CARD) return hst_card_parse(text, length, fn, context, err);
    if (kind == HST_SIDECAR_TEXT) return read_text(text, length, fn, context, err);
    return read_json(kind, text, length, fn, context, err);
}
