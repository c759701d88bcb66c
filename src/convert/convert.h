#ifndef HST_CONVERT_CONVERT_H
#define HST_CONVERT_CONVERT_H
/** @file
 * Numbers of one floating type turned into those of another, bit for bit as PyTorch's `tensor.to(dtype)` on a CPU does it
 * (docs/decisions/0016-conversions.md): rounded to the nearest, ties to even; F64 goes through F32; too large is infinite, and the largest
 * finite number for F8_E4M3, which knows no infinity. Pure, from any thread. */
#include "formats/dtype.h"

/** Types that are converted: F64, F32, F16, BF16, F8_E4M3, F8_E5M2. */
#define HST_CONVERT_TYPES 6u

/** A conversion. Constant, never freed. */
struct hst_converter {
    /** Convert `count` numbers. Neither side needs to be aligned; they may not overlap. */
    void (*run)(const void *source, void *target, size_t count);
    enum hst_dtype from; /**< type of the source */
    enum hst_dtype to;   /**< type of the target */
    size_t from_bytes;   /**< of a number of the source */
    size_t to_bytes;     /**< of a number of the target */
};

/** Instructions that conversions are written with, slowest first. */
enum hst_convert_path {
    HST_CONVERT_PORTABLE, /**< what the compiler makes of C */
    HST_CONVERT_AVX2,     /**< AVX2 and F16C */
    HST_CONVERT_AVX512,   /**< AVX-512 F, BW, DQ, VL */
};

/** Is it one of the types that are converted? */
bool hst_convert_knows(enum hst_dtype dtype);
/** The conversion on the fastest path of this machine. NULL when one of the types is none that is converted, or both are the same. */
const struct hst_converter *hst_convert_find(enum hst_dtype from, enum hst_dtype to);
/** For tests and measurements: the conversion on one path. NULL also when this machine does not have it. */
const struct hst_converter *hst_convert_find_on(enum hst_convert_path path, enum hst_dtype from, enum hst_dtype to);
/** The fastest path of this machine. */
enum hst_convert_path hst_convert_path(void);
/** For tests: let hst_convert_find take this path, of those that this machine has, in the whole process. @return has it? */
bool hst_convert_use(enum hst_convert_path path);
#endif
