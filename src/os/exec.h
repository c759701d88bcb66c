#ifndef HST_OS_EXEC_H
#define HST_OS_EXEC_H
/** @file
 * Named threads that take jobs and give results back to the loop thread. The only way off the loop: state belongs to the
 * loop thread, a job sees only what it was handed.
 *
 *     loop thread:  hst_exec_submit(exec, work, done, arg) ---> queue ---> worker thread: work(arg)
 *     loop thread:  done(arg)  <--- uv_async <--- completions <-----------------'
 */
#include "base/error.h"
#include <uv.h>

/** A pool of threads. */
struct hst_exec;

/** Runs on a thread of the pool, or on the loop thread for `done`. */
typedef void (*hst_exec_fn)(void *arg);

/** Start `threads` threads named `name` (at most 15 bytes) whose completions run on `loop`. Owned by the caller: hst_exec_free. */
int hst_exec_new(uv_loop_t *loop, const char *name, unsigned threads, struct hst_exec **ret_exec, struct hst_error *err);

/** Run `work(arg)` on the pool and then `done(arg)` (unless NULL) on the loop thread. From the loop thread only.
 * @return 0 or HST_E_NOMEM, and then neither is called */
int hst_exec_submit(struct hst_exec *exec, hst_exec_fn work, hst_exec_fn done, void *arg);

/** From any thread: run `fn(arg)` on the loop thread (progress, news). @return 0 or HST_E_NOMEM */
int hst_exec_post(struct hst_exec *exec, hst_exec_fn fn, void *arg);

/** Jobs submitted whose `done` has not run yet. From the loop thread. */
size_t hst_exec_pending(const struct hst_exec *exec);

/** Wait for the running jobs, run every outstanding `done`, stop the threads, close the loop handle (runs the loop until it is
 * closed) and free. From the loop thread. NULL is fine. */
void hst_exec_free(struct hst_exec *exec);
#endif
