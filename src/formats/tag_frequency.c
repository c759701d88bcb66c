#include "formats/tag_frequency.h"

#include "base/map.h"
#include "formats/arena.h"
#include "formats/json.h"

#include <string.h>

/* A tag; its text follows in the arena. */
struct tag {
    const char *text;
    size_t length;
    uint64_t count;
    bool taken;
};

struct reader {
    struct hst_json json;
    struct hst_arena *arena;
    struct hst_map tags;
};

static int fail(struct reader *reader, int status, const char *what)
{
    return hst_cursor_fail(&reader->json.cursor, status, what);
}

/* The tag whose key was read, made if it is new; NULL with the error recorded. */
static struct tag *get_tag(struct reader *reader)
{
    const struct hst_json *json = &reader->json;
    struct tag *tag = hst_map_get(&reader->tags, json->text, json->length);
    if (tag != NULL) return tag;
    if (reader->tags.count == HST_TAGS_MAX) return fail(reader, HST_E_LIMIT_EXCEEDED, "limit: too many tags"), NULL;
    char *text = hst_arena_text(reader->arena, json->text, json->length);
    tag = text != NULL ? hst_arena_alloc(reader->arena, sizeof *tag) : NULL;
    if (tag == NULL || hst_map_put(&reader->tags, text, json->length, tag) < 0) return fail(reader, HST_E_NOMEM, "out of memory"), NULL;
    *tag = (struct tag){.text = text, .length = json->length};
    return tag;
}

static int read_tag(struct reader *reader)
{
    uint64_t count;
    struct tag *tag = get_tag(reader);
    if (tag == NULL) return reader->json.cursor.error.status;
    if (hst_json_next(&reader->json) != HST_JSON_NUMBER || !hst_json_u64(&reader->json, &count) || count > UINT32_MAX)
        return fail(reader, HST_E_INVALID_FILE, "type: a count is expected");
    tag->count += count;
    return HST_OK;
}

static int read_dataset(struct reader *reader)
{
    if (hst_json_next(&reader->json) != HST_JSON_OBJECT_BEGIN) return fail(reader, HST_E_INVALID_FILE, "type: a dataset is an object");
    for (enum hst_json_token token; (token = hst_json_next(&reader->json)) != HST_JSON_OBJECT_END;) {
        if (token != HST_JSON_KEY) return fail(reader, HST_E_INVALID_FILE, "json");
        HST_TRY(read_tag(reader));
    }
    return HST_OK;
}

/* {"dataset": {"tag": count, ...}, ...} */
static int read_counts(struct reader *reader)
{
    if (hst_json_next(&reader->json) != HST_JSON_OBJECT_BEGIN) return fail(reader, HST_E_INVALID_FILE, "json: not an object");
    for (enum hst_json_token token; (token = hst_json_next(&reader->json)) != HST_JSON_OBJECT_END;) {
        if (token != HST_JSON_KEY) return fail(reader, HST_E_INVALID_FILE, "json");
        HST_TRY(read_dataset(reader));
    }
    return hst_json_next(&reader->json) == HST_JSON_END ? HST_OK : fail(reader, HST_E_INVALID_FILE, "json: something follows the object");
}

/* The most frequent tag that was not taken yet; of two that are equal, the first by name, so that the answer is always the same. */
static struct tag *take_best(const struct reader *reader)
{
    struct tag *best = NULL;
    size_t cursor = 0;
    for (struct tag *tag; (tag = hst_map_next(&reader->tags, &cursor));) {
        bool better = best == NULL || tag->count > best->count || (tag->count == best->count && strcmp(tag->text, best->text) < 0);
        if (!tag->taken && tag->count > 0 && better) best = tag;
    }
    if (best != NULL) best->taken = true;
    return best;
}

static void write_top(const struct reader *reader, size_t most, struct hst_strbuf *out)
{
    for (size_t i = 0; i < most; i++) {
        const struct tag *tag = take_best(reader);
        if (tag == NULL) return;
        if (out->length > 0) hst_strbuf_puts(out, ", ");
        hst_strbuf_puts(out, tag->text);
    }
}

int hst_tag_frequency_top(const char *json, size_t length, size_t most, struct hst_strbuf *out, struct hst_error *err)
{
    struct reader reader = {.arena = hst_arena_new()};
    if (reader.arena == NULL) return hst_error_nomem(err);
    hst_json_init(&reader.json, json, length, 0);
    int status = length > HST_TAG_FREQUENCY_MAX ? fail(&reader, HST_E_LIMIT_EXCEEDED, "limit: it is too long") : read_counts(&reader);
    if (status == HST_OK) write_top(&reader, most, out);
    if (status < 0 && err != NULL) *err = reader.json.cursor.error;
    hst_json_fini(&reader.json);
    hst_map_fini(&reader.tags);
    hst_arena_free(reader.arena);
    return status;
}
