/* The five steps. Each is a row: run begins it, more goes on when its operations have come back, commit makes it final. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/backing.h"
#include "catalog/tensor_hashes.h"
#include "model/layout.h"
#include "load/internal.h"
#include "os/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void say(struct hst_job_entry *job, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(job->view.steps[job->view.step].detail, sizeof job->view.steps[0].detail, format, args);
    va_end(args);
}

/* ---- validate ---- */

/* Files being compared with what was parsed, and read again where nobody holds their tensors, on a thread. */
struct check {
    struct hst_job_entry *job;
    struct hst_reread *reread;
    struct hst_tensor_hashes *hashes;
    bool looks;        /* something may have to be read */
    double warm_share; /* of what is, when it looks */
    int status;
    struct hst_error error;
};

static void free_check(struct check *check)
{
    hst_tensor_hashes_free(check->hashes);
    hst_reread_free(check->reread);
    free(check);
}

static void check_work(void *arg)
{
    struct check *check = arg;
    check->status = hst_reread_run(check->reread, &check->error);
    if (check->status == HST_OK) hst_tensor_hashes_read(check->hashes);
    if (check->looks) check->warm_share = hst_forecast_look(check->job->view.model);
}

/* From here to the end of the job its components have their tensors. */
static int hold_all(struct hst_job_entry *job, struct hst_reread *reread, struct hst_error *err)
{
    for (size_t i = 0; i < job->view.component_count; i++) {
        if (job->parts[i].laid_out) continue;
        HST_TRY(hst_layout_hold(job->view.components[i], reread, err));
        job->parts[i].laid_out = true;
    }
    return HST_OK;
}

static void check_done(void *arg)
{
    struct check *check = arg;
    struct hst_job_entry *job = check->job;
    struct hst_error error = check->error;
    int status = check->status;
    if (status == HST_OK) status = hold_all(job, check->reread, &error);
    if (status == HST_OK) hst_tensor_hashes_note(check->hashes);
    job->warm_share = check->warm_share;
    free_check(check);
    hst_step_settle(job, status, &error);
}

/* A dry run looks at what it would read, when it knows that. */
static bool may_read(const struct hst_job_entry *job)
{
    bool all = job->precision[0] == '\0';
    for (size_t i = 0; all && i < job->view.component_count; i++)
        all = hst_cache_find(job->loader->config.cache, job->view.components[i]) != NULL;
    return !job->view.dry && !all;
}

/* What nobody holds is read; what somebody holds stays from now on. */
static int ask(struct hst_job_entry *job, struct check *check, struct hst_error *err)
{
    check->looks = may_read(job);
    HST_TRY(hst_reread_new(job->view.model, &check->reread, err));
    HST_TRY(hst_tensor_hashes_new(job->loader->config.catalog, job->view.model, &check->hashes, err));
    for (size_t i = 0; i < job->view.component_count; i++) {
        struct hst_component *component = job->view.components[i];
        hst_reread_want(check->reread, component);
        job->parts[i].laid_out = component->holders > 0;
        if (job->parts[i].laid_out) hst_layout_share(component);
    }
    if (hst_exec_submit(job->loader->exec, check_work, check_done, check) == HST_OK) return HST_OK;
    return hst_error_nomem(err);
}

static int check_model(const struct hst_job_entry *job, struct hst_error *err)
{
    const struct hst_model *model = job->view.model;
    if (model->state == HST_MODEL_OK && job->view.component_count > 0) return HST_OK;
    if (model->state == HST_MODEL_OK) return hst_error_set(err, HST_E_INCOMPLETE_MODEL, "%s has no weights to load", model->id);
    hst_error_set(err, model->problem.status, "%s is %s: %s", model->id, hst_model_state_name(model->state), model->problem.text);
    return model->problem.status;
}

int hst_step_check(const struct hst_job_entry *job, struct hst_error *err)
{
    HST_TRY(check_model(job, err));
    return hst_cast_check(job, err);
}

