#ifndef HST_LOAD_ESTIMATES_H
#define HST_LOAD_ESTIMATES_H
/** @file
 * How long a load will take, learnt from those before: a speed for each kind of work - from a disk, from the page cache, from RAM; as stored or
 * converted; to which device - and for each model, device and precision. The margin comes from the error of the estimates so far. Arithmetic and a
 * table, no I/O. Loop thread only. */
#include "base/error.h"
#include "base/map.h"

/** Where bytes come from. */
enum hst_origin {
    HST_ORIGIN_COLD,  /**< a disk */
    HST_ORIGIN_WARM,  /**< the page cache */
    HST_ORIGIN_RAM,   /**< the RAM tier: only the device lacks them */
    HST_ORIGIN_COUNT, /**< number of sources */
};

/** What was learnt of one kind of work. All zero = nothing yet. */
struct hst_speed {
    double log_speed; /**< ln of bytes per ms, of large loads; of small ones before the first large one */
    double small_ms;  /**< time of a small load, whatever its size */
    unsigned large;   /**< large loads it was learnt from */
    unsigned small;   /**< small ones */
};

/** Learn from a load of so many bytes. One that is far from the others counts as one that is nearer. */
void hst_speed_learn(struct hst_speed *speed, uint64_t bytes, double ms);
/** How long so many bytes would take, in ms; negative = nothing was learnt. */
double hst_speed_expect(const struct hst_speed *speed, uint64_t bytes);

/** A load as estimates see it. Borrowed. */
struct hst_workload {
    const char *model_id;      /**< which model */
    const char *device_id;     /**< where to; "" = RAM alone */
    const char *precision;     /**< "" = as stored */
    uint64_t disk;             /**< st_dev of its first file */
    uint64_t bytes;            /**< to bring in */
    double warm_share;         /**< of the bytes, those in the page cache, 0 to 1 */
    bool from_ram;             /**< all of it is in the RAM tier */
};

/** An estimate, and what became of it. Times are negative while they are not known. */
struct hst_estimate {
    double expected_ms;      /**< of the load step */
    double margin_ms;        /**< it may take so much longer */
    double measured_ms;      /**< it took */
    uint64_t expected_bytes; /**< of RAM to be charged */
    uint64_t measured_bytes; /**< that were charged */
    const char *source;      /**< cold, warm, mixed, ram; "" = nothing to do */
};

/** What is known of a model on a device in a precision. */
struct hst_experience {
    struct hst_speed speeds[HST_ORIGIN_COUNT]; /**< by source */
    double error;              /**< mean of |ln(measured / expected)|, the newest counting most */
    uint64_t loads;            /**< measured */
    struct hst_estimate last;  /**< of the newest */
    char model_id[128];        /**< "" = of a kind of work, whatever the model */
    char device_id[32];        /**< "" = RAM alone */
    char precision[16];        /**< "" = as stored */
    char key[];                /**< of the table */
};

/** All that was learnt. Zero-initialise; free with hst_estimates_fini. */
struct hst_estimates {
    struct hst_map by_key; /**< experiences, owned */
    double error;          /**< as in hst_experience, of all loads */
    uint64_t count;        /**< loads that had been estimated when they were measured */
};

/** Estimate. */
struct hst_estimate hst_estimates_make(const struct hst_estimates *estimates, const struct hst_workload *load);
/** Learn from a load that was measured; `estimate` is what was made of it, with its measured fields set. Without memory nothing is learnt. */
void hst_estimates_learn(struct hst_estimates *estimates, const struct hst_workload *load, const struct hst_estimate *estimate);
/** What is known of a model: start with *cursor = 0; NULL at the end. In no order. */
const struct hst_experience *hst_estimates_next(const struct hst_estimates *estimates, const char *model_id, size_t *cursor);
/** Free. */
void hst_estimates_fini(struct hst_estimates *estimates);
#endif
