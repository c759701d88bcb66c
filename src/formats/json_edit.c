#include "formats/json_edit.h"

#include "formats/json.h"

#include <string.h>

/* What one walk over the members finds out. */
struct survey {
    struct hst_json_span value;  /* of the member that is looked for */
    struct hst_json_span member; /* ... with its key and the comma before it */
    uint64_t open;               /* behind the brace */
    uint64_t first;              /* the first key, or the closing brace */
    uint64_t last;               /* behind the last value, or behind the brace */
};

static uint64_t after_space(const struct hst_json *json, uint64_t at)
{
    while (at < json->cursor.size && strchr(" \t\r\n", json->cursor.bytes[at]) != NULL && json->cursor.bytes[at] != '\0')
        at++;
    return at;
}

static int fail(struct hst_json *json, const char *what)
{
    return hst_cursor_fail(&json->cursor, HST_E_INVALID_FILE, what);
}

/* A member whose key was just read. */
static int read_member(struct hst_json *json, const char *key, struct survey *survey)
{
    bool wanted = hst_json_is(json, key);
    uint64_t begin = after_space(json, json->cursor.at);
    if (wanted && survey->value.end > 0) return fail(json, "duplicate: a member appears twice");
    if (!hst_json_skip(json, hst_json_next(json))) return fail(json, "json");
    if (wanted) survey->value = (struct hst_json_span){begin, json->cursor.at};
    if (wanted) survey->member = (struct hst_json_span){survey->last, json->cursor.at};
    survey->last = json->cursor.at;
    return HST_OK;
}

static int read_members(struct hst_json *json, const char *key, struct survey *survey)
{
    if (hst_json_next(json) != HST_JSON_OBJECT_BEGIN) return fail(json, "json: not an object");
    survey->open = survey->last = json->cursor.at;
    survey->first = after_space(json, json->cursor.at);
    for (enum hst_json_token token; (token = hst_json_next(json)) != HST_JSON_OBJECT_END;) {
        if (token != HST_JSON_KEY) return fail(json, "json");
        HST_TRY(read_member(json, key, survey));
    }
    return hst_json_next(json) == HST_JSON_END ? HST_OK : fail(json, "json: something follows the object");
}

static int look(const char *text, size_t length, const char *key, struct survey *ret_survey, struct hst_error *err)
{
    struct survey survey = {0};
    struct hst_json json;
    hst_json_init(&json, text, length, 0);
    int status = read_members(&json, key, &survey);
    if (status < 0 && err != NULL) *err = json.cursor.error;
    hst_json_fini(&json);
    if (status == HST_OK) *ret_survey = survey;
    return status;
}

int hst_json_edit_find(const char *text, size_t length, const char *key, struct hst_json_span *ret_span, struct hst_error *err)
{
    struct survey survey;
    HST_TRY(look(text, length, key, &survey, err));
    *ret_span = survey.value;
    return HST_OK;
}

/* The part of the text outside of `cut`, with `between` in its place. */
static void put_together(struct hst_strbuf *out, const char *text, size_t length, struct hst_json_span cut, const char *between)
{
    hst_strbuf_append(out, text, cut.begin);
    hst_strbuf_puts(out, between);
    hst_strbuf_append(out, text + cut.end, length - cut.end);
}

/* Without the member; the first one takes the comma behind it along. */
static void take_out(struct hst_strbuf *out, const char *text, size_t length, const struct survey *survey)
{
    struct hst_json_span cut = survey->member;
    uint64_t next = cut.end + strspn(text + cut.end, " \t\r\n");
    if (cut.begin == survey->open && text[next] == ',') cut.end = next + 1;
    put_together(out, text, length, cut, "");
}

static void add(struct hst_strbuf *out, const char *text, size_t length, const char *key, const char *value, const struct survey *survey)
{
    hst_strbuf_append(out, text, survey->last);
    bool is_first = survey->last == survey->open;
    if (!is_first) hst_strbuf_puts(out, ",");
    if (!is_first) hst_strbuf_append(out, text + survey->open, survey->first - survey->open);
    hst_json_edit_quote(out, key);
    hst_strbuf_puts(out, survey->first > survey->open ? ": " : ":");
    hst_strbuf_puts(out, value);
    hst_strbuf_append(out, text + survey->last, length - survey->last);
}

int hst_json_edit_set(const char *text, size_t length, const char *key, const char *value, struct hst_strbuf *out, struct hst_error *err)
{
    struct survey survey;
    HST_TRY(look(text, length, key, &survey, err));
    bool present = survey.value.end > 0;
    if (value == NULL && present)
        take_out(out, text, length, &survey);
    else if (value == NULL)
        hst_strbuf_append(out, text, length);
    else if (present)
        put_together(out, text, length, survey.value, value);
    else
        add(out, text, length, key, value, &survey);
    return hst_strbuf_ok(out) ? HST_OK : hst_error_nomem(err);
}

void hst_json_edit_quote(struct hst_strbuf *out, const char *text)
{
    hst_strbuf_puts(out, "\"");
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            hst_strbuf_printf(out, "\\%c", c);
        else if (c < 0x20)
            hst_strbuf_printf(out, "\\u%04x", c);
        else
            hst_strbuf_append(out, text, 1);
    }
    hst_strbuf_puts(out, "\"");
}

int hst_json_edit_text(struct hst_strbuf *text, const char *key, const char *value, struct hst_error *err)
{
    struct hst_strbuf quoted = {0}, changed = {0};
    if (value != NULL) hst_json_edit_quote(&quoted, value);
    int status = hst_strbuf_ok(&quoted) ? HST_OK : hst_error_nomem(err);
    if (status == HST_OK) status = hst_json_edit_set(text->text, text->length, key, value != NULL ? quoted.text : NULL, &changed, err);
    hst_strbuf_fini(&quoted);
    hst_strbuf_fini(status < 0 ? &changed : text);
    if (status == HST_OK) *text = changed;
    return status;
}
