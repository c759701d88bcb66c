#include "service/metadata_request.h"

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "model/slug.h"
#include "catalog/summary.h"
#include "service/fields.h"
#include "service/limits.h"
#include "service/select.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where a request's words go. */
struct words {
    struct hst_annotation annotation;
    bool catalog; /* all of them into the catalog */
};

/* Lines and tabs are text; other control characters can forge a terminal's output. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];
        bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || c1) return false;
    }
    return true;
}

static int add_text(struct hst_strbuf *out, const char *name, const json_t *value, struct hst_error *err)
{
    const char *text = json_string_value(value);
    if (text == NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be text", name);
    if (json_string_length(value) > HST_WORD_MAX) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s is longer than %u bytes", name, HST_WORD_MAX);
    if (!is_plain(text)) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s has a control character in it", name);
    hst_strbuf_puts(out, text);
    return HST_OK;
}

static int add_list(struct hst_strbuf *out, const char *name, const json_t *list, struct hst_error *err)
{
    size_t index;
    json_t *item;
    if (json_array_size(list) > HST_WORDS_MAX) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s has more than %u entries", name, HST_WORDS_MAX);
    json_array_foreach((json_t *)list, index, item) {
        if (index > 0) hst_strbuf_puts(out, ", ");
        HST_TRY(add_text(out, name, item, err));
    }
    return out->length <= HST_WORD_MAX ? HST_OK : hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s is longer than %u bytes", name, HST_WORD_MAX);
}

/* As it would be written by hand: 0.8, not 0.80000000000000004. */
static int add_number(struct hst_strbuf *out, const char *name, const json_t *value, struct hst_error *err)
{
    char *end = NULL;
    const char *text = json_string_value(value);
    double number = text != NULL ? strtod(text, &end) : json_number_value(value);
    bool is_number = text != NULL ? text[0] != '\0' && *end == '\0' : json_is_number(value);
    if (!is_number || !isfinite(number) || fabs(number) > HST_WORD_NUMBER_MAX)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be a number from -%d to %d", name, HST_WORD_NUMBER_MAX, HST_WORD_NUMBER_MAX);
    hst_strbuf_printf(out, "%.15g", number);
    return HST_OK;
}

static int add_value(struct hst_strbuf *out, const char *name, enum hst_field_kind kind, const json_t *value, struct hst_error *err)
{
    if (json_is_null(value)) return HST_OK;
    if (kind == HST_FIELD_NUMBER) return add_number(out, name, value, err);
    if (kind == HST_FIELD_LIST && json_is_array(value)) return add_list(out, name, value, err);
    return add_text(out, name, value, err);
}

/* Say it under `key`; nothing takes it back. */
static int say(struct hst_override_list *list, const char *key, const char *name, enum hst_field_kind kind, const json_t *value, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf text = {0};
    HST_TRY(add_value(&text, name, kind, value, err));
    if (!hst_strbuf_ok(&text)) return hst_error_nomem(err);
    return hst_override_set(list, key, text.length > 0 ? text.text : NULL, err);
}

/* A type, family or variant is a word of its own: such as its slug is. */
static int check_slug(const char *name, const json_t *value, struct hst_error *err)
{
    char slug[HST_SLUG_MAX + 1];
    const char *text = json_string_value(value);
    if (json_is_null(value) || (text != NULL && text[0] == '\0')) return HST_OK;
    if (text != NULL) hst_slug_make(text, slug);
    if (text == NULL || strcmp(slug, text) != 0)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s must be a word of a-z, 0-9, '.', '_' and '-', such as sdxl", name);
    return strcmp(name, "type") == 0 ? hst_select_check_type(text, err) : HST_OK;
}

/* A key of the format's own: modelspec.x, ss_x, mine.x. */
static bool is_foreign_key(const char *name)
{
    size_t length = strlen(name);
    bool good = length <= HST_WORD_KEY_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
    return good && name[0] != '.' && (strchr(name, '.') != NULL || strncmp(name, "ss_", 3) == 0);
}

static int refuse(const char *name, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf names = {0};
    for (size_t i = 0; i < HST_FIELDS; i++)
        hst_strbuf_printf(&names, "%s, ", hst_fields_of_metadata[i].name);
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no field '%.64s'; there are: %stype, family, variant, and keys with a dot such as modelspec.thumbnail", name,
                         names.text != NULL ? names.text : "");
}

static bool is_verdict(const char *name)
{
    return strcmp(name, "type") == 0 || strcmp(name, "family") == 0 || strcmp(name, "variant") == 0;
}

static int take_verdict(struct words *words, const char *name, const json_t *value, struct hst_error *err)
{
    HST_TRY(check_slug(name, value, err));
    return say(&words->annotation.said, name, name, HST_FIELD_TEXT, value, err);
}

static int take_word(struct words *words, const char *name, const json_t *value, struct hst_error *err)
{
    enum hst_field field = hst_field_find(name);
    bool known = field < HST_FIELDS;
    if (!known && !is_foreign_key(name)) return refuse(name, err);
    enum hst_field_kind kind = known ? hst_fields_of_metadata[field].kind : HST_FIELD_TEXT;
    if (words->catalog) return say(&words->annotation.said, name, name, kind, value, err);
    return say(&words->annotation.words, known ? hst_fields_of_metadata[field].written_as : name, name, kind, value, err);
}

static int take_all(struct words *words, const json_t *object, struct hst_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        bool ours = strcmp(name, "target") == 0 || strcmp(name, "metadata") == 0;
        if (!ours) HST_TRY(is_verdict(name) ? take_verdict(words, name, value, err) : take_word(words, name, value, err));
    }
    return HST_OK;
}

static int read_target(const struct hst_call *call, struct words *words, struct hst_error *err)
{
    const char *target = NULL;
    HST_TRY(hst_fields_text(call, "target", &target, err));
    if (target == NULL || strcmp(target, "sidecar") == 0) return HST_OK;
    words->catalog = strcmp(target, "catalog") == 0;
    if (strcmp(target, "header") == 0) words->annotation.target = HST_ANNOTATE_HEADER;
    return words->catalog || words->annotation.target == HST_ANNOTATE_HEADER ? HST_OK : hst_error_set(err, HST_E_INVALID_ARGUMENT, "target must be sidecar, header or catalog");
}

static int read_words(const struct hst_call *call, struct words *words, struct hst_error *err)
{
    const json_t *metadata = json_object_get(call->fields, "metadata");
    HST_TRY(read_target(call, words, err));
    if (metadata != NULL && !json_is_object(metadata)) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "metadata must be an object");
    HST_TRY(take_all(words, metadata, err));
    HST_TRY(take_all(words, call->fields, err));
    size_t count = words->annotation.words.count + words->annotation.said.count;
    if (count == 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is nothing to write: give metadata, such as {\"title\": \"...\"}");
    return count <= HST_WORDS_MAX ? HST_OK : hst_error_set(err, HST_E_INVALID_ARGUMENT, "there are more than %u fields", HST_WORDS_MAX);
}

int hst_metadata_request_read(const struct hst_call *call, struct hst_annotation *ret_annotation, struct hst_error *err)
{
    struct words words = {.annotation.target = HST_ANNOTATE_SIDECAR};
    int status = read_words(call, &words, err);
    if (status == HST_OK) {
        *ret_annotation = words.annotation;
        return HST_OK;
    }
    hst_override_fini(&words.annotation.words);
    hst_override_fini(&words.annotation.said);
    return status;
}
