/* Errors carry a status of the table, and no byte of a stranger reaches the text unescaped. */
#include "base/error.h"
#include "cmocka_all.h"

#include <string.h>

static void escapes_control_characters(void **state)
{
    (void)state;
    struct hst_error err = {0};
    assert_int_equal(hst_error_set(&err, HST_E_IO, "bad\n\x1b[31m %s", "\xff"), HST_E_IO);
    assert_string_equal(err.text, "bad\\x0a\\x1b[31m \\xff");
    assert_false(err.has_offset);
}

static void says_at_which_byte(void **state)
{
    (void)state;
    struct hst_error err = {0};
    assert_int_equal(hst_error_at(&err, HST_E_TRUNCATED, 7, "cut"), HST_E_TRUNCATED);
    assert_true(err.has_offset);
    assert_int_equal(err.offset, 7);
    assert_int_equal(hst_error_at(NULL, HST_E_TRUNCATED, 7, "cut"), HST_E_TRUNCATED);
    assert_int_equal(hst_error_nomem(&err), HST_E_NOMEM);
}

static void every_code_leads_back_to_its_row(void **state)
{
    (void)state;
    for (int code = -1; code > -100; code--) {
        const struct hst_status_info *info = hst_status_info(code);
        assert_true(info->status == code || info->status == HST_E_INTERNAL);
        assert_int_equal(hst_status_from_code(info->code), info->status);
        assert_true(info->http >= 400 && info->action_count >= 1 && info->exit_code > 0);
    }
    assert_int_equal(hst_status_from_code("no such code"), HST_E_INTERNAL);
}

static void long_messages_are_cut_not_overrun(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct hst_error err = {0};
    hst_error_set(&err, HST_E_IO, "%s", text);
    assert_int_equal(strlen(err.text), HST_ERROR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_control_characters),
        cmocka_unit_test(says_at_which_byte),
        cmocka_unit_test(every_code_leads_back_to_its_row),
        cmocka_unit_test(long_messages_are_cut_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
