/* A cursor reads what is there, and after the first failure gives zeros and keeps the cause. */
#include "base/cursor.h"
#include "cmocka_all.h"

static void reads_little_endian_values(void **state)
{
    (void)state;
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, "\x01\x02\x00\x03\0\0\0\x04\0\0\0\0\0\0\0", 15, 0);
    assert_int_equal(hst_cursor_u8(&cursor), 1);
    assert_int_equal(hst_cursor_u16(&cursor), 2);
    assert_int_equal(hst_cursor_u32(&cursor), 3);
    assert_int_equal(hst_cursor_u64(&cursor), 4);
    assert_true(hst_cursor_ok(&cursor));
    assert_int_equal(hst_cursor_peek(&cursor), -1);
}

static void keeps_the_first_failure_and_its_offset(void **state)
{
    (void)state;
    struct hst_cursor cursor;
    hst_cursor_init(&cursor, "abc", 3, 100);
    assert_int_equal(hst_cursor_peek(&cursor), 'a');
    hst_cursor_u16(&cursor);
    assert_int_equal(hst_cursor_u32(&cursor), 0);
    assert_int_equal(hst_cursor_fail(&cursor, HST_E_INVALID_FILE, "later"), HST_E_TRUNCATED);
    assert_int_equal(cursor.error.offset, 102);
    assert_int_equal(hst_cursor_left(&cursor), 0);
    assert_null(hst_cursor_take(&cursor, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_little_endian_values),
        cmocka_unit_test(keeps_the_first_failure_and_its_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
