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

static int undo_device_memory(struct hst_job_entry *job, const struct hst_journal_entry *entry)
{
    struct hst_part *part = &job->parts[entry->part];
    job->view.device->ops->release(hst_steal(&part->memory));
    return HST_OK;
}

static int undo_device_reserve(struct hst_job_entry *job, const struct hst_journal_entry *entry)
{
    hst_device_unreserve(job->view.device, job->view.sizes[entry->part]);
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
    struct hst_residency *residency;     /* of RAM, or NULL */
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
    hst_job_tell_device(job, loaded->view.component, "absent");
    hst_loaded_remove(job->loader, loaded);
}

static void device_came_back(void *context, int status, const struct hst_error *err, struct hst_device_memory *memory)
{
    HST_AUTO(hst_freep) struct comeback *comeback = context;
    struct hst_job_entry *job = comeback->job;
    struct hst_loaded_entry *loaded = comeback->loaded;
    if (status < 0) {
        hst_device_unreserve(loaded->view.device, loaded->view.device_bytes);
        if (loaded->view.residency != NULL) hst_cache_unref(job->loader->config.cache, loaded->view.residency);
        lose(job, loaded, err->text);
    } else {
        loaded->view.memory = memory;
        loaded->suspended = false;
    }
    spend(job);
    hst_journal_rollback(job);
}

static int bring_back_device(struct comeback *comeback, struct hst_error *err)
{
    struct hst_job_entry *job = comeback->job;
    struct hst_loaded *view = &comeback->loaded->view;
    struct hst_cache *cache = job->loader->config.cache;
    static const _Atomic(bool) never;
    struct hst_device_task task = {.loader = job->loader,
                                   .device = view->device,
                                   .size_bytes = view->device_bytes,
                                   .fill = view->residency,
                                   .cancel = &never,
                                   .done = device_came_back,
                                   .context = comeback};
    if (hst_cache_find_as(cache, view->component, view->precision) != view->residency) return hst_error_set(err, HST_E_LOAD_FAILED, "its bytes are not in RAM any more");
    HST_TRY(hst_device_reserve(view->device, view->device_bytes, err));
    int status = hst_device_task_start(&task, err);
    if (status < 0)
        hst_device_unreserve(view->device, view->device_bytes);
    else
        hst_cache_ref(cache, view->residency);
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
    [HST_UNDO_DEVICE_MEMORY] = undo_device_memory,
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
