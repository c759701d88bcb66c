#include "catalog/walk.h"

#include "base/cleanup.h"
#include "base/map.h"
#include "catalog/limits.h"
#include "catalog/parts.h"
#include "catalog/probe.h"
#include "catalog/sidecar.h"
#include "catalog/suffix.h"
#include "os/folder.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* A folder to look at, or one that was. */
struct place {
    struct hst_folder_id id; /* key of `visited` */
    struct place *next;      /* of those still to look at */
    char path[];
};

/* A walk in progress. */
struct tour {
    struct hst_walk *walk;
    struct hst_map visited;  /* places by id; owns them */
    struct place *pending;
    size_t folders;
    const char *folder;      /* being listed */
    int dir_fd;
    bool is_model;           /* it is a model folder: */
    bool is_pipeline;        /* ... with subfolders of its own */
    struct hst_candidate whole; /* ... whose fingerprint is being summed up */
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
}

static int add_candidate(struct hst_walk *walk, const struct hst_candidate *candidate, const char *path)
{
    if (walk->count >= HST_WALK_CANDIDATES_MAX) return hst_error_set(&walk->error, HST_E_LIMIT_EXCEEDED, "too many files");
    if (walk->count == walk->room) {
        size_t room = walk->room * 2 + 64;
        struct hst_candidate *grown = realloc(walk->candidates, room * sizeof *grown);
        if (grown == NULL) return hst_error_nomem(&walk->error);
        walk->candidates = grown;
        walk->room = room;
    }
    char *copy = strdup(path);
    if (copy == NULL) return hst_error_nomem(&walk->error);
    walk->candidates[walk->count] = *candidate;
    walk->candidates[walk->count++].path = copy;
    return HST_OK;
}

static void complain(struct tour *tour, const struct hst_error *err)
{
    if (tour->walk->errors++ == 0) tour->walk->error = *err;
}

/* Look at a folder later, unless it was seen already: links may lead anywhere. */
static int add_place(struct tour *tour, const char *path)
{
    struct hst_folder_id id;
    if (!hst_folder_identify(path, &id) || hst_map_get(&tour->visited, &id, sizeof id) != NULL) return HST_OK;
    if (tour->folders++ >= HST_WALK_FOLDERS_MAX) return hst_error_set(&tour->walk->error, HST_E_LIMIT_EXCEEDED, "too many folders");
    struct place *place = malloc(sizeof *place + strlen(path) + 1);
    if (place == NULL) return HST_E_NOMEM;
    strcpy(place->path, path);
    place->id = id;
    if (hst_map_put(&tour->visited, &place->id, sizeof place->id, place) < 0) {
        free(place);
        return HST_E_NOMEM;
    }
    place->next = tour->pending;
    tour->pending = place;
    return HST_OK;
}

static bool belongs_to_model(const char *name)
{
    size_t length = strlen(name);
    return hst_suffix_of(name) != NULL || (length > 5 && strcmp(name + length - 5, ".json") == 0 && !hst_sidecar_is(name));
}

/* Is it a part that belongs to the candidate of the first part? */
static bool is_later_part(const struct tour *tour, const char *name, const struct hst_parts *parts)
{
    char first[HST_WALK_PATH_MAX];
    struct hst_file_id id;
    if (parts->number <= 1) return false; /* 0: it is no part */
    hst_parts_name(name, parts, 1, first);
    return hst_folder_stat(tour->dir_fd, first, &id);
}

/* The other parts of a model whose first one this is. */
static void add_parts(const struct tour *tour, struct hst_candidate *candidate, const char *name, const struct hst_parts *parts)
{
    char other[HST_WALK_PATH_MAX];
    struct hst_file_id id;
    for (unsigned number = parts->count; number > 1 && parts->number == 1; number--) {
        hst_parts_name(name, parts, number, other);
        if (hst_folder_stat(tour->dir_fd, other, &id)) hst_walk_add_file(candidate, &id);
    }
}

/* A file that a user would name, with the parts that belong to it. */
static int take_candidate(struct tour *tour, const char *name, const struct hst_file_id *id, const char *path)
{
    struct hst_candidate file = {0};
    struct hst_parts parts = {0};
    (void)hst_parts_of(name, &parts);
    if (is_later_part(tour, name, &parts)) return HST_OK;
    add_parts(tour, &file, name, &parts);
    hst_walk_add_file(&file, id); /* last: its inode stands for all */
    return add_candidate(tour->walk, &file, path);
}

