/* The reader accepts exactly RFC 8259, one token after the other, and does not grow with nesting. */
#include "cmocka_all.h"
#include "formats/json.h"

#include <stdlib.h>
#include <string.h>

/* Read to the end; the number of tokens, or -1. */
static int count_tokens(const char *text, size_t length)
{
    struct hst_json json;
    enum hst_json_token token;
    int count = 0;
    hst_json_init(&json, text, length, 0);
    while ((token = hst_json_next(&json)) > HST_JSON_END)
        count++;
    hst_json_fini(&json);
    return token == HST_JSON_END ? count : -1;
}

static void accepts_what_is_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int tokens;
    } good[] = {{"{}", 2}, {" [ ] \n", 2}, {"null", 1}, {"-0.5e+10", 1}, {"0", 1}, {"[1,2,{\"a\":[true,false]}]", 11}, {"\"\"", 1}, {"[1E3,0.1,10]", 5}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(count_tokens(good[i].text, strlen(good[i].text)), good[i].tokens);
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "{", "}", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "[1 2]", "01", "-", "1.", ".5", "1e", "+1", "tru", "nulll",
        "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"a\nb\"", "\"\xff\"", "\"\xc0\x80\"", "\xef\xbb\xbf{}", "{}x",
        "[}", "{]", "{\"a\" 1}", "'a'", "[1}", "NaN", "Infinity", "\"\\", "[\"\\\"]", "{\"a\":1 \"b\":2}", "//x\n1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(count_tokens(bad[i], strlen(bad[i])), -1);
    assert_int_equal(count_tokens("[1]\0", 4), -1);
}

static void unescapes_strings(void **state)
{
    (void)state;
    struct hst_json json;
    const char *text = "\"a\\n\\u00e9\\u20ac\\ud83d\\ude00\\u0000\\/\"";
    hst_json_init(&json, text, strlen(text), 0);
    assert_int_equal(hst_json_next(&json), HST_JSON_STRING);
    assert_int_equal(json.length, 13);
    assert_memory_equal(json.text, "a\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0/", 13);
    hst_json_fini(&json);
}

static void nesting_ends_at_the_limit(void **state)
{
    (void)state;
    char *deep = malloc(200000);
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    assert_int_equal(count_tokens(deep, 200000), -1);
    assert_int_equal(count_tokens(deep + 100000 - HST_JSON_DEPTH_MAX, 2 * HST_JSON_DEPTH_MAX), 2 * HST_JSON_DEPTH_MAX);
    free(deep);
}

static void skips_whole_values_and_keeps_the_first_error(void **state)
{
    (void)state;
    struct hst_json json;
    const char *text = "[{\"a\":[1,{\"b\":2}]},7]x";
    hst_json_init(&json, text, strlen(text), 50);
    hst_json_next(&json);
    assert_true(hst_json_skip(&json, hst_json_next(&json)));
    assert_int_equal(hst_json_next(&json), HST_JSON_NUMBER);
    assert_true(hst_json_skip(&json, HST_JSON_NUMBER));
    assert_int_equal(hst_json_next(&json), HST_JSON_ARRAY_END);
    assert_int_equal(hst_json_next(&json), HST_JSON_ERROR);
    assert_int_equal(hst_json_next(&json), HST_JSON_ERROR);
    assert_false(hst_json_skip(&json, HST_JSON_ERROR));
    assert_int_equal(json.cursor.error.offset, 50 + 21);
    hst_json_fini(&json);
}

static void numbers_are_whole_or_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"-1", "1.0", "1e3", "18446744073709551616"};
    uint64_t value = 0;
    struct hst_json json;
    for (size_t i = 0; i < 4; i++) {
        hst_json_init(&json, bad[i], strlen(bad[i]), 0);
        hst_json_next(&json);
        assert_false(hst_json_u64(&json, &value));
    }
    hst_json_init(&json, "18446744073709551615", 20, 0);
    hst_json_next(&json);
    assert_true(hst_json_u64(&json, &value));
    assert_true(value == UINT64_MAX);
}

static void an_unfinished_container_is_skipped_with_an_error(void **state)
{
    (void)state;
    struct hst_json json;
    hst_json_init(&json, "[[1", 3, 0);
    assert_false(hst_json_skip(&json, hst_json_next(&json)));
    hst_json_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_json),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(unescapes_strings),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(skips_whole_values_and_keeps_the_first_error),
        cmocka_unit_test(numbers_are_whole_or_refused),
        cmocka_unit_test(an_unfinished_container_is_skipped_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
