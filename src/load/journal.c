/* The journal of a job: what was changed, so that it can be changed back in the opposite order. */
#include "base/cleanup.h"
#include "load/internal.h"

#include <stdio.h>
#include <string.h>

int hst_journal_reserve(struct hst_job_entry *job, size_t count, struct hst_error *err)
{
    size_t needed = job->journal_count + count;
    if (needed <= job->journal_room) return HST_OK;
    struct hst_journal_entry *grown = realloc(job->journal, needed * sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    job->journal = grown;
    job->journal_room = needed;
    return HST_OK;
}

void hst_journal_add(struct hst_job_entry *job, struct hst_journal_entry entry)
{
    job->journal[job->journal_count++] = entry;
}

/* The last entry is undone. */
static void spend(struct hst_job_entry *job)
{
    struct hst_journal_entry *entry = &job->journal[--job->journal_count];
    free(entry->decision);
    *entry = (struct hst_journal_entry){0};
}

/* Something could not be brought back: the job's error says so. */
static void regret(struct hst_job_entry *job, const char *component_id, const char *why)
{
    char text[HST_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", job->failure.text);
    hst_error_set(&job->failure, job->failure.status, "%.300s; %s was evicted for it and could not be brought back: %.120s", text, component_id, why);
}

static int undo_device_reserve(struct hst_job_entry *job, const struct hst_journal_entry *entry)
{
    hst_allocation_retract(&job->parts[entry->part].allocation);
    hst_job_tell_device(job, job->view.components[entry->part], "absent");
    return HST_OK;
}

static int undo_ram_reserve(struct hst_job_entry *job, const struct hst_journal_entry *entry)
{
    struct hst_part *part = &job->parts[entry->part];
    struct hst_cache *cache = job->loader->config.cache;
    if (part->residency == NULL || !hst_job_release(job, part)) return HST_OK;
    struct hst_residency *residency = hst_steal(&part->residency);
    if (residency->state == HST_RESIDENCY_CACHING)
        hst_cache_discard(cache, residency);
    else if (hst_cache_evict(cache, residency, NULL, NULL) < 0)
        hst_cache_pin(cache, residency, false);
    return HST_OK;
}

/* A victim on its way back into RAM. */
struct comeback {
    struct hst_job_entry *job;
    struct hst_loaded_entry *loaded;     /* of a device, or NULL */
    struct hst_residency *residency;     /* of RAM, or that a device is filled from */
    struct hst_device_progress progress; /* of that */
    char component_id[256];
};

static void ram_came_back(void *context, int status, const struct hst_error *err)
{
    HST_AUTO(hst_freep) struct comeback *comeback = context;
    if (status < 0) regret(comeback->job, comeback->component_id, err->text);
    spend(comeback->job);
    hst_journal_rollback(comeback->job);
}

/* Begin a way back; what it is given is freed when it has ended, or here when it could not begin. */
static int come_back(struct hst_job_entry *job, const struct hst_journal_entry *entry, int (*begin)(struct comeback *comeback, struct hst_error *err), struct hst_error *err)
{
    HST_AUTO(hst_freep) struct comeback *comeback = calloc(1, sizeof *comeback);
    if (comeback == NULL) return hst_error_nomem(err);
    *comeback = (struct comeback){.job = job, .loaded = entry->loaded, .residency = entry->residency};
    HST_TRY(begin(comeback, err));
    (void)hst_steal(&comeback);
    return HST_OK;
}

static int resume_ram(struct comeback *comeback, struct hst_error *err)
{
    struct hst_fill_listener listener = {.done = ram_came_back, .context = comeback};
    return hst_cache_resume(comeback->job->loader->config.cache, comeback->residency, listener, err);
}

static void lose_ram(struct hst_job_entry *job, struct hst_residency *residency, const char *why)
{
    regret(job, residency->component->id, why);
    hst_cache_evict(job->loader->config.cache, residency, NULL, NULL);
}

/* What took its room has gone. */
static void room_came_back(void *context)
{
    struct comeback *comeback = context;
    struct hst_job_entry *job = comeback->job;
    struct hst_error err = {0};
    if (resume_ram(comeback, &err) == HST_OK) return;
    lose_ram(job, comeback->residency, err.text);
    free(comeback);
    spend(job);
    hst_journal_rollback(job);
}

static int bring_back_ram(struct comeback *comeback, struct hst_error *err)
{
    struct hst_cache *cache = comeback->job->loader->config.cache;
    snprintf(comeback->component_id, sizeof comeback->component_id, "%s", comeback->residency->component->id);
    return hst_cache_draining(cache) > 0 ? hst_cache_settle(cache, room_came_back, comeback, err) : resume_ram(comeback, err);
}

static int undo_ram_suspend(struct hst_job_entry *job, const struct hst_journal_entry *entry)
{
    struct hst_error err = {0};
    if (come_back(job, entry, bring_back_ram, &err) == HST_OK) return HST_STEP_PENDING;
    lose_ram(job, entry->residency, err.text);
    return HST_OK;
}

static void lose(struct hst_job_entry *job, struct hst_loaded_entry *loaded, const char *why)
{
    regret(job, loaded->view.component->id, why);
    hst_loaded_drop(job->loader, loaded);
}

static void device_came_back(void *context, int status, const struct hst_error *err)
{
    HST_AUTO(hst_freep) struct comeback *comeback = context;
    struct hst_job_entry *job = comeback->job;
    struct hst_loaded_entry *loaded = comeback->loaded;
    struct hst_error failure = {0};
    bool references = loaded->view.device->ops->references_ram;
    if (err != NULL) failure = *err;
    if (status == HST_OK && loaded->lost) status = hst_error_set(&failure, HST_E_DEVICE_LOST, "its device has lost what was on it");
    if (status == HST_OK) status = hst_loaded_resume(job->loader, loaded, &failure);
    if (status < 0 || !references) hst_cache_unref(job->loader->config.cache, comeback->residency);
    if (status < 0) {
        hst_allocation_fini(&loaded->allocation);
        lose(job, loaded, failure.text);
    }
    spend(job);
    hst_journal_rollback(job);
}

/* Equal tensors of others are looked for anew: those of before may have gone. */
static int allocate_again(const struct hst_job_entry *job, struct hst_loaded_entry *loaded, const struct hst_residency *residency, struct hst_error *err)
{
    const struct hst_loaded *view = &loaded->view;
    struct hst_allocation_wish wish = {.loader = job->loader,
                                       .device = view->device,
                                       .component = view->component,
                                       .recast = view->recast,
                                       .claim = hst_claim_of(residency),
                                       .size_bytes = view->device_bytes};
    HST_TRY(hst_allocation_draft(&wish, &loaded->allocation, err));
    return hst_allocation_reserve(&loaded->allocation, err);
}

static int fill_again(struct comeback *comeback, struct hst_error *err)
{
    static const _Atomic(bool) never;
    struct hst_job_entry *job = comeback->job;
    struct hst_loaded_entry *loaded = comeback->loaded;
    comeback->progress = (struct hst_device_progress){.cancel = &never};
    struct hst_device_task task = {.loader = job->loader,
                                   .allocation = &loaded->allocation,
                                   .fill = comeback->residency,
                                   .progress = &comeback->progress,
                                   .done = device_came_back,
                                   .context = comeback};
    HST_TRY(allocate_again(job, loaded, comeback->residency, err));
    if (hst_allocation_has_own(&loaded->allocation)) return hst_device_task_start(&task, err);
    device_came_back(comeback, HST_OK, NULL);
    return HST_OK;
}

static int bring_back_device(struct comeback *comeback, struct hst_error *err)
{
    struct hst_cache *cache = comeback->job->loader->config.cache;
    struct hst_loaded_entry *loaded = comeback->loaded;
    struct hst_residency *held = hst_loaded_source(comeback->job->loader, &loaded->view);
    if (loaded->lost) return hst_error_set(err, HST_E_DEVICE_LOST, "its device has lost what was on it");
    bool is_there = held != NULL && (loaded->view.residency == NULL || loaded->view.residency == held);
    if (!is_there) return hst_error_set(err, HST_E_LOAD_FAILED, "its bytes are not in RAM any more");
    comeback->residency = held;
    hst_cache_ref(cache, held);
    int status = fill_again(comeback, err);
    if (status == HST_OK) return HST_OK;
    hst_allocation_fini(&loaded->allocation);
    hst_cache_unref(cache, held);
    return status;
}

static int undo_device_suspend(struct hst_job_entry *job, const struct hst_journal_entry *entry)
{
    struct hst_error err = {0};
    if (come_back(job, entry, bring_back_device, &err) == HST_OK) return HST_STEP_PENDING;
    lose(job, entry->loaded, err.text);
    return HST_OK;
}

static int (*const undo[])(struct hst_job_entry *job, const struct hst_journal_entry *entry) = {
    [HST_UNDO_DEVICE_SUSPEND] = undo_device_suspend, [HST_UNDO_RAM_SUSPEND] = undo_ram_suspend,
    [HST_UNDO_RAM_RESERVE] = undo_ram_reserve,       [HST_UNDO_DEVICE_RESERVE] = undo_device_reserve,
};

void hst_journal_retract(struct hst_job_entry *job)
{
    while (job->journal_count > 0) {
        struct hst_journal_entry entry = job->journal[job->journal_count - 1];
        if (entry.kind == HST_UNDO_DEVICE_SUSPEND || entry.kind == HST_UNDO_RAM_SUSPEND) return;
        (void)undo[entry.kind](job, &entry);
        spend(job);
    }
}

void hst_journal_rollback(struct hst_job_entry *job)
{
    job->view.state = HST_JOB_ROLLING_BACK;
    while (job->journal_count > 0) {
        struct hst_journal_entry entry = job->journal[job->journal_count - 1];
        if (undo[entry.kind](job, &entry) == HST_STEP_PENDING) return;
        spend(job);
    }
    for (size_t i = 0; i < job->view.component_count; i++)
        if (job->parts[i].residency != NULL) hst_job_release(job, &job->parts[i]);
    job->view.error = job->failure;
    job->view.state = job->failure.status == HST_E_CANCELLED ? HST_JOB_CANCELLED : HST_JOB_FAILED;
    hst_job_end(job);
}
