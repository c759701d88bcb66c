/* A scan:  walk every root (parallel) --> match with what is known --> parse what is new or changed (parallel) --> give what vanished
 * and is found elsewhere its id --> mark what is gone --> write the database --> done.  Each arrow is taken on the loop thread when the
 * last job of the step has come back. */
#include "base/cleanup.h"
#include "catalog/adopt.h"
#include "catalog/draft.h"
#include "catalog/internal.h"
#include "catalog/layout.h"
#include "catalog/limits.h"
#include "catalog/parser.h"
#include "catalog/probe.h"
#include "catalog/suffix.h"
#include "os/clock.h"

#include <string.h>

/* A candidate being parsed. */
struct parse {
    struct hst_catalog *catalog;
    struct hst_entry *entry;   /* loop thread only */
    struct hst_candidate *candidate;
    struct hst_override_list said; /* what the user said of it when this began */
    unsigned long revision;        /* as in the entry then */
    struct hst_model *model;
    int status;
    struct hst_error error;
    struct hst_list node;      /* in scan.waiting */
    uint8_t sketch[HST_XXH128_BYTES];
    int sketch_status;
};

/* A walk being run. */
struct round {
    struct hst_catalog *catalog;
    struct hst_walk *walk;
};

struct hst_scan_status hst_catalog_scan_status(const struct hst_catalog *catalog)
{
    struct hst_scan_status status = catalog->scan.status;
    if (catalog->scan.walks != NULL) {
        status.duration_ms = hst_clock_ms_since(catalog->scan.started_ns);
        status.files_seen = status.folders_seen = 0;
        for (size_t i = 0; i < catalog->config.root_count; i++) {
            status.files_seen += catalog->scan.walks[i].files_seen;
            status.folders_seen += catalog->scan.walks[i].folders_seen;
        }
    }
    status.models_found = hst_catalog_count(catalog);
    return status;
}

static void tell(struct hst_catalog *catalog, bool always)
{
    const struct hst_catalog_listener *listener = &catalog->config.listener;
    uint64_t now = hst_clock_ns();
    if (listener->progress == NULL || (!always && now - catalog->scan.told_ns < HST_SCAN_PROGRESS_NS)) return;
    catalog->scan.told_ns = now;
    struct hst_scan_status status = hst_catalog_scan_status(catalog);
    listener->progress(listener->context, &status);
}

/* What parsed has nothing to do until the next scan. */
static void rest_work(void *arg)
{
    (void)arg;
    hst_parser_rest();
}

static void end_scan(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    scan->status = hst_catalog_scan_status(catalog);
    scan->status.state = "done";
    for (size_t i = 0; i < catalog->config.root_count; i++)
        hst_walk_fini(&scan->walks[i]);
    free(hst_steal(&scan->walks));
    if (!catalog->stopping) (void)hst_exec_submit(catalog->exec, rest_work, NULL, NULL);
    hst_adopt_end(catalog);
    hst_hasher_restart(catalog->hasher);
    tell(catalog, true);
}

static void parse_work(void *arg)
{
    struct parse *parse = arg;
    const struct hst_candidate *candidate = parse->candidate;
    struct hst_probe_known known = {.is_folder = candidate->is_folder, .alone = candidate->sidecars == 0, .said = &parse->said};
    parse->status = hst_probe_known(candidate->path, &known, &parse->model, &parse->error);
    if (parse->status == HST_OK) hst_layout_release_all(parse->model); /* read again by who needs them */
}

/* It could not be read at all: say so in its place, unless it is being written (then the next scan sees it) or is gone, or nobody
 * came to read it. */
static int make_unreadable(struct parse *parse)
{
    static const int of_ours[] = {HST_E_FILE_CHANGED, HST_E_FILE_MISSING, HST_E_NOMEM, HST_E_WORKER_UNAVAILABLE, HST_E_SHUTTING_DOWN};
    for (size_t i = 0; i < sizeof of_ours / sizeof of_ours[0]; i++)
        if (parse->status == of_ours[i]) return parse->status;
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    HST_TRY(hst_draft_new(parse->candidate->path, "unknown", &model, NULL));
    hst_draft_invalid(model, &parse->error);
    HST_TRY(hst_draft_finish(model, NULL));
    parse->model = hst_steal(&model);
    return HST_OK;
}