static int validate(struct hst_job_entry *job, struct hst_error *err)
{
    HST_TRY(hst_step_check(job, err));
    struct check *check = calloc(1, sizeof *check);
    if (check == NULL) return hst_error_nomem(err);
    check->job = job;
    int status = ask(job, check, err);
    if (status < 0) {
        free_check(check);
        return status;
    }
    job->pending++;
    say(job, "%zu components of %s, files as they were scanned", job->view.component_count, job->view.model->id);
    return HST_STEP_PENDING;
}

/* ---- estimate ---- */

/* Level "memory": one component after the other, so that no two are in flight at once. */
static void one_by_one(struct hst_job_entry *job)
{
    size_t next = 0, count = job->view.component_count;
    for (size_t batch = 0; batch < job->plan.batch_count; batch++)
        for (size_t i = 0; i < count; i++)
            if (job->plan.batch_of[i] == batch) job->plan.batch_of[i] = count + next++;
    for (size_t i = 0; i < count; i++)
        job->plan.batch_of[i] -= count;
    job->plan.batch_count = next;
}

/* What a part that is not in RAM would take of it. Twins that are there are held from here on: no victim takes them along. */
static int draft_part(struct hst_job_entry *job, size_t index, struct hst_error *err)
{
    struct hst_cache *cache = job->loader->config.cache;
    struct hst_part *part = &job->parts[index];
    if (part->skips_ram || part->converts_there || part->claim != NULL || hst_cache_find_as(cache, job->view.components[index], job->view.precisions[index]) != NULL) return HST_OK;
    return hst_cache_draft(cache, job->view.components[index], part->recast, &part->claim, err);
}

static int draft_all(struct hst_job_entry *job, struct hst_error *err)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        HST_TRY(draft_part(job, i, err));
    return HST_OK;
}

static bool is_present(const struct hst_job_entry *job, size_t index)
{
    return !job->alone && hst_loaded_find(job->loader, job->view.components[index], job->view.device, job->view.precisions[index]) != NULL;
}

/* May the device make other types of what it gets as stored? */
static bool may_convert(const struct hst_job_entry *job, size_t index)
{
    return job->parts[index].recast != NULL && job->view.device->ops->converts && !job->host_converts;
}

static bool is_cached(const struct hst_job_entry *job, size_t index, const char *precision)
{
    const struct hst_residency *held = hst_cache_find_as(job->loader->config.cache, job->view.components[index], precision);
    return held != NULL && held->state == HST_RESIDENCY_CACHED && !held->stale;
}

/* To a device with memory of its own. What is there stays there. Where memory is to be saved, what lies raw in its files is copied from them, without RAM. And what RAM has
 * as stored, and is wanted in other types, is converted there: more bytes pass the link, and the host neither converts nor keeps another copy. */
static void choose_way(struct hst_job_entry *job, size_t index)
{
    struct hst_part *part = &job->parts[index];
    bool saves = strcmp(job->view.optimization_applied, "memory") == 0;
    part->skips_ram = is_present(job, index);
    if (part->skips_ram || is_cached(job, index, job->view.precisions[index])) return;
    if (may_convert(job, index) && is_cached(job, index, NULL)) {
        part->converts_there = true;
        return;
    }
    bool raw = hst_backing_choose(job->view.components[index], false, NULL) == HST_BACKING_PAGE_CACHE;
    part->skips_ram = saves && raw && (part->recast == NULL || may_convert(job, index));
    part->converts_there = part->skips_ram && part->recast != NULL;
}

static void choose_ways(struct hst_job_entry *job)
{
    bool owns = job->view.device != NULL && !job->view.device->ops->references_ram;
    for (size_t i = 0; i < job->view.component_count; i++) {
        job->parts[i].skips_ram = job->parts[i].converts_there = false;
        if (owns) choose_way(job, i);
    }
}

/* The precision in which RAM has, or will have, a part. */
static const char *ram_precision(const struct hst_job_entry *job, size_t index)
{
    return job->parts[index].converts_there ? NULL : job->view.precisions[index];
}

