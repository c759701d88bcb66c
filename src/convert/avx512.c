/* Conversions with AVX-512: sixteen floats at a time. */
#include "convert/kernels.h"

#ifdef __x86_64__
#include <immintrin.h>

#define VECTOR __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define ALL ((__mmask16)0xffff) /* GCC's _mm512_cvtps_ph is a macro that warns of a sign at -O0 */
enum { STEP = 16 };

VECTOR static inline __m512 get_f64(const uint8_t *source)
{
    __m512 low = _mm512_castps256_ps512(_mm512_cvtpd_ps(_mm512_loadu_pd(source)));
    return _mm512_insertf32x8(low, _mm512_cvtpd_ps(_mm512_loadu_pd(source + 64)), 1);
}

VECTOR static inline __m512 get_f32(const uint8_t *source)
{
    return _mm512_loadu_ps(source);
}

VECTOR static inline __m512 get_f16(const uint8_t *source)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)source));
}

VECTOR static inline __m512 get_bf16(const uint8_t *source)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)source)), 16));
}

/* As a half it is 2 to the 8 too small, and its NaN is 1.875. */
VECTOR static inline __m512 get_e4m3(const uint8_t *source)
{
    __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)source)), rest = _mm512_and_si512(bytes, _mm512_set1_epi32(0x7f));
    __m512 scaled = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_slli_epi32(rest, 7))), _mm512_set1_ps(256));
    __m512i value = _mm512_mask_mov_epi32(_mm512_castps_si512(scaled), _mm512_cmpeq_epi32_mask(rest, _mm512_set1_epi32(0x7f)), _mm512_set1_epi32(0x7ff00000));
    return _mm512_castsi512_ps(_mm512_or_si512(value, _mm512_slli_epi32(_mm512_srli_epi32(bytes, 7), 31)));
}

VECTOR static inline __m512 get_e5m2(const uint8_t *source)
{
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)source)), 8));
}

VECTOR static inline void put_f64(uint8_t *target, __m512 floats, int nan)
{
    (void)nan;
    _mm512_storeu_pd(target, _mm512_cvtps_pd(_mm512_castps512_ps256(floats)));
    _mm512_storeu_pd(target + 64, _mm512_cvtps_pd(_mm512_extractf32x8_ps(floats, 1)));
}

VECTOR static inline void put_f32(uint8_t *target, __m512 floats, int nan)
{
    (void)nan;
    _mm512_storeu_ps(target, floats);
}

VECTOR static inline void put_f16(uint8_t *target, __m512 floats, int nan)
{
    (void)nan;
    _mm256_storeu_si256((__m256i *)target, _mm512_maskz_cvtps_ph(ALL, floats, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

VECTOR static inline void put_bf16(uint8_t *target, __m512 floats, int nan)
{
    __m512i bits = _mm512_castps_si512(floats), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    __mmask16 is_nan = _mm512_cmp_ps_mask(floats, floats, _CMP_UNORD_Q);
    _mm256_storeu_si256((__m256i *)target, _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, is_nan, _mm512_set1_epi32(nan))));
}

VECTOR static inline void put_f8(uint8_t *target, __m512 floats, struct hst_f8 to)
{
    __m512i bits = _mm512_castps_si512(floats), rest = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    __m512i low = _mm512_min_epu32(rest, _mm512_set1_epi32((int)to.most)), magic = _mm512_set1_epi32((int)to.magic);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(low, to.shift), _mm512_set1_epi32(1));
    __m512i normal = _mm512_srli_epi32(_mm512_add_epi32(low, _mm512_add_epi32(odd, _mm512_set1_epi32((int)to.bias))), to.shift);
    __m512i subnormal = _mm512_sub_epi32(_mm512_castps_si512(_mm512_add_ps(_mm512_castsi512_ps(low), _mm512_castsi512_ps(magic))), magic);
    __m512i kept = _mm512_mask_mov_epi32(normal, _mm512_cmplt_epu32_mask(low, _mm512_set1_epi32((int)to.normal)), subnormal);
    kept = _mm512_mask_mov_epi32(kept, _mm512_cmp_ps_mask(floats, floats, _CMP_UNORD_Q), _mm512_set1_epi32(0x7f));
    __m512i sign = _mm512_slli_epi32(_mm512_srli_epi32(bits, 31), 7);
    _mm_storeu_si128((__m128i *)target, _mm512_cvtepi32_epi8(_mm512_or_si512(kept, sign)));
}

VECTOR static inline void put_e4m3(uint8_t *target, __m512 floats, int nan)
{
    (void)nan;
    put_f8(target, floats, HST_F8_E4M3);
}

VECTOR static inline void put_e5m2(uint8_t *target, __m512 floats, int nan)
{
    (void)nan;
    put_f8(target, floats, HST_F8_E5M2);
}

HST_KERNELS(HST_KERNEL)
const struct hst_converter hst_convert_avx512[HST_KERNEL_COUNT] = {HST_KERNELS(HST_KERNEL_ROW)};
#endif
