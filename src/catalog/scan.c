/* A scan:  walk the roots (threads) --> put in order --> match with what is known --> parse what is new or changed (threads) --> give
 * what vanished and is found elsewhere its id, and parse it again --> mark what is gone --> write the database --> done.  What is done
 * on the loop thread is done in slices: a phase is a step that is called again and again until it says that it is over. A scan that is
 * cancelled goes from where it is to the marks, and leaves what it did not reach as it was. */
#include "base/cleanup.h"
#include "catalog/adopt.h"
#include "model/draft.h"
#include "catalog/internal.h"
#include "model/layout.h"
#include "catalog/limits.h"
#include "model/parser.h"
#include "catalog/probe.h"
#include "model/suffix.h"
#include "os/clock.h"

#include <string.h>

/* A candidate being parsed. */
struct parse {
    struct hst_scan_task task;
    struct hst_override_list said; /* what the user said of it when this began */
    unsigned long revision;        /* as in the entry then */
    struct hst_model *model;
    int status;
    struct hst_error error;
};

/* A parsed model that may be a vanished one; it waits for its sketch, and then until all is parsed. */
struct waiting {
    struct hst_list node; /* of scan.waiting */
    struct hst_catalog *catalog;
    struct parse parse;
    uint8_t sketch[HST_XXH128_BYTES];
    int sketch_status;
};

/* Some of them, parsed as one job. */
struct batch {
    struct hst_list node; /* of those that came back */
    struct hst_catalog *catalog;
    size_t count, taken; /* of parses; of those that were taken in */
    struct parse parses[HST_SCAN_BATCH];
};

static const char *name_state(const struct hst_scan *scan)
{
    if (scan->phase == HST_SCAN_NONE || scan->phase == HST_SCAN_END) return scan->status.state;
    return scan->paused ? "paused" : "running";
}

