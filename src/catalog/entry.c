/* Entries: ids that stay, whatever happens to the files. */
#include "base/cleanup.h"
#include "catalog/content.h"
#include "model/draft.h"
#include "catalog/internal.h"
#include "catalog/limits.h"
#include "model/slug.h"

#include <string.h>

/* Where an id would be among the first `count` entries, which are in order. */
static size_t position(const struct hst_catalog *catalog, size_t count, const char *id)
{
    size_t low = 0, high = count;
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

static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct hst_entry *const *)a)->id, (*(struct hst_entry *const *)b)->id);
}

/* The new ones, from the last: each pushes those that come after it to the end. */
static void merge(struct hst_catalog *catalog, struct hst_entry **fresh, size_t count)
{
    size_t head = catalog->ordered, end = catalog->count;
    for (size_t i = count; i > 0; i--) {
        size_t at = position(catalog, head, fresh[i - 1]->id), moved = head - at;
        end -= moved;
        memmove(&catalog->sorted[end], &catalog->sorted[at], moved * sizeof(struct hst_entry *));
        catalog->sorted[--end] = fresh[i - 1];
        head = at;
    }
}

void hst_entry_order(struct hst_catalog *catalog)
{
    size_t count = catalog->count - catalog->ordered;
    if (count == 0) return;
    qsort(&catalog->sorted[catalog->ordered], count, sizeof(struct hst_entry *), by_id);
    HST_AUTO(hst_freep) struct hst_entry **fresh = malloc(count * sizeof(struct hst_entry *));
    if (fresh != NULL) {
        memcpy(fresh, &catalog->sorted[catalog->ordered], count * sizeof(struct hst_entry *));
        merge(catalog, fresh, count);
    } else {
        qsort(catalog->sorted, catalog->count, sizeof(struct hst_entry *), by_id);
    }
    catalog->ordered = catalog->count;
}

static bool is_taken(const struct hst_catalog *catalog, const char *slug, unsigned number, char id[HST_SLUG_MAX + 1])
{
    hst_slug_number(slug, number, id);
    return hst_map_get_str(&catalog->by_id, id) != NULL;
}

/* A number that is free and follows one that is not: by doubling and halving, since ten thousand files may have one name. */
static void number_id(const struct hst_catalog *catalog, const char *slug, char id[HST_SLUG_MAX + 1])
{
    unsigned taken = 1, open = 2;
    while (is_taken(catalog, slug, open, id)) {
        taken = open;
        open *= 2;
    }
    while (open - taken > 1) {
        unsigned middle = taken + (open - taken) / 2;
        if (is_taken(catalog, slug, middle, id))
            taken = middle;
        else
            open = middle;
    }
    hst_slug_number(slug, open, id);
}

/* An id of this name that is free. */
static int choose_id(const struct hst_catalog *catalog, const char *path, char **ret_id, struct hst_error *err)
{
    char id[HST_SLUG_MAX + 1];
    struct hst_model *draft;
    HST_TRY(hst_draft_new(path, "", &draft, err));
    strcpy(id, draft->id);
    if (hst_map_get_str(&catalog->by_id, id) != NULL) number_id(catalog, draft->id, id);
    hst_model_unref(draft);
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
    if (catalog->count - catalog->ordered >= HST_ENTRY_TAIL) hst_entry_order(catalog);
    HST_TRY(make_room(catalog, err));
    if (hst_map_put_str(&catalog->by_id, entry->id, entry) < 0) return hst_error_nomem(err);
    if (hst_map_put_str(&catalog->by_path, entry->path, entry) < 0) {
        hst_map_remove_str(&catalog->by_id, entry->id);
        return hst_error_nomem(err);
    }
    catalog->sorted[catalog->count++] = entry;
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

void hst_entry_drop(struct hst_catalog *catalog, size_t at)
{
    struct hst_entry *entry = catalog->sorted[at];
    catalog->sorted[at] = NULL;
    hst_map_remove_str(&catalog->by_id, entry->id);
    if (hst_map_get_str(&catalog->by_path, entry->path) == entry) hst_map_remove_str(&catalog->by_path, entry->path);
    forget_files(catalog, entry->model);
    catalog->models -= entry->model != NULL;
    free_entry(catalog, entry);
}

void hst_entry_close_gaps(struct hst_catalog *catalog)
{
    size_t kept = 0, ordered = 0;
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->sorted[i] == NULL) continue;
        catalog->sorted[kept++] = catalog->sorted[i];
        ordered += i < catalog->ordered;
    }
    catalog->count = kept;
    catalog->ordered = ordered;
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
    catalog->models += old == NULL;
    forget_files(catalog, old);
    hst_model_unref(old);
    tell(catalog, model, true);
    return HST_OK;
}

void hst_entry_missing(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_error *why)
{
    struct hst_model *model = entry->model;
    bool was_missing = model->state == HST_MODEL_MISSING;
    model->state = HST_MODEL_MISSING;
    entry->content.current = false;
    model->problem = *why;
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
