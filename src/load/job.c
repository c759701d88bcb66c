/* Jobs: what was asked for, and how it stands. */
#include "base/cleanup.h"
#include "convert/rules.h"
#include "model/layout.h"
#include "load/internal.h"
#include "load/limits.h"
#include "os/clock.h"

#include <stdio.h>
#include <string.h>

const char *hst_job_state_name(enum hst_job_state state)
{
    static const char *const names[] = {"queued", "running", "rolling_back", "done", "failed", "cancelled"};
    return names[state];
}

const char *hst_step_name(enum hst_step step)
{
    static const char *const names[] = {"validate", "estimate", "allocate", "load", "status"};
    return names[step];
}

bool hst_job_active(const struct hst_job_entry *job)
{
    return job->view.state <= HST_JOB_ROLLING_BACK;
}

/* The static name of a level, or NULL. */
static const char *find_level(const char *level)
{
    enum hst_convert_level found = HST_CONVERT_BALANCED;
    if (level != NULL && hst_convert_level_parse(level, &found, NULL) < 0) return NULL;
    return hst_convert_level_name(found);
}

static bool known_precision(const char *precision)
{
    enum hst_dtype dtype;
    if (hst_convert_precision(precision, &dtype, NULL) == HST_OK) return true;
    for (size_t row = 0; row < HST_DTYPE_ROWS; row++)
        if (strcmp(hst_dtype_at(row)->precision, precision) == 0) return true;
    return false;
}

static int check_request(const struct hst_load_request *request, struct hst_error *err)
{
    if (find_level(request->optimization_level) == NULL)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "optimization_level is speed, balanced or memory, not '%s'", request->optimization_level);
    if (request->precision != NULL && !known_precision(request->precision))
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no precision '%s'; fp32, fp16, bf16 and fp8 are usual", request->precision);
    return HST_OK;
}

static int add_component(struct hst_job_entry *job, struct hst_component *component)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        if (job->view.components[i] == component) return HST_OK;
    job->view.components[job->view.component_count++] = component;
    return HST_OK;
}

static int add_role(struct hst_job_entry *job, const char *role, struct hst_error *err)
{
    struct hst_component *component = hst_model_component(job->view.model, role);
    if (component == NULL) return hst_error_set(err, HST_E_COMPONENT_NOT_FOUND, "%s has no component '%s'", job->view.model->id, role);
    return add_component(job, component);
}

static int make_arrays(struct hst_job_entry *job, size_t room, struct hst_error *err)
{
    job->view.components = calloc(room, sizeof(struct hst_component *));
    job->view.device_bytes = calloc(room, sizeof *job->view.device_bytes);
    job->view.sizes = calloc(room, sizeof *job->view.sizes);
    job->view.precisions = calloc(room, sizeof(const char *));
    job->view.shared = calloc(room, sizeof *job->view.shared);
    job->view.loaded = calloc(room, sizeof(struct hst_loaded *));
    job->parts = calloc(room, sizeof *job->parts);
    if (job->view.components == NULL || job->view.device_bytes == NULL || job->view.shared == NULL || job->view.sizes == NULL ||
        job->view.precisions == NULL || job->view.loaded == NULL || job->parts == NULL) return hst_error_nomem(err);
    return HST_OK;
}

static int choose_components(struct hst_job_entry *job, const struct hst_load_request *request, struct hst_error *err)
{
    struct hst_model *model = job->view.model;
    HST_TRY(make_arrays(job, model->component_count + request->also_count + 1, err));
    for (size_t i = 0; request->roles != NULL && i < request->role_count; i++)
        HST_TRY(add_role(job, request->roles[i], err));
    for (size_t i = 0; request->roles == NULL && i < model->component_count; i++)
        HST_TRY(add_component(job, &model->components[i]));
    for (size_t i = 0; i < request->also_count; i++)
        HST_TRY(add_component(job, request->also[i]));
    return HST_OK;
}

/* What the request leaves open is as the user wishes for the model. */
static void take_wishes(struct hst_job_entry *job, const struct hst_load_request *request)
{
    const struct hst_model_config *config = hst_config_of(job->loader->config.catalog, request->model->id);
    const char *wished = request->as_stored ? "" : config->precision;
    snprintf(job->precision, sizeof job->precision, "%s", request->precision != NULL ? request->precision : wished);
    job->pin = request->pin || config->pin == HST_PIN_YES;
    job->ttl_seconds = request->keep ? (int64_t)request->ttl_seconds : -1;
}

