/* Conversions in C, without a branch in a loop, so that compilers make vectors of them. A "vector" is one float, as its bits. */
#include "convert/kernels.h"

#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("O3") /* GCC makes no vectors of loops of unknown length at -O2 */
#endif

#define VECTOR
enum { STEP = 1 };

static inline float as_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t as_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* All ones when true: what a comparison of vectors gives. */
static inline uint32_t mask(bool yes)
{
    return 0u - (uint32_t)yes;
}

static inline uint32_t pick(bool yes, uint32_t a, uint32_t b)
{
    return (a & mask(yes)) | (b & ~mask(yes));
}

static inline uint32_t get_f64(const uint8_t *source)
{
    double value;
    memcpy(&value, source, sizeof value);
    return as_bits((float)value);
}

static inline uint32_t get_f32(const uint8_t *source)
{
    uint32_t bits;
    memcpy(&bits, source, sizeof bits);
    return bits;
}

/* The bits of a half: its exponent and mantissa as those of a float that is 2 to the 112 too small. A NaN is made quiet. */
static inline uint32_t from_half(uint32_t half)
{
    uint32_t rest = half & 0x7fff, sign = (half & 0x8000) << 16;
    uint32_t finite = as_bits(as_float(rest << 13) * as_float((127u + 112u) << 23));
    uint32_t beyond = (rest << 13) | 0x7f800000 | pick(rest > 0x7c00, 0x00400000, 0);
    return sign | pick(rest >= 0x7c00, beyond, finite);
}

static inline uint32_t get_f16(const uint8_t *source)
{
    uint16_t half;
    memcpy(&half, source, sizeof half);
    return from_half(half);
}

static inline uint32_t get_bf16(const uint8_t *source)
{
    uint16_t bits;
    memcpy(&bits, source, sizeof bits);
    return (uint32_t)bits << 16;
}

static inline uint32_t get_e4m3(const uint8_t *source)
{
    uint32_t rest = *source & 0x7fu, sign = (*source & 0x80u) << 24;
    uint32_t finite = as_bits(as_float(rest << 20) * as_float((127u + 120u) << 23));
    return sign | pick(rest == 0x7f, 0x7ff00000, finite);
}

static inline uint32_t get_e5m2(const uint8_t *source)
{
    return from_half((uint32_t)*source << 8);
}

static inline void put_f64(uint8_t *target, uint32_t bits, unsigned nan)
{
    double value = (double)as_float(bits);
    (void)nan;
    memcpy(target, &value, sizeof value);
}

static inline void put_f32(uint8_t *target, uint32_t bits, unsigned nan)
{
    (void)nan;
    memcpy(target, &bits, sizeof bits);
}

/* Round the bits of a float without its sign to a smaller float. */
static inline uint32_t shrink(uint32_t rest, struct hst_f8 to)
{
    uint32_t low = pick(rest < to.most, rest, to.most);
    uint32_t normal = (low + to.bias + ((low >> to.shift) & 1)) >> to.shift;
    uint32_t subnormal = as_bits(as_float(low) + as_float(to.magic)) - to.magic;
    return pick(low < to.normal, subnormal, normal);
}

static inline void put_f16(uint8_t *target, uint32_t bits, unsigned nan)
{
    static const struct hst_f8 half = {143u << 23, 113u << 23, 126u << 23, 13, ((15u - 127u) << 23) + 0xfff};
    uint32_t rest = bits & 0x7fffffff;
    uint32_t kept = pick(rest > 0x7f800000, 0x7e00 | ((rest >> 13) & 0x3ff), shrink(rest, half));
    uint16_t out = (uint16_t)(kept | ((bits & 0x80000000) >> 16));
    (void)nan;
    memcpy(target, &out, sizeof out);
}

static inline void put_bf16(uint8_t *target, uint32_t bits, unsigned nan)
{
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    uint16_t out = (uint16_t)pick((bits & 0x7fffffff) > 0x7f800000, nan, rounded);
    memcpy(target, &out, sizeof out);
}

static inline void put_f8(uint8_t *target, uint32_t bits, struct hst_f8 to)
{
    uint32_t rest = bits & 0x7fffffff;
    *target = (uint8_t)(pick(rest > 0x7f800000, 0x7f, shrink(rest, to)) | (bits >> 24 & 0x80));
}

static inline void put_e4m3(uint8_t *target, uint32_t bits, unsigned nan)
{
    (void)nan;
    put_f8(target, bits, HST_F8_E4M3);
}

static inline void put_e5m2(uint8_t *target, uint32_t bits, unsigned nan)
{
    (void)nan;
    put_f8(target, bits, HST_F8_E5M2);
}

HST_KERNELS(HST_KERNEL)
const struct hst_converter hst_convert_portable[HST_KERNEL_COUNT] = {HST_KERNELS(HST_KERNEL_ROW)};