/* What a part takes of the device, unless it is there. */
static int draft_allocation(struct hst_job_entry *job, size_t index, struct hst_error *err)
{
    struct hst_part *part = &job->parts[index];
    const struct hst_component *component = job->view.components[index];
    struct hst_device *device = job->view.device;
    const struct hst_residency *held = hst_cache_find_as(job->loader->config.cache, component, job->view.precisions[index]);
    hst_allocation_fini(&part->allocation);
    if (device == NULL || is_present(job, index)) return HST_OK;
    struct hst_allocation_wish wish = {.loader = job->loader,
                                       .device = device,
                                       .component = component,
                                       .recast = part->recast,
                                       .claim = held != NULL ? hst_claim_of(held) : part->claim,
                                       .size_bytes = job->view.sizes[index],
                                       .alone = job->alone};
    return hst_allocation_draft(&wish, &part->allocation, err);
}

static int draft_allocations(struct hst_job_entry *job, struct hst_error *err)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        HST_TRY(draft_allocation(job, i, err));
    return HST_OK;
}

/* A dry run knows what it wanted to know: from here on it keeps nobody's block from being given back. */
static void forget_allocations(struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        hst_allocation_fini(&job->parts[i].allocation);
}

/* Has another job memory on its way? Then it wakes this one. */
static bool another_loads(const struct hst_job_entry *job)
{
    HST_LIST_FOREACH(node, &job->loader->jobs) {
        const struct hst_job_entry *other = hst_container_of(node, struct hst_job_entry, node);
        if (other != job && !other->view.dry && hst_job_active(other) && other->view.state != HST_JOB_QUEUED && other->view.step > HST_STEP_ESTIMATE) return true;
    }
    return false;
}

/* Would it read what another job is reading? */
static bool is_coming(const struct hst_job_entry *job)
{
    const struct hst_cache *cache = job->loader->config.cache;
    for (size_t i = 0; i < job->view.component_count; i++) {
        const struct hst_component *component = job->view.components[i];
        if (hst_cache_find_as(cache, component, job->view.precisions[i]) == NULL && hst_cache_is_coming(cache, component, job->parts[i].recast)) return true;
    }
    return false;
}

static void say_estimate(struct hst_job_entry *job)
{
    char expected[64] = "";
    const struct hst_estimate *made = &job->view.estimate;
    if (made->expected_ms >= 0) snprintf(expected, sizeof expected, ", %.1f ms and up to %.1f more", made->expected_ms, made->margin_ms);
    say(job, "%llu bytes of RAM and %llu of the device, %zu evictions, %zu batches%s", (unsigned long long)job->plan.ram_bytes,
        (unsigned long long)job->plan.device_bytes, job->plan.ram_eviction_count + job->plan.device_eviction_count, job->plan.batch_count, expected);
}

static int plan_ways(struct hst_job_entry *job, struct hst_error *err)
{
    choose_ways(job);
    HST_TRY(draft_all(job, err));
    HST_TRY(draft_allocations(job, err));
    return hst_facts_plan(job, &job->plan, &job->victims, err);
}

/* What RAM has as stored, for the device to convert, cannot make room for other parts; where that is missing the host converts. */
static int plan(struct hst_job_entry *job, struct hst_error *err)
{
    bool copies = false;
    int status = plan_ways(job, err);
    for (size_t i = 0; i < job->view.component_count; i++)
        copies = copies || (job->parts[i].converts_there && !job->parts[i].skips_ram);
    if (status != HST_E_OUT_OF_RAM || !copies) return status;
    job->host_converts = true;
    return plan_ways(job, err);
}