/* A file: part of the model folder being summed up, a candidate of its own, or nothing. */
static int take_file(struct tour *tour, const char *name, const char *path)
{
    struct hst_file_id id;
    tour->walk->files_seen++;
    if (!belongs_to_model(name) || !hst_folder_stat(tour->dir_fd, name, &id)) return HST_OK;
    if (tour->is_model) hst_walk_add_file(&tour->whole, &id);
    bool is_ours = hst_suffix_of(name) != NULL && (!tour->is_model || tour->is_pipeline);
    return is_ours ? take_candidate(tour, name, &id, path) : HST_OK;
}

static int take_part(void *context, const char *name, enum hst_entry_kind kind)
{
    struct tour *tour = context;
    struct hst_file_id id;
    tour->walk->files_seen += kind != HST_ENTRY_FOLDER;
    if (belongs_to_model(name) && hst_folder_stat(tour->dir_fd, name, &id)) hst_walk_add_file(&tour->whole, &id);
    return HST_OK;
}

/* A folder of a pipeline: its files belong to the model. */
static int take_subfolder(struct tour *tour, const char *path)
{
    struct hst_error err = {0};
    int outer = tour->dir_fd;
    HST_AUTO(hst_closep) int dir_fd = hst_folder_open(path, &err);
    if (dir_fd < 0) return HST_OK;
    tour->walk->folders_seen++;
    tour->dir_fd = dir_fd;
    int status = hst_folder_list(dir_fd, take_part, tour, &err);
    tour->dir_fd = outer;
    return status;
}

static int take_entry(void *context, const char *name, enum hst_entry_kind kind)
{
    struct tour *tour = context;
    char path[HST_WALK_PATH_MAX];
    if (!join(path, tour->folder, name)) return HST_OK;
    if (kind == HST_ENTRY_LINK) kind = hst_folder_exists(path) ? HST_ENTRY_FOLDER : HST_ENTRY_FILE;
    if (kind == HST_ENTRY_FILE) return take_file(tour, name, path);
    if (kind != HST_ENTRY_FOLDER || name[0] == '.') return HST_OK;
    if (tour->is_model) return tour->is_pipeline ? take_subfolder(tour, path) : HST_OK;
    return add_place(tour, path);
}

static int visit(struct tour *tour, const struct place *place)
{
    struct hst_error err = {0};
    HST_AUTO(hst_closep) int dir_fd = hst_folder_open(place->path, &err);
    if (dir_fd < 0) {
        complain(tour, &err);
        return HST_OK;
    }
    tour->walk->folders_seen++;
    tour->folder = place->path;
    tour->dir_fd = dir_fd;
    tour->is_model = hst_probe_is_model_folder(dir_fd);
    tour->is_pipeline = tour->is_model && hst_folder_has(dir_fd, "model_index.json");
    tour->whole = (struct hst_candidate){.is_folder = true};
    size_t before = tour->walk->count;
    int status = hst_folder_list(dir_fd, take_entry, tour, &err);
    if (status < 0) complain(tour, &err);
    status = tour->is_model && status == HST_OK ? add_candidate(tour->walk, &tour->whole, place->path) : HST_OK;
    if (tour->walk->count > before) hst_sidecar_stamp(dir_fd, &tour->walk->candidates[before], tour->walk->count - before);
    return status;
}

static int by_path(const void *a, const void *b)
{
    const struct hst_candidate *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static void free_places(struct hst_map *visited)
{
    size_t cursor = 0;
    for (struct place *place; (place = hst_map_next(visited, &cursor));)
        free(place);
    hst_map_fini(visited);
}

void hst_walk_run(struct hst_walk *walk)
{
    struct tour tour = {.walk = walk};
    HST_AUTO(hst_freep) char *real = hst_folder_real_path(walk->root);
    if (real == NULL || !hst_folder_exists(real)) {
        walk->errors = 1;
        hst_error_set(&walk->error, HST_E_FILE_MISSING, "there is no folder %s", walk->root);
        return;
    }
    int status = add_place(&tour, real);
    while (status == HST_OK && tour.pending != NULL) {
        struct place *place = tour.pending;
        tour.pending = place->next;
        status = visit(&tour, place);
    }
    walk->errors += status < 0;
    free_places(&tour.visited);
    if (walk->count > 0) qsort(walk->candidates, walk->count, sizeof *walk->candidates, by_path);
}

void hst_walk_fini(struct hst_walk *walk)
{
    for (size_t i = 0; i < walk->count; i++)
        free(walk->candidates[i].path);
    free(walk->candidates);
    free(walk->root);
    *walk = (struct hst_walk){0};
}
