#include "catalog/hasher.h"

#include "base/cleanup.h"
#include "catalog/content.h"
#include "hashing/hash_job.h"
#include "catalog/hashes.h"
#include "catalog/limits.h"
#include "hashing/limits.h"
#include "model/parser.h"
#include "os/clock.h"

#include <string.h>

struct hst_hasher {
    struct hst_catalog *catalog;
    struct hst_exec *exec;      /* threads of the background */
    unsigned threads;
    bool held;                  /* loads are under way */
    uv_timer_t timer;           /* from the last scan or load to `quiet` */
    bool closed;                /* the timer is */
    bool quiet;                 /* nothing has happened for a while: the background may go on */
    _Atomic(bool) stop;         /* slices end soon */
    struct hst_list jobs;       /* begun and not ended */
    unsigned running;           /* of them in a slice */
    struct hst_list wanted;     /* models that were asked for */
    struct hst_list first;      /* models of which the background takes care before all others */
    size_t entry, file;         /* the background has come this far in catalog->sorted */
    struct hst_hash_status sum; /* without the jobs */
    uint64_t told_ns;
};

/* A model of one of these lists. */
struct wanted {
    struct hst_list node;
    struct hst_model *model; /* referenced */
    size_t file;             /* the next to look at */
};

static void free_wanted(struct wanted *wanted)
{
    hst_list_remove(&wanted->node);
    hst_model_unref(wanted->model);
    free(wanted);
}

static unsigned choose_threads(void)
{
    unsigned wanted = 2 * uv_available_parallelism();
    return wanted < HST_HASH_THREADS_MAX ? wanted : HST_HASH_THREADS_MAX;
}

int hst_hasher_new(struct hst_catalog *catalog, struct hst_hasher **ret_hasher, struct hst_error *err)
{
    struct hst_hasher *hasher = calloc(1, sizeof *hasher);
    if (hasher == NULL) return hst_error_nomem(err);
    hasher->catalog = catalog;
    hasher->threads = choose_threads();
    hst_list_init(&hasher->jobs);
    hst_list_init(&hasher->wanted);
    hst_list_init(&hasher->first);
    uv_timer_init(catalog->config.loop, &hasher->timer);
    hasher->timer.data = hasher;
    int status = hst_exec_new(catalog->config.loop, "hash", hasher->threads, &hasher->exec, err);
    *ret_hasher = hasher;
    return status;
}

static void tell(struct hst_hasher *hasher, bool always)
{
    const struct hst_catalog_listener *listener = &hasher->catalog->config.listener;
    if (listener->hashing == NULL || (!always && hst_clock_ns() - hasher->told_ns < HST_HASH_PROGRESS_NS)) return;
    hasher->told_ns = hst_clock_ns();
    struct hst_hash_status status = hst_catalog_hash_status(hasher->catalog);
    listener->hashing(listener->context, &status);
}

/* Is every file of the model hashed? Then its content is known. While a scan runs contents stay as they are: its end looks at all. */
static void complete(struct hst_hasher *hasher, struct hst_entry *entry)
{
    struct hst_catalog *catalog = hasher->catalog;
    const struct hst_catalog_listener *listener = &catalog->config.listener;
    if (entry == NULL || entry->content.current || catalog->scan.phase != HST_SCAN_NONE) return;
    hst_content_refresh(catalog, entry);
    if (entry->content.current && listener->hashed != NULL) listener->hashed(listener->context, entry->model);
}

static void keep(struct hst_hasher *hasher, struct hst_hash_job *job)
{
    struct hst_catalog *catalog = hasher->catalog;
    const struct hst_file_id *id = &hst_hash_job_file(job)->id;
    size_t each_bytes = job->table != NULL ? job->table->count * HST_XXH128_BYTES : 0;
    if (hst_hashes_put(catalog, id, &job->hashes, hst_hash_take_each(job->hash), each_bytes, NULL) < 0) return;
    hasher->sum.files_done++;
    hasher->sum.bytes_done += id->size_bytes;
    complete(hasher, hst_map_get_str(&catalog->by_id, job->model->id));
    hst_hashes_write(catalog);
}

/* A slice has ended. */
static void on_slice(void *arg)
{
    struct hst_hash_job *job = arg;
    struct hst_hasher *hasher = job->context;
    hasher->running--;
    hasher->sum.hashed_bytes += job->offset - job->counted;
    job->counted = job->offset;
    if (job->status < 0) hst_hashes_put_failure(hasher->catalog, &hst_hash_job_file(job)->id, job->status);
    if (job->finished) keep(hasher, job);
    if (job->finished || job->cancelled || job->status < 0) hst_hash_job_free(job);
    tell(hasher, false);
    hst_hasher_update(hasher);
}

