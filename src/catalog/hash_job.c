#include "catalog/hash_job.h"

#include "base/cleanup.h"
#include "catalog/limits.h"
#include "catalog/reopen.h"
#include "os/priority.h"

int hst_hash_job_new(struct hst_model *model, size_t file, bool urgent, struct hst_hash_job **ret_job, struct hst_error *err)
{
    struct hst_hash_job *job = calloc(1, sizeof *job);
    if (job == NULL) return hst_error_nomem(err);
    *job = (struct hst_hash_job){.model = hst_model_ref(model), .file = file, .urgent = urgent, .fd = -1, .pass = {.direct_fd = -1}};
    hst_list_init(&job->node);
    *ret_job = job;
    return HST_OK;
}

void hst_hash_job_free(struct hst_hash_job *job)
{
    hst_list_remove(&job->node);
    hst_hash_free(job->hash);
    hst_pass_fini(&job->pass);
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
    return hst_pass_init(&job->pass, job->fd, file->id.size_bytes, NULL);
}

/* All bytes are in: were they those of the file that was parsed, from the first to the last? */
static int end_file(struct hst_hash_job *job)
{
    HST_TRY(hst_reopen_check(job->fd, &hst_hash_job_file(job)->id, NULL));
    HST_TRY(hst_hash_finish(job->hash, &job->hashes, NULL));
    job->finished = true;
    return HST_OK;
}

static int hash_slice(struct hst_hash_job *job)
{
    size_t length = 1;
    for (uint64_t done = 0; length > 0 && done < HST_HASH_SLICE_BYTES; done += length) {
        if (*job->stop || job->cancelled) return HST_OK;
        if (job->fd < 0) HST_TRY(begin_file(job));
        HST_TRY(hst_pass_next(&job->pass, &length, NULL));
        hst_hash_update(job->hash, job->pass.piece, length);
        job->offset += length;
    }
    return length == 0 ? end_file(job) : HST_OK;
}

static void slice_work(void *arg)
{
    struct hst_hash_job *job = arg;
    if (job->background) hst_priority_background();
    job->status = hash_slice(job);
}

static void slice_done(void *arg)
{
    struct hst_hash_job *job = arg;
    job->running = false;
    job->done(job);
}

int hst_hash_job_submit(struct hst_hash_job *job, struct hst_exec *exec)
{
    job->background = !job->urgent;
    HST_TRY(hst_exec_submit(exec, slice_work, slice_done, job));
    job->running = true;
    return HST_OK;
}
