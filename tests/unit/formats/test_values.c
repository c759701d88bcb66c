/* NaN, infinities and zeros of every element type that has them. */
#include "formats/values.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

static struct hst_values count(enum hst_dtype dtype, const void *bytes, size_t size)
{
    struct hst_values values = {0};
    hst_values_add(&values, dtype, bytes, size);
    return values;
}

/* What a bit pattern is, as the definition of the type says. */
enum meaning { FINITE, ZERO, INFINITE, NOT_A_NUMBER };

static void check(enum hst_dtype dtype, const void *bits, size_t width, enum meaning meaning)
{
    struct hst_values values = count(dtype, bits, width);
    char text[64];
    snprintf(text, sizeof text, "%s, first byte 0x%02x", hst_dtype_info(dtype)->name, *(const unsigned char *)bits);
    if (values.nan != (meaning == NOT_A_NUMBER) || values.infinite != (meaning == INFINITE) || values.nonzero != (meaning != ZERO)) fail_msg("%s", text);
}

static enum meaning of_small(unsigned byte, unsigned exponent_bits, bool has_infinity)
{
    unsigned mantissa_bits = 7 - exponent_bits, low = byte & 0x7f, exponent = low >> mantissa_bits, mantissa = low & ((1u << mantissa_bits) - 1);
    bool top = exponent == (1u << exponent_bits) - 1;
    if (low == 0) return ZERO;
    if (has_infinity) return !top ? FINITE : mantissa == 0 ? INFINITE : NOT_A_NUMBER;
    return low == 0x7f ? NOT_A_NUMBER : FINITE;
}

static void every_byte_of_every_8_bit_float(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        check(HST_DTYPE_F8_E4M3, &byte, 1, of_small(i, 4, false));
        check(HST_DTYPE_F8_E5M2, &byte, 1, of_small(i, 5, true));
        check(HST_DTYPE_F8_E4M3FNUZ, &byte, 1, i == 0 ? ZERO : i == 0x80 ? NOT_A_NUMBER : FINITE);
        check(HST_DTYPE_F8_E5M2FNUZ, &byte, 1, i == 0 ? ZERO : i == 0x80 ? NOT_A_NUMBER : FINITE);
        check(HST_DTYPE_F8_E8M0, &byte, 1, i == 0xff ? NOT_A_NUMBER : FINITE);
        check(HST_DTYPE_U8, &byte, 1, i == 0 ? ZERO : FINITE);
        check(HST_DTYPE_F4, &byte, 1, i == 0 ? ZERO : FINITE);
    }
}

static enum meaning of_ieee(uint64_t bits, unsigned exponent_bits, unsigned mantissa_bits)
{
    uint64_t mantissa = bits & ((UINT64_C(1) << mantissa_bits) - 1), exponent = bits >> mantissa_bits & ((UINT64_C(1) << exponent_bits) - 1);
    if (exponent == (UINT64_C(1) << exponent_bits) - 1) return mantissa == 0 ? INFINITE : NOT_A_NUMBER;
    return exponent == 0 && mantissa == 0 ? ZERO : FINITE;
}

static void every_pattern_of_both_16_bit_floats(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t bits = (uint16_t)i;
        check(HST_DTYPE_F16, &bits, 2, of_ieee(i, 5, 10));
        check(HST_DTYPE_BF16, &bits, 2, of_ieee(i, 8, 7));
        check(HST_DTYPE_I16, &bits, 2, i == 0 ? ZERO : FINITE);
    }
}

static void special_patterns_of_longer_floats(void **state)
{
    static const uint32_t words[] = {0, 0x80000000, 1, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff, 0x3f800000};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        check(HST_DTYPE_F32, &words[i], 4, of_ieee(words[i], 8, 23));
        uint64_t wide = (uint64_t)(words[i] & 0x80000000) << 32 | (uint64_t)(words[i] & 0x7fffffff) << 29 | (words[i] & 1);
        uint64_t special[] = {0, UINT64_C(1) << 63, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000001, UINT64_MAX, 0x7fefffffffffffff, wide};
        for (size_t j = 0; j < sizeof special / sizeof special[0]; j++)
            check(HST_DTYPE_F64, &special[j], 8, of_ieee(special[j], 11, 52));
    }
}

static void counts_add_up_over_blocks_and_pieces(void **state)
{
    static float many[10000];
    const uint32_t nan = 0x7fc00000, infinity = 0xff800000;
    struct hst_values values = {0};
    (void)state;
    memcpy(&many[0], &nan, 4);
    memcpy(&many[4095], &infinity, 4);
    memcpy(&many[4096], &nan, 4);
    memcpy(&many[9999], &nan, 4);
    hst_values_add(&values, HST_DTYPE_F32, many, 4 * 5000);
    hst_values_add(&values, HST_DTYPE_F32, many + 5000, 4 * 5000);
    assert_int_equal(values.nan, 3);
    assert_int_equal(values.infinite, 1);
    assert_true(values.nonzero);
}

static void negative_zeros_are_zeros(void **state)
{
    uint16_t zeros[300];
    (void)state;
    for (size_t i = 0; i < 300; i++)
        zeros[i] = i % 2 ? 0x8000 : 0;
    assert_false(count(HST_DTYPE_F16, zeros, sizeof zeros).nonzero);
    assert_true(count(HST_DTYPE_I16, zeros, sizeof zeros).nonzero);
    assert_true(count(HST_DTYPE_Q8_0, (const uint8_t[34]){[33] = 1}, 34).nonzero);
    assert_false(count(HST_DTYPE_Q8_0, (const uint8_t[34]){0}, 34).nonzero);
}

static void says_of_which_types_it_can_tell(void **state)
{
    (void)state;
    assert_true(hst_values_decodes(HST_DTYPE_F8_E4M3FNUZ) && hst_values_decodes(HST_DTYPE_F64) && hst_values_decodes(HST_DTYPE_I8));
    assert_false(hst_values_decodes(HST_DTYPE_Q4_K) || hst_values_decodes(HST_DTYPE_F4) || hst_values_decodes(HST_DTYPE_F6_E3M2));
    assert_false(hst_values_decodes((enum hst_dtype)0));
}

static void what_was_seen_once_stays_seen(void **state)
{
    static const enum hst_dtype types[] = {HST_DTYPE_F32, HST_DTYPE_F8_E4M3FNUZ, HST_DTYPE_I8, HST_DTYPE_Q8_0};
    static const uint8_t zeros[136];
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct hst_values values = {0};
        hst_values_add(&values, types[i], (const uint8_t[4]){[2] = 1}, 4);
        hst_values_add(&values, types[i], zeros, sizeof zeros);
        assert_true(values.nonzero);
        assert_int_equal(values.nan + values.infinite, 0);
        assert_false(count(types[i], zeros, sizeof zeros).nonzero);
    }
    assert_true(count(HST_DTYPE_F8_E8M0, zeros, 1).nonzero); /* 2 to the power of -127 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_every_8_bit_float),
        cmocka_unit_test(every_pattern_of_both_16_bit_floats),
        cmocka_unit_test(special_patterns_of_longer_floats),
        cmocka_unit_test(counts_add_up_over_blocks_and_pieces),
        cmocka_unit_test(negative_zeros_are_zeros),
        cmocka_unit_test(says_of_which_types_it_can_tell),
        cmocka_unit_test(what_was_seen_once_stays_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