static bool submit(struct hst_hasher *hasher, struct hst_hash_job *job)
{
    job->helped = hasher->running < hasher->threads / 4; /* fewer files than half the cores: a second thread finds a core */
    if (hst_hash_job_submit(job, hst_hash_job_is_foreground(job) ? hasher->catalog->exec : hasher->exec) < 0) return false;
    hasher->running++;
    return true;
}

/* The job that works on this file, or NULL. */
static struct hst_hash_job *find_job(const struct hst_hasher *hasher, const struct hst_file_id *id)
{
    HST_LIST_FOREACH(node, &hasher->jobs) {
        struct hst_hash_job *job = hst_container_of(node, struct hst_hash_job, node);
        if (hst_file_id_equal(&hst_hash_job_file(job)->id, id)) return job;
    }
    return NULL;
}

static bool is_open(const struct hst_hasher *hasher, const struct hst_file_id *id)
{
    return hst_hashes_find(hasher->catalog, id) == NULL && hst_hashes_failure(hasher->catalog, id) == HST_OK;
}

static struct hst_hash_job *new_job(struct hst_hasher *hasher, struct hst_model *model, size_t file, bool urgent)
{
    struct hst_hash_job *job;
    if (hst_hash_job_new(model, file, urgent, &job, NULL) < 0) return NULL;
    job->stop = &hasher->stop;
    job->done = on_slice;
    job->context = hasher;
    hst_list_append(&hasher->jobs, &job->node);
    return job;
}

/* A job that was begun and waits. */
static struct hst_hash_job *waiting_job(const struct hst_hasher *hasher, bool urgent)
{
    HST_LIST_FOREACH(node, &hasher->jobs) {
        struct hst_hash_job *job = hst_container_of(node, struct hst_hash_job, node);
        if (!job->running && job->urgent == urgent) return job;
    }
    return NULL;
}

/* The first file of the model from *file on that nobody has hashed or hashes; *file moves behind it. */
static struct hst_hash_job *next_of(struct hst_hasher *hasher, struct hst_model *model, size_t *file, bool urgent)
{
    while (*file < model->file_count) {
        size_t index = (*file)++;
        const struct hst_file_id *id = &model->files[index].id;
        if (is_open(hasher, id) && find_job(hasher, id) == NULL) return new_job(hasher, model, index, urgent);
    }
    return NULL;
}

static struct hst_hash_job *next_in(struct hst_hasher *hasher, struct hst_list *list, bool urgent)
{
    HST_LIST_FOREACH(node, list) {
        struct wanted *wanted = hst_container_of(node, struct wanted, node);
        struct hst_hash_job *job = next_of(hasher, wanted->model, &wanted->file, urgent);
        if (job != NULL) return job;
        free_wanted(wanted);
    }
    return NULL;
}

static struct hst_hash_job *next_of_background(struct hst_hasher *hasher)
{
    const struct hst_catalog *catalog = hasher->catalog;
    struct hst_hash_job *first = next_in(hasher, &hasher->first, false);
    if (first != NULL) return first;
    for (; catalog->config.hash == HST_HASH_AUTO && hasher->entry < catalog->count; hasher->entry++, hasher->file = 0) {
        struct hst_model *model = catalog->sorted[hasher->entry]->model;
        if (model == NULL || model->state == HST_MODEL_MISSING) continue;
        struct hst_hash_job *job = next_of(hasher, model, &hasher->file, false);
        if (job != NULL) return job;
    }
    return NULL;
}

/* What was asked for first, what was begun before what was not. */
static struct hst_hash_job *next_job(struct hst_hasher *hasher)
{
    struct hst_hash_job *job = waiting_job(hasher, true);
    if (job == NULL) job = next_in(hasher, &hasher->wanted, true);
    if (job != NULL || !hasher->quiet) return job;
    job = waiting_job(hasher, false);
    return job != NULL ? job : next_of_background(hasher);
}

static void rest(void *arg)
{
    (void)arg;
    hst_parser_rest();
}

/* Models that share a file with one that was hashed are complete, too. What parsed may rest. */
static void end(struct hst_hasher *hasher)
{
    struct hst_catalog *catalog = hasher->catalog;
    for (size_t i = 0; i < catalog->count; i++)
        complete(hasher, catalog->sorted[i]);
    hst_hashes_write(catalog);
    (void)hst_exec_submit(catalog->exec, rest, NULL, NULL);
    hasher->sum.state = "done";
    tell(hasher, true);
}

static bool is_state(const struct hst_hasher *hasher, const char *state)
{
    return hasher->sum.state != NULL && strcmp(hasher->sum.state, state) == 0;
}

static void begin_slices(struct hst_hasher *hasher)
{
    while (hasher->running < hasher->threads) {
        struct hst_hash_job *job = next_job(hasher);
        if (job == NULL || !submit(hasher, job)) return;
    }
}

