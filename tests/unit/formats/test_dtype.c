/* Every type has a name that leads back to it, and sizes never wrap. */
#include "cmocka_all.h"
#include "formats/dtype.h"

#include <string.h>

static void names_lead_back_to_types(void **state)
{
    (void)state;
    for (int dtype = HST_DTYPE_BOOL; dtype <= HST_DTYPE_U64; dtype++) {
        const struct hst_dtype_info *info = hst_dtype_info((enum hst_dtype)dtype);
        assert_int_equal(info->dtype, dtype);
        assert_int_equal(hst_dtype_parse(info->name, strlen(info->name)), dtype);
    }
    assert_null(hst_dtype_info((enum hst_dtype)0));
    assert_null(hst_dtype_info((enum hst_dtype)23));
    assert_int_equal(hst_dtype_parse("F33", 3), 0);
    assert_int_equal(hst_dtype_parse("f32", 3), 0);
    assert_int_equal(hst_dtype_parse("F3", 2), 0);
}

static void packed_types_have_numbers_of_their_own_and_no_name_in_safetensors(void **state)
{
    (void)state;
    for (size_t row = 22; row < HST_DTYPE_ROWS; row++) {
        const struct hst_dtype_info *info = hst_dtype_at(row);
        assert_true(info->dtype >= 64 && info->block > 1);
        assert_ptr_equal(hst_dtype_info(info->dtype), info);
        assert_int_equal(hst_dtype_row(info->dtype), row);
        assert_int_equal(hst_dtype_parse(info->name, strlen(info->name)), 0);
    }
    assert_null(hst_dtype_at(HST_DTYPE_ROWS));
    assert_null(hst_dtype_info((enum hst_dtype)63));
    assert_null(hst_dtype_info((enum hst_dtype)1000));
    assert_int_equal(hst_dtype_bits(hst_dtype_info(HST_DTYPE_Q4_0)), 0);
    assert_int_equal(hst_dtype_bits(hst_dtype_info(HST_DTYPE_F6_E2M3)), 6);
}

static void sizes_are_whole_bytes_or_refused(void **state)
{
    (void)state;
    uint64_t bytes;
    assert_true(hst_dtype_bytes(HST_DTYPE_F4, 4, &bytes));
    assert_int_equal(bytes, 2);
    assert_true(hst_dtype_bytes(HST_DTYPE_F6_E2M3, 4, &bytes));
    assert_int_equal(bytes, 3);
    assert_false(hst_dtype_bytes(HST_DTYPE_F4, 3, &bytes));
    assert_true(hst_dtype_bytes(HST_DTYPE_Q6_K, 512, &bytes));
    assert_int_equal(bytes, 420);
    assert_false(hst_dtype_bytes(HST_DTYPE_Q6_K, 100, &bytes));
    assert_false(hst_dtype_bytes(HST_DTYPE_U8, UINT64_MAX, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_back_to_types),
        cmocka_unit_test(packed_types_have_numbers_of_their_own_and_no_name_in_safetensors),
        cmocka_unit_test(sizes_are_whole_bytes_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
