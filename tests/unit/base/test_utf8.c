/* Valid UTF-8 is exactly RFC 3629; escaping never cuts a character and never passes a control one. */
#include "base/utf8.h"
#include "cmocka_all.h"

#include <string.h>

static void knows_valid_from_broken(void **state)
{
    (void)state;
    const char *good[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    const char *bad[] = {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8", "\xe2\x82", "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(hst_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(hst_utf8_valid(bad[i], strlen(bad[i])));
    assert_int_equal(hst_utf8_sequence("", 0), 0);
}

static void escapes_within_the_room_it_has(void **state)
{
    (void)state;
    char out[8];
    assert_int_equal(hst_utf8_escape("a\tb\xff" "cdef", 8, out, sizeof out), 6);
    assert_string_equal(out, "a\\x09b");
    assert_int_equal(hst_utf8_escape("123456\xe2\x82\xac", 9, out, sizeof out), 6);
    assert_string_equal(out, "123456");
    assert_int_equal(hst_utf8_escape("abc", 3, out, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_valid_from_broken),
        cmocka_unit_test(escapes_within_the_room_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
