#ifndef HST_FORMATS_DTYPE_H
#define HST_FORMATS_DTYPE_H
/** @file
 * Element types, in the words of safetensors (its 22 dtypes). A later format adds its own rows at the end. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An element type. The numbers are on the wire (index): never change one. */
enum hst_dtype {
    HST_DTYPE_BOOL = 1,     /**< 8 bits, 0 or 1 */
    HST_DTYPE_F4 = 2,       /**< 4 bits, E2M1 */
    HST_DTYPE_F6_E2M3 = 3,  /**< 6 bits */
    HST_DTYPE_F6_E3M2 = 4,  /**< 6 bits */
    HST_DTYPE_U8 = 5,       /**< unsigned 8 bits */
    HST_DTYPE_I8 = 6,       /**< signed 8 bits */
    HST_DTYPE_F8_E5M2 = 7,  /**< 8-bit float */
    HST_DTYPE_F8_E4M3 = 8,  /**< 8-bit float, finite (E4M3FN) */
    HST_DTYPE_F8_E8M0 = 9,  /**< 8-bit exponent (scales) */
    HST_DTYPE_F8_E4M3FNUZ = 10, /**< 8-bit float, AMD's */
    HST_DTYPE_F8_E5M2FNUZ = 11, /**< 8-bit float, AMD's */
    HST_DTYPE_I16 = 12,     /**< signed 16 bits */
    HST_DTYPE_U16 = 13,     /**< unsigned 16 bits */
    HST_DTYPE_F16 = 14,     /**< IEEE half */
    HST_DTYPE_BF16 = 15,    /**< bfloat16 */
    HST_DTYPE_I32 = 16,     /**< signed 32 bits */
    HST_DTYPE_U32 = 17,     /**< unsigned 32 bits */
    HST_DTYPE_F32 = 18,     /**< IEEE single */
    HST_DTYPE_C64 = 19,     /**< complex of two F32 */
    HST_DTYPE_F64 = 20,     /**< IEEE double */
    HST_DTYPE_I64 = 21,     /**< signed 64 bits */
    HST_DTYPE_U64 = 22,     /**< unsigned 64 bits */
};

/** A row of the table of types. */
struct hst_dtype_info {
    enum hst_dtype dtype;  /**< the type */
    const char *name;      /**< its name in a safetensors header */
    const char *precision; /**< what users call it: fp32 fp16 bf16 fp8 ... */
    unsigned bits;         /**< per element */
};

/** The row of a type, or NULL for a number that is none. */
const struct hst_dtype_info *hst_dtype_info(enum hst_dtype dtype);
/** The type with this name (exact, not NUL-ended), or 0. */
enum hst_dtype hst_dtype_parse(const char *name, size_t length);
/** Bytes of `elements` elements; false when it overflows or does not end on a byte. */
bool hst_dtype_bytes(enum hst_dtype dtype, uint64_t elements, uint64_t *ret_bytes);
#endif
