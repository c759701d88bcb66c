#include "base/cleanup.h"
#include "catalog/sidecar.h"
#include "catalog/summary.h"
#include "service/jsonx.h"
#include "service/view.h"

#include <stdlib.h>
#include <string.h>

/* "a, b" -> ["a", "b"]; blanks around a word are not part of it. */
static json_t *list_of(const char *text)
{
    json_t *list = json_array();
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        size_t begin = strspn(text, " \t\r\n"), end = length;
        while (end > begin && strchr(" \t\r\n", text[end - 1]) != NULL)
            end--;
        if (begin < end) json_array_append_new(list, json_stringn(text + begin, end - begin));
        text += length + (text[length] == ',');
    }
    return list;
}

static json_t *number_of(const char *text)
{
    char *end;
    double number = strtod(text, &end);
    return *end == '\0' ? json_real(number) : NULL;
}

/* A number that is none is shown as the text it is. */
static json_t *value_of(enum hst_field field, const char *text)
{
    enum hst_field_kind kind = hst_fields_of_metadata[field].kind;
    json_t *value = kind == HST_FIELD_LIST ? list_of(text) : kind == HST_FIELD_NUMBER ? number_of(text) : NULL;
    return value != NULL ? value : hst_jsonx_text(text);
}

/* The answers that there are, and who gave them. */
static void answer_all(const struct hst_metadata_list *list, json_t *answers, json_t *sources)
{
    for (int field = 0; field < HST_FIELDS; field++) {
        const struct hst_metadata_entry *said;
        const char *name = hst_fields_of_metadata[field].name, *text = hst_field_answer(list, (enum hst_field)field, &said);
        if (text == NULL) continue;
        json_object_set_new(answers, name, value_of((enum hst_field)field, text));
        json_object_set_new(sources, name, json_pack("{s:s, s:o}", "source", hst_metadata_source_name(said->source), "key", hst_jsonx_text(said->key)));
    }
}

/* {"header": {"key": "value"}, "civitai": {...}}; the first of several values of a key. */
static json_t *raw_of(const struct hst_metadata_list *list)
{
    json_t *raw = json_object();
    for (size_t i = 0; i < list->count; i++) {
        const struct hst_metadata_entry *entry = &list->entries[i];
        const char *source = hst_metadata_source_name(entry->source);
        if (json_object_get(raw, source) == NULL) json_object_set_new(raw, source, json_object());
        json_t *pairs = json_object_get(raw, source);
        if (json_object_get(pairs, entry->key) == NULL) json_object_set_new(pairs, entry->key, hst_jsonx_text(entry->value));
    }
    return raw;
}

static json_t *preview_of(const struct hst_metadata_preview *preview)
{
    if (preview->path == NULL) return json_null();
    return json_pack("{s:o, s:s}", "path", hst_jsonx_text(preview->path), "content_type", preview->content_type);
}

/* What the user said of type, family and variant. */
static json_t *override_of(const struct hst_metadata_list *list)
{
    static const char *const keys[] = {"type", "family", "variant"};
    json_t *override = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_set_new(override, keys[i], hst_jsonx_text(hst_metadata_find(list, HST_METADATA_USER, keys[i])));
    return override;
}

json_t *hst_view_metadata(const struct hst_model *model, const struct hst_metadata_list *list)
{
    json_t *answers = json_object(), *sources = json_object();
    answer_all(list, answers, sources);
    for (int field = 0; field < HST_FIELDS; field++) /* what nobody says is null */
        if (json_object_get(answers, hst_fields_of_metadata[field].name) == NULL) json_object_set_new(answers, hst_fields_of_metadata[field].name, json_null());
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "model_id", model->id, "metadata", answers, "sources", sources, "override", override_of(list),
                     "preview", preview_of(&list->preview), "raw", raw_of(list), "warnings",
                     hst_jsonx_texts((const char *const *)list->warnings, list->warning_count), "left_out", hst_jsonx_size(list->left_out));
}

/* Pairs of the headers as they are, then the answers under names that no header uses. */
static json_t *flat_of(const struct hst_metadata_list *list, json_t *left_out)
{
    json_t *flat = json_object(), *answers = json_object(), *sources = json_object();
    for (size_t i = 0; i < list->count; i++) {
        const struct hst_metadata_entry *entry = &list->entries[i];
        if (entry->source != HST_METADATA_HEADER) continue;
        if (entry->value != NULL)
            json_object_set_new(flat, entry->key, hst_jsonx_text(entry->value));
        else
            json_array_append_new(left_out, hst_jsonx_text(entry->key));
    }
    answer_all(list, answers, sources);
    json_object_update_missing(flat, answers);
    json_decref(answers);
    json_decref(sources);
    return flat;
}

void hst_view_add_metadata(json_t *view, const struct hst_model *model)
{
    const struct hst_metadata_list *list = &model->metadata;
    json_t *left_out = json_array();
    json_object_set_new(view, "metadata", flat_of(list, left_out));
    json_object_set_new(view, "metadata_left_out", left_out);
    json_object_set_new(view, "metadata_warnings", hst_jsonx_texts((const char *const *)list->warnings, list->warning_count));
    json_object_set_new(view, "preview", hst_jsonx_text(list->preview.path));
}
