/* Beginnings of texts, last parts of paths, bytes as digits. */
#include "base/text.h"

#include "cmocka_all.h"

static void a_text_begins_with_what_it_begins_with(void **state)
{
    (void)state;
    assert_true(hst_starts_with("models--x", "models--") && hst_starts_with("x", "x") && hst_starts_with("x", "") && hst_starts_with("", ""));
    assert_false(hst_starts_with("model", "models") || hst_starts_with("", "x") || hst_starts_with("xmodels", "models"));
}

static void a_name_is_what_follows_the_last_slash(void **state)
{
    (void)state;
    assert_string_equal(hst_path_name("/a/b.gguf"), "b.gguf");
    assert_string_equal(hst_path_name("b.gguf"), "b.gguf");
    assert_string_equal(hst_path_name("/a/"), "");
    assert_string_equal(hst_path_name(""), "");
}

static void bytes_as_digits(void **state)
{
    char out[9];
    (void)state;
    hst_hex((const uint8_t[]){0x00, 0x9a, 0xff, 0x10}, 4, out);
    assert_string_equal(out, "009aff10");
    hst_hex(NULL, 0, out);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_text_begins_with_what_it_begins_with), cmocka_unit_test(a_name_is_what_follows_the_last_slash),
                                       cmocka_unit_test(bytes_as_digits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
