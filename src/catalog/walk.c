#include "catalog/walk.h"

#include "base/cleanup.h"
#include "base/map.h"
#include "model/hub.h"
#include "catalog/limits.h"
#include "catalog/listing.h"
#include "model/parts.h"
#include "catalog/places.h"
#include "catalog/probe.h"
#include "catalog/sidecar.h"
#include "model/suffix.h"
#include "os/folder.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>
#include <xxhash.h>

struct hst_walk {
    struct hst_walk_config config;
    struct hst_places *places;
    _Atomic(bool) halted;
    _Atomic(uint64_t) files, folders, errors;
    uv_mutex_t start; /* held while the roots are added */
    bool started;
    uv_mutex_t lock; /* guards the rest */
    struct hst_walk_result result;
    size_t room; /* of result.candidates */
    struct hst_unread unread[HST_WALK_UNREAD_MAX];
};

/* A folder being looked at by one thread. */
struct visit {
    struct hst_walk *walk;
    const char *folder;
    int dir_fd;
    bool is_model;    /* it is a model folder: */
    bool is_pipeline; /* ... with subfolders of its own */
    struct hst_candidate whole; /* ... whose fingerprint is being summed up */
    struct hst_listing listing;
    struct hst_candidate *found; /* owned */
    size_t count, room;
};

static bool join(char out[HST_WALK_PATH_MAX], const char *folder, const char *name)
{
    const char *slash = folder[1] == '\0' ? "" : "/";
    return snprintf(out, HST_WALK_PATH_MAX, "%s%s%s", folder, slash, name) < (int)HST_WALK_PATH_MAX;
}

/* Sums do not depend on the order in which a folder lists its files. */
void hst_walk_add_file(struct hst_candidate *candidate, const struct hst_file_id *id)
{
    struct {
        uint64_t device, inode, size_bytes;
        int64_t mtime_ns;
    } content = {id->device, id->inode, id->size_bytes, id->mtime_ns};
    candidate->device = id->device;
    candidate->inode = id->inode;
    candidate->fingerprint += XXH3_64bits(&content, sizeof content);
    candidate->stamp += XXH3_64bits(&id->ctime_ns, sizeof id->ctime_ns);
    if (id->mtime_ns > candidate->newest_ns) candidate->newest_ns = id->mtime_ns;
}

/* No program could open it by its path. */
static void skip_long(struct visit *visit, const char *name)
{
    struct hst_walk *walk = visit->walk;
    walk->errors++;
    uv_mutex_lock(&walk->lock);
    if (walk->result.error.status == HST_OK)
        hst_error_set(&walk->result.error, HST_E_LIMIT_EXCEEDED, "limit: the path of %.100s is longer than %u bytes", name, HST_WALK_PATH_MAX - 1);
    uv_mutex_unlock(&walk->lock);
}

