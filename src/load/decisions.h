#ifndef HST_LOAD_DECISIONS_H
#define HST_LOAD_DECISIONS_H
/** @file
 * Why what was evicted was evicted: a record of each, the last HST_DECISIONS_KEPT of them. One that came back within HST_THRASH_SECONDS is marked:
 * evicting it was a mistake, or RAM is too small for what is asked of it. Loop thread only. */
#include "load/limits.h"
#include "plan/plan.h"

/** Bytes of an id in a record. */
#define HST_DECISION_ID_MAX 192

/** What made it go. */
enum hst_decision_cause {
    HST_CAUSE_ROOM,  /**< a load needed the room */
    HST_CAUSE_ASKED, /**< somebody asked for it */
    HST_CAUSE_TTL,   /**< its time to live was over */
    HST_CAUSE_PRESSURE, /**< the machine ran short of memory */
    HST_CAUSE_COUNT, /**< number of causes */
};

/** One that stayed though it could have gone. */
struct hst_decision_rival {
    char component_id[HST_DECISION_ID_MAX]; /**< which */
    double value;                           /**< what it was worth to the policy */
};

/** A record. */
struct hst_decision {
    uint64_t id;                            /**< 1, 2, ... */
    int64_t at_wall_ns;                     /**< when */
    enum hst_decision_cause cause;          /**< see there */
    char component_id[HST_DECISION_ID_MAX]; /**< what went */
    char device_id[32];                     /**< where from; "" = RAM */
    uint64_t bytes;                         /**< it freed; what is shared counts with the last that had it */
    char job_id[24];                        /**< for which load; "" = none */
    char model_id[HST_DECISION_ID_MAX];     /**< of that load; "" = none */
    char reason[200];                       /**< sentence for people */
    char policy[16];                        /**< that chose; "" = none */
    double value;                           /**< what it was worth to the policy */
    struct hst_decision_rival rivals[HST_PLAN_RIVALS_MAX]; /**< who stayed, the least valuable first */
    size_t rival_count;                     /**< of rivals */
    int64_t reloaded_wall_ns;               /**< when it was brought back, if it was so soon that it counts as thrash; else 0 */
};

/** The records. Zero-initialise; free with hst_decisions_fini. */
struct hst_decisions {
    struct hst_decision *ring;          /**< owned; record N is at N modulo HST_DECISIONS_KEPT; NULL until the first */
    uint64_t last_id;                   /**< of the newest */
    uint64_t counts[HST_CAUSE_COUNT];   /**< since start */
    uint64_t bytes;                     /**< evicted since start */
    uint64_t thrash_count;              /**< brought back too soon, since start */
};

/** Name of a cause: room asked ttl pressure. */
const char *hst_decision_cause_name(enum hst_decision_cause cause);
/** Write a record; its id and time are filled in. @return it, or NULL without memory */
const struct hst_decision *hst_decisions_note(struct hst_decisions *decisions, const struct hst_decision *decision);
/** Records, newest first: start with *cursor = 0; NULL at the end. */
const struct hst_decision *hst_decisions_next(const struct hst_decisions *decisions, size_t *cursor);
/** It was brought back ("" = into RAM). @return the record of its eviction when it was for want of room or memory, a short while ago, and is not marked yet: it is now;
 * else NULL */
const struct hst_decision *hst_decisions_reloaded(struct hst_decisions *decisions, const char *component_id, const char *device_id, int64_t now_wall_ns);
/** Free what it holds. */
void hst_decisions_fini(struct hst_decisions *decisions);
#endif
