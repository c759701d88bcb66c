/* That the numbers are PyTorch's is tested against PyTorch (tests/python/test_convert.py); here: that every path gives the same, at any
 * address and count, and writes nothing else. */
#include "cmocka_all.h"
#include "convert/convert.h"

#include <stdlib.h>
#include <string.h>

static const enum hst_dtype types[] = {HST_DTYPE_F64, HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_BF16, HST_DTYPE_F8_E4M3, HST_DTYPE_F8_E5M2};
enum { COUNT = 40000 };

/* All bytes are as likely, and all of a number's bits. */
static void fill(uint8_t *bytes, size_t size)
{
    uint64_t state = 20261125;
    for (size_t i = 0; i < size; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        bytes[i] = (uint8_t)(state >> 56);
    }
}

static void every_type_goes_to_every_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < HST_CONVERT_TYPES; i++)
        for (size_t j = 0; j < HST_CONVERT_TYPES; j++) {
            const struct hst_converter *converter = hst_convert_find(types[i], types[j]);
            assert_int_equal(converter != NULL, i != j);
            if (i == j) continue;
            assert_int_equal(converter->from, types[i]);
            assert_int_equal(converter->to, types[j]);
            assert_int_equal(converter->from_bytes, hst_dtype_info(types[i])->block_bytes);
            assert_int_equal(converter->to_bytes, hst_dtype_info(types[j])->block_bytes);
        }
}

static void no_other_type_is_converted(void **state)
{
    (void)state;
    size_t known = 0;
    for (size_t row = 0; row < HST_DTYPE_ROWS; row++) {
        enum hst_dtype dtype = hst_dtype_at(row)->dtype;
        known += hst_convert_knows(dtype);
        assert_int_equal(hst_convert_knows(dtype), hst_convert_find(dtype, HST_DTYPE_F16) != NULL || dtype == HST_DTYPE_F16);
        assert_int_equal(hst_convert_knows(dtype), hst_convert_find(HST_DTYPE_F32, dtype) != NULL || dtype == HST_DTYPE_F32);
    }
    assert_int_equal(known, HST_CONVERT_TYPES);
}

static void the_path_can_be_chosen_among_those_of_the_machine(void **state)
{
    (void)state;
    enum hst_convert_path fastest = hst_convert_path();
    for (int path = HST_CONVERT_PORTABLE; path <= HST_CONVERT_AVX512; path++) {
        const struct hst_converter *converter = hst_convert_find_on((enum hst_convert_path)path, HST_DTYPE_F32, HST_DTYPE_BF16);
        assert_int_equal(hst_convert_use((enum hst_convert_path)path), converter != NULL);
        if (converter != NULL) assert_ptr_equal(hst_convert_find(HST_DTYPE_F32, HST_DTYPE_BF16), converter);
    }
    assert_false(hst_convert_use((enum hst_convert_path)9));
    assert_true(hst_convert_use(fastest));
}

/* Paths agree on random numbers, converted at once, and from and to addresses that are aligned to nothing. */
static void agree(const struct hst_converter *portable, const struct hst_converter *other, const uint8_t *source)
{
    static uint8_t expected[COUNT * 8], found[COUNT * 8 + 1];
    portable->run(source, expected, COUNT);
    other->run(source, found + 1, COUNT);
    assert_memory_equal(found + 1, expected, COUNT * portable->to_bytes);
}

static void paths_agree(void **state)
{
    static uint8_t source[COUNT * 8 + 1];
    (void)state;
    fill(source, sizeof source);
    for (int path = HST_CONVERT_AVX2; path <= HST_CONVERT_AVX512; path++)
        for (size_t i = 0; i < HST_CONVERT_TYPES * HST_CONVERT_TYPES; i++) {
            enum hst_dtype from = types[i / HST_CONVERT_TYPES], to = types[i % HST_CONVERT_TYPES];
            const struct hst_converter *other = hst_convert_find_on((enum hst_convert_path)path, from, to);
            if (other != NULL) agree(hst_convert_find_on(HST_CONVERT_PORTABLE, from, to), other, source + 1);
        }
}

/* Of `count` numbers nothing before and nothing behind is written. */
static void stays_inside(const struct hst_converter *converter, const uint8_t *source, size_t count)
{
    uint8_t found[80 * 8], expected[80 * 8];
    memset(found, 0xa5, sizeof found);
    converter->run(source, expected, 72);
    converter->run(source, found + 8, count);
    assert_memory_equal(found + 8, expected, count * converter->to_bytes);
    for (size_t i = 0; i < sizeof found; i++)
        if (i < 8 || i >= 8 + count * converter->to_bytes) assert_int_equal(found[i], 0xa5);
}

static void any_count_is_converted_and_nothing_else_written(void **state)
{
    uint8_t source[80 * 8];
    (void)state;
    fill(source, sizeof source);
    for (int path = HST_CONVERT_PORTABLE; path <= HST_CONVERT_AVX512; path++)
        for (size_t i = 0; i < HST_CONVERT_TYPES * HST_CONVERT_TYPES; i++) {
            const struct hst_converter *converter = hst_convert_find_on((enum hst_convert_path)path, types[i / HST_CONVERT_TYPES], types[i % HST_CONVERT_TYPES]);
            for (size_t count = 0; converter != NULL && count <= 70; count++)
                stays_inside(converter, source, count);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_goes_to_every_other),
        cmocka_unit_test(no_other_type_is_converted),
        cmocka_unit_test(the_path_can_be_chosen_among_those_of_the_machine),
        cmocka_unit_test(paths_agree),
        cmocka_unit_test(any_count_is_converted_and_nothing_else_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