/* A new file that is no model, and whose suffix does not say that it is one. */
static bool is_foreign(const struct parse *parse)
{
    const struct hst_suffix *suffix = hst_suffix_of(parse->candidate->path);
    bool vague = suffix != NULL && suffix->vague && parse->entry->model == NULL;
    return vague && parse->status == HST_OK && parse->model->problem.status == HST_E_UNKNOWN_FORMAT;
}

/* Was it read again only for its external data, which the walk does not see? */
static bool is_reread(const struct hst_entry *entry, const struct hst_candidate *candidate)
{
    bool known = entry->model != NULL && entry->model->state != HST_MODEL_MISSING;
    bool unchanged = known && entry->fingerprint == candidate->fingerprint && entry->sidecars == candidate->sidecars;
    return unchanged && entry->stamp == 0 && hst_model_has_externals(entry->model);
}

/* May the next scan take it as it is? Not what failed outside of the content, nor what has external data, which no walk sees. */
static bool is_settled(const struct parse *parse)
{
    return parse->status == HST_OK && parse->model->problem.status != HST_E_PARSER_FAILED && !hst_model_has_externals(parse->model);
}

static void publish(struct parse *parse)
{
    struct hst_catalog *catalog = parse->catalog;
    struct hst_entry *entry = parse->entry;
    const struct hst_candidate *candidate = parse->candidate;
    bool settled = is_settled(parse), reread = is_reread(entry, candidate);
    if (reread && hst_model_is_same(parse->model, entry->model)) return;
    entry->generation += reread;
    catalog->scan.status.files_changed += reread;
    entry->device = candidate->device;
    entry->inode = candidate->inode;
    entry->fingerprint = candidate->fingerprint;
    entry->sidecars = candidate->sidecars;
    bool published = hst_entry_publish(catalog, entry, hst_steal(&parse->model), NULL) == HST_OK;
    entry->stamp = settled && published ? candidate->stamp : 0;
    catalog->scan.status.errors += !published;
}

static void integrate(struct parse *parse)
{
    struct hst_scan_status *status = &parse->catalog->scan.status;
    if (is_foreign(parse)) { /* forgotten at the end of the scan, and looked at again by the next */
        status->files_changed--;
        return;
    }
    if (parse->revision != parse->entry->revision) return; /* somebody wrote to it meanwhile, and read it again */
    status->errors += parse->status < 0;
    if (parse->status == HST_OK || make_unreadable(parse) == HST_OK) publish(parse);
}

static void free_parse(struct parse *parse)
{
    hst_list_remove(&parse->node);
    hst_model_unref(parse->model);
    hst_override_fini(&parse->said);
    free(parse);
}

static void end_parse(struct parse *parse)
{
    if (!parse->catalog->stopping) integrate(parse);
    free_parse(parse);
}

static void submit_parse(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_candidate *candidate);

/* Give the candidate the place of the vanished model that it is, and read it again with what the user said of that one. Another file is
 * another generation, whatever is in it. */
static void adopt(struct parse *parse, struct hst_entry *vanished)
{
    struct hst_catalog *catalog = parse->catalog;
    hst_entry_remove(catalog, parse->entry);
    vanished->seen = catalog->scan.number;
    vanished->generation++;
    if (hst_entry_move(catalog, vanished, parse->candidate->path, NULL) == HST_OK)
        submit_parse(catalog, vanished, parse->candidate);
    else
        catalog->scan.status.errors++;
    free_parse(parse);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp((*(struct parse *const *)a)->candidate->path, (*(struct parse *const *)b)->candidate->path);
}

/* In order of their paths: which copy of a vanished model is the model does not depend on threads (unless memory is short). */
static void sort_waiting(struct hst_list *waiting)
{
    size_t count = 0;
    HST_LIST_FOREACH(node, waiting)
        count++;
    HST_AUTO(hst_freep) struct parse **sorted = calloc(count + 1, sizeof(struct parse *));
    if (sorted == NULL) return;
    count = 0;
    HST_LIST_FOREACH(node, waiting)
        sorted[count++] = hst_container_of(node, struct parse, node);
    qsort(sorted, count, sizeof *sorted, compare_paths);
    for (size_t i = 0; i < count; i++) {
        hst_list_remove(&sorted[i]->node);
        hst_list_append(waiting, &sorted[i]->node);
    }
}

