#ifndef HST_PLAN_EXPECT_H
#define HST_PLAN_EXPECT_H
/** @file
 * How long a load will take, by how long loads took. Pure. */
#include <stdint.h>

/** Bytes by the way they come into RAM. */
struct hst_plan_amount {
    uint64_t cold_bytes;      /**< read from disk */
    uint64_t warm_bytes;      /**< in the page cache already */
    uint64_t converted_bytes; /**< read from either, and turned into another type */
};

/** What was measured. */
struct hst_plan_rates {
    double cold;      /**< bytes a millisecond; 0 = not known */
    double warm;      /**< the same */
    double converted; /**< the same */
    double fixed_ms;  /**< of a load besides bringing bytes in; 0 = not known */
};

/** Bytes of all kinds. */
uint64_t hst_plan_amount_total(const struct hst_plan_amount *amount);
/** Milliseconds that a load of this amount takes; negative = not known, because nothing like it was measured yet. */
double hst_plan_expect(const struct hst_plan_rates *rates, const struct hst_plan_amount *amount);
/** A load took so long to bring this in, and so long for all else. The newest measurement counts for a half; what is mixed, or too small to
 * tell a rate, says nothing of rates. */
void hst_plan_learn(struct hst_plan_rates *rates, const struct hst_plan_amount *amount, double reading_ms, double fixed_ms);
#endif
