#include "formats/card.h"

#include "base/cursor.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "formats/limits.h"

#include <string.h>

static const char *const keys[] = {"license", "license_name", "base_model", "tags", "instance_prompt", "pipeline_tag", "library_name", "model_name", "language"};

/* A line, or a part of one; borrowed. */
struct part {
    const char *text;
    size_t length;
};

struct reader {
    struct part rest;   /* lines not read yet */
    const char *key;    /* whose value is being put together; NULL = nobody's */
    struct hst_strbuf value;
    hst_sidecar_fn fn;
    void *context;
};

static struct part trim(struct part part)
{
    while (part.length > 0 && strchr(" \t\r", part.text[0]) != NULL)
        part = (struct part){part.text + 1, part.length - 1};
    while (part.length > 0 && strchr(" \t\r", part.text[part.length - 1]) != NULL)
        part.length--;
    return part;
}

static bool next_line(struct reader *reader, struct part *ret_line)
{
    struct part *rest = &reader->rest;
    if (rest->length == 0) return false;
    const char *end = memchr(rest->text, '\n', rest->length);
    size_t length = end != NULL ? (size_t)(end - rest->text) : rest->length;
    *ret_line = (struct part){rest->text, length};
    size_t taken = length + (end != NULL);
    *rest = (struct part){rest->text + taken, rest->length - taken};
    return true;
}

static bool is_fence(struct part line)
{
    line = trim(line);
    return line.length == 3 && memcmp(line.text, "---", 3) == 0;
}

/* A scalar without its quotes; escapes inside of them are left as they are. */
static struct part unquote(struct part part)
{
    bool quoted = part.length >= 2 && (part.text[0] == '"' || part.text[0] == '\'') && part.text[part.length - 1] == part.text[0];
    return quoted ? (struct part){part.text + 1, part.length - 2} : part;
}

static void add(struct reader *reader, struct part part)
{
    part = unquote(trim(part));
    if (part.length == 0 || strchr("|>&*!{", part.text[0]) != NULL) return; /* blocks, anchors, tags, maps */
    if (reader->value.length > 0) hst_strbuf_puts(&reader->value, ", ");
    hst_strbuf_append(&reader->value, part.text, part.length);
}

/* "[a, b]" or one scalar. */
static void add_all(struct reader *reader, struct part part)
{
    part = trim(part);
    bool list = part.length >= 2 && part.text[0] == '[' && part.text[part.length - 1] == ']';
    if (!list) {
        add(reader, part);
        return;
    }
    for (part = (struct part){part.text + 1, part.length - 2}; part.length > 0;) {
        const char *comma = memchr(part.text, ',', part.length);
        size_t length = comma != NULL ? (size_t)(comma - part.text) : part.length;
        add(reader, (struct part){part.text, length});
        part = (struct part){part.text + length + (comma != NULL), part.length - length - (comma != NULL)};
    }
}

/* The value of the last key is complete. */
static int give(struct reader *reader, struct hst_error *err)
{
    const char *key = reader->key;
    reader->key = NULL;
    if (!hst_strbuf_ok(&reader->value)) return hst_error_nomem(err);
    if (key == NULL || reader->value.length == 0) return HST_OK;
    if (!hst_utf8_valid(reader->value.text, reader->value.length) || strlen(reader->value.text) != reader->value.length)
        return hst_error_set(err, HST_E_INVALID_FILE, "utf8: %s is no text", key);
    return reader->fn(reader->context, key, reader->value.text);
}

static const char *find_key(struct part name)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strlen(keys[i]) == name.length && memcmp(keys[i], name.text, name.length) == 0) return keys[i];
    return NULL;
}

static int read_line(struct reader *reader, struct part line, struct hst_error *err)
{
    struct part inner = trim(line);
    const char *colon = memchr(line.text, ':', line.length);
    bool item = inner.length >= 2 && inner.text[0] == '-' && inner.text[1] == ' ';
    if (item) add(reader, (struct part){inner.text + 2, inner.length - 2});
    if (item || inner.length == 0 || inner.text != line.text || inner.text[0] == '#' || colon == NULL) return HST_OK;
    HST_TRY(give(reader, err));
    hst_strbuf_reset(&reader->value);
    size_t name = (size_t)(colon - line.text);
    reader->key = find_key((struct part){line.text, name});
    add_all(reader, (struct part){colon + 1, line.length - name - 1});
    return HST_OK;
}

static int read_head(struct reader *reader, struct hst_error *err)
{
    struct part line = {0};
    if (!next_line(reader, &line) || !is_fence(line)) return HST_OK;
    for (unsigned lines = 0; next_line(reader, &line); lines++) {
        if (is_fence(line)) return give(reader, err);
        if (lines >= HST_CARD_LINES_MAX) break;
        HST_TRY(read_line(reader, line, err));
    }
    return hst_error_set(err, HST_E_INVALID_FILE, "the head of the card does not end");
}

int hst_card_parse(const char *text, size_t length, hst_sidecar_fn fn, void *context, struct hst_error *err)
{
    struct reader reader = {.rest = {text, length}, .fn = fn, .context = context};
    int status = read_head(&reader, err);
    hst_strbuf_fini(&reader.value);
    return status;
}
