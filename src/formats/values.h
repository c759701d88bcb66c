#ifndef HST_FORMATS_VALUES_H
#define HST_FORMATS_VALUES_H
/** @file
 * What numbers a tensor's bytes are: NaN, infinities, or zeros alone. Pure, at the speed of memory. */
#include "formats/dtype.h"

/** Counts, added up over pieces of a tensor. Zero-initialise. */
struct hst_values {
    uint64_t nan;      /**< elements that are no number (a complex one is two numbers) */
    uint64_t infinite; /**< elements that are infinite, of either sign */
    bool nonzero;      /**< is there an element that is not zero (of either sign)? For types that are not decoded: a byte that is not 0 */
};

/** Can NaN and infinities of this type be told? True for integers, which have none; false for floats of less than a byte and for packed blocks. */
bool hst_values_decodes(enum hst_dtype dtype);
/** Add the counts of `size_bytes` bytes: whole elements, aligned to 8 bytes. */
void hst_values_add(struct hst_values *values, enum hst_dtype dtype, const void *bytes, size_t size_bytes);
#endif
