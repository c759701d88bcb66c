/* A dry run: a job that goes the way of a load and stops before it would change anything. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "cache/claim.h"
#include "load/internal.h"
#include "load/limits.h"
#include "model/reread.h"
#include "os/hold.h"

#include <stdio.h>
#include <string.h>

/* Bytes of a file that a part would read. */
struct range {
    size_t part;
    uint32_t file;
    uint64_t begin;
    uint64_t end;
    uint64_t warm_bytes; /* of them, in the page cache */
};

/* Looking, on a thread: the job's model is referenced by the job, which waits. */
struct look {
    struct hst_job_entry *job;
    const struct hst_model *model;
    struct range *ranges;
    size_t count;
};

static void free_look(struct look *look)
{
    free(look->ranges);
    free(look);
}

/* The ranges of a look, while they are added. */
struct adding {
    struct look *look;
    size_t part;
    size_t room;
    bool full; /* there was no memory for one */
};

static uint32_t file_of(const struct hst_model *model, const struct hst_file_id *id)
{
    uint32_t i = 0;
    while (!hst_file_id_equal(&model->files[i].id, id))
        i++;
    return i;
}

static bool make_room(struct adding *adding)
{
    if (adding->look->count < adding->room) return true;
    size_t room = adding->room * 2 + 16;
    struct range *grown = reallocarray(adding->look->ranges, room, sizeof *grown);
    adding->full = grown == NULL;
    if (adding->full) return false;
    adding->look->ranges = grown;
    adding->room = room;
    return true;
}

/* To the range before it when they touch. */
static void add_range(void *context, const struct hst_file_id *id, uint64_t offset, uint64_t size_bytes)
{
    struct adding *adding = context;
    struct look *look = adding->look;
    if (size_bytes == 0 || adding->full) return;
    struct range *last = look->count > 0 ? &look->ranges[look->count - 1] : NULL;
    uint32_t file = file_of(look->model, id);
    if (last != NULL && last->part == adding->part && last->file == file && offset == last->end)
        last->end += size_bytes;
    else if (make_room(adding))
        look->ranges[look->count++] = (struct range){.part = adding->part, .file = file, .begin = offset, .end = offset + size_bytes};
}

static void work(void *arg)
{
    const struct look *look = arg;
    int fd = -1;
    for (size_t i = 0; i < look->count; i++) {
        struct range *range = &look->ranges[i];
        bool same = i > 0 && look->ranges[i - 1].file == range->file;
        if (!same) hst_closep(&fd);
        if (!same) fd = hst_reread_open(&look->model->files[range->file], NULL);
        if (fd >= 0) range->warm_bytes = hst_min_u64(range->end - range->begin, hst_hold_resident(fd, range->begin, range->end - range->begin));
    }
    hst_closep(&fd);
}

static void add_amount(const struct hst_outlook *outlook, struct hst_amount *amount)
{
    if (outlook->converts) {
        amount->converted_bytes += outlook->read_bytes;
        return;
    }
    amount->warm_bytes += outlook->warm_bytes;
    amount->cold_bytes += outlook->read_bytes - outlook->warm_bytes;
}

static void expect(struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        add_amount(&job->view.outlooks[i], &job->view.read);
    hst_forecast_make(job);
}

static void done(void *arg)
{
    struct look *look = arg;
    struct hst_job_entry *job = look->job;
    for (size_t i = 0; i < look->count; i++)
        job->view.outlooks[look->ranges[i].part].warm_bytes += look->ranges[i].warm_bytes;
    free_look(look);
    expect(job);
    hst_step_settle(job, HST_OK, NULL);
}

/* Twins are not kept for a load that does not come. */
static void let_go(struct hst_job_entry *job)
{
    for (size_t i = 0; i < job->view.component_count; i++)
        hst_claim_unref(hst_steal(&job->parts[i].claim));
}

static int gather(struct hst_job_entry *job, struct look **ret_look, struct hst_error *err)
{
    struct look *look = calloc(1, sizeof *look);
    if (look == NULL) return hst_error_nomem(err);
    *look = (struct look){.job = job, .model = job->view.model};
    struct adding adding = {.look = look};
    for (adding.part = 0; adding.part < job->view.component_count; adding.part++) {
        const struct hst_claim *claim = job->parts[adding.part].claim;
        if (claim != NULL) hst_claim_each_read(claim, job->view.components[adding.part], add_range, &adding);
    }
    if (adding.full) {
        free_look(look);
        return hst_error_nomem(err);
    }
    *ret_look = look;
    return HST_OK;
}

int hst_dryrun_look(struct hst_job_entry *job, struct hst_error *err)
{
    struct look *look = NULL;
    HST_TRY(gather(job, &look, err));
    let_go(job);
    if (look->count == 0) {
        free_look(look);
        expect(job);
        return HST_OK;
    }
    if (hst_exec_submit(job->loader->exec, work, done, look) < 0) {
        free_look(look);
        return hst_error_nomem(err);
    }
    job->pending++;
    return HST_STEP_PENDING;
}

int hst_loader_dry_run(struct hst_loader *loader, const struct hst_load_request *request, hst_job_fn ended, void *context, struct hst_error *err)
{
    struct hst_job_entry *job;
    if (loader->draining) return hst_error_set(err, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    if (request->also_count > 0) return hst_error_set(err, HST_E_INVALID_ARGUMENT, "a dry run is of one model, as a load is");
    if (loader->dry_runs >= HST_JOBS_ACTIVE_MAX) return hst_error_set(err, HST_E_BUSY, "%zu dry runs are under way", loader->dry_runs);
    HST_TRY(hst_job_new(loader, request, &job, err));
    job->view.dry = true;
    job->ended = ended;
    job->context = context;
    hst_list_append(&loader->jobs, &job->node);
    loader->dry_runs++;
    hst_step_start(job);
    return HST_OK;
}