struct hst_scan_status hst_catalog_scan_status(const struct hst_catalog *catalog)
{
    const struct hst_scan *scan = &catalog->scan;
    struct hst_scan_status status = scan->status;
    status.state = name_state(scan);
    if (scan->walk != NULL) {
        struct hst_walk_counts counts = hst_walk_counts(scan->walk);
        status.duration_ms = hst_clock_ms_since(scan->started_ns);
        status.files_seen = counts.files;
        status.folders_seen = counts.folders;
    }
    status.walked = scan->phase > HST_SCAN_NEW || scan->phase == HST_SCAN_NONE;
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

/* Phases: a step does a little. */
enum verdict {
    MORE, /* call it again */
    WAIT, /* ... when a job has come back */
    OVER, /* the next phase */
};

static void submit(struct hst_catalog *catalog, hst_exec_fn work, hst_exec_fn done, void *arg)
{
    if (hst_exec_submit(catalog->exec, work, done, arg) == HST_OK)
        catalog->scan.pending++;
    else
        catalog->scan.status.errors++;
}

static void job_done(struct hst_catalog *catalog)
{
    catalog->scan.pending--;
    tell(catalog, false);
    if (!catalog->stopping) hst_slices_go(&catalog->slices);
}

static void walk_work(void *arg)
{
    hst_walk_run(((struct hst_catalog *)arg)->scan.walk);
}

static void walk_done(void *arg)
{
    job_done(arg);
}

/* Every thread walks; after a pause, they start again. */
static enum verdict step_walk(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    bool has_begun = scan->at > 0;
    if (scan->pending > 0 || scan->paused) return WAIT;
    if (has_begun || scan->cancelled) return OVER;
    scan->at = 1;
    for (unsigned i = 0; i < catalog->threads; i++)
        submit(catalog, walk_work, walk_done, catalog);
    if (scan->pending == 0) hst_walk_result(scan->walk)->is_whole = false; /* nobody walks */
    return scan->pending > 0 ? WAIT : OVER;
}

static void sort_work(void *arg)
{
    hst_walk_sort(((struct hst_catalog *)arg)->scan.walk);
}

static enum verdict step_sort(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    if (scan->pending > 0) return WAIT;
    if (scan->at++ > 0 || scan->cancelled) return OVER;
    submit(catalog, sort_work, walk_done, catalog);
    return scan->pending > 0 ? WAIT : MORE;
}

/* The next one of the candidates, or NULL. */
static const struct hst_candidate *next_candidate(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    const struct hst_walk_result *result = hst_walk_result(scan->walk);
    return scan->at < result->count && !scan->cancelled ? &result->candidates[scan->at++] : NULL;
}

/* Known paths first, so that only what really vanished can have moved. */
static enum verdict step_known(struct hst_catalog *catalog)
{
    const struct hst_candidate *candidate = next_candidate(catalog);
    if (candidate != NULL) hst_match_known(catalog, candidate);
    return candidate != NULL ? MORE : OVER;
}

/* Entries whose path was not found, by device and inode: a candidate at an unknown path may be one of them. */
static enum verdict step_index(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    if (scan->at == catalog->count || scan->cancelled) return OVER;
    struct hst_entry *entry = catalog->sorted[scan->at++];
    if (entry->seen != scan->number && entry->inode != 0) (void)!hst_map_put(&scan->unseen, &entry->device, HST_FILE_KEY_BYTES, entry);
    return MORE;
}

static enum verdict step_new(struct hst_catalog *catalog)
{
    const struct hst_candidate *candidate = next_candidate(catalog);
    if (candidate != NULL) hst_match_new(catalog, candidate);
    if (candidate != NULL) return MORE;
    hst_entry_order(catalog); /* before any of the new ones can be seen */
    if (!catalog->scan.cancelled && hst_walk_result(catalog->scan.walk)->is_whole) hst_adopt_begin(catalog);
    return OVER;
}

/* What the walk saw already: no need to open it. @return is that so? */
static bool is_troubled(struct parse *parse)
{
    const struct hst_candidate *candidate = parse->task.candidate;
    if (candidate->trouble == HST_CANDIDATE_BROKEN)
        parse->status = hst_error_set(&parse->error, HST_E_FILE_MISSING, "%s is a link that leads to no file", candidate->path);
    if (candidate->trouble == HST_CANDIDATE_UNFINISHED)
        parse->status = hst_error_set(&parse->error, HST_E_INCOMPLETE_MODEL, "incomplete: %s is being downloaded", candidate->path);
    return parse->status < 0;
}

static void parse_one(struct parse *parse)
{
    const struct hst_candidate *candidate = parse->task.candidate;
    if (is_troubled(parse)) return;
    struct hst_probe_known known = {.is_folder = candidate->is_folder, .alone = candidate->sidecars == 0, .said = &parse->said};
    parse->status = hst_probe_known(candidate->path, &known, &parse->model, &parse->error);
    if (parse->status == HST_OK) hst_layout_release_all(parse->model); /* read again by who needs them */
}

static void parse_work(void *arg)
{
    struct batch *batch = arg;
    for (size_t i = 0; i < batch->count; i++)
        parse_one(&batch->parses[i]);
}

static void parse_done(void *arg)
{
    struct batch *batch = arg;
    hst_list_append(&batch->catalog->scan.parsed, &batch->node);
    job_done(batch->catalog);
}

/* It could not be read at all: say so in its place, unless it is being written (then the next scan sees it) or is gone, or nobody
 * came to read it. */
static int make_unreadable(struct parse *parse)
{
    static const int of_ours[] = {HST_E_FILE_CHANGED, HST_E_FILE_MISSING, HST_E_NOMEM, HST_E_WORKER_UNAVAILABLE, HST_E_SHUTTING_DOWN};
    for (size_t i = 0; i < sizeof of_ours / sizeof of_ours[0]; i++)
        if (parse->status == of_ours[i] && parse->task.candidate->trouble == HST_CANDIDATE_GOOD) return parse->status;
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    HST_TRY(hst_draft_new(parse->task.candidate->path, "unknown", &model, NULL));
    hst_draft_invalid(model, &parse->error);
    HST_TRY(hst_draft_finish(model, NULL));
    parse->model = hst_steal(&model);
    return HST_OK;
}

/* A new file that is no model, and whose suffix does not say that it is one. */
static bool is_foreign(const struct parse *parse)
{
    const struct hst_suffix *suffix = hst_suffix_of(parse->task.candidate->path);
    bool vague = suffix != NULL && suffix->vague && parse->task.entry->model == NULL;
    return vague && parse->status == HST_OK && parse->model->problem.status == HST_E_UNKNOWN_FORMAT;
}

/* Is it being written? Then a scan that nobody waits for does not judge it yet. */
static bool is_unsettled(const struct hst_scan *scan, const struct parse *parse)
{
    int64_t age = hst_clock_wall_ns() - parse->task.candidate->newest_ns;
    bool is_bad = parse->status < 0 || parse->model->state != HST_MODEL_OK;
    bool is_new = age >= 0 && age < HST_SCAN_SETTLE_NS && parse->task.candidate->trouble == HST_CANDIDATE_GOOD;
    return parse->status == HST_E_FILE_CHANGED || (scan->patient && is_bad && is_new);
}

/* Was it read again only for its external data, which the walk does not see? */
static bool is_reread(const struct hst_entry *entry, const struct hst_candidate *candidate)
{
    bool known = entry->model != NULL && entry->model->state != HST_MODEL_MISSING;
    bool unchanged = known && entry->fingerprint == candidate->fingerprint && entry->sidecars == candidate->sidecars;
    return unchanged && entry->stamp == 0 && hst_model_has_externals(entry->model);
}

/* What failed outside of the content, external data, and what is being downloaded are looked at again by the next scan. */
static bool is_settled(const struct parse *parse)
{
    if (parse->task.candidate->trouble != HST_CANDIDATE_GOOD) return parse->task.candidate->trouble == HST_CANDIDATE_BROKEN;
    return parse->status == HST_OK && parse->model->problem.status != HST_E_PARSER_FAILED && !hst_model_has_externals(parse->model);
}

static void publish(struct hst_catalog *catalog, struct parse *parse)
{
    struct hst_entry *entry = parse->task.entry;
    const struct hst_candidate *candidate = parse->task.candidate;
    bool settled = is_settled(parse), reread = is_reread(entry, candidate);
    catalog->scan.status.errors += parse->status < 0 && candidate->trouble == HST_CANDIDATE_GOOD;
    if (reread && hst_model_is_same(parse->model, entry->model)) return;
    entry->generation += reread || parse->task.is_other;
    catalog->scan.status.files_changed += reread;
    entry->device = candidate->device;
    entry->inode = candidate->inode;
    entry->fingerprint = candidate->fingerprint;
    entry->sidecars = candidate->sidecars;
    bool published = hst_entry_publish(catalog, entry, hst_steal(&parse->model), NULL) == HST_OK;
    entry->stamp = settled && published ? candidate->stamp : 0;
    catalog->scan.status.errors += !published;
}

static void free_parse(struct parse *parse)
{
    hst_model_unref(parse->model);
    hst_override_fini(&parse->said);
}

/* Make what was parsed part of the catalog. */
static void settle(struct hst_catalog *catalog, struct parse *parse)
{
    struct hst_scan *scan = &catalog->scan;
    if (parse->status < 0 && parse->task.candidate->trouble == HST_CANDIDATE_GOOD) scan->unreadable = true;
    if (is_foreign(parse)) { /* forgotten at the end of the scan, and looked at again by the next */
        scan->status.files_changed--;
    } else if (parse->revision != parse->task.entry->revision) {
        /* somebody wrote to it meanwhile, and read it again */
    } else if (is_unsettled(scan, parse)) {
        scan->unsettled = true;
        scan->status.errors += !scan->patient;
    } else if (parse->status < 0 && make_unreadable(parse) < 0) {
        scan->status.errors++;
    } else {
        publish(catalog, parse);
    }
    free_parse(parse);
}

static void sketch_work(void *arg)
{
    struct waiting *waiting = arg;
    waiting->sketch_status = hst_adopt_sketch(waiting->parse.model, waiting->sketch, NULL);
}

static void sketch_done(void *arg)
{
    struct waiting *waiting = arg;
    hst_list_append(&waiting->catalog->scan.waiting, &waiting->node);
    job_done(waiting->catalog);
}

/* @return has it been taken over, to wait for its sketch? */
static bool wait_for_sketch(struct hst_catalog *catalog, const struct parse *parse)
{
    bool is_new = parse->status == HST_OK && parse->task.entry->model == NULL && !catalog->scan.cancelled;
    if (!is_new || !hst_adopt_may(catalog, parse->model)) return false;
    struct waiting *waiting = calloc(1, sizeof *waiting);
    if (waiting == NULL) return false;
    *waiting = (struct waiting){.catalog = catalog, .parse = *parse};
    if (hst_exec_submit(catalog->exec, sketch_work, sketch_done, waiting) == HST_OK) {
        catalog->scan.pending++;
        return true;
    }
    free(waiting);
    return false;
}

static void integrate(struct hst_catalog *catalog, struct parse *parse)
{
    catalog->scan.status.files_parsed++;
    if (!wait_for_sketch(catalog, parse)) settle(catalog, parse);
}

/* Take in one that was parsed. @return was there one? */
static bool take_in(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    if (hst_list_empty(&scan->parsed)) return false;
    struct batch *batch = hst_container_of(scan->parsed.next, struct batch, node);
    integrate(catalog, &batch->parses[batch->taken++]);
    if (batch->taken < batch->count) return true;
    hst_list_remove(&batch->node);
    free(batch);
    tell(catalog, false);
    return true;
}

/* What nobody has memory for is an error of the scan. */
static void fill(struct batch *batch)
{
    struct hst_scan *scan = &batch->catalog->scan;
    while (batch->count < HST_SCAN_BATCH && scan->at < scan->task_count) {
        struct hst_scan_task task = scan->tasks[scan->at++];
        struct parse parse = {.task = task, .revision = task.entry->revision};
        if (hst_override_copy(&task.entry->said, &parse.said, NULL) == HST_OK) {
            batch->parses[batch->count++] = parse;
            continue;
        }
        hst_override_fini(&parse.said);
        scan->status.errors++;
    }
}

/* Give out a batch of tasks. @return was there one, and a thread for it? */
static bool give_out(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    bool idle = scan->pending < HST_SCAN_BATCHES_PER_THREAD * catalog->threads && scan->at < scan->task_count;
    if (!idle || scan->paused || scan->cancelled) return false;
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        scan->status.errors += scan->task_count - scan->at;
        scan->at = scan->task_count;
        return false;
    }
    batch->catalog = catalog;
    fill(batch);
    if (batch->count > 0 && hst_exec_submit(catalog->exec, parse_work, parse_done, batch) == HST_OK) {
        scan->pending++;
        return true;
    }
    scan->status.errors += batch->count;
    for (size_t i = 0; i < batch->count; i++)
        free_parse(&batch->parses[i]);
    free(batch);
    return true;
}

