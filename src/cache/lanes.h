#ifndef HST_CACHE_LANES_H
#define HST_CACHE_LANES_H
/** @file
 * Threads that fill, a pool for each disk: what lies on several is read from all of them at once, and a slow one keeps nobody waiting. A fill runs
 * in one lane from its beginning to its end. Loop thread only. */
#include "cache/limits.h"
#include "os/exec.h"

/** The lanes of a tier. */
struct hst_lanes {
    uv_loop_t *loop;   /**< the loop */
    unsigned threads;  /**< of a lane */
    size_t count;      /**< lanes there are; the first is there from the beginning */
    bool closing;      /**< being ended: no more are made */
    uint64_t devices[HST_LANES_MAX];      /**< st_dev that a lane was made for; 0 = for none yet */
    struct hst_exec *execs[HST_LANES_MAX]; /**< its threads */
};

/** Make the first one. */
int hst_lanes_init(struct hst_lanes *lanes, uv_loop_t *loop, unsigned threads, struct hst_error *err);
/** The threads for files on this disk (st_dev): a lane of its own, made now, as long as there are lanes and memory, else one that others have too. */
struct hst_exec *hst_lanes_of(struct hst_lanes *lanes, uint64_t device);
/** Wait for what runs, tell everybody, end the threads. Harmless on an empty one. */
void hst_lanes_fini(struct hst_lanes *lanes);
#endif