static int estimate(struct hst_job_entry *job, struct hst_error *err)
{
    hst_plan_fini(&job->plan);
    hst_facts_victims_fini(&job->victims);
    HST_TRY(hst_cast_all(job, err));
    job->cast = true;
    job->waits = !job->view.dry && another_loads(job) && is_coming(job);
    if (job->waits) {
        job->pending++;
        say(job, "another load brings in tensors that are equal to its own");
        return HST_STEP_PENDING;
    }
    HST_TRY(plan(job, err));
    if (strcmp(job->view.optimization_applied, "memory") == 0) one_by_one(job);
    hst_forecast_make(job);
    say_estimate(job);
    if (job->view.dry) forget_allocations(job);
    return HST_OK;
}

/* ---- allocate ---- */

static void set_device_victim_aside(struct hst_job_entry *job, const struct hst_plan_eviction *eviction)
{
    struct hst_loaded_entry *loaded = job->victims.device[eviction->candidate];
    hst_loaded_tell(job->loader, &loaded->view, "unloading");
    hst_loaded_suspend(job->loader, loaded);
    hst_journal_add(job, (struct hst_journal_entry){.kind = HST_UNDO_DEVICE_SUSPEND,
                                                    .loaded = loaded,
                                                    .decision = hst_consequences_record(job, eviction, &job->plan.device_rivals)});
}

/* Is it still there? One whose file is being written goes with the last reference from a device. */
static bool is_held(const struct hst_cache *cache, const struct hst_residency *residency)
{
    size_t cursor = 0;
    for (const struct hst_residency *held; (held = hst_cache_next(cache, &cursor));)
        if (held == residency) return true;
    return false;
}

static int set_ram_victim_aside(struct hst_job_entry *job, const struct hst_plan_eviction *eviction, struct hst_error *err)
{
    struct hst_cache *cache = job->loader->config.cache;
    struct hst_residency *residency = job->victims.ram[eviction->candidate];
    if (!is_held(cache, residency)) return HST_OK;
    HST_TRY(hst_cache_suspend(cache, residency, err));
    hst_journal_add(job, (struct hst_journal_entry){.kind = HST_UNDO_RAM_SUSPEND,
                                                    .residency = residency,
                                                    .decision = hst_consequences_record(job, eviction, &job->plan.ram_rivals)});
    return HST_OK;
}

static int set_victims_aside(struct hst_job_entry *job, struct hst_error *err)
{
    for (size_t i = 0; i < job->plan.device_eviction_count; i++)
        set_device_victim_aside(job, &job->plan.device_evictions[i]);
    for (size_t i = 0; i < job->plan.ram_eviction_count; i++)
        HST_TRY(set_ram_victim_aside(job, &job->plan.ram_evictions[i], err));
    return HST_OK;
}

static int reserve_anew(struct hst_job_entry *job, size_t index, struct hst_error *err)
{
    struct hst_cache *cache = job->loader->config.cache;
    struct hst_part *part = &job->parts[index];
    if (part->converts_there) return hst_error_set(err, HST_E_OUT_OF_RAM, "%s left RAM meanwhile", job->view.components[index]->id); /* it is planned again */
    HST_TRY(draft_part(job, index, err));
    HST_TRY(hst_cache_reserve(cache, job->view.components[index], part->claim, &part->residency, err));
    part->claim = NULL;
    part->reserved = true;
    hst_journal_add(job, (struct hst_journal_entry){.kind = HST_UNDO_RAM_RESERVE, .part = index});
    return HST_OK;
}

static int reserve_ram(struct hst_job_entry *job, size_t index, struct hst_error *err)
{
    struct hst_cache *cache = job->loader->config.cache;
    struct hst_part *part = &job->parts[index];
    struct hst_residency *held = hst_cache_find_as(cache, job->view.components[index], ram_precision(job, index));
    if (held != NULL && held->stale) return hst_error_set(err, HST_E_FILE_CHANGED, "the file of %s is being written", held->component->id);
    part->residency = part->skips_ram ? NULL : held;
    if (part->skips_ram) return HST_OK;
    if (job->view.replans == 0 && !job->view.ahead) hst_cache_touch(cache, job->view.components[index], held);
    if (held == NULL) return reserve_anew(job, index, err);
    job->view.shared[index] = true;
    hst_job_hold(job, part);
    return HST_OK;
}