static enum verdict step_parse(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    if (give_out(catalog) || take_in(catalog)) return MORE;
    if (scan->pending > 0) return WAIT;
    if (scan->paused && !scan->cancelled && scan->at < scan->task_count) return WAIT;
    return OVER;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp((*(struct waiting *const *)a)->parse.task.candidate->path, (*(struct waiting *const *)b)->parse.task.candidate->path);
}

/* In order of their paths: which copy of a vanished model is the model does not depend on threads (unless memory is short). */
static void sort_waiting(struct hst_list *list)
{
    size_t count = 0;
    HST_LIST_FOREACH(node, list)
        count++;
    HST_AUTO(hst_freep) struct waiting **sorted = calloc(count + 1, sizeof(struct waiting *));
    if (sorted == NULL) return;
    count = 0;
    HST_LIST_FOREACH(node, list)
        sorted[count++] = hst_container_of(node, struct waiting, node);
    qsort(sorted, count, sizeof *sorted, compare_paths);
    for (size_t i = 0; i < count; i++) {
        hst_list_remove(&sorted[i]->node);
        hst_list_append(list, &sorted[i]->node);
    }
}

/* Give the candidate the place of the vanished model that it is; it is read again with what the user said of that one. Another file is
 * another generation, whatever is in it. The entry it has so far never gets a model, and is dropped with those that are none. */
