#include "base/cleanup.h"
#include "load/internal.h"
#include "load/limits.h"
#include "load/pressure.h"

#include <stdio.h>
#include <string.h>

int hst_loader_new(const struct hst_loader_config *config, struct hst_loader **ret_loader, struct hst_error *err)
{
    struct hst_loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL) return hst_error_nomem(err);
    loader->config = *config;
    hst_list_init(&loader->jobs);
    hst_list_init(&loader->inheriting);
    hst_list_init(&loader->tenancies);
    hst_list_init(&loader->readopting);
    int status = hst_exec_new(config->loop, "load", HST_LOAD_THREADS, &loader->exec, err);
    if (status == HST_OK && config->reserve_bytes > 0) status = hst_pressure_watch_new(loader, &loader->pressure, err);
    if (status < 0) {
        hst_exec_free(loader->exec);
        free(loader);
        return status;
    }
    hst_rearrange_watch(loader);
    hst_giveback_watch(loader);
    hst_transfer_watch(loader);
    hst_lost_watch(loader);
    hst_readopt_begin(loader);
    *ret_loader = loader;
    return HST_OK;
}

const struct hst_estimates *hst_loader_estimates(const struct hst_loader *loader)
{
    return &loader->estimates;
}

static struct hst_job_entry *entry_of(struct hst_list *node)
{
    return hst_container_of(node, struct hst_job_entry, node);
}

/* Forget the oldest jobs that have ended, but for the last HST_JOBS_KEPT. */
static void forget_old(struct hst_loader *loader)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        if (loader->job_count - loader->active <= HST_JOBS_KEPT) return;
        if (hst_job_active(entry_of(node))) continue;
        hst_job_free(entry_of(node));
        loader->job_count--;
    }
}