/* The budget has room, and the device has not: others use it. What can be in use is known for the next plan, once it is known what of this one is there. */
static void note_limit(struct hst_job_entry *job)
{
    if (!job->device_is_full) return;
    job->device_is_full = false;
    uint64_t in_use = job->view.device->reserved_bytes;
    for (size_t i = 0; i < job->view.component_count; i++) {
        const struct hst_block *block = job->parts[i].allocation.block_count > 0 ? job->parts[i].allocation.blocks[0] : NULL;
        if (block != NULL && block->memory == NULL) in_use -= block->size_bytes; /* reserved, and not there */
    }
    job->device_limit = hst_max_u64(in_use + job->device_free, 1);
}

static void on_allocated(void *context, int status, const struct hst_error *err)
{
    struct hst_job_entry *job = context;
    if (status == HST_E_OUT_OF_DEVICE_MEMORY && err->required_bytes > 0) { /* else it was not memory for weights */
        job->device_is_full = true;
        job->device_free = err->available_bytes;
    }
    hst_step_settle(job, status, err);
}

static int allocate_on_device(struct hst_job_entry *job, size_t index, struct hst_error *err)
{
    struct hst_part *part = &job->parts[index];
    part->copied.cancel = &job->cancel;
    struct hst_device_task task = {.loader = job->loader, .allocation = &part->allocation, .progress = &part->copied, .done = on_allocated, .context = job};
    HST_TRY(hst_device_task_start(&task, err));
    job->pending++;
    return HST_OK;
}

static int reserve_device(struct hst_job_entry *job, size_t index, struct hst_error *err)
{
    struct hst_part *part = &job->parts[index];
    part->present = job->alone ? NULL : hst_loaded_find(job->loader, job->view.components[index], job->view.device, job->view.precisions[index]);
    job->view.shared[index] = part->present != NULL;
    job->view.device_bytes[index] = part->present != NULL ? part->present->view.device_bytes : part->allocation.layout.size_bytes;
    if (part->present != NULL) return HST_OK;
    if (part->allocation.device == NULL) HST_TRY(draft_allocation(job, index, err)); /* it was there, and went as a victim */
    HST_TRY(hst_allocation_reserve(&part->allocation, err));
    hst_journal_add(job, (struct hst_journal_entry){.kind = HST_UNDO_DEVICE_RESERVE, .part = index});
    return hst_allocation_has_own(&part->allocation) ? allocate_on_device(job, index, err) : HST_OK;
}

static int set_apart(struct hst_job_entry *job, struct hst_error *err)
{
    size_t count = job->view.component_count;
    job->apart = true;
    for (size_t i = 0; i < count; i++)
        HST_TRY(reserve_ram(job, i, err));
    for (size_t i = 0; job->view.device != NULL && i < count; i++)
        HST_TRY(reserve_device(job, i, err));
    say(job, "%llu bytes of RAM and %llu of the device are set apart", (unsigned long long)job->plan.ram_bytes,
        (unsigned long long)job->plan.device_bytes);
    return job->pending > 0 ? HST_STEP_PENDING : HST_OK;
}

static void on_drained(void *context)
{
    hst_step_settle(context, HST_OK, NULL);
}

/* What was set aside is charged until the kernel has it back: whoever needs its bytes waits so long. */
static int allocate_more(struct hst_job_entry *job, struct hst_error *err)
{
    struct hst_cache *cache = job->loader->config.cache;
    if (job->apart) return HST_OK;
    if (hst_cache_draining(cache) == 0 || hst_cache_fits(cache, job->plan.ram_bytes)) return set_apart(job, err);
    HST_TRY(hst_cache_settle(cache, on_drained, job, err));
    job->pending++;
    return HST_STEP_PENDING;
}

