#ifndef HST_CONVERT_KERNELS_H
#define HST_CONVERT_KERNELS_H
/** @file
 * The conversions of a path, made of its eleven halves: every number passes through a vector of STEP floats.
 *
 *     VECTOR       attributes of its functions
 *     STEP         floats of a vector
 *     get_TYPE(source)               STEP numbers of the type as floats
 *     put_TYPE(target, floats, nan)  and back; `nan` is what BF16 writes for NaN
 */
#include "convert/convert.h"
#include <string.h>

/** What a NaN becomes as BF16, which keeps neither its sign nor its payload: PyTorch's vectors write all ones, its single numbers, by which
 * it converts the short types, the quiet one. */
enum { HST_NAN_f64 = 0xffff, HST_NAN_f32 = 0xffff, HST_NAN_f16 = 0x7fc0, HST_NAN_bf16 = 0x7fc0, HST_NAN_e4m3 = 0x7fc0, HST_NAN_e5m2 = 0x7fc0 };
/** Bytes of a number. */
enum { HST_SIZE_f64 = 8, HST_SIZE_f32 = 4, HST_SIZE_f16 = 2, HST_SIZE_bf16 = 2, HST_SIZE_e4m3 = 1, HST_SIZE_e5m2 = 1 };
/** Its name in the table of types. */
enum {
    HST_TYPE_f64 = HST_DTYPE_F64,
    HST_TYPE_f32 = HST_DTYPE_F32,
    HST_TYPE_f16 = HST_DTYPE_F16,
    HST_TYPE_bf16 = HST_DTYPE_BF16,
    HST_TYPE_e4m3 = HST_DTYPE_F8_E4M3,
    HST_TYPE_e5m2 = HST_DTYPE_F8_E5M2
};

/** What a float is rounded to for a float of 8 bits, from the bits of the float without its sign. */
struct hst_f8 {
    uint32_t most;   /**< more than this becomes this */
    uint32_t normal; /**< less than this is subnormal */
    uint32_t magic;  /**< a float whose last bit is worth the last bit of a subnormal: added, the processor rounds */
    uint32_t shift;  /**< bits of the mantissa that go */
    uint32_t bias;   /**< what to add so that the exponent fits, and that rounds what is above a half up */
};
/** F8_E4M3: up to 448, subnormal below 2 to the -6. */
#define HST_F8_E4M3 ((struct hst_f8){0x43e00000, 121u << 23, 141u << 23, 20, ((7u - 127u) << 23) + 0x7ffff})
/** F8_E5M2: infinite from 65536, subnormal below 2 to the -14. */
#define HST_F8_E5M2 ((struct hst_f8){143u << 23, 113u << 23, 134u << 23, 21, ((15u - 127u) << 23) + 0xfffff})

/** One conversion. What is left behind the last whole vector is converted in a vector of its own. */
#define HST_KERNEL(from, to)                                                                                                   \
    VECTOR static void from##_to_##to(const void *source, void *target, size_t count)                                              \
    {                                                                                                                              \
        const uint8_t *x = source;                                                                                                 \
        uint8_t *y = target;                                                                                                       \
        size_t left = count % STEP, whole = count - left;                                                                          \
        for (size_t i = 0; i < whole; i += STEP)                                                                                   \
            put_##to(y + i * HST_SIZE_##to, get_##from(x + i * HST_SIZE_##from), HST_NAN_##from);                                  \
        if (left == 0) return;                                                                                                     \
        uint8_t in[STEP * HST_SIZE_##from] = {0}, out[STEP * HST_SIZE_##to];                                                       \
        memcpy(in, x + whole * HST_SIZE_##from, left * HST_SIZE_##from);                                                           \
        put_##to(out, get_##from(in), HST_NAN_##from);                                                                             \
        memcpy(y + whole * HST_SIZE_##to, out, left * HST_SIZE_##to);                                                              \
    }
/** Its row in the table of the path. */
#define HST_KERNEL_ROW(from, to)                                                                                                   \
    {from##_to_##to, (enum hst_dtype)HST_TYPE_##from, (enum hst_dtype)HST_TYPE_##to, HST_SIZE_##from, HST_SIZE_##to},
/** All conversions of a path, each(from, to). */
#define HST_KERNELS(each)                                                                                                          \
    each(f64, f32) each(f64, f16) each(f64, bf16) each(f64, e4m3) each(f64, e5m2)                                                  \
    each(f32, f64) each(f32, f16) each(f32, bf16) each(f32, e4m3) each(f32, e5m2)                                                  \
    each(f16, f64) each(f16, f32) each(f16, bf16) each(f16, e4m3) each(f16, e5m2)                                                  \
    each(bf16, f64) each(bf16, f32) each(bf16, f16) each(bf16, e4m3) each(bf16, e5m2)                                              \
    each(e4m3, f64) each(e4m3, f32) each(e4m3, f16) each(e4m3, bf16) each(e4m3, e5m2)                                              \
    each(e5m2, f64) each(e5m2, f32) each(e5m2, f16) each(e5m2, bf16) each(e5m2, e4m3)
/** How many they are: each type to every other. */
#define HST_KERNEL_COUNT (HST_CONVERT_TYPES * (HST_CONVERT_TYPES - 1))

/** Conversions by tables, ... */
#define HST_TABLE_COUNT 10u
/** ... of them those between two types of 8 bits, which come first. */
#define HST_TABLES_OF_BYTES 2u
/** Those by tables. */
extern const struct hst_converter hst_convert_tables[HST_TABLE_COUNT];
/** Those in C. */
extern const struct hst_converter hst_convert_portable[HST_KERNEL_COUNT];
#ifdef __x86_64__
/** Those with AVX2 and F16C. */
extern const struct hst_converter hst_convert_avx2[HST_KERNEL_COUNT];
/** Those with AVX-512. */
extern const struct hst_converter hst_convert_avx512[HST_KERNEL_COUNT];
#endif
#endif