int hst_loader_start(struct hst_loader *loader, const struct hst_load_request *request, hst_job_fn ended, void *context,
                     struct hst_job **ret_job, struct hst_error *err)
{
    struct hst_job_entry *job;
    if (loader->draining) return hst_error_set(err, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    if (request->also_count > 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "a load is of one model: the others are loaded by jobs of their own");
    if (loader->active >= HST_JOBS_ACTIVE_MAX) return hst_error_set(err, HST_E_BUSY, "%zu jobs are waiting already", loader->active);
    HST_TRY(hst_background_check(loader, request, err));
    HST_TRY(hst_job_new(loader, request, &job, err));
    forget_old(loader);
    snprintf(job->view.id, sizeof job->view.id, "job-%llu", (unsigned long long)++loader->next_job);
    job->ended = ended;
    job->context = context;
    hst_list_append(&loader->jobs, &job->node);
    loader->job_count++;
    loader->active++;
    *ret_job = &job->view;
    hst_job_tell(job);
    hst_background_give_way(loader, job);
    hst_step_start(job);
    return HST_OK;
}

int hst_loader_plan(struct hst_loader *loader, const struct hst_load_request *request, struct hst_plan *ret_plan, struct hst_error *err)
{
    struct hst_job_entry *job;
    struct hst_victims victims = {0};
    HST_TRY(hst_job_new(loader, request, &job, err));
    job->view.dry = true;
    job->view.step = HST_STEP_ESTIMATE; /* so that its own components are nobody's victims */
    hst_list_append(&loader->jobs, &job->node);
    int status = hst_step_check(job, err);
    if (status == HST_OK) status = hst_facts_plan(job, ret_plan, &victims, err);
    hst_facts_victims_fini(&victims);
    hst_job_free(job);
    return status;
}

void hst_decision_note(struct hst_loader *loader, const struct hst_decision *decision)
{
    const struct hst_loader_listener *listener = &loader->config.listener;
    const struct hst_decision *kept = hst_decisions_note(&loader->decisions, decision);
    if (kept != NULL && listener->decided != NULL) listener->decided(listener->context, kept);
}

int hst_loader_evict(struct hst_loader *loader, struct hst_residency *residency, struct hst_decision *record, struct hst_error *err)
{
    snprintf(record->component_id, sizeof record->component_id, "%s", residency->component->id);
    HST_TRY(hst_cache_evict(loader->config.cache, residency, &record->bytes, err));
    hst_decision_note(loader, record);
    return HST_OK;
}

const struct hst_decisions *hst_loader_decisions(const struct hst_loader *loader)
{
    return &loader->decisions;
}

int hst_loader_check(struct hst_loader *loader, const struct hst_load_request *request, struct hst_error *err)
{
    struct hst_job_entry *job;
    HST_TRY(hst_job_new(loader, request, &job, err));
    int status = hst_cast_check(job, err);
    hst_job_free(job);
    return status;
}

static void cancel(struct hst_job_entry *job)
{
    if (job->view.state == HST_JOB_QUEUED) {
        hst_error_set(&job->failure, HST_E_CANCELLED, "the load was cancelled before it began");
        hst_journal_rollback(job);
        return;
    }
    job->cancel = true;
    job->unwanted = true;
    if (job->view.state == HST_JOB_RUNNING) hst_transfer_stop(job);
    hst_step_wake(job->loader);
}

int hst_loader_cancel(struct hst_loader *loader, struct hst_job *job, struct hst_error *err)
{
    struct hst_job_entry *entry = (struct hst_job_entry *)job;
    (void)loader;
    if (job->state > HST_JOB_RUNNING) return hst_error_set(err, HST_E_BUSY, "%s is %s already", job->id, hst_job_state_name(job->state));
    cancel(entry);
    return HST_OK;
}

struct hst_job *hst_loader_next_job(const struct hst_loader *loader, size_t *cursor)
{
    size_t at = 0;
    HST_LIST_FOREACH(node, &loader->jobs)
        if (!entry_of(node)->view.dry && at++ == *cursor) {
            ++*cursor;
            return &entry_of(node)->view;
        }
    return NULL;
}

struct hst_job *hst_loader_job(const struct hst_loader *loader, const char *id)
{
    HST_LIST_FOREACH(node, &loader->jobs)
        if (!entry_of(node)->view.dry && strcmp(entry_of(node)->view.id, id) == 0) return &entry_of(node)->view;
    return NULL;
}

size_t hst_loader_active(const struct hst_loader *loader)
{
    return loader->active;
}

bool hst_loader_busy(const struct hst_loader *loader, const struct hst_component *component)
{
    return hst_job_touches(loader, component);
}

void hst_loader_inject(struct hst_loader *loader, enum hst_step step, int status)
{
    loader->inject[step] = status;
}

static void cancel_all(struct hst_loader *loader)
{
    for (size_t cursor = 0;;) {
        struct hst_job *job = hst_loader_next_job(loader, &cursor);
        if (job == NULL) return;
        hst_loader_cancel(loader, job, NULL);
    }
}

void hst_loader_free(struct hst_loader *loader)
{
    if (loader == NULL) return;
    loader->draining = true;
    cancel_all(loader);
    while (loader->active + loader->dry_runs > 0)
        uv_run(loader->config.loop, UV_RUN_ONCE);
    hst_inherit_drain(loader);
    hst_readopt_drain(loader);
    hst_rearrange_stop(loader);
    hst_giveback_stop(loader);
    hst_transfer_unwatch(loader);
    hst_lost_unwatch(loader);
    hst_pressure_watch_free(loader->pressure);
    hst_tenancy_fini(loader);
    while (loader->loaded_count > 0)
        hst_loaded_remove(loader, loader->loaded[loader->loaded_count - 1]);
    hst_exec_free(loader->exec);
    HST_LIST_FOREACH(node, &loader->jobs)
        hst_job_free(entry_of(node));
    hst_decisions_fini(&loader->decisions);
    hst_estimates_fini(&loader->estimates);
    free(loader->loaded);
    free(loader);
}
