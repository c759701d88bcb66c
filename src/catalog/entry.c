/* Entries: ids that stay, whatever happens to the files. */
#include "base/cleanup.h"
#include "catalog/content.h"
#include "catalog/draft.h"
#include "catalog/slug.h"

#include <string.h>

/* Where an id is, or would be, in the sorted array. */
static size_t position(const struct hst_catalog *catalog, const char *id)
{
    size_t low = 0, high = catalog->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(catalog->sorted[middle]->id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int make_room(struct hst_catalog *catalog, struct hst_error *err)
{
    if (catalog->count < catalog->room) return HST_OK;
    size_t room = catalog->room * 2 + 64;
    struct hst_entry **grown = realloc(catalog->sorted, room * sizeof(struct hst_entry *));
    if (grown == NULL) return hst_error_nomem(err);
    catalog->sorted = grown;
    catalog->room = room;
    return HST_OK;
}

/* The first id of this name that is free. */
static int choose_id(const struct hst_catalog *catalog, const char *path, char **ret_id, struct hst_error *err)
{
    char slug[HST_SLUG_MAX + 1], id[HST_SLUG_MAX + 1];
    struct hst_model *draft;
    HST_TRY(hst_draft_new(path, "", &draft, err));
    strcpy(slug, draft->id);
    hst_model_unref(draft);
    strcpy(id, slug);
    for (unsigned number = 2; hst_map_get_str(&catalog->by_id, id) != NULL; number++)
        hst_slug_number(slug, number, id);
    return hst_draft_text(ret_id, id, err);
}

static void free_entry(struct hst_catalog *catalog, struct hst_entry *entry)
{
    hst_content_fini(catalog, entry);
    hst_model_unref(entry->model);
    hst_override_fini(&entry->said);
    free(entry->id);
    free(entry->path);
    free(entry);
}

static int name_entry(struct hst_catalog *catalog, struct hst_entry *entry, const char *id, const char *path, struct hst_error *err)
{
    HST_TRY(hst_draft_text(&entry->path, path, err));
    if (id == NULL) return choose_id(catalog, path, &entry->id, err);
    return hst_draft_text(&entry->id, id, err);
}

static int insert(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_error *err)
{
    HST_TRY(make_room(catalog, err));
    if (hst_map_put_str(&catalog->by_id, entry->id, entry) < 0) return hst_error_nomem(err);
    if (hst_map_put_str(&catalog->by_path, entry->path, entry) < 0) {
        hst_map_remove_str(&catalog->by_id, entry->id);
        return hst_error_nomem(err);
    }
    size_t at = position(catalog, entry->id);
    memmove(&catalog->sorted[at + 1], &catalog->sorted[at], (catalog->count - at) * sizeof(struct hst_entry *));
    catalog->sorted[at] = entry;
    catalog->count++;
    return HST_OK;
}

int hst_entry_add(struct hst_catalog *catalog, const char *id, const char *path, struct hst_entry **ret_entry, struct hst_error *err)
{
    struct hst_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return hst_error_nomem(err);
    entry->generation = 1;
    hst_content_init(&entry->content);
    int status = name_entry(catalog, entry, id, path, err);
    if (status == HST_OK) status = insert(catalog, entry, err);
    if (status < 0)
        free_entry(catalog, entry);
    else
        *ret_entry = entry;
    return status;
}

/* The files of its model lead to it no more. A file may be part of several models: only our own keys go. */
static void forget_files(struct hst_catalog *catalog, const struct hst_model *model)
{
    for (size_t i = 0; model != NULL && i < model->file_count; i++) {
        const struct hst_file_id *id = &model->files[i].id;
        if (hst_map_get(&catalog->by_file, id, HST_FILE_KEY_BYTES) == model) hst_map_remove(&catalog->by_file, id, HST_FILE_KEY_BYTES);
    }
}

static int learn_files(struct hst_catalog *catalog, struct hst_model *model, struct hst_error *err)
{
    for (size_t i = 0; i < model->file_count; i++)
        if (hst_map_put(&catalog->by_file, &model->files[i].id, HST_FILE_KEY_BYTES, model) < 0) return hst_error_nomem(err);
    return HST_OK;
}

static void take_out(struct hst_catalog *catalog, struct hst_entry *entry)
{
    size_t at = position(catalog, entry->id);
    memmove(&catalog->sorted[at], &catalog->sorted[at + 1], (catalog->count - at - 1) * sizeof(struct hst_entry *));
    catalog->count--;
    hst_map_remove_str(&catalog->by_id, entry->id);
    if (hst_map_get_str(&catalog->by_path, entry->path) == entry) hst_map_remove_str(&catalog->by_path, entry->path);
}

void hst_entry_remove(struct hst_catalog *catalog, struct hst_entry *entry)
{
    take_out(catalog, entry);
    forget_files(catalog, entry->model);
    free_entry(catalog, entry);
}

int hst_entry_move(struct hst_catalog *catalog, struct hst_entry *entry, const char *path, struct hst_error *err)
{
    char *copy = strdup(path);
    if (copy == NULL || hst_map_put_str(&catalog->by_path, copy, entry) < 0) {
        free(copy);
        return hst_error_nomem(err);
    }
    hst_map_remove_str(&catalog->by_path, entry->path);
    free(entry->path);
    entry->path = copy;
    entry->dirty = true;
    return HST_OK;
}

static void tell(const struct hst_catalog *catalog, struct hst_model *model, bool available)
{
    const struct hst_catalog_listener *listener = &catalog->config.listener;
    if (listener->changed != NULL && model != NULL) listener->changed(listener->context, model, available);
}

int hst_entry_publish(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_model *model, struct hst_error *err)
{
    model->generation = entry->generation;
    int status = hst_draft_set_id(model, entry->id, err);
    if (status == HST_OK) status = learn_files(catalog, model, err);
    if (status < 0) {
        forget_files(catalog, model);
        hst_model_unref(model);
        return status;
    }
    struct hst_model *old = entry->model;
    entry->model = model;
    entry->dirty = true;
    entry->content.current = false;
    forget_files(catalog, old);
    hst_model_unref(old);
    tell(catalog, model, true);
    return HST_OK;
}

void hst_entry_missing(struct hst_catalog *catalog, struct hst_entry *entry)
{
    struct hst_model *model = entry->model;
    bool was_missing = model->state == HST_MODEL_MISSING;
    model->state = HST_MODEL_MISSING;
    entry->content.current = false;
    hst_error_set(&model->problem, HST_E_FILE_MISSING, "%s is gone", entry->path);
    forget_files(catalog, model);
    if (!was_missing) tell(catalog, model, false);
}

void hst_entry_free_all(struct hst_catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++)
        free_entry(catalog, catalog->sorted[i]);
    hst_map_fini(&catalog->by_id);
    hst_map_fini(&catalog->by_path);
    hst_map_fini(&catalog->by_file);
    hst_map_fini(&catalog->by_content);
    hst_map_fini(&catalog->vanished);
    free(catalog->sorted);
}
