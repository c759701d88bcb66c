/* What a walk found, and what is known: which of it is new, changed, moved? */
#include "catalog/internal.h"

#include <stdlib.h>

static void fail(struct hst_catalog *catalog, const struct hst_error *err)
{
    if (catalog->scan.status.errors++ == 0) catalog->scan.status.problem = *err;
}

/* Parse it when all is matched. */
static void add_task(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_candidate *candidate, bool is_other)
{
    struct hst_scan *scan = &catalog->scan;
    struct hst_error err = {0};
    if (scan->task_count == scan->task_room) {
        size_t room = scan->task_room * 2 + 64;
        struct hst_scan_task *grown = reallocarray(scan->tasks, room, sizeof *grown);
        if (grown == NULL) {
            (void)hst_error_nomem(&err);
            fail(catalog, &err);
            return;
        }
        scan->tasks = grown;
        scan->task_room = room;
    }
    scan->tasks[scan->task_count++] = (struct hst_scan_task){entry, candidate, is_other};
    scan->status.files_to_parse++;
}

/* Is what is at this path still what was parsed? A remembered model has no stamp: it was never parsed in this life. */
static bool is_current(const struct hst_entry *entry, const struct hst_candidate *candidate)
{
    return entry->model != NULL && entry->model->state != HST_MODEL_MISSING && entry->fingerprint == candidate->fingerprint &&
           entry->stamp == candidate->stamp && entry->sidecars == candidate->sidecars;
}

/* Is its content another one? A remembered one is compared without the times that even a move changes. */
static bool is_other_content(const struct hst_entry *entry, const struct hst_candidate *candidate)
{
    return entry->fingerprint != candidate->fingerprint || (entry->stamp != 0 && entry->stamp != candidate->stamp);
}

/* What is written through hoist is read again by who writes it; the walk may have seen the time before, or the middle of it. */
static bool is_being_written(const struct hst_catalog *catalog, const struct hst_entry *entry)
{
    return entry->annotating || entry->settled == catalog->scan.number;
}

/* The link that led to a model leads nowhere: its disk is gone, and the model with it, until it comes back. */
static bool has_vanished(const struct hst_entry *entry, const struct hst_candidate *candidate)
{
    return candidate->trouble == HST_CANDIDATE_BROKEN && entry->model != NULL && entry->fingerprint != candidate->fingerprint;
}

static void match_known(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_candidate *candidate)
{
    if (has_vanished(entry, candidate)) return;
    bool first_sight = entry->seen != catalog->scan.number;
    entry->seen = catalog->scan.number;
    if (!first_sight || is_being_written(catalog, entry) || is_current(entry, candidate)) return;
    bool is_other = is_other_content(entry, candidate);
    catalog->scan.status.files_changed += is_other;
    add_task(catalog, entry, candidate, is_other);
}

void hst_match_known(struct hst_catalog *catalog, const struct hst_candidate *candidate)
{
    struct hst_entry *entry = hst_map_get_str(&catalog->by_path, candidate->path);
    if (entry != NULL) match_known(catalog, entry, candidate);
}

static void match_moved(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_candidate *candidate)
{
    if (hst_entry_move(catalog, entry, candidate->path, NULL) < 0) return;
    entry->seen = catalog->scan.number;
    add_task(catalog, entry, candidate, false);
}

static void match_unknown(struct hst_catalog *catalog, const struct hst_candidate *candidate)
{
    struct hst_error err = {0};
    struct hst_entry *entry;
    if (hst_entry_add(catalog, NULL, candidate->path, &entry, &err) < 0) {
        fail(catalog, &err);
        return;
    }
    entry->seen = catalog->scan.number;
    catalog->scan.status.files_changed++;
    add_task(catalog, entry, candidate, false);
}

void hst_match_again(struct hst_catalog *catalog, struct hst_entry *entry, const struct hst_candidate *candidate)
{
    add_task(catalog, entry, candidate, false);
}

void hst_match_new(struct hst_catalog *catalog, const struct hst_candidate *candidate)
{
    struct hst_entry *known = hst_map_get_str(&catalog->by_path, candidate->path);
    struct hst_entry *moved = candidate->inode != 0 ? hst_map_get(&catalog->scan.unseen, &candidate->device, HST_FILE_KEY_BYTES) : NULL;
    bool has_moved = moved != NULL && moved->seen != catalog->scan.number && moved->fingerprint == candidate->fingerprint;
    if (known != NULL)
        match_known(catalog, known, candidate);
    else if (has_moved)
        match_moved(catalog, moved, candidate);
    else
        match_unknown(catalog, candidate);
}