static void on_quiet(uv_timer_t *timer)
{
    struct hst_hasher *hasher = timer->data;
    hasher->quiet = true;
    hst_hasher_update(hasher);
}

/* Whoever has just loaded a model is likely to load the next: what nobody asked for waits. */
static void wait_for_quiet(struct hst_hasher *hasher)
{
    unsigned ms = hasher->catalog->config.hash_quiet_ms;
    if (ms == 0) hasher->quiet = true;
    if (!hasher->quiet && !uv_is_active((uv_handle_t *)&hasher->timer)) uv_timer_start(&hasher->timer, on_quiet, ms, 0);
}

void hst_hasher_update(struct hst_hasher *hasher)
{
    if (hasher == NULL) return;
    hasher->stop = hasher->held || hasher->catalog->scan.phase != HST_SCAN_NONE || hasher->catalog->stopping;
    if (hasher->stop) {
        hasher->quiet = false;
        uv_timer_stop(&hasher->timer);
        return;
    }
    wait_for_quiet(hasher);
    begin_slices(hasher);
    if (hasher->quiet && is_state(hasher, "running") && hst_list_empty(&hasher->jobs)) end(hasher);
}

/* Is this file of the model still the one that the catalog knows? */
static bool is_current(const struct hst_hasher *hasher, const struct hst_model *model, const struct hst_file_id *id)
{
    const struct hst_model *now = hst_catalog_find(hasher->catalog, model->id);
    for (size_t i = 0; now != NULL && now->state != HST_MODEL_MISSING && i < now->file_count; i++)
        if (hst_file_id_equal(&now->files[i].id, id)) return true;
    return false;
}

static void drop_job(struct hst_hash_job *job)
{
    job->cancelled = true;
    if (!job->running) hst_hash_job_free(job);
}

static void count_file(struct hst_hasher *hasher, const struct hst_file_id *id)
{
    bool done = hst_hashes_find(hasher->catalog, id) != NULL;
    hasher->sum.files_total++;
    hasher->sum.bytes_total += id->size_bytes;
    hasher->sum.files_done += done;
    hasher->sum.bytes_done += done ? id->size_bytes : 0;
}

static void survey(struct hst_hasher *hasher)
{
    struct hst_catalog *catalog = hasher->catalog;
    hasher->sum = (struct hst_hash_status){.state = "running", .hashed_bytes = hasher->sum.hashed_bytes};
    for (size_t i = 0; i < catalog->count; i++) {
        struct hst_entry *entry = catalog->sorted[i];
        if (!entry->content.current) hst_content_refresh(catalog, entry);
        for (size_t j = 0; entry->model != NULL && entry->model->state != HST_MODEL_MISSING && j < entry->model->file_count; j++)
            count_file(hasher, &entry->model->files[j].id);
    }
}

void hst_hasher_restart(struct hst_hasher *hasher)
{
    if (hasher == NULL || hasher->catalog->stopping) return;
    HST_LIST_FOREACH(node, &hasher->jobs) {
        struct hst_hash_job *job = hst_container_of(node, struct hst_hash_job, node);
        if (!is_current(hasher, job->model, &hst_hash_job_file(job)->id)) drop_job(job);
    }
    hasher->entry = hasher->file = 0;
    survey(hasher);
    hst_hashes_write(hasher->catalog);
    hst_hasher_update(hasher);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_hasher *)handle->data)->closed = true;
}

void hst_hasher_stop(struct hst_hasher *hasher)
{
    if (hasher == NULL) return;
    hst_hasher_update(hasher);
    uv_close((uv_handle_t *)&hasher->timer, on_closed);
    hst_exec_free(hst_steal(&hasher->exec));
    while (!hasher->closed)
        uv_run(hasher->catalog->config.loop, UV_RUN_ONCE);
}

static void free_list(struct hst_list *list)
{
    HST_LIST_FOREACH(node, list)
        free_wanted(hst_container_of(node, struct wanted, node));
}

void hst_hasher_free(struct hst_hasher *hasher)
{
    if (hasher == NULL) return;
    HST_LIST_FOREACH(node, &hasher->jobs)
        hst_hash_job_free(hst_container_of(node, struct hst_hash_job, node));
    free_list(&hasher->wanted);
    free_list(&hasher->first);
    free(hasher);
}

void hst_catalog_hash_hold(struct hst_catalog *catalog, bool hold)
{
    if (catalog->hasher == NULL || catalog->hasher->held == hold) return;
    catalog->hasher->held = hold;
    hst_hasher_update(catalog->hasher);
}

static struct wanted *find_wanted(const struct hst_list *list, const struct hst_model *model)
{
    HST_LIST_FOREACH(node, list) {
        struct wanted *wanted = hst_container_of(node, struct wanted, node);
        if (wanted->model == model) return wanted;
    }
    return NULL;
}

