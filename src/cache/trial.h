#ifndef HST_CACHE_TRIAL_H
#define HST_CACHE_TRIAL_H
/** @file
 * Which memory of hoist's own is best is tried out when hoistd starts: a little of each kind is filled and mapped as a client does. Whether huge
 * pages come is not told by what the kernel lets us ask for; what it costs to touch a mapping is. Some milliseconds, off the loop. */
#include "cache/backing.h"

/** Bytes of each kind that are tried, one after the other: two huge pages. The tmpfs has room for them beside the budget. */
#define HST_TRIAL_BYTES UINT64_C(4194304)

/** What was measured, by kind. */
struct hst_trial {
    double touch_ms_per_gib[HST_BACKING_COUNT]; /**< what it costs a client to touch a fresh mapping of it; 0 = it cannot be had, or was not tried */
    enum hst_backing best;                      /**< the one for copies */
};

/** Try all kinds; `tmpfs` NULL = there is none. [worker] */
void hst_trial_run(struct hst_tmpfs *tmpfs, struct hst_trial *ret_trial);
/** The best: memfds of huge pages when a client touches them in half the time of small ones, and the tmpfs unless it needs twice the time of that:
 * measurements as short as these vary, and of a tmpfs parts can be given back. */
enum hst_backing hst_trial_best(const struct hst_trial *trial);
#endif
