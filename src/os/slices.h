#ifndef HST_OS_SLICES_H
#define HST_OS_SLICES_H
/** @file
 * Long work of the loop thread, cut into slices: between two of them the loop serves everybody else. */
#include "base/error.h"
#include <uv.h>

/** Longest slice; a step that takes longer makes it longer. */
#define HST_SLICE_NS UINT64_C(2000000)

/** Do a little (some ten microseconds). @return is there more to do now? */
typedef bool (*hst_slices_fn)(void *context);

/** Work in slices. */
struct hst_slices {
    uv_idle_t idle;     /**< runs once a turn of the loop while there is work */
    hst_slices_fn step; /**< what to do */
    void *context;      /**< for step */
    bool open;          /**< the handle is in the loop */
};

/** Get ready; `step` runs on the loop thread after hst_slices_go. */
int hst_slices_init(struct hst_slices *slices, uv_loop_t *loop, hst_slices_fn step, void *context, struct hst_error *err);
/** Call step until it says that there is no more to do now. */
void hst_slices_go(struct hst_slices *slices);
/** Stop, and run the loop until the handle is closed. Not ready is fine. */
void hst_slices_fini(struct hst_slices *slices);
#endif