static int add_wanted(struct hst_list *list, struct hst_model *model, struct hst_error *err)
{
    struct wanted *wanted = find_wanted(list, model);
    if (wanted == NULL && (wanted = calloc(1, sizeof *wanted)) == NULL) return hst_error_nomem(err);
    if (wanted->model == NULL) {
        wanted->model = hst_model_ref(model);
        hst_list_append(list, &wanted->node);
    }
    wanted->file = 0;
    return HST_OK;
}

int hst_catalog_hash(struct hst_catalog *catalog, struct hst_model *model, struct hst_error *err)
{
    struct hst_hasher *hasher = catalog->hasher;
    if (model->state == HST_MODEL_MISSING) return hst_error_set(err, HST_E_FILE_MISSING, "%s is gone", model->path);
    if (hasher == NULL) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "nothing is hashed here");
    HST_TRY(add_wanted(&hasher->wanted, model, err));
    for (size_t i = 0; i < model->file_count; i++) {
        struct hst_hash_job *job = find_job(hasher, &model->files[i].id);
        hst_hashes_forget_failure(catalog, &model->files[i].id);
        if (job == NULL) continue;
        job->urgent = true; /* from its next slice on */
        job->cancelled = false;
    }
    hasher->sum.state = "running";
    hst_hasher_update(hasher);
    return HST_OK;
}

void hst_catalog_hash_first(struct hst_catalog *catalog, struct hst_model *model)
{
    struct hst_hasher *hasher = catalog->hasher;
    if (hasher == NULL || catalog->config.hash != HST_HASH_AUTO) return;
    bool open = false;
    for (size_t i = 0; i < model->file_count; i++)
        open = open || is_open(hasher, &model->files[i].id);
    if (!open || add_wanted(&hasher->first, model, NULL) < 0) return; /* it has its turn like the others */
    hasher->sum.state = "running";
    hst_hasher_update(hasher);
}

void hst_catalog_hash_cancel(struct hst_catalog *catalog, const struct hst_model *model)
{
    struct hst_hasher *hasher = catalog->hasher;
    struct wanted *wanted = hasher != NULL ? find_wanted(&hasher->wanted, model) : NULL;
    if (wanted != NULL) free_wanted(wanted);
    for (size_t i = 0; hasher != NULL && i < model->file_count; i++) {
        struct hst_hash_job *job = find_job(hasher, &model->files[i].id);
        if (job != NULL) job->urgent = false;
        if (job != NULL && catalog->config.hash != HST_HASH_AUTO) drop_job(job);
    }
}

static void add_jobs(const struct hst_hasher *hasher, const struct hst_model *model, struct hst_hash_status *status)
{
    HST_LIST_FOREACH(node, &hasher->jobs) {
        const struct hst_hash_job *job = hst_container_of(node, struct hst_hash_job, node);
        if (model != NULL && job->model != model) continue;
        status->bytes_done += job->offset;
        status->files_running++;
    }
}

struct hst_hash_status hst_catalog_hash_status(const struct hst_catalog *catalog)
{
    const struct hst_hasher *hasher = catalog->hasher;
    if (hasher == NULL) return (struct hst_hash_status){.state = "off"};
    struct hst_hash_status status = hasher->sum;
    add_jobs(hasher, NULL, &status);
    if (catalog->config.hash != HST_HASH_AUTO && status.files_running == 0)
        status.state = "off";
    else if (status.state == NULL)
        status.state = "idle";
    else if (hasher->stop && is_state(hasher, "running"))
        status.state = "paused";
    return status;
}

/* How the files stand that are not hashed. */
static const char *state_of(const struct hst_catalog *catalog, const struct hst_model *model, const struct hst_hash_status *status)
{
    const struct hst_hasher *hasher = catalog->hasher;
    if (status->files_done == status->files_total) return "done";
    if (status->failure < 0) return "failed";
    if (hasher == NULL || model->state == HST_MODEL_MISSING) return "off";
    if (status->files_running > 0) return hasher->stop ? "paused" : "running";
    return catalog->config.hash == HST_HASH_AUTO || find_wanted(&hasher->wanted, model) != NULL ? "queued" : "off";
}

struct hst_hash_status hst_catalog_hash_status_of(const struct hst_catalog *catalog, const struct hst_model *model)
{
    struct hst_hash_status status = {.files_total = model->file_count};
    for (size_t i = 0; i < model->file_count; i++) {
        bool done = hst_hashes_find(catalog, &model->files[i].id) != NULL;
        if (status.failure == HST_OK) status.failure = hst_hashes_failure(catalog, &model->files[i].id);
        status.files_done += done;
        status.bytes_done += done ? model->files[i].id.size_bytes : 0;
        status.bytes_total += model->files[i].id.size_bytes;
    }
    if (catalog->hasher != NULL) add_jobs(catalog->hasher, model, &status);
    status.state = state_of(catalog, model, &status);
    return status;
}
