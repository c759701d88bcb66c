/* Conversions with AVX2 and F16C: eight floats at a time. */
#include "convert/kernels.h"

#ifdef __x86_64__
#include <immintrin.h>

#define VECTOR __attribute__((target("avx2,f16c")))
enum { STEP = 8 };

VECTOR static inline __m256 get_f64(const uint8_t *source)
{
    __m128 low = _mm256_cvtpd_ps(_mm256_loadu_pd((const double *)source));
    return _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd((const double *)source + 4)), low);
}

VECTOR static inline __m256 get_f32(const uint8_t *source)
{
    return _mm256_loadu_ps((const float *)source);
}

VECTOR static inline __m256 get_f16(const uint8_t *source)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)source));
}

VECTOR static inline __m256 get_bf16(const uint8_t *source)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)source)), 16));
}

/* As a half it is 2 to the 8 too small, and its NaN is 1.875. */
VECTOR static inline __m256 get_e4m3(const uint8_t *source)
{
    __m128i bytes = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)source));
    __m256 scaled = _mm256_mul_ps(_mm256_cvtph_ps(_mm_slli_epi16(_mm_and_si128(bytes, _mm_set1_epi16(0x7f)), 7)), _mm256_set1_ps(256));
    __m256 nan = _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(_mm256_cmp_ps(scaled, _mm256_set1_ps(480), _CMP_EQ_OQ)), _mm256_set1_epi32(0x7ff00000)));
    __m256 sign = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_srli_epi16(bytes, 7)), 31));
    return _mm256_or_ps(_mm256_or_ps(scaled, nan), sign);
}

VECTOR static inline __m256 get_e5m2(const uint8_t *source)
{
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)source)), 8));
}

VECTOR static inline void put_f64(uint8_t *target, __m256 floats, int nan)
{
    (void)nan;
    _mm256_storeu_pd((double *)target, _mm256_cvtps_pd(_mm256_castps256_ps128(floats)));
    _mm256_storeu_pd((double *)target + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(floats, 1)));
}

VECTOR static inline void put_f32(uint8_t *target, __m256 floats, int nan)
{
    (void)nan;
    _mm256_storeu_ps((float *)target, floats);
}

VECTOR static inline void put_f16(uint8_t *target, __m256 floats, int nan)
{
    (void)nan;
    _mm_storeu_si128((__m128i *)target, _mm256_cvtps_ph(floats, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* The low halves of eight words. */
VECTOR static inline __m128i pack(__m256i words)
{
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

VECTOR static inline void put_bf16(uint8_t *target, __m256 floats, int nan)
{
    __m256i bits = _mm256_castps_si256(floats), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
    __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(floats, floats, _CMP_UNORD_Q));
    _mm_storeu_si128((__m128i *)target, pack(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(nan), is_nan)));
}

VECTOR static inline void put_f8(uint8_t *target, __m256 floats, struct hst_f8 to)
{
    __m256i bits = _mm256_castps_si256(floats), rest = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    __m256i low = _mm256_min_epu32(rest, _mm256_set1_epi32((int)to.most)), magic = _mm256_set1_epi32((int)to.magic);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(low, (int)to.shift), _mm256_set1_epi32(1));
    __m256i normal = _mm256_srli_epi32(_mm256_add_epi32(low, _mm256_add_epi32(odd, _mm256_set1_epi32((int)to.bias))), (int)to.shift);
    __m256i subnormal = _mm256_sub_epi32(_mm256_castps_si256(_mm256_add_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(magic))), magic);
    __m256i kept = _mm256_blendv_epi8(normal, subnormal, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)to.normal), low));
    __m256i is_nan = _mm256_and_si256(_mm256_castps_si256(_mm256_cmp_ps(floats, floats, _CMP_UNORD_Q)), _mm256_set1_epi32(0x7f));
    __m256i sign = _mm256_slli_epi32(_mm256_srli_epi32(bits, 31), 7);
    __m128i words = pack(_mm256_or_si256(_mm256_or_si256(kept, is_nan), sign));
    _mm_storel_epi64((__m128i *)target, _mm_packus_epi16(words, words));
}

VECTOR static inline void put_e4m3(uint8_t *target, __m256 floats, int nan)
{
    (void)nan;
    put_f8(target, floats, HST_F8_E4M3);
}

VECTOR static inline void put_e5m2(uint8_t *target, __m256 floats, int nan)
{
    (void)nan;
    put_f8(target, floats, HST_F8_E5M2);
}

HST_KERNELS(HST_KERNEL)
const struct hst_converter hst_convert_avx2[HST_KERNEL_COUNT] = {HST_KERNELS(HST_KERNEL_ROW)};
#endif
