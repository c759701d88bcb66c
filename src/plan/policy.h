#ifndef HST_PLAN_POLICY_H
#define HST_PLAN_POLICY_H
/** @file
 * Which of those that nobody holds goes first. A policy is a row of the table in policy.c: it gives each candidate a value, and the least valuable
 * goes first. Pure; bench/policies runs the same code over traces. */
#include "base/error.h"

/** Something that could make room. */
struct hst_plan_candidate {
    const char *component_id; /**< borrowed */
    uint64_t bytes;           /**< it would free */
    uint64_t last_used_seq;   /**< higher = used later */
    uint64_t reload_ns;       /**< cost of bringing it back; 0 = not known */
    double heat;              /**< uses of late: each counts half after some hours (cache/cache.h) */
    double idle_s;            /**< seconds since it was used */
    double next_use_s;        /**< seconds until it is probably used again; 0 = not known */
    int priority;             /**< of the user, -10 to 10; each step doubles its worth */
    bool expired;             /**< its time is over: it goes before all others */
    unsigned group;           /**< candidates of one number (not 0) share memory */
    uint64_t joint_bytes;     /**< what all of its group free together beyond the sum of their bytes */
    unsigned memory;          /**< number (not 0) of the memory that it is in RAM; of a device: that it references there, and leaves the device with */
};

/** An eviction policy. */
struct hst_plan_policy {
    const char *name; /**< "cost" */
    double (*value)(const struct hst_plan_candidate *candidate); /**< the least goes first */
};

/** The policy of this name, or NULL. */
const struct hst_plan_policy *hst_plan_policy_find(const char *name);
/** The policy of those that have not chosen: cost. */
const struct hst_plan_policy *hst_plan_policy_default(void);
/** What a candidate is worth to a policy, its user's priority counted: the least goes first. */
double hst_plan_value(const struct hst_plan_policy *policy, const struct hst_plan_candidate *candidate);
/** Put candidates in order, first to go first: *ret_order (owned by the caller) holds their indices. */
int hst_plan_rank(const struct hst_plan_policy *policy, const struct hst_plan_candidate *candidates, size_t count, size_t **ret_order, struct hst_error *err);
/** Say for people why this one: how long it was not used, and what it costs to bring it back. */
void hst_plan_explain(const struct hst_plan_policy *policy, const struct hst_plan_candidate *candidate, char *text, size_t size);
#endif
