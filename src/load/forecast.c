/* What a job is expected to take, and what it took. */
#include "base/cleanup.h"
#include "load/internal.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/hold.h"

double hst_forecast_look(const struct hst_model *model)
{
    uint64_t bytes = 0, warm = 0;
    for (size_t i = 0; i < model->file_count; i++) {
        struct hst_file_id id;
        HST_AUTO(hst_closep) int fd = hst_file_open(model->files[i].path, &id, NULL);
        if (fd < 0) continue;
        bytes += id.size_bytes;
        warm += hst_hold_resident(fd, 0, id.size_bytes);
    }
    return bytes > 0 && warm < bytes ? (double)warm / (double)bytes : bytes > 0;
}

uint64_t hst_amount_total(const struct hst_amount *amount)
{
    return amount->cold_bytes + amount->warm_bytes + amount->converted_bytes;
}

static struct hst_workload workload_of(const struct hst_job_entry *job, uint64_t ram_bytes, uint64_t device_bytes)
{
    const struct hst_model *model = job->view.model;
    return (struct hst_workload){.model_id = model->id,
                                 .device_id = job->view.device != NULL ? job->view.device->id : "",
                                 .precision = job->precision,
                                 .disk = model->file_count > 0 ? model->files[0].id.device : 0,
                                 .bytes = ram_bytes > 0 ? ram_bytes : device_bytes,
                                 .warm_share = job->warm_share,
                                 .from_ram = ram_bytes == 0};
}

/* Where the bytes come from, once that was looked at: the first look was at whole files, and a while ago. */
static void note_origin(const struct hst_job_entry *job, struct hst_workload *load)
{
    const struct hst_amount *read = &job->view.read;
    uint64_t plain = read->warm_bytes + read->cold_bytes;
    if (plain > 0) load->warm_share = (double)read->warm_bytes / (double)plain;
}

void hst_forecast_make(struct hst_job_entry *job)
{
    struct hst_workload load = workload_of(job, job->plan.ram_bytes, job->plan.device_bytes);
    note_origin(job, &load);
    job->view.estimate = hst_estimates_make(&job->loader->estimates, &load);
    job->view.estimate.expected_bytes = job->plan.ram_bytes;
}

void hst_forecast_settle(struct hst_job_entry *job)
{
    struct hst_workload load = workload_of(job, job->plan.ram_bytes, job->plan.device_bytes);
    struct hst_estimate *estimate = &job->view.estimate;
    note_origin(job, &load);
    estimate->source = hst_estimates_make(&job->loader->estimates, &load).source;
    estimate->measured_ms = hst_clock_ms_since(job->step_ns);
    for (size_t i = 0; i < job->journal_count; i++)
        if (job->journal[i].kind == HST_UNDO_RAM_RESERVE) estimate->measured_bytes += job->parts[job->journal[i].part].residency->charged_bytes;
    hst_estimates_learn(&job->loader->estimates, &load, estimate);
}
