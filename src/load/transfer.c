/* The load step: disk -> RAM -> device for each component of a batch at once. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "load/internal.h"
#include "load/limits.h"
#include "os/clock.h"

/* A component on its way. */
struct transfer {
    struct hst_job_entry *job;
    size_t part;
};

/* Bytes of a part that go into RAM, and those that are copied to a device with memory of its own. */
static uint64_t ram_total(const struct hst_job_entry *job, size_t part)
{
    return job->parts[part].skips_ram ? 0 : job->view.sizes[part];
}

static uint64_t device_total(const struct hst_part *part)
{
    return part->allocation.spots != NULL ? part->allocation.layout.size_bytes : 0;
}

static void count_bytes(struct hst_job_entry *job)
{
    job->view.done_bytes = job->view.total_bytes = 0;
    for (size_t i = 0; i < job->view.component_count; i++) {
        const struct hst_part *part = &job->parts[i];
        job->view.total_bytes += ram_total(job, i) + device_total(part);
        job->view.done_bytes += part->filled_bytes + hst_min_u64(part->copied.done_bytes, device_total(part));
    }
    hst_job_tell(job);
}

static void arrived(struct hst_job_entry *job, size_t part)
{
    job->parts[part].filled_bytes = ram_total(job, part);
    job->parts[part].copied.done_bytes = device_total(&job->parts[part]);
    count_bytes(job);
}

static void on_copy_look(uv_timer_t *timer)
{
    struct hst_loader *loader = timer->data;
    HST_LIST_FOREACH(node, &loader->jobs) {
        struct hst_job_entry *job = hst_container_of(node, struct hst_job_entry, node);
        if (job->copies > 0) count_bytes(job);
    }
}

/* A copy to a device has begun (1), or ended (-1). */
static void count_copies(struct hst_job_entry *job, int by)
{
    struct hst_loader *loader = job->loader;
    job->copies = (size_t)((ptrdiff_t)job->copies + by);
    loader->copies = (size_t)((ptrdiff_t)loader->copies + by);
    if (loader->copies > 0)
        uv_timer_start(&loader->copy_timer, on_copy_look, HST_COPY_LOOK_MS, HST_COPY_LOOK_MS);
    else
        uv_timer_stop(&loader->copy_timer);
}

static void on_device_done(void *context, int status, const struct hst_error *err)
{
    HST_AUTO(hst_freep) struct transfer *transfer = context;
    struct hst_part *part = &transfer->job->parts[transfer->part];
    part->copy_ns = hst_clock_ns() - part->copy_ns;
    count_copies(transfer->job, -1);
    if (part->skips_ram && status == HST_OK) transfer->job->view.read.cold_bytes += transfer->job->view.components[transfer->part]->size_bytes;
    if (status == HST_OK) arrived(transfer->job, transfer->part);
    hst_step_settle(transfer->job, status, err);
}

/* RAM has it: on to the device, if there is one and it is not there yet. @return HST_STEP_PENDING when that has begun */
static int to_device(struct transfer *transfer, struct hst_error *err)
{
    struct hst_job_entry *job = transfer->job;
    struct hst_part *part = &job->parts[transfer->part];
    if (!hst_allocation_has_own(&part->allocation)) return HST_OK;
    struct hst_device_task task = {.loader = job->loader,
                                   .allocation = &part->allocation,
                                   .fill = part->residency,
                                   .component = job->view.components[transfer->part],
                                   .recast = part->converts_there ? part->recast : NULL,
                                   .progress = &part->copied,
                                   .done = on_device_done,
                                   .context = transfer};
    part->copied.done_bytes = 0;
    part->copy_ns = hst_clock_ns();
    HST_TRY(hst_device_task_start(&task, err));
    count_copies(job, 1);
    return HST_STEP_PENDING;
}

static void on_fill_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct transfer *transfer = context;
    struct hst_job_entry *job = transfer->job;
    double share = total_bytes > 0 ? (double)done_bytes / (double)total_bytes : 1;
    job->parts[transfer->part].filled_bytes = (uint64_t)(share * (double)ram_total(job, transfer->part));
    count_bytes(job);
}

