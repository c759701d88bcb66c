#ifndef HST_FORMATS_DTYPE_H
#define HST_FORMATS_DTYPE_H
/** @file
 * Element types: those of safetensors in its words (22), the quantised ones of GGML in its words, and the small integers of ONNX. Some are
 * packed: only a whole block of elements has bytes. */
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
    HST_DTYPE_Q4_0 = 64, /**< GGML: blocks of 32 elements in 18 bytes */
    HST_DTYPE_Q4_1 = 65, /**< GGML: blocks of 32 elements in 20 bytes */
    HST_DTYPE_Q5_0 = 66, /**< GGML: blocks of 32 elements in 22 bytes */
    HST_DTYPE_Q5_1 = 67, /**< GGML: blocks of 32 elements in 24 bytes */
    HST_DTYPE_Q8_0 = 68, /**< GGML: blocks of 32 elements in 34 bytes */
    HST_DTYPE_Q8_1 = 69, /**< GGML: blocks of 32 elements in 36 bytes */
    HST_DTYPE_Q2_K = 70, /**< GGML: blocks of 256 elements in 84 bytes */
    HST_DTYPE_Q3_K = 71, /**< GGML: blocks of 256 elements in 110 bytes */
    HST_DTYPE_Q4_K = 72, /**< GGML: blocks of 256 elements in 144 bytes */
    HST_DTYPE_Q5_K = 73, /**< GGML: blocks of 256 elements in 176 bytes */
    HST_DTYPE_Q6_K = 74, /**< GGML: blocks of 256 elements in 210 bytes */
    HST_DTYPE_Q8_K = 75, /**< GGML: blocks of 256 elements in 292 bytes */
    HST_DTYPE_IQ2_XXS = 76, /**< GGML: blocks of 256 elements in 66 bytes */
    HST_DTYPE_IQ2_XS = 77, /**< GGML: blocks of 256 elements in 74 bytes */
    HST_DTYPE_IQ3_XXS = 78, /**< GGML: blocks of 256 elements in 98 bytes */
    HST_DTYPE_IQ1_S = 79, /**< GGML: blocks of 256 elements in 50 bytes */
    HST_DTYPE_IQ4_NL = 80, /**< GGML: blocks of 32 elements in 18 bytes */
    HST_DTYPE_IQ3_S = 81, /**< GGML: blocks of 256 elements in 110 bytes */
    HST_DTYPE_IQ2_S = 82, /**< GGML: blocks of 256 elements in 82 bytes */
    HST_DTYPE_IQ4_XS = 83, /**< GGML: blocks of 256 elements in 136 bytes */
    HST_DTYPE_IQ1_M = 84, /**< GGML: blocks of 256 elements in 56 bytes */
    HST_DTYPE_TQ1_0 = 85, /**< GGML: blocks of 256 elements in 54 bytes */
    HST_DTYPE_TQ2_0 = 86, /**< GGML: blocks of 256 elements in 66 bytes */
    HST_DTYPE_MXFP4 = 87, /**< GGML: blocks of 32 elements in 17 bytes */
    HST_DTYPE_NVFP4 = 88, /**< GGML: blocks of 64 elements in 36 bytes */
    HST_DTYPE_Q1_0 = 89, /**< GGML: blocks of 128 elements in 18 bytes */
    HST_DTYPE_I4 = 90,   /**< ONNX: signed 4 bits, 2 elements in a byte, the first in its low bits */
    HST_DTYPE_U4 = 91,   /**< ONNX: unsigned 4 bits, as I4 */
    HST_DTYPE_I2 = 92,   /**< ONNX: signed 2 bits, 4 elements in a byte, the first in its lowest bits */
    HST_DTYPE_U2 = 93,   /**< ONNX: unsigned 2 bits, as I2 */
};

/** A row of the table of types. */
struct hst_dtype_info {
    enum hst_dtype dtype;  /**< the type */
    const char *name;      /**< its name in a safetensors header, or GGML's */
    const char *precision; /**< what users call it: fp32 fp16 bf16 fp8 ... */
    unsigned block;        /**< elements that are packed together; 1 = every element has bytes of its own */
    unsigned block_bytes;  /**< that they take */
    bool padded;           /**< a last block that is not full takes them, too; else there is none */
};

/** Rows of the table: dense numbers of the types, for arrays. */
#define HST_DTYPE_ROWS 52u

/** The row of a type, or NULL for a number that is none. */
const struct hst_dtype_info *hst_dtype_info(enum hst_dtype dtype);
/** The i-th row of the table, or NULL beyond its end. */
const struct hst_dtype_info *hst_dtype_at(size_t row);
/** Which row of the table a type is. `dtype` must be one. */
size_t hst_dtype_row(enum hst_dtype dtype);
/** Bits of an element; 0 when it has no whole number of them. */
unsigned hst_dtype_bits(const struct hst_dtype_info *info);
/** The type of safetensors with this name (exact, not NUL-ended), or 0. */
enum hst_dtype hst_dtype_parse(const char *name, size_t length);
/** Bytes of `elements` elements; false when it overflows, or they are no whole number of blocks and the type has no padding. */
bool hst_dtype_bytes(enum hst_dtype dtype, uint64_t elements, uint64_t *ret_bytes);
#endif