static int allocate(struct hst_job_entry *job, struct hst_error *err)
{
    size_t count = job->view.component_count;
    job->apart = job->view.dry; /* which looks in its place, and sets nothing apart */
    if (job->view.dry) return hst_dryrun_look(job, err);
    HST_TRY(hst_journal_reserve(job, job->loader->loaded_count + job->plan.ram_eviction_count + 2 * count, err));
    HST_TRY(set_victims_aside(job, err));
    return allocate_more(job, err);
}

/* ---- load ---- */

static void say_measured(struct hst_job_entry *job)
{
    char expected[64] = "";
    const struct hst_estimate *made = &job->view.estimate;
    if (made->expected_ms >= 0) snprintf(expected, sizeof expected, " (%.1f were expected)", made->expected_ms);
    say(job, "%llu bytes read, the rest was there; %.1f ms%s", (unsigned long long)hst_amount_total(&job->view.read), made->measured_ms, expected);
}

static int load_more(struct hst_job_entry *job, struct hst_error *err)
{
    while (job->batch < job->plan.batch_count) {
        int status = hst_transfer_batch(job, err);
        job->batch++;
        if (status != HST_OK) return status;
    }
    hst_forecast_settle(job);
    say_measured(job);
    return HST_OK;
}

/* ---- status ---- */

/* What is going to be in the table of what is loaded. */
static int prepare_entry(struct hst_job_entry *job, size_t index, struct hst_error *err)
{
    struct hst_part *part = &job->parts[index];
    part->ready = hst_loaded_new(job->loader, job->view.components[index], err);
    if (part->ready == NULL) return HST_E_NOMEM;
    part->ready->view.recast = hst_recast_copy(part->recast);
    if (part->recast != NULL && part->ready->view.recast == NULL) return hst_error_nomem(err);
    return hst_loaded_show(&part->ready->view, &part->allocation, err);
}

static int prepare_status(struct hst_job_entry *job, struct hst_error *err)
{
    for (size_t i = 0; i < job->view.component_count; i++) {
        struct hst_part *part = &job->parts[i];
        if (part->residency != NULL && part->residency->stale) return hst_error_set(err, HST_E_FILE_CHANGED, "the file of %s is being written", job->view.components[i]->id);
        if (part->present == NULL && job->view.device != NULL) HST_TRY(prepare_entry(job, i, err));
    }
    say(job, "%zu components are ready", job->view.component_count);
    return hst_loaded_reserve(job->loader, job->view.component_count, err);
}

/* It is on the device from now on. */
static void publish_ready(struct hst_job_entry *job, size_t index)
{
    struct hst_part *part = &job->parts[index];
    struct hst_loaded *view = &part->ready->view;
    view->residency = part->residency;
    view->device = job->view.device;
    view->alone = job->alone;
    view->ttl_seconds = job->ttl_seconds;
    view->copy_ns = part->copy_ns;
    view->fill_ns = part->residency != NULL ? part->residency->fill_ns : part->copy_ns;
    if (job->view.precisions[index] != NULL) snprintf(view->precision, sizeof view->precision, "%s", job->view.precisions[index]);
    hst_loaded_take(part->ready, &part->allocation);
    hst_loaded_publish(job->loader, hst_steal(&part->ready));
    hst_job_tell_device(job, job->view.components[index], "loaded");
}

static void keep_in_ram(struct hst_job_entry *job, struct hst_residency *residency)
{
    if (job->pin) hst_cache_pin(job->loader->config.cache, residency, true);
    hst_cache_keep_for(job->loader->config.cache, residency, job->ttl_seconds);
}

static void publish_part(struct hst_job_entry *job, size_t index)
{
    struct hst_part *part = &job->parts[index];
    struct hst_loaded_entry *entry = part->ready != NULL ? part->ready : part->present;
    if (part->residency != NULL) keep_in_ram(job, part->residency);
    if (entry == NULL) return;
    if (job->pin && !job->alone) hst_loader_pin(job->loader, &entry->view, true);
    hst_loader_touch(job->loader, &entry->view);
    job->view.loaded[index] = &entry->view;
    if (part->ready != NULL)
        publish_ready(job, index);
    else
        hst_loaded_keep_for(job->loader, entry, job->ttl_seconds);
}

