#ifndef HST_PLAN_LIMITS_H
#define HST_PLAN_LIMITS_H
/** @file
 * Limits of plans, each with its reason. */

/** Components that stay and are named beside one that goes: enough to see how close it was. */
#define HST_PLAN_RIVALS_MAX 4u
/** Less than this tells no rate: opening files takes as long. */
#define HST_PLAN_MEASURED_MIN UINT64_C(1048576)
#endif
