#include "model/metadata.h"

#include "base/strbuf.h"
#include "model/limits.h"
#include "formats/tag_frequency.h"
#include "formats/tensors.h"

#include <stdlib.h>
#include <string.h>

const char *hst_metadata_source_name(enum hst_metadata_source source)
{
    static const char *const names[] = {"user", "swarm", "a1111", "lora-manager", "cm-info", "civitai", "readme", "config", "text", "header", "derived"};
    return names[source];
}

void hst_metadata_init(struct hst_metadata_list *list, size_t value_max, size_t room)
{
    *list = (struct hst_metadata_list){.value_max = value_max, .room = room};
}

/* One more slot of `size` bytes in *array; doubling at powers of two. */
static int make_slot(void **array, size_t count, size_t size, struct hst_error *err)
{
    if ((count & (count - 1)) != 0) return HST_OK;
    void *grown = realloc(*array, (count > 0 ? 2 * count : 1) * size);
    if (grown == NULL) return hst_error_nomem(err);
    *array = grown;
    return HST_OK;
}

int hst_metadata_add(struct hst_metadata_list *list, enum hst_metadata_source source, const char *key, const char *value, struct hst_error *err)
{
    size_t key_size = strlen(key) + 1, value_size = strlen(value) + 1;
    bool kept = value_size <= list->value_max + 1 && key_size + value_size <= list->room;
    size_t size = key_size + (kept ? value_size : 0);
    if (size + sizeof *list->entries > list->room) {
        list->left_out++;
        return HST_OK;
    }
    HST_TRY(make_slot((void **)&list->entries, list->count, sizeof *list->entries, err));
    char *text = malloc(size);
    if (text == NULL) return hst_error_nomem(err);
    memcpy(text, key, key_size);
    if (kept) memcpy(text + key_size, value, value_size);
    list->entries[list->count++] = (struct hst_metadata_entry){source, text, kept ? text + key_size : NULL};
    list->room -= size + sizeof *list->entries;
    return HST_OK;
}

/* The tags that a LoRA was trained on most; what is malformed says nothing. */
static int add_tags(struct hst_metadata_list *list, const char *json, struct hst_error *err)
{
    struct hst_strbuf tags = {0};
    int status = hst_tag_frequency_top(json, strlen(json), HST_METADATA_TAGS, &tags, NULL);
    if (status == HST_OK && tags.length > 0) status = hst_metadata_add(list, HST_METADATA_DERIVED, "ss_tag_frequency", tags.text, err);
    hst_strbuf_fini(&tags);
    return status == HST_E_NOMEM ? hst_error_nomem(err) : HST_OK;
}

int hst_metadata_add_table(struct hst_metadata_list *list, const struct hst_tensor_table *table, struct hst_map *seen, struct hst_error *err)
{
    for (size_t i = 0; i < table->metadata_count; i++) {
        const struct hst_metadata *pair = &table->metadata[i];
        if (hst_map_get_str(seen, pair->key) != NULL) continue;
        if (hst_map_put_str(seen, pair->key, list) < 0) return hst_error_nomem(err);
        HST_TRY(hst_metadata_add(list, HST_METADATA_HEADER, pair->key, pair->value, err));
        if (strcmp(pair->key, "ss_tag_frequency") == 0) HST_TRY(add_tags(list, pair->value, err));
    }
    return HST_OK;
}

int hst_metadata_warn(struct hst_metadata_list *list, const char *text, struct hst_error *err)
{
    HST_TRY(make_slot((void **)&list->warnings, list->warning_count, sizeof *list->warnings, err));
    char *copy = strdup(text);
    if (copy == NULL) return hst_error_nomem(err);
    list->warnings[list->warning_count++] = copy;
    return HST_OK;
}

const char *hst_metadata_find(const struct hst_metadata_list *list, enum hst_metadata_source source, const char *key)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].source == source && strcmp(list->entries[i].key, key) == 0) return list->entries[i].value;
    return NULL;
}

void hst_metadata_cut(struct hst_metadata_list *list, size_t count)
{
    while (list->count > count) {
        const struct hst_metadata_entry *entry = &list->entries[--list->count];
        list->room += strlen(entry->key) + 1 + sizeof *entry + (entry->value != NULL ? strlen(entry->value) + 1 : 0);
        free(entry->key);
    }
}

void hst_metadata_fini(struct hst_metadata_list *list)
{
    hst_metadata_cut(list, 0);
    for (size_t i = 0; i < list->warning_count; i++)
        free(list->warnings[i]);
    free(list->warnings);
    free(list->entries);
    free(list->preview.path);
    *list = (struct hst_metadata_list){0};
}