static void integrate_waiting(struct hst_catalog *catalog)
{
    sort_waiting(&catalog->scan.waiting);
    HST_LIST_FOREACH(node, &catalog->scan.waiting) {
        struct parse *parse = hst_container_of(node, struct parse, node);
        bool good = !catalog->stopping && parse->sketch_status == HST_OK;
        struct hst_entry *vanished = good ? hst_adopt_find(catalog, parse->model, parse->sketch) : NULL;
        if (vanished != NULL)
            adopt(parse, vanished);
        else
            end_parse(parse);
    }
}

/* Every candidate is parsed: what was not seen is gone. */
static void after_parse(struct hst_catalog *catalog)
{
    integrate_waiting(catalog);
    if (catalog->scan.pending > 0) return; /* those that were found elsewhere are read again */
    for (size_t i = catalog->count; i > 0; i--) {
        struct hst_entry *entry = catalog->sorted[i - 1];
        if (entry->model == NULL)
            hst_entry_remove(catalog, entry);
        else if (entry->seen != catalog->scan.number)
            hst_entry_missing(catalog, entry);
    }
    if (catalog->stopping || catalog->db == NULL || hst_memory_write(catalog, end_scan, NULL) < 0) end_scan(catalog);
}

static void sketch_work(void *arg)
{
    struct parse *parse = arg;
    parse->sketch_status = hst_adopt_sketch(parse->model, parse->sketch, NULL);
}

static void sketch_done(void *arg)
{
    struct parse *parse = arg;
    struct hst_catalog *catalog = parse->catalog;
    hst_list_append(&catalog->scan.waiting, &parse->node);
    if (--catalog->scan.pending == 0) after_parse(catalog);
}

/* A new model that may be a vanished one waits for its sketch, and then until all is parsed. */
static bool wait_for_sketch(struct parse *parse)
{
    struct hst_catalog *catalog = parse->catalog;
    bool is_new = parse->status == HST_OK && parse->entry->model == NULL && !catalog->stopping;
    return is_new && hst_adopt_may(catalog, parse->model) && hst_exec_submit(catalog->exec, sketch_work, sketch_done, parse) == HST_OK;
}

static void parse_done(void *arg)
{
    struct parse *parse = arg;
    struct hst_catalog *catalog = parse->catalog;
    if (wait_for_sketch(parse)) return;
    end_parse(parse);
    tell(catalog, false);
    if (--catalog->scan.pending == 0) after_parse(catalog);
}