static void adopt(struct hst_catalog *catalog, struct hst_entry *vanished, const struct hst_scan_task *task)
{
    hst_map_remove_str(&catalog->by_path, task->entry->path);
    vanished->seen = catalog->scan.number;
    vanished->generation++;
    if (hst_entry_move(catalog, vanished, task->candidate->path, NULL) == HST_OK)
        hst_match_again(catalog, vanished, task->candidate);
    else
        catalog->scan.status.errors++;
}

/* Everything is parsed, and every sketch is made. */
static enum verdict step_adopt(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    if (scan->at++ == 0) {
        scan->task_count = 0; /* all given out */
        sort_waiting(&scan->waiting);
    }
    if (hst_list_empty(&scan->waiting)) return OVER;
    HST_AUTO(hst_freep) struct waiting *waiting = hst_container_of(scan->waiting.next, struct waiting, node);
    bool good = waiting->sketch_status == HST_OK && !scan->cancelled;
    struct hst_entry *vanished = good ? hst_adopt_find(catalog, waiting->parse.model, waiting->sketch) : NULL;
    hst_list_remove(&waiting->node);
    if (vanished == NULL) {
        settle(catalog, &waiting->parse);
        return MORE;
    }
    adopt(catalog, vanished, &waiting->parse.task);
    free_parse(&waiting->parse);
    return MORE;
}

