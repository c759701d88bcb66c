#include "hashing/hash_job.h"

#include "base/cleanup.h"
#include "hashing/limits.h"
#include "model/reopen.h"
#include "os/priority.h"

int hst_hash_job_new(struct hst_model *model, size_t file, bool urgent, struct hst_hash_job **ret_job, struct hst_error *err)
{
    struct hst_hash_job *job = calloc(1, sizeof *job);
    if (job == NULL) return hst_error_nomem(err);
    *job = (struct hst_hash_job){.model = hst_model_ref(model), .file = file, .urgent = urgent, .fd = -1, .pass = {.direct_fd = -1}};
    hst_list_init(&job->node);
    hst_hash_lanes_init(&job->lanes);
    *ret_job = job;
    return HST_OK;
}

void hst_hash_job_free(struct hst_hash_job *job)
{
    hst_list_remove(&job->node);
    hst_hash_free(job->hash);
    hst_pass_fini(&job->pass);
    hst_hash_lanes_fini(&job->lanes);
    hst_tensor_table_free(job->table);
    hst_closep(&job->fd);
    hst_model_unref(job->model);
    free(job);
}

static int begin_file(struct hst_hash_job *job)
{
    const struct hst_model_file *file = hst_hash_job_file(job);
    HST_TRY(hst_reopen(file->path, &file->id, &job->fd, &job->table, NULL));
    HST_TRY(hst_hash_new(job->table, &job->hash, NULL));
    hst_pass_init(&job->pass, job->fd, file->id.size_bytes);
    job->lanes.hash = job->hash;
    return HST_OK;
}

/* All bytes are in: were they those of the file that was parsed, from the first to the last? */
static int end_file(struct hst_hash_job *job)
{
    HST_TRY(hst_reopen_check(job->fd, &hst_hash_job_file(job)->id, NULL));
    HST_TRY(hst_hash_finish(job->hash, &job->hashes, NULL));
    job->finished = true;
    return HST_OK;
}

static bool is_stopped(const struct hst_hash_job *job)
{
    return *job->stop || job->cancelled;
}

/* *ret_ended: the file's end was reached. */
static int read_slice(struct hst_hash_job *job, bool *ret_ended)
{
    size_t length = 1;
    if (is_stopped(job)) return HST_OK;
    if (job->hash == NULL) {
        HST_TRY(begin_file(job));
        if (!job->urgent_slice) return HST_OK; /* the rest is for the background */
    }
    for (uint64_t done = 0; length > 0 && done < HST_HASH_SLICE_BYTES && !is_stopped(job); done += length) {
        HST_TRY(hst_hash_lanes_next(&job->lanes, &job->pass, &length, NULL));
        job->offset += length;
    }
    *ret_ended = length == 0;
    return HST_OK;
}

static void slice_work(void *arg)
{
    struct hst_hash_job *job = arg;
    bool ended = false;
    if (job->background) hst_priority_background();
    job->status = read_slice(job, &ended);
    hst_hash_lanes_close(&job->lanes);
    if (job->status == HST_OK && ended) job->status = end_file(job);
}

static void help_work(void *arg)
{
    struct hst_hash_job *job = arg;
    if (job->background) hst_priority_background();
    hst_hash_lanes_help(&job->lanes);
}

static void task_done(void *arg)
{
    struct hst_hash_job *job = arg;
    if (--job->tasks > 0) return;
    job->running = false;
    job->done(job);
}

int hst_hash_job_submit(struct hst_hash_job *job, struct hst_exec *exec)
{
    job->urgent_slice = job->urgent;
    job->background = !hst_hash_job_is_foreground(job); /* what parses may be a process, which would stay in the background for ever */
    hst_hash_lanes_open(&job->lanes, job->helped);
    HST_TRY(hst_exec_submit(exec, slice_work, task_done, job));
    job->running = true;
    job->tasks = 1;
    job->tasks += job->helped && hst_exec_submit(exec, help_work, task_done, job) == HST_OK;
    return HST_OK;
}