static void submit_parse(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_candidate *candidate)
{
    struct parse *parse = calloc(1, sizeof *parse);
    if (parse != NULL) *parse = (struct parse){.catalog = catalog, .entry = entry, .candidate = candidate, .revision = entry->revision};
    if (parse != NULL) hst_list_init(&parse->node);
    if (parse != NULL && hst_override_copy(&entry->said, &parse->said, NULL) == HST_OK &&
        hst_exec_submit(catalog->exec, parse_work, parse_done, parse) == HST_OK) {
        catalog->scan.pending++;
        return;
    }
    if (parse != NULL) hst_override_fini(&parse->said);
    free(parse);
    catalog->scan.status.errors++;
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

static void match_known(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_candidate *candidate)
{
    bool first_sight = entry->seen != catalog->scan.number;
    entry->seen = catalog->scan.number;
    if (!first_sight || is_being_written(catalog, entry) || is_current(entry, candidate)) return;
    if (is_other_content(entry, candidate)) {
        entry->generation++;
        catalog->scan.status.files_changed++;
    }
    submit_parse(catalog, entry, candidate);
}

static void match_moved(struct hst_catalog *catalog, struct hst_entry *entry, struct hst_candidate *candidate)
{
    if (hst_entry_move(catalog, entry, candidate->path, NULL) < 0) return;
    entry->seen = catalog->scan.number;
    submit_parse(catalog, entry, candidate);
}

static void match_new(struct hst_catalog *catalog, struct hst_candidate *candidate)
{
    struct hst_entry *entry;
    if (hst_entry_add(catalog, NULL, candidate->path, &entry, NULL) < 0) {
        catalog->scan.status.errors++;
        return;
    }
    entry->seen = catalog->scan.number;
    catalog->scan.status.files_changed++;
    submit_parse(catalog, entry, candidate);
}

/* Entries whose path was not found, by device and inode: a candidate at an unknown path may be one of them. */
static void index_unseen(const struct hst_catalog *catalog, struct hst_map *ret_unseen)
{
    for (size_t i = 0; i < catalog->count; i++) {
        struct hst_entry *entry = catalog->sorted[i];
        if (entry->seen != catalog->scan.number && entry->inode != 0) hst_map_put(ret_unseen, &entry->device, HST_FILE_KEY_BYTES, entry);
    }
}

static void match_unknown(struct hst_catalog *catalog, const struct hst_map *unseen, struct hst_candidate *candidate)
{
    struct hst_entry *known = hst_map_get_str(&catalog->by_path, candidate->path);
    struct hst_entry *moved = hst_map_get(unseen, &candidate->device, HST_FILE_KEY_BYTES);
    if (known != NULL) {
        match_known(catalog, known, candidate);
        return;
    }
    if (moved != NULL && moved->seen != catalog->scan.number && moved->fingerprint == candidate->fingerprint)
        match_moved(catalog, moved, candidate);
    else
        match_new(catalog, candidate);
}

typedef void (*candidate_fn)(struct hst_catalog *catalog, const struct hst_map *unseen, struct hst_candidate *candidate);

static void each_candidate(struct hst_catalog *catalog, const struct hst_map *unseen, candidate_fn fn)
{
    for (size_t i = 0; i < catalog->config.root_count; i++)
        for (size_t j = 0; j < catalog->scan.walks[i].count; j++)
            fn(catalog, unseen, &catalog->scan.walks[i].candidates[j]);
}

static void mark_known(struct hst_catalog *catalog, const struct hst_map *unseen, struct hst_candidate *candidate)
{
    struct hst_entry *entry = hst_map_get_str(&catalog->by_path, candidate->path);
    (void)unseen;
    if (entry != NULL) match_known(catalog, entry, candidate);
}

/* Every root is walked. Known paths first, so that only what really vanished can have moved. */
static void after_walk(struct hst_catalog *catalog)
{
    struct hst_map unseen = {0};
    for (size_t i = 0; i < catalog->config.root_count; i++)
        catalog->scan.status.errors += catalog->scan.walks[i].errors;
    each_candidate(catalog, NULL, mark_known);
    index_unseen(catalog, &unseen);
    each_candidate(catalog, &unseen, match_unknown);
    hst_map_fini(&unseen);
    hst_adopt_begin(catalog);
    if (catalog->scan.pending == 0) after_parse(catalog);
}

static void walk_work(void *arg)
{
    hst_walk_run(((struct round *)arg)->walk);
}

static void walk_done(void *arg)
{
    HST_AUTO(hst_freep) struct round *round = arg;
    struct hst_catalog *catalog = round->catalog;
    tell(catalog, false);
    if (--catalog->scan.pending > 0) return;
    if (catalog->stopping)
        end_scan(catalog);
    else
        after_walk(catalog);
}

static int submit_walk(struct hst_catalog *catalog, struct hst_walk *walk, const char *root, struct hst_error *err)
{
    struct round *round = malloc(sizeof *round);
    if (round != NULL) *round = (struct round){catalog, walk};
    walk->root = strdup(root);
    if (round != NULL && walk->root != NULL && hst_exec_submit(catalog->exec, walk_work, walk_done, round) == HST_OK) {
        catalog->scan.pending++;
        return HST_OK;
    }
    free(round);
    return hst_error_nomem(err);
}

int hst_catalog_scan(struct hst_catalog *catalog, struct hst_error *err)
{
    struct hst_scan *scan = &catalog->scan;
    if (scan->walks != NULL) return hst_error_set(err, HST_E_BUSY, "a scan is running");
    scan->walks = calloc(catalog->config.root_count + 1, sizeof *scan->walks);
    if (scan->walks == NULL) return hst_error_nomem(err);
    scan->number++;
    scan->started_ns = hst_clock_ns();
    scan->status = (struct hst_scan_status){.state = "running", .started_wall_ns = hst_clock_wall_ns()};
    for (size_t i = 0; i < catalog->config.root_count; i++)
        scan->status.errors += submit_walk(catalog, &scan->walks[i], catalog->roots[i], NULL) < 0;
    hst_hasher_update(catalog->hasher);
    tell(catalog, true);
    if (scan->pending == 0) after_walk(catalog);
    return HST_OK;
}