/* Room for `more` in an array of candidates. */
static int make_room(struct hst_candidate **array, size_t count, size_t more, size_t *room, struct hst_error *err)
{
    if (count + more <= *room) return HST_OK;
    size_t wanted = *room * 2 + more + 16;
    struct hst_candidate *grown = reallocarray(*array, wanted, sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    *array = grown;
    *room = wanted;
    return HST_OK;
}

static int add_candidate(struct visit *visit, const struct hst_candidate *candidate, const char *path, struct hst_error *err)
{
    HST_TRY(make_room(&visit->found, visit->count, 1, &visit->room, err));
    visit->found[visit->count] = *candidate;
    visit->found[visit->count].path = strdup(path);
    return visit->found[visit->count++].path != NULL ? HST_OK : hst_error_nomem(err);
}

/* Is it a part that belongs to the candidate of the first part? */
static bool is_later_part(const struct visit *visit, const char *name, const struct hst_parts *parts)
{
    char first[HST_WALK_PATH_MAX];
    struct hst_file_id id;
    if (parts->number <= 1) return false; /* 0: it is no part */
    hst_parts_name(name, parts, 1, first);
    return hst_folder_stat(visit->dir_fd, first, &id);
}

/* The other parts of a model whose first one this is. */
static void add_parts(const struct visit *visit, struct hst_candidate *candidate, const char *name, const struct hst_parts *parts)
{
    char other[HST_WALK_PATH_MAX];
    struct hst_file_id id;
    for (unsigned number = parts->count; number > 1 && parts->number == 1; number--) {
        hst_parts_name(name, parts, number, other);
        if (hst_folder_stat(visit->dir_fd, other, &id)) hst_walk_add_file(candidate, &id);
    }
}

/* A file that a user would name, with the parts that belong to it. */
static int take_candidate(struct visit *visit, const char *name, struct hst_candidate *file, const struct hst_file_id *id, struct hst_error *err)
{
    char path[HST_WALK_PATH_MAX];
    struct hst_parts parts = {0};
    if (!join(path, visit->folder, name)) {
        skip_long(visit, name);
        return HST_OK;
    }
    (void)hst_parts_of(name, &parts);
    if (is_later_part(visit, name, &parts)) return HST_OK;
    if (id != NULL) {
        add_parts(visit, file, name, &parts);
        hst_walk_add_file(file, id); /* last: its inode stands for all */
        if (hst_listing_is_unfinished(&visit->listing, name, id->size_bytes == 0)) file->trouble = HST_CANDIDATE_UNFINISHED;
    }
    return add_candidate(visit, file, path, err);
}

/* Are links to files followed in this folder? */
static bool is_followed(const struct visit *visit)
{
    struct hst_hub hub;
    return !visit->walk->config.stay_inside || hst_hub_of(visit->folder, &hub);
}

/* Would a user name this file: is it no mere part of a model folder? */
static bool is_named(const struct visit *visit, const char *name)
{
    return hst_suffix_of(name) != NULL && (!visit->is_model || visit->is_pipeline);
}

/* A file: part of the model folder being summed up, a candidate of its own, or nothing. */
static int take_file(struct visit *visit, const char *name, bool by_link, struct hst_error *err)
{
    struct hst_file_id id;
    struct hst_candidate file = {.by_link = by_link};
    if (!hst_listing_is_part(name)) return HST_OK;
    bool is_there = hst_folder_stat(visit->dir_fd, name, &id);
    if (!is_there) file.trouble = HST_CANDIDATE_BROKEN;
    if (is_there && visit->is_model) hst_walk_add_file(&visit->whole, &id);
    if (!is_named(visit, name) || (!is_there && !by_link)) return HST_OK;
    return take_candidate(visit, name, &file, is_there ? &id : NULL, err);
}

static int take_part(void *context, const char *name, enum hst_entry_kind kind)
{
    struct visit *visit = context;
    struct hst_file_id id;
    visit->walk->files += kind != HST_ENTRY_FOLDER;
    if (hst_listing_is_part(name) && hst_folder_stat(visit->dir_fd, name, &id)) hst_walk_add_file(&visit->whole, &id);
    return HST_OK;
}

/* Watch before listing: what comes later is told, what came earlier is listed. */
static void watch(struct hst_walk *walk, const char *path)
{
    struct hst_error err = {0};
    if (walk->config.watch == NULL || hst_watch_add(walk->config.watch, path, &err) == HST_OK || err.status == HST_E_FILE_MISSING) return;
    uv_mutex_lock(&walk->lock);
    if (walk->result.unwatched.status == HST_OK) walk->result.unwatched = err;
    uv_mutex_unlock(&walk->lock);
}

/* A folder of a pipeline: its files belong to the model. */
static int take_subfolder(struct visit *visit, const char *path, struct hst_error *err)
{
    int outer = visit->dir_fd;
    watch(visit->walk, path);
    HST_AUTO(hst_closep) int dir_fd = hst_folder_open(path, NULL);
    if (dir_fd < 0) return HST_OK;
    visit->walk->folders++;
    visit->dir_fd = dir_fd;
    int status = hst_folder_list(dir_fd, take_part, visit, err);
    visit->dir_fd = outer;
    return status;
}

static int take_folder(struct visit *visit, const char *name, const char *path, bool by_link, struct hst_error *err)
{
    if (name[0] == '.' || (by_link && visit->walk->config.stay_inside)) return HST_OK;
    if (visit->is_model) return visit->is_pipeline ? take_subfolder(visit, path, err) : HST_OK;
    return hst_places_add(visit->walk->places, path, by_link, err);
}

static int take_entry(struct visit *visit, size_t entry, struct hst_error *err)
{
    char path[HST_WALK_PATH_MAX];
    const char *name = hst_listing_name(&visit->listing, entry);
    enum hst_entry_kind kind = visit->listing.entries[entry].kind;
    if (kind == HST_ENTRY_FILE) return take_file(visit, name, false, err);
    if (!join(path, visit->folder, name)) {
        skip_long(visit, name);
        return HST_OK;
    }
    if (kind == HST_ENTRY_FOLDER || hst_folder_exists(path)) return take_folder(visit, name, path, kind == HST_ENTRY_LINK, err);
    return is_followed(visit) ? take_file(visit, name, true, err) : HST_OK;
}

/* A repository of huggingface_hub's cache: the snapshot of refs/main is the model; without one, each snapshot is. */
static int take_repository(struct visit *visit, struct hst_error *err)
{
    char revision[256], below[HST_WALK_PATH_MAX], path[HST_WALK_PATH_MAX];
    if (!join(below, visit->folder, "snapshots")) return HST_OK;
    if (!hst_hub_main(visit->dir_fd, revision)) return hst_places_add(visit->walk->places, below, false, err);
    watch(visit->walk, below);
    return join(path, below, revision) ? hst_places_add(visit->walk->places, path, false, err) : HST_OK;
}

static int take_listing(struct visit *visit, struct hst_error *err)
{
    HST_TRY(hst_listing_read(&visit->listing, visit->dir_fd, err));
    visit->is_model = visit->listing.has_json && hst_probe_is_model_folder(visit->dir_fd);
    visit->is_pipeline = visit->is_model && hst_folder_has(visit->dir_fd, "model_index.json");
    for (size_t i = 0; i < visit->listing.count && !visit->walk->halted; i++)
        HST_TRY(take_entry(visit, i, err));
    return visit->walk->halted ? HST_E_CANCELLED : HST_OK;
}

static int take_entries(struct visit *visit, struct hst_error *err)
{
    if (hst_hub_is_foreign(visit->folder, visit->dir_fd)) return HST_OK;
    if (hst_hub_is_repository(visit->folder, visit->dir_fd)) return take_repository(visit, err);
    HST_TRY(take_listing(visit, err));
    if (visit->is_model) HST_TRY(add_candidate(visit, &visit->whole, visit->folder, err));
    if (visit->count > 0) hst_sidecar_stamp(visit->dir_fd, visit->found, visit->count);
    return HST_OK;
}

/* Hand over what was found. */
static int merge(struct visit *visit, struct hst_error *err)
{
    struct hst_walk_result *result = &visit->walk->result;
    size_t most = visit->walk->config.most_candidates, fitting = most - result->count;
    size_t taken = visit->count < fitting ? visit->count : fitting;
    HST_TRY(make_room(&result->candidates, result->count, taken, &visit->walk->room, err));
    for (size_t i = 0; i < taken; i++)
        result->candidates[result->count++] = visit->found[visit->count - 1 - i];
    visit->count -= taken;
    if (visit->count == 0) return HST_OK;
    return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: there are more than %zu model files; the rest, %s among them, was not looked at", most, visit->found[0].path);
}

/* Something is wrong with a folder. That it cannot be read concerns what is below it alone; anything else, all that was not found. */
static void complain(struct hst_walk *walk, const char *folder, const struct hst_error *err)
{
    struct hst_walk_result *result = &walk->result;
    bool is_unread = err->status != HST_E_LIMIT_EXCEEDED && err->status != HST_E_NOMEM && result->unread_count < HST_WALK_UNREAD_MAX;
    char *path = is_unread ? strdup(folder) : NULL;
    walk->errors++;
    if (result->error.status == HST_OK) result->error = *err;
    if (path == NULL)
        result->is_whole = false;
    else
        walk->unread[result->unread_count++] = (struct hst_unread){path, *err};
}

static void free_found(struct visit *visit)
{
    for (size_t i = 0; i < visit->count; i++)
        free(visit->found[i].path);
    free(visit->found);
    hst_listing_fini(&visit->listing);
}

/* @return was it interrupted? */
static bool look_at(struct hst_walk *walk, const char *folder)
{
    struct hst_error err = {0};
    struct visit visit = {.walk = walk, .folder = folder, .whole = {.is_folder = true}, .listing = {.files_seen = &walk->files, .halt = &walk->halted}};
    watch(walk, folder);
    HST_AUTO(hst_closep) int dir_fd = visit.dir_fd = hst_folder_open(folder, &err);
    int status = dir_fd < 0 ? dir_fd : take_entries(&visit, &err);
    bool halted = status == HST_E_CANCELLED;
    uv_mutex_lock(&walk->lock);
    if (status == HST_OK) status = merge(&visit, &err);
    if (status < 0 && !halted && status != HST_E_FILE_MISSING) complain(walk, folder, &err);
    uv_mutex_unlock(&walk->lock);
    walk->folders += dir_fd >= 0 && !halted;
    free_found(&visit);
    return halted;
}

static void add_root(struct hst_walk *walk, const char *root)
{
    struct hst_error err = {0};
    HST_AUTO(hst_freep) char *real = hst_folder_real_path(root);
    if (real == NULL || !hst_folder_exists(real))
        hst_error_set(&err, HST_E_FILE_MISSING, "there is no folder %s", root);
    else
        (void)hst_places_add(walk->places, real, false, &err);
    if (err.status < 0) complain(walk, root, &err);
}

/* On the first thread that walks: a root may be on a disk that does not answer. */
static void add_roots(struct hst_walk *walk)
{
    uv_mutex_lock(&walk->start);
    for (size_t i = walk->started ? 0 : walk->config.root_count; i > 0; i--) /* the last one added is walked first */
        add_root(walk, walk->config.roots[i - 1]);
    walk->started = true;
    uv_mutex_unlock(&walk->start);
}

void hst_walk_run(struct hst_walk *walk)
{
    add_roots(walk);
    for (struct hst_place *place; (place = hst_places_next(walk->places)) != NULL;)
        hst_places_done(walk->places, place, look_at(walk, place->path));
}

void hst_walk_halt(struct hst_walk *walk, bool halt)
{
    walk->halted = halt;
    hst_places_halt(walk->places, halt);
}

struct hst_walk_counts hst_walk_counts(const struct hst_walk *walk)
{
    return (struct hst_walk_counts){walk->files, walk->folders, walk->errors};
}

static int by_path(const void *a, const void *b)
{
    const struct hst_candidate *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static struct hst_candidate *owner_of(const struct hst_map *files, const struct hst_candidate *candidate)
{
    return hst_map_get(files, &candidate->device, 2 * sizeof(uint64_t));
}

/* Files by device and inode, those that are found by their own name before those that links lead to; of these the first. */
static bool index_files(struct hst_walk_result *result, bool by_link, struct hst_map *files)
{
    for (size_t i = result->count; i > 0; i--) {
        struct hst_candidate *candidate = &result->candidates[i - 1];
        bool counts = !candidate->is_folder && candidate->by_link == by_link && candidate->inode != 0;
        const struct hst_candidate *owner = counts ? owner_of(files, candidate) : NULL;
        bool is_owned = owner != NULL && !owner->by_link;
        if (counts && !is_owned && hst_map_put(files, &candidate->device, 2 * sizeof(uint64_t), candidate) < 0) return false;
    }
    return true;
}

/* A link to a file that is found under its own name as well, or by an earlier link. */
static bool is_double(const struct hst_candidate *candidate, const struct hst_map *files)
{
    const struct hst_candidate *owner = candidate->by_link && candidate->inode != 0 ? owner_of(files, candidate) : NULL;
    return owner != NULL && owner != candidate;
}

static bool has_links(const struct hst_walk_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        if (result->candidates[i].by_link) return true;
    return false;
}

/* Two rounds, since the map leads to where the candidates are now. */
static void drop_doubles(struct hst_walk_result *result)
{
    HST_AUTO(hst_map_fini) struct hst_map files = {0};
    size_t kept = 0;
    if (!has_links(result) || !index_files(result, false, &files) || !index_files(result, true, &files)) return;
    for (size_t i = 0; i < result->count; i++)
        if (is_double(&result->candidates[i], &files)) free(hst_steal(&result->candidates[i].path));
    for (size_t i = 0; i < result->count; i++)
        if (result->candidates[i].path != NULL) result->candidates[kept++] = result->candidates[i];
    result->count = kept;
}

void hst_walk_sort(struct hst_walk *walk)
{
    struct hst_walk_result *result = &walk->result;
    const struct hst_error *lost = hst_places_error(walk->places);
    if (lost->status < 0) complain(walk, "", lost);
    if (result->count > 0) qsort(result->candidates, result->count, sizeof *result->candidates, by_path);
    drop_doubles(result);
}

struct hst_walk_result *hst_walk_result(struct hst_walk *walk)
{
    return &walk->result;
}

int hst_walk_new(const struct hst_walk_config *config, struct hst_walk **ret_walk, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) return hst_error_nomem(err);
    HST_TRY(hst_places_new(config->most_folders > 0 ? config->most_folders : HST_WALK_FOLDERS_MAX, &walk->places, err));
    walk->config = *config;
    if (config->most_candidates == 0) walk->config.most_candidates = HST_WALK_CANDIDATES_MAX;
    walk->result.is_whole = true;
    walk->result.unread = walk->unread;
    uv_mutex_init(&walk->lock);
    uv_mutex_init(&walk->start);
    *ret_walk = hst_steal(&walk);
    return HST_OK;
}

void hst_walk_free(struct hst_walk *walk)
{
    if (walk == NULL) return;
    for (size_t i = 0; i < walk->result.count; i++)
        free(walk->result.candidates[i].path);
    for (size_t i = 0; i < walk->result.unread_count; i++)
        free(walk->unread[i].path);
    free(walk->result.candidates);
    hst_places_free(walk->places);
    uv_mutex_destroy(&walk->lock);
    uv_mutex_destroy(&walk->start);
    free(walk);
}
