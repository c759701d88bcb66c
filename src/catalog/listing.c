#include "catalog/listing.h"

#include "catalog/sidecar.h"
#include "model/suffix.h"
#include "catalog/unfinished.h"

#include <stdlib.h>
#include <string.h>

static bool is_json(const char *name)
{
    size_t length = strlen(name);
    return length > 5 && strcmp(name + length - 5, ".json") == 0;
}

bool hst_listing_is_part(const char *name)
{
    return hst_suffix_of(name) != NULL || (is_json(name) && !hst_sidecar_is(name));
}

/* Does it mark the download of a file that would be ours? */
static bool is_mark(const char *name)
{
    char stem[256];
    size_t length;
    if (hst_unfinished_of(name, &length) == HST_UNFINISHED_NOT || length >= sizeof stem) return false;
    memcpy(stem, name, length);
    stem[length] = '\0';
    return hst_suffix_of(stem) != NULL;
}

bool hst_listing_concerns(const char *name)
{
    return hst_listing_is_part(name) || hst_sidecar_is(name) || is_mark(name);
}

/* Room for `more` behind `used` in an array of elements of `size` bytes. */
static int make_room(void *array_pointer, size_t used, size_t more, size_t *room, size_t size)
{
    void **array = array_pointer;
    if (used + more <= *room) return HST_OK;
    size_t wanted = *room * 2 + more + 32;
    void *grown = reallocarray(*array, wanted, size);
    if (grown == NULL) return HST_E_NOMEM;
    *array = grown;
    *room = wanted;
    return HST_OK;
}

static int keep(struct hst_listing *listing, const char *name, enum hst_entry_kind kind)
{
    size_t length = strlen(name) + 1;
    HST_TRY(make_room(&listing->entries, listing->count, 1, &listing->room, sizeof *listing->entries));
    HST_TRY(make_room(&listing->names, listing->used, length, &listing->size, 1));
    memcpy(listing->names + listing->used, name, length);
    listing->entries[listing->count++] = (struct hst_listed){listing->used, kind};
    listing->used += length;
    return HST_OK;
}

/* Links may be folders: they are kept as such. */
static bool is_kept(const char *name, enum hst_entry_kind kind)
{
    if (kind == HST_ENTRY_OTHER) return false;
    if (kind == HST_ENTRY_FILE) return hst_listing_concerns(name);
    return name[0] != '.' || hst_listing_is_part(name);
}

static int take(void *context, const char *name, enum hst_entry_kind kind)
{
    struct hst_listing *listing = context;
    if (*listing->halt) return HST_E_CANCELLED;
    *listing->files_seen += kind != HST_ENTRY_FOLDER;
    if (!is_kept(name, kind)) return HST_OK;
    listing->has_json = listing->has_json || is_json(name);
    listing->has_marks = listing->has_marks || (kind == HST_ENTRY_FILE && is_mark(name));
    return keep(listing, name, kind);
}

/* Names are in their place for good now: the marks can be found by what they mark. */
static int index_marks(struct hst_listing *listing)
{
    static enum hst_unfinished kinds[] = {HST_UNFINISHED_NOT, HST_UNFINISHED_ITSELF, HST_UNFINISHED_ACCOMPANIED};
    for (size_t i = 0; listing->has_marks && i < listing->count; i++) {
        size_t stem;
        const char *name = hst_listing_name(listing, i);
        enum hst_unfinished kind = hst_unfinished_of(name, &stem);
        const enum hst_unfinished *known = kind != HST_UNFINISHED_NOT ? hst_map_get(&listing->marks, name, stem) : NULL;
        if (kind == HST_UNFINISHED_NOT || (known != NULL && *known >= kind)) continue;
        HST_TRY(hst_map_put(&listing->marks, name, stem, &kinds[kind]));
    }
    return HST_OK;
}

int hst_listing_read(struct hst_listing *listing, int dir_fd, struct hst_error *err)
{
    int status = hst_folder_list(dir_fd, take, listing, err);
    if (status == HST_OK) status = index_marks(listing);
    return status == HST_E_NOMEM ? hst_error_nomem(err) : status;
}

const char *hst_listing_name(const struct hst_listing *listing, size_t entry)
{
    return listing->names + listing->entries[entry].name;
}

bool hst_listing_is_unfinished(const struct hst_listing *listing, const char *name, bool empty)
{
    const enum hst_unfinished *kind = hst_map_get(&listing->marks, name, strlen(name));
    return kind != NULL && (*kind == HST_UNFINISHED_ACCOMPANIED || empty);
}

void hst_listing_fini(struct hst_listing *listing)
{
    free(listing->entries);
    free(listing->names);
    hst_map_fini(&listing->marks);
    listing->entries = NULL;
    listing->names = NULL;
    listing->count = listing->room = listing->used = listing->size = 0;
}