/* The victims are not coming back. Those on devices come first in the journal, so that RAM is free of references. */
static void bury(struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->journal_count; i++) {
        struct hst_journal_entry *entry = &job->journal[i];
        if (entry->decision != NULL) hst_decision_note(job->loader, entry->decision);
        free(hst_steal(&entry->decision));
        if (entry->kind == HST_UNDO_DEVICE_SUSPEND) hst_loaded_drop(job->loader, entry->loaded);
        if (entry->kind == HST_UNDO_RAM_SUSPEND) hst_cache_evict(job->loader->config.cache, entry->residency, NULL, NULL);
    }
    job->journal_count = 0;
}

/* Was it evicted a short while ago? */
static void note_return(struct hst_job_entry *job, size_t index)
{
    const struct hst_loader_listener *listener = &job->loader->config.listener;
    const struct hst_part *part = &job->parts[index];
    bool copied = part->ready != NULL && !job->view.device->ops->references_ram; /* else it took no time */
    const char *device_id = part->reserved ? "" : copied ? job->view.device->id : NULL;
    if (device_id == NULL) return;
    const struct hst_decision *decision = hst_decisions_reloaded(&job->loader->decisions, job->view.components[index]->id, device_id, hst_clock_wall_ns());
    if (decision != NULL && listener->decided != NULL) listener->decided(listener->context, decision);
}

static int commit_status(struct hst_job_entry *job, struct hst_error *err)
{
    (void)err;
    for (size_t i = 0; i < job->view.component_count; i++)
        note_return(job, i);
    for (size_t i = 0; i < job->view.component_count; i++)
        publish_part(job, i);
    bury(job);
    for (size_t i = 0; i < job->view.component_count; i++)
        hst_job_release(job, &job->parts[i]);
    return HST_OK;
}

/* ---- the machine ---- */

static const struct {
    int (*run)(struct hst_job_entry *job, struct hst_error *err);
    int (*more)(struct hst_job_entry *job, struct hst_error *err);   /* or NULL */
    int (*commit)(struct hst_job_entry *job, struct hst_error *err); /* cannot fail; or NULL */
} steps[] = {{validate, NULL, NULL}, {estimate, estimate, NULL}, {allocate, allocate_more, NULL}, {load_more, load_more, NULL}, {prepare_status, NULL, commit_status}};

static void end_record(struct hst_job_entry *job, const char *state)
{
    struct hst_step_record *record = &job->view.steps[job->view.step];
    record->state = state;
    record->ms = hst_clock_ms_since(job->step_ns);
}

void hst_step_fail(struct hst_job_entry *job, int status, const struct hst_error *err)
{
    if (job->failure.status < 0) return;
    if (err != NULL && err->status == status)
        job->failure = *err;
    else
        hst_error_set(&job->failure, status, "%s", hst_status_info(status)->text);
    job->cancel = true;
    hst_transfer_stop(job);
}

/* The last look before a step is over: was the job cancelled, or is a fault to be injected? */
static void check_end(struct hst_job_entry *job)
{
    int *inject = &job->loader->inject[job->view.step];
    if (job->view.dry) return;
    if (job->cancel) hst_step_fail(job, HST_E_CANCELLED, NULL);
    if (*inject < 0 && job->failure.status == HST_OK) hst_step_fail(job, *inject, NULL);
    *inject = HST_OK;
}

static void succeed(struct hst_job_entry *job)
{
    job->view.step = job->view.dry ? HST_STEP_ALLOCATE : HST_STEP_STATUS;
    job->view.state = HST_JOB_DONE;
    hst_job_end(job);
}

