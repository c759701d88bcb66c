#ifndef HST_PLAN_BATCHES_H
#define HST_PLAN_BATCHES_H
/** @file
 * Which items may load at the same time: Kahn's algorithm, level by level. Pure. */
#include "plan/plan.h"

/** Fill batch_of[0..item_count): an item comes one batch after the last of those it depends on.
 * HST_E_INVALID_FILE when they depend on each other in a circle. */
int hst_batches_make(const struct hst_plan_item *items, size_t item_count, size_t *batch_of, size_t *ret_batch_count, struct hst_error *err);
#endif