static struct hst_job_entry *make(struct hst_loader *loader, const struct hst_load_request *request)
{
    struct hst_job_entry *job = calloc(1, sizeof *job);
    if (job == NULL) return NULL;
    hst_list_init(&job->node);
    job->loader = loader;
    job->patient = request->patient;
    job->alone = request->alone && request->device != NULL && !request->device->ops->references_ram;
    job->named = request->roles != NULL;
    job->view.model = hst_model_ref(request->model);
    job->view.device = request->device;
    job->view.plan = &job->plan;
    job->view.optimization_applied = find_level(request->optimization_level);
    job->view.started_wall_ns = (uint64_t)hst_clock_wall_ns();
    job->step_ns = hst_clock_ns();
    take_wishes(job, request);
    job->view.ahead = request->ahead;
    job->view.precision = job->precision;
    for (size_t i = 0; i < HST_STEP_COUNT; i++)
        job->view.steps[i].state = "pending";
    return job;
}

int hst_job_new(struct hst_loader *loader, const struct hst_load_request *request, struct hst_job_entry **ret_job, struct hst_error *err)
{
    HST_TRY(check_request(request, err));
    struct hst_job_entry *job = make(loader, request);
    if (job == NULL) return hst_error_nomem(err);
    int status = choose_components(job, request, err);
    if (status < 0) {
        hst_job_free(job);
        return status;
    }
    for (size_t i = 0; i < job->view.component_count; i++)
        job->view.total_bytes += job->view.sizes[i] = job->view.components[i]->size_bytes;
    *ret_job = job;
    return HST_OK;
}

void hst_job_free(struct hst_job_entry *job)
{
    hst_list_remove(&job->node);
    for (size_t i = 0; job->parts != NULL && i < job->view.component_count; i++) {
        hst_loaded_free(job->parts[i].ready);
        hst_allocation_fini(&job->parts[i].allocation);
        free(job->parts[i].recast);
    }
    hst_outlook_fini(job);
    hst_facts_victims_fini(&job->victims);
    hst_plan_fini(&job->plan);
    hst_model_unref(job->view.model);
    free(job->view.components);
    free(job->view.device_bytes);
    free(job->view.sizes);
    free(job->view.precisions);
    free(job->view.shared);
    free(job->view.loaded);
    free(job->parts);
    free(job->journal);
    free(job);
}

static bool same(const struct hst_component *a, const struct hst_component *b)
{
    return a == b || strcmp(a->id, b->id) == 0;
}

static const struct hst_component *victim_of(const struct hst_journal_entry *entry)
{
    if (entry->loaded != NULL) return entry->loaded->view.component;
    return entry->kind == HST_UNDO_RAM_SUSPEND ? entry->residency->component : NULL;
}

bool hst_job_brings(const struct hst_job_entry *job, const struct hst_component *component)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        if (same(job->view.components[i], component)) return true;
    return false;
}

static bool works_on(const struct hst_job_entry *job, const struct hst_component *component)
{
    if (hst_job_brings(job, component)) return true;
    for (size_t i = 0; i < job->journal_count; i++) {
        const struct hst_component *victim = victim_of(&job->journal[i]);
        if (victim != NULL && same(victim, component)) return true;
    }
    return false;
}

/* A dry run changes nothing; while it plans, which is done at once, its own components are nobody's victims. */
static bool is_at_work(const struct hst_job_entry *job)
{
    if (job->view.dry) return job->view.step == HST_STEP_ESTIMATE;
    return job->view.state != HST_JOB_QUEUED && hst_job_active(job);
}

bool hst_job_touches(const struct hst_loader *loader, const struct hst_component *component)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        const struct hst_job_entry *job = hst_container_of(node, struct hst_job_entry, node);
        if (is_at_work(job) && works_on(job, component)) return true;
    }
    return hst_inherit_touches(loader, component);
}

static bool is_form(const struct hst_component *component, const char *precision, const struct hst_component *of, const char *as)
{
    return component == of && strcmp(precision != NULL ? precision : "", as != NULL ? as : "") == 0;
}

static bool set_aside(const struct hst_journal_entry *entry, const struct hst_component *component, const char *precision)
{
    const struct hst_residency *residency = entry->residency;
    if (entry->loaded != NULL) return is_form(component, precision, entry->loaded->view.component, entry->loaded->view.precision);
    return entry->kind == HST_UNDO_RAM_SUSPEND && is_form(component, precision, residency->component, hst_residency_precision(residency));
}

static bool has(const struct hst_job_entry *job, const struct hst_component *component, const char *precision)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        if (job->cast ? is_form(component, precision, job->view.components[i], job->view.precisions[i]) : same(component, job->view.components[i])) return true;
    for (size_t i = 0; i < job->journal_count; i++)
        if (set_aside(&job->journal[i], component, precision)) return true;
    return false;
}

bool hst_job_has(const struct hst_loader *loader, const struct hst_component *component, const char *precision)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        const struct hst_job_entry *job = hst_container_of(node, struct hst_job_entry, node);
        if (is_at_work(job) && has(job, component, precision)) return true;
    }
    return false;
}

