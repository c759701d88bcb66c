#ifndef HST_PLAN_PLAN_H
#define HST_PLAN_PLAN_H
/** @file
 * What a load would do: pure arithmetic over facts, no I/O, so that a dry run and the load itself cannot differ. */
#include "plan/limits.h"
#include "plan/policy.h"

/** A component to load. */
struct hst_plan_item {
    const char *component_id;       /**< borrowed */
    const char *role;               /**< borrowed */
    const char *const *depends_on;  /**< roles; borrowed */
    size_t depends_on_count;        /**< of depends_on */
    uint64_t size_bytes;            /**< tensor bytes */
    uint64_t ram_bytes;             /**< what caching it charges; 0 when it is cached already */
    uint64_t device_bytes;          /**< what loading it reserves; 0 when it is loaded already, or no device is asked for */
};

/** Room of one tier. */
struct hst_plan_room {
    uint64_t budget_bytes;    /**< limit */
    uint64_t used_bytes;      /**< charged or reserved */
    const struct hst_plan_candidate *candidates; /**< what may be evicted; borrowed */
    size_t candidate_count;   /**< of candidates */
};

/** The facts. */
struct hst_plan_facts {
    const struct hst_plan_item *items; /**< borrowed */
    size_t item_count;                 /**< of items */
    struct hst_plan_room ram;          /**< RAM tier */
    struct hst_plan_room device;       /**< device tier; all zero without a device */
    const struct hst_plan_policy *policy; /**< NULL = the default */
};

/** An eviction with its reason. */
struct hst_plan_eviction {
    size_t candidate;         /**< index into the tier's candidates */
    char *component_id;       /**< the candidate's; owned */
    const char *device_id;    /**< borrowed; NULL = RAM, or the device that was planned for */
    uint64_t bytes;           /**< it frees */
    double value;             /**< what it was worth to the policy */
    char reason[200];         /**< sentence for people */
    bool follows;             /**< it was not chosen: it leaves a device because its RAM goes */
};

/** One that stays, though it could have gone. */
struct hst_plan_rival {
    char *component_id; /**< owned */
    double value;       /**< what it is worth to the policy */
};

/** Those of a tier that stay, the least valuable first. */
struct hst_plan_rivals {
    struct hst_plan_rival items[HST_PLAN_RIVALS_MAX]; /**< `count` of them */
    size_t count;                                     /**< of items */
};

/** The result. Owned: hst_plan_fini. */
struct hst_plan {
    size_t *batch_of;        /**< per item: which batch (0 = first); items of one batch load in parallel */
    size_t batch_count;      /**< batches */
    uint64_t ram_bytes;      /**< to be charged */
    uint64_t device_bytes;   /**< to be reserved */
    struct hst_plan_eviction *ram_evictions;    /**< in order */
    size_t ram_eviction_count;                  /**< of ram_evictions */
    struct hst_plan_eviction *device_evictions; /**< in order */
    size_t device_eviction_count;               /**< of device_evictions */
    struct hst_plan_rivals ram_rivals;    /**< when something is evicted from RAM */
    struct hst_plan_rivals device_rivals; /**< when something is evicted from the device */
    const char *policy;      /**< name of the one that chose; borrowed */
};

/** Plan it. HST_E_OUT_OF_RAM or HST_E_OUT_OF_DEVICE_MEMORY with the figures when no eviction makes enough room; HST_E_INVALID_FILE
 * when dependencies form a circle. Dependencies on roles that are not items are ignored. */
int hst_plan_make(const struct hst_plan_facts *facts, struct hst_plan *ret_plan, struct hst_error *err);
/** Free what it holds. */
void hst_plan_fini(struct hst_plan *plan);
#endif