/* Why an entry was not seen. */
static void explain(const struct hst_catalog *catalog, const struct hst_entry *entry, struct hst_error *ret_why)
{
    const struct hst_walk_result *result = hst_walk_result(catalog->scan.walk);
    for (size_t i = 0; i < result->unread_count; i++) {
        const struct hst_unread *unread = &result->unread[i];
        size_t length = strlen(unread->path);
        if (strncmp(entry->path, unread->path, length) != 0 || entry->path[length] != '/') continue;
        hst_error_set(ret_why, HST_E_FILE_MISSING, "%s is out of reach: %s", entry->path, unread->error.text);
        return;
    }
    hst_error_set(ret_why, HST_E_FILE_MISSING, "%s is gone", entry->path);
}

/* What was not seen is gone - if all was looked at that is there. What is no model is forgotten. */
static enum verdict step_gone(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    struct hst_error why = {0};
    if (scan->at == catalog->count) {
        hst_entry_close_gaps(catalog);
        return OVER;
    }
    struct hst_entry *entry = catalog->sorted[scan->at++];
    bool is_gone = entry->seen != scan->number && !scan->cancelled && hst_walk_result(scan->walk)->is_whole;
    if (entry->model == NULL) hst_entry_drop(catalog, scan->at - 1);
    else if (is_gone) explain(catalog, entry, &why);
    if (why.status < 0) hst_entry_missing(catalog, entry, &why);
    return MORE;
}

static enum verdict step_write(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    if (scan->pending > 0) return WAIT;
    if (catalog->db == NULL || scan->at == catalog->count) return OVER;
    int status = hst_memory_write(catalog, &scan->at, job_done, NULL);
    scan->pending += status > 0;
    scan->status.errors += status < 0;
    return status > 0 ? WAIT : MORE;
}

/* What parsed has nothing to do until the next scan. */
static void free_walk(void *arg)
{
    hst_walk_free(arg);
    hst_parser_rest();
}

static void forget(struct hst_scan *scan)
{
    free(scan->tasks);
    hst_map_fini(&scan->unseen);
    scan->tasks = NULL;
    scan->task_count = scan->task_room = 0;
}

static enum verdict step_end(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    const struct hst_walk_result *result = hst_walk_result(scan->walk);
    struct hst_error unwatched = result->unwatched;
    if (unwatched.status == HST_OK && result->unread_count > 0) unwatched = result->unread[0].error; /* nobody tells when it comes back */
    scan->status = hst_catalog_scan_status(catalog);
    scan->status.state = scan->cancelled ? "cancelled" : "done";
    scan->status.errors += hst_walk_counts(scan->walk).errors;
    if (result->error.status < 0) scan->status.problem = result->error;
    if (hst_exec_submit(catalog->exec, free_walk, NULL, scan->walk) < 0) hst_walk_free(scan->walk);
    scan->walk = NULL;
    scan->phase = HST_SCAN_NONE;
    scan->paused = false;
    forget(scan);
    hst_adopt_end(catalog);
    hst_hasher_restart(catalog->hasher);
    hst_watcher_scan_ended(catalog->watcher, &unwatched);
    tell(catalog, true);
    return scan->phase != HST_SCAN_NONE ? MORE : WAIT; /* whoever was told may have begun another one */
}

