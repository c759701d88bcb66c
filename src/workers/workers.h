#ifndef HST_WORKERS_WORKERS_H
#define HST_WORKERS_WORKERS_H
/** @file
 * Supervised Python workers: one process a domain, started on demand, JSON lines over its stdin and stdout, restarted with a growing
 * delay when it dies. Adds the routes GET /api/workers and POST /api/workers/call. Loop thread only.
 *
 *   stopped -> starting -> ready <-> busy -> (exit) -> backoff -> starting ...   ; stopped on shutdown
 */
#include "service/service.h"

/** The supervisor. */
struct hst_workers;

/** What it needs. */
struct hst_workers_config {
    uv_loop_t *loop;             /**< the loop */
    struct hst_service *service; /**< borrowed; gets the routes */
    const char *python;          /**< interpreter with the package hoist */
    const char *socket_path;     /**< handed to workers as HOIST_SOCKET */
};
/** Make it; starts nothing yet. */
int hst_workers_new(const struct hst_workers_config *config, struct hst_workers **ret_workers, struct hst_error *err);
/** SIGTERM, then SIGKILL after 2 s, then free. Runs the loop until that is done. NULL is fine. */
void hst_workers_free(struct hst_workers *workers);
#endif
