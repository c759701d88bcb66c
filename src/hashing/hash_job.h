#ifndef HST_HASHING_HASH_JOB_H
#define HST_HASHING_HASH_JOB_H
/** @file
 * One file being hashed, a slice at a time. Between slices it keeps the file open and its digest, so that it goes on where it was; that
 * does not outlive the process, since the library's digests cannot be written down. Loop thread, but for the slice itself. */
#include "base/list.h"
#include "hashing/hash_lanes.h"
#include "model/model.h"
#include "os/exec.h"

/** The job. The part behind `status` belongs to the slice while one runs. */
struct hst_hash_job {
    struct hst_list node;        /**< for who made it */
    struct hst_model *model;     /**< referenced */
    size_t file;                 /**< which of its files */
    bool urgent;                 /**< somebody waits: the next slice is none of the background */
    bool running;                /**< in a slice */
    bool helped;                 /**< the next slice may use a second thread */
    unsigned tasks;              /**< of the slice, on threads or on their way back */
    bool urgent_slice;           /**< as `urgent` was when it began */
    bool background;             /**< that slice is of the background: never the first, which parses the file */
    _Atomic(bool) cancelled;     /**< nobody wants it any more */
    const _Atomic(bool) *stop;   /**< slices end soon; borrowed */
    hst_exec_fn done;            /**< told on the loop thread after each slice */
    void *context;               /**< for who made it */
    _Atomic(uint64_t) offset;    /**< bytes hashed */
    uint64_t counted;            /**< of them, those that were counted already; for who made it */
    int status;                  /**< of the last slice */
    bool finished;               /**< `hashes` are those of the file */
    struct hst_hashes hashes;    /**< see finished */
    int fd;                      /**< owned; -1 = not begun */
    struct hst_tensor_table *table; /**< owned; NULL = none */
    struct hst_hash *hash;       /**< owned */
    struct hst_pass pass;        /**< reads it */
    struct hst_hash_lanes lanes; /**< hash what it reads */
};

/** A job that has not begun. *ret_job owned by the caller. */
int hst_hash_job_new(struct hst_model *model, size_t file, bool urgent, struct hst_hash_job **ret_job, struct hst_error *err);
/** The file. */
static inline const struct hst_model_file *hst_hash_job_file(const struct hst_hash_job *job)
{
    return &job->model->files[job->file];
}
/** Must its next slice run on threads that are not of the background: is it urgent, or the first? */
static inline bool hst_hash_job_is_foreground(const struct hst_hash_job *job)
{
    return job->urgent || job->hash == NULL;
}
/** Run a slice on the executor, then job->done(job). */
int hst_hash_job_submit(struct hst_hash_job *job, struct hst_exec *exec);
/** Free one that does not run, and take it out of its list. */
void hst_hash_job_free(struct hst_hash_job *job);
#endif