static bool copies(const struct hst_job_entry *job, const struct hst_component *component)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        if (job->view.components[i] == component && job->parts[i].converts_there && !job->parts[i].skips_ram) return true;
    return false;
}

bool hst_job_copies(const struct hst_loader *loader, const struct hst_residency *residency)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        const struct hst_job_entry *job = hst_container_of(node, struct hst_job_entry, node);
        if (residency->recast == NULL && is_at_work(job) && copies(job, residency->component)) return true;
    }
    return false;
}

void hst_job_hold(struct hst_job_entry *job, struct hst_part *part)
{
    if (part->referenced) return;
    hst_cache_ref(job->loader->config.cache, part->residency);
    part->referenced = true;
}

bool hst_job_release(struct hst_job_entry *job, struct hst_part *part)
{
    if (!part->referenced) return part->residency != NULL;
    bool stays = !part->residency->stale;
    part->referenced = false;
    hst_cache_unref(job->loader->config.cache, part->residency);
    return stays;
}

void hst_job_tell(const struct hst_job_entry *job)
{
    const struct hst_loader_listener *listener = &job->loader->config.listener;
    if (listener->progress != NULL && !job->view.dry) listener->progress(listener->context, &job->view);
}

void hst_job_tell_device(const struct hst_job_entry *job, const struct hst_component *component, const char *state)
{
    const struct hst_loader_listener *listener = &job->loader->config.listener;
    if (listener->device_state != NULL && job->view.device != NULL) listener->device_state(listener->context, component, job->view.device, state);
}

/* Does a load go before those that are patient: one that runs, or that somebody waits for? */
static bool goes_before(const struct hst_job_entry *job)
{
    return !job->view.dry && hst_job_active(job) && (job->view.state != HST_JOB_QUEUED || !job->patient);
}

static bool is_alone(const struct hst_job_entry *job)
{
    HST_LIST_FOREACH(node, &job->loader->jobs) {
        const struct hst_job_entry *other = hst_container_of(node, struct hst_job_entry, node);
        if (other != job && goes_before(other)) return false;
    }
    return true;
}

bool hst_job_may_start(const struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        if (hst_job_touches(job->loader, job->view.components[i])) return false;
    if (hst_background_is_in_the_way(job->loader, job)) return false;
    return !job->patient || is_alone(job);
}

/* The first job that waits and need not wait any more. */
static struct hst_job_entry *next_startable(struct hst_loader *loader)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        struct hst_job_entry *job = hst_container_of(node, struct hst_job_entry, node);
        if (job->view.state == HST_JOB_QUEUED && hst_job_may_start(job)) return job;
    }
    return NULL;
}

/* What is in RAM, or on a device, holds its tensors itself. */
static void release_layout(struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->view.component_count; i++) {
        hst_claim_unref(hst_steal(&job->parts[i].claim));
        hst_allocation_fini(&job->parts[i].allocation);
        if (job->parts[i].laid_out) hst_layout_release(job->view.components[i]);
        job->parts[i].laid_out = false;
    }
}

/* Equal tensors that came in at the same time, or whose hashes did. */
static void look_for_twins(struct hst_job_entry *job)
{
    struct hst_cache *cache = job->loader->config.cache;
    for (size_t i = 0; job->view.state == HST_JOB_DONE && i < job->view.component_count; i++) {
        const struct hst_residency *held = hst_cache_find_as(cache, job->view.components[i], job->view.precisions[i]);
        if (held != NULL && hst_cache_shareable(cache, held) > 0) hst_rearrange_share_soon(job->loader);
    }
}

static void end_dry_run(struct hst_job_entry *job)
{
    job->loader->dry_runs--;
    if (job->ended != NULL) job->ended(job->context, &job->view);
    hst_job_free(job);
}

void hst_job_end(struct hst_job_entry *job)
{
    struct hst_loader *loader = job->loader;
    job->view.loading_ms = (double)(hst_clock_wall_ns() - (int64_t)job->view.started_wall_ns) / 1e6;
    if (job->view.dry) {
        release_layout(job);
        end_dry_run(job);
        return;
    }
    loader->active--;
    look_for_twins(job);
    release_layout(job);
    hst_job_tell(job);
    if (job->ended != NULL) job->ended(job->context, &job->view);
    free(hst_steal(&job->view.loaded)); /* they may go from now on */
    hst_step_wake(loader);
    hst_tenancy_drop_unleased(loader);
    hst_job_wake(loader);
}

void hst_job_wake(struct hst_loader *loader)
{
    hst_lost_sweep(loader);
    for (struct hst_job_entry *next; (next = next_startable(loader));)
        hst_step_start(next);
}