static enum verdict (*const steps[])(struct hst_catalog *catalog) = {
    [HST_SCAN_WALK] = step_walk,   [HST_SCAN_SORT] = step_sort, [HST_SCAN_KNOWN] = step_known, [HST_SCAN_INDEX] = step_index, [HST_SCAN_NEW] = step_new,
    [HST_SCAN_PARSE] = step_parse, [HST_SCAN_ADOPT] = step_adopt, [HST_SCAN_AGAIN] = step_parse, [HST_SCAN_GONE] = step_gone, [HST_SCAN_WRITE] = step_write, [HST_SCAN_END] = step_end,
};

bool hst_scan_step(void *context)
{
    struct hst_catalog *catalog = context;
    struct hst_scan *scan = &catalog->scan;
    if (scan->phase == HST_SCAN_NONE || catalog->stopping) return false;
    enum verdict verdict = steps[scan->phase](catalog);
    if (verdict == OVER) {
        scan->phase++;
        scan->at = 0;
    }
    return verdict != WAIT;
}

static int begin(struct hst_catalog *catalog, bool patient, struct hst_error *err)
{
    struct hst_scan *scan = &catalog->scan;
    if (scan->phase != HST_SCAN_NONE) return hst_error_set(err, HST_E_BUSY, "a scan is running");
    if (catalog->stopping) return hst_error_set(err, HST_E_SHUTTING_DOWN, "the catalog is being closed");
    hst_watcher_scan_begins(catalog->watcher);
    HST_TRY(hst_walk_new(&(struct hst_walk_config){.roots = (const char *const *)catalog->roots,
                                                   .root_count = catalog->config.root_count,
                                                   .stay_inside = catalog->config.stay_inside,
                                                   .watch = hst_watcher_watch(catalog->watcher)},
                         &scan->walk, err));
    scan->number++;
    scan->at = 0;
    scan->started_ns = hst_clock_ns();
    scan->phase = HST_SCAN_WALK;
    scan->patient = patient;
    scan->cancelled = scan->unsettled = scan->unreadable = false;
    scan->status = (struct hst_scan_status){
        .state = "running", .started_wall_ns = hst_clock_wall_ns(), .watching = scan->status.watching, .unwatched = scan->status.unwatched};
    hst_hasher_update(catalog->hasher);
    tell(catalog, true);
    if (hst_scan_step(catalog)) hst_slices_go(&catalog->slices);
    return HST_OK;
}

int hst_catalog_scan(struct hst_catalog *catalog, struct hst_error *err)
{
    return begin(catalog, false, err);
}

int hst_scan_patiently(struct hst_catalog *catalog, struct hst_error *err)
{
    return begin(catalog, true, err);
}

/* Let the threads that walk know. */
static void halt(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    bool held = scan->paused || scan->cancelled || catalog->stopping;
    if (scan->walk == NULL) return;
    hst_walk_halt(scan->walk, held);
    if (scan->phase == HST_SCAN_WALK) scan->at = 0; /* threads that came back, or will, have to go again */
    tell(catalog, true);
    if (!catalog->stopping) hst_slices_go(&catalog->slices);
}

void hst_catalog_scan_pause(struct hst_catalog *catalog, bool paused)
{
    if (catalog->scan.phase == HST_SCAN_NONE || catalog->scan.paused == paused) return;
    catalog->scan.paused = paused;
    halt(catalog);
}

void hst_catalog_scan_cancel(struct hst_catalog *catalog)
{
    if (catalog->scan.phase == HST_SCAN_NONE) return;
    catalog->scan.cancelled = true;
    catalog->scan.paused = false;
    halt(catalog);
}

void hst_scan_stop(struct hst_catalog *catalog)
{
    halt(catalog);
}

void hst_scan_free(struct hst_catalog *catalog)
{
    struct hst_scan *scan = &catalog->scan;
    while (!hst_list_empty(&scan->parsed)) {
        struct batch *batch = hst_container_of(scan->parsed.next, struct batch, node);
        hst_list_remove(&batch->node);
        for (size_t i = batch->taken; i < batch->count; i++)
            free_parse(&batch->parses[i]);
        free(batch);
    }
    while (!hst_list_empty(&scan->waiting)) {
        struct waiting *waiting = hst_container_of(scan->waiting.next, struct waiting, node);
        hst_list_remove(&waiting->node);
        free_parse(&waiting->parse);
        free(waiting);
    }
    hst_adopt_end(catalog);
    hst_walk_free(scan->walk);
    forget(scan);
}
