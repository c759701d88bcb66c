#ifndef HST_BASE_CHECKED_H
#define HST_BASE_CHECKED_H
/** @file
 * Arithmetic on sizes that came from outside: each returns false instead of wrapping. */
#include <stdbool.h>
#include <stdint.h>

/** *ret_sum = a + b, unless it overflows. */
static inline bool hst_checked_add(uint64_t a, uint64_t b, uint64_t *ret_sum)
{
    return !__builtin_add_overflow(a, b, ret_sum);
}

/** *ret_product = a * b, unless it overflows. */
static inline bool hst_checked_mul(uint64_t a, uint64_t b, uint64_t *ret_product)
{
    return !__builtin_mul_overflow(a, b, ret_product);
}

/** Round `value` down to a multiple of `unit`, a power of two. */
static inline uint64_t hst_round_down(uint64_t value, uint64_t unit)
{
    return value & ~(unit - 1);
}

/** Round `value` up to a multiple of `unit`, a power of two; the caller knows that value + unit does not overflow. */
static inline uint64_t hst_round_up(uint64_t value, uint64_t unit)
{
    return hst_round_down(value + unit - 1, unit);
}

/** The smaller of two sizes. */
static inline uint64_t hst_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/** The larger of two sizes. */
static inline uint64_t hst_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
#endif
