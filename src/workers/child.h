#ifndef HST_WORKERS_CHILD_H
#define HST_WORKERS_CHILD_H
/** @file
 * A child process that speaks in lines: what it writes to stdout comes line by line, stderr is logged and its end kept.
 * Loop thread only.
 *
 *   spawned -> (line)* -> exited, exactly once; the child frees itself after that
 */
#include "base/error.h"
#include <uv.h>

/** A running child. */
struct hst_child;

/** News. */
struct hst_child_listener {
    bool (*line)(void *context, const char *line, size_t length); /**< a line without its newline; false = it makes no sense: the child is stopped */
    void (*exited)(void *context, const char *why); /**< it is gone; `why` is a sentence, borrowed. Last call */
    void *context; /**< for both */
};

/** What to run. Strings are borrowed during hst_child_spawn. */
struct hst_child_config {
    uv_loop_t *loop;          /**< the loop */
    const char *name;         /**< for the log; static */
    const char *const *arguments; /**< program and arguments, NULL-ended */
    const char *socket_path;  /**< becomes HOIST_SOCKET; may be NULL */
    struct hst_child_listener listener; /**< news */
    unsigned *live;           /**< counted up now, down when the child's memory is freed */
};

/** Start it. *ret_child is borrowed: valid until `exited`. HST_E_WORKER_UNAVAILABLE when it cannot be started. */
int hst_child_spawn(const struct hst_child_config *config, struct hst_child **ret_child, struct hst_error *err);
/** Write a line (with its newline; stolen, freed when written). Never blocks. */
int hst_child_write(struct hst_child *child, char *line, size_t length, struct hst_error *err);
/** SIGTERM, then SIGKILL after HST_WORKER_STOP_MS. `why` (may be NULL) is told to `exited` instead of the signal. */
void hst_child_stop(struct hst_child *child, const char *why);
/** SIGKILL at once, for one that no longer listens. `why` as for hst_child_stop. */
void hst_child_kill(struct hst_child *child, const char *why);
/** hst_child_stop, and never call the listener again: its context goes away. */
void hst_child_abandon(struct hst_child *child);
/** Process id. */
int32_t hst_child_pid(const struct hst_child *child);
#endif