/* What came in, and how: for the job's figures, and for estimates. */
static void count_read(struct hst_amount *read, const struct hst_residency *residency)
{
    bool converted = residency->recast != NULL;
    read->converted_bytes += converted ? residency->read_bytes : 0;
    read->warm_bytes += converted ? 0 : residency->warm_bytes;
    read->cold_bytes += converted ? 0 : residency->read_bytes - residency->warm_bytes;
}

static int after_fill(struct transfer *transfer, struct hst_error *err)
{
    struct hst_job_entry *job = transfer->job;
    struct hst_part *part = &job->parts[transfer->part];
    count_read(&job->view.read, part->residency);
    hst_job_hold(job, part);
    if (job->cancel) return HST_OK;
    int status = to_device(transfer, err);
    if (status == HST_OK) arrived(job, transfer->part);
    return status;
}

static void on_fill_done(void *context, int status, const struct hst_error *err)
{
    struct transfer *transfer = context;
    struct hst_job_entry *job = transfer->job;
    struct hst_error failure = {0};
    if (err != NULL) failure = *err;
    if (status < 0)
        job->parts[transfer->part].residency = NULL;
    else
        status = after_fill(transfer, &failure);
    hst_step_wake(job->loader);
    if (status == HST_STEP_PENDING) return;
    free(transfer);
    hst_step_settle(job, status, &failure);
}

static int begin(struct transfer *transfer, struct hst_error *err)
{
    struct hst_job_entry *job = transfer->job;
    struct hst_part *part = &job->parts[transfer->part];
    hst_job_tell_device(job, job->view.components[transfer->part], "loading");
    if (part->residency == NULL || part->residency->state != HST_RESIDENCY_CACHING) return to_device(transfer, err);
    struct hst_fill_listener listener = {.progress = on_fill_progress, .done = on_fill_done, .context = transfer};
    HST_TRY(hst_cache_fill(job->loader->config.cache, part->residency, listener, err));
    return HST_STEP_PENDING;
}

/* @return HST_STEP_PENDING, HST_OK when it is all there, or a failure */
static int begin_part(struct hst_job_entry *job, size_t part, struct hst_error *err)
{
    struct transfer *transfer = malloc(sizeof *transfer);
    if (transfer == NULL) return hst_error_nomem(err);
    *transfer = (struct transfer){job, part};
    int status = begin(transfer, err);
    if (status == HST_STEP_PENDING) return status;
    free(transfer);
    if (status == HST_OK) arrived(job, part);
    return status;
}

int hst_transfer_batch(struct hst_job_entry *job, struct hst_error *err)
{
    size_t started = 0;
    job->pending++; /* nothing settles the step while its parts are being started */
    for (size_t i = 0; i < job->view.component_count; i++) {
        if (job->plan.batch_of[i] != job->batch || job->failure.status < 0) continue;
        int status = begin_part(job, i, err);
        if (status < 0) hst_step_fail(job, status, err);
        if (status != HST_STEP_PENDING) continue;
        job->pending++;
        started++;
    }
    job->pending--;
    if (started > 0) return HST_STEP_PENDING;
    return job->failure.status;
}

void hst_transfer_stop(struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->view.component_count; i++) {
        struct hst_residency *residency = job->parts[i].residency;
        if (residency != NULL && residency->state == HST_RESIDENCY_CACHING) hst_cache_cancel(job->loader->config.cache, residency);
    }
}

void hst_transfer_watch(struct hst_loader *loader)
{
    uv_timer_init(loader->config.loop, &loader->copy_timer);
    loader->copy_timer.data = loader;
    loader->looking = true;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_loader *)handle->data)->looking = false;
}

void hst_transfer_unwatch(struct hst_loader *loader)
{
    uv_close((uv_handle_t *)&loader->copy_timer, on_closed);
    while (loader->looking)
        uv_run(loader->config.loop, UV_RUN_ONCE);
}
