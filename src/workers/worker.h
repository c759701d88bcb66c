#ifndef HST_WORKERS_WORKER_H
#define HST_WORKERS_WORKER_H
/** @file
 * The worker of one domain: its process, the calls that wait for it, and when it is started again. Loop thread only.
 *
 *             call              ready             call
 *   stopped --------> starting -------> ready <----------> busy
 *      ^                 |  ^             |      answer      |
 *      |  too many       |  | delay       |                  |
 *      |  failures       v  | is over     |                  |
 *      '-------------- backoff <----------'------------------'   exit, silence, nonsense
 *
 * One call is with the process at a time, the others wait in line. A call that the process takes down with it fails with
 * HST_E_WORKER_GONE; those in line wait for the next process, unless that cannot be started either.
 */
#include "base/error.h"
#include <jansson.h>
#include <uv.h>

/** States. */
enum hst_worker_state {
    HST_WORKER_STOPPED,  /**< no process; the next call starts one */
    HST_WORKER_STARTING, /**< process runs, has not said that it is ready */
    HST_WORKER_READY,    /**< waits for a call */
    HST_WORKER_BUSY,     /**< works on one */
    HST_WORKER_BACKOFF,  /**< died; is started again after a delay */
};

/** A worker. */
struct hst_worker;

/** The end of a call, exactly once: its result (borrowed), or NULL and the error. */
typedef void (*hst_worker_done_fn)(void *context, json_t *result, const struct hst_error *err);

/** What it runs and whom it tells. Strings are borrowed as long as the worker lives. */
struct hst_worker_config {
    uv_loop_t *loop;                 /**< the loop */
    const char *domain;              /**< "inference" */
    const char *const *arguments;    /**< program and arguments, NULL-ended */
    const char *socket_path;         /**< becomes HOIST_SOCKET; may be NULL */
    uint64_t ping_ms;                /**< idle time before a sign of life is asked for; 0 = HST_WORKER_PING_MS */
    uint64_t backoff_min_ms;         /**< first delay before a restart; 0 = HST_WORKER_BACKOFF_MIN_MS */
    void (*changed)(void *context, struct hst_worker *worker); /**< its state changed */
    void *context;                   /**< for changed */
    unsigned *live;                  /**< counts handles' owners that are not freed yet: run the loop until it is 0 */
};

/** Make it; starts nothing yet. *ret_worker owned by the caller. */
int hst_worker_new(const struct hst_worker_config *config, struct hst_worker **ret_worker, struct hst_error *err);
/** End the process, fail every call with HST_E_SHUTTING_DOWN, and free once the loop has closed what is open. NULL is fine. */
void hst_worker_free(struct hst_worker *worker);
/** Have an operation run. `params` is borrowed; `timeout_ms` (0 = HST_WORKER_CALL_MS) counts from when the process takes it.
 * HST_E_BUSY when too many wait, HST_E_WORKER_UNAVAILABLE while the breaker is open; then `done` is not called. */
int hst_worker_call(struct hst_worker *worker, const char *operation, const json_t *params, uint64_t timeout_ms,
                    hst_worker_done_fn done, void *context, struct hst_error *err);
/** Its state. */
enum hst_worker_state hst_worker_state(const struct hst_worker *worker);
/** {domain, state, pid, restarts, since, last_error, operations, busy, waiting, failures}. New reference, NULL out of memory. */
json_t *hst_worker_json(const struct hst_worker *worker);
#endif
