#ifndef HST_SERVICE_INTERNAL_H
#define HST_SERVICE_INTERNAL_H
/** @file
 * The private half of the service, shared by its files alone. */
#include "base/list.h"
#include "base/map.h"
#include "service/events.h"
#include "service/router.h"

/** Counts since start, shown by /metrics. */
struct hst_service_counts {
    uint64_t requests[6]; /**< answers by first digit of the HTTP status */
    uint64_t opens;       /**< models opened or files held */
    uint64_t open_failures; /**< opens that failed */
    uint64_t jobs_done;   /**< loads that succeeded */
    uint64_t jobs_failed; /**< loads that failed */
    uint64_t jobs_cancelled; /**< loads that were cancelled */
    double job_ms;        /**< time of all loads that succeeded */
};

/** Progress that was published last, so that it is not published too often. */
struct hst_service_progress {
    char job_id[24];          /**< which job */
    enum hst_job_state state; /**< its state then */
    enum hst_step step;       /**< its step then */
    uint64_t ns;              /**< when */
};

struct hst_validations;
struct hst_conversions;
struct hst_recorder;
struct hst_preload;

/** The service. */
struct hst_service {
    struct hst_service_config config; /**< as given */
    char instance[17];         /**< random: makes request ids unique over restarts */
    struct hst_router router;  /**< routes */
    struct hst_events events;  /**< kept events and who gets them */
    struct hst_list calls;     /**< unanswered ones */
    struct hst_map by_ticket;  /**< the same by ticket */
    uint64_t next_ticket;      /**< 1, 2, ... */
    struct hst_list batches;   /**< jobs that somebody waits for (batch.c) */
    struct hst_list opens;     /**< opens that wait for a job (open.c) */
    struct hst_list errands;   /**< requests that wait for the disk (verbs_metadata.c) */
    struct hst_map indexes;    /**< encoded indexes by what is in them (index.c) */
    struct hst_service_counts counts; /**< since start */
    struct hst_service_progress progress; /**< see there */
    struct hst_validations *validations; /**< that run, and those that ended lately (validations.c); NULL until the first */
    struct hst_conversions *conversions; /**< of models into files (conversions.c); NULL until the first */
    struct hst_exec *comparing; /**< the thread that compares models (comparisons.c); NULL until the first */
    bool optimizing;           /**< memory is being put in order (verbs_patterns.c) */
    struct hst_recorder *recorder; /**< keeps what is learned from use (recorder.c) */
    struct hst_preload *preload; /**< fills free memory ahead (preload.c) */
    bool scan_again;           /**< a scan was asked for while one ran */
};

/** Fail every unanswered call. */
void hst_call_fail_all(struct hst_service *service, const struct hst_error *error);
/** Jobs somebody waits for are nobody's any more. */
void hst_batch_orphan_all(struct hst_service *service);
/** Requests that wait for the disk are nobody's any more. */
void hst_errands_orphan_all(struct hst_service *service);
/** Opens that wait are nobody's any more. */
void hst_open_fail_all(struct hst_service *service, const struct hst_error *error);
#endif
