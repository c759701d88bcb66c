#ifndef HST_PLAN_LIMITS_H
#define HST_PLAN_LIMITS_H
/** @file
 * Limits of plans, each with its reason. */

/** Components that stay and are named beside one that goes: enough to see how close it was. */
#define HST_PLAN_RIVALS_MAX 4u
#endif