static void undo(struct hst_job_entry *job)
{
    end_record(job, "failed");
    for (int i = (int)job->view.step + 1; i < HST_STEP_COUNT; i++)
        job->view.steps[i].state = "skipped";
    hst_job_tell(job);
    hst_journal_rollback(job);
}

static void run_step(struct hst_job_entry *job);

static bool has_no_room(const struct hst_job_entry *job)
{
    return job->view.step == HST_STEP_ALLOCATE && (job->failure.status == HST_E_OUT_OF_RAM || job->failure.status == HST_E_OUT_OF_DEVICE_MEMORY);
}

/* Was it converting that the device could not do? Then the host does it. */
static bool could_not_convert(struct hst_job_entry *job)
{
    bool failed = job->failure.status == HST_E_OUT_OF_DEVICE_MEMORY || job->failure.status == HST_E_DEVICE_FAILED;
    if (job->view.step != HST_STEP_LOAD || !failed || job->host_converts) return false;
    for (size_t i = 0; i < job->view.component_count; i++)
        if (job->parts[i].converts_there) job->host_converts = true;
    return job->host_converts;
}

/* The next plan may take another residency for a part. */
static void let_go(struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->view.component_count; i++) {
        if (job->parts[i].residency != NULL) hst_job_release(job, &job->parts[i]);
        job->parts[i].residency = NULL;
    }
}

/* There was less room than planned with: what was reserved goes back, what was set aside stays so, and the step before is begun again. */
static bool plan_again(struct hst_job_entry *job)
{
    if (job->unwanted || job->view.replans >= HST_REPLANS_MAX || (!has_no_room(job) && !could_not_convert(job))) return false;
    job->view.replans++;
    note_limit(job);
    hst_journal_retract(job);
    let_go(job);
    job->failure = (struct hst_error){0};
    job->cancel = false;
    job->batch = 0;
    job->view.step = HST_STEP_ESTIMATE;
    return true;
}

static void end_step(struct hst_job_entry *job)
{
    struct hst_error err = {0};
    check_end(job);
    if (job->failure.status < 0 && plan_again(job)) {
        run_step(job);
        return;
    }
    if (job->failure.status < 0) {
        undo(job);
        return;
    }
    if (steps[job->view.step].commit != NULL) steps[job->view.step].commit(job, &err);
    end_record(job, "done");
    hst_job_tell(job);
    if (++job->view.step == (job->view.dry ? HST_STEP_LOAD : HST_STEP_COUNT))
        succeed(job);
    else
        run_step(job);
}

/* After run or more: a failure waits for what still runs. */
static void go_on(struct hst_job_entry *job, int status, const struct hst_error *err)
{
    if (status < 0) hst_step_fail(job, status, err);
    if (job->pending == 0) end_step(job);
}

static void run_step(struct hst_job_entry *job)
{
    struct hst_error err = {0};
    job->step_ns = hst_clock_ns();
    job->view.steps[job->view.step].state = "running";
    hst_job_tell(job);
    go_on(job, steps[job->view.step].run(job, &err), &err);
}

void hst_step_settle(struct hst_job_entry *job, int status, const struct hst_error *err)
{
    struct hst_error more_err = {0};
    if (status < 0) hst_step_fail(job, status, err);
    if (--job->pending > 0) return;
    int more = HST_OK;
    if (job->failure.status == HST_OK && !job->cancel && steps[job->view.step].more != NULL) more = steps[job->view.step].more(job, &more_err);
    go_on(job, more, &more_err);
}

void hst_step_wake(struct hst_loader *loader)
{
    HST_LIST_FOREACH(node, &loader->jobs) {
        struct hst_job_entry *job = hst_container_of(node, struct hst_job_entry, node);
        if (!job->waits) continue;
        job->waits = false;
        hst_step_settle(job, HST_OK, NULL);
    }
}

void hst_step_start(struct hst_job_entry *job)
{
    if (!job->view.dry && !hst_job_may_start(job)) return;
    job->view.state = HST_JOB_RUNNING;
    run_step(job);
}
