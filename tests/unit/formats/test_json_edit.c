/* One member of a JSON text is changed, and nothing else: what others wrote stays byte for byte. */
#include "cmocka_all.h"
#include "formats/json_edit.h"
#include "formats/retag.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static void one_member_is_set_or_taken_out(void **state)
{
    static const struct {
        const char *text, *key, *value, *changed;
    } cases[] = {
        {"{}", "a", "1", "{\"a\":1}"},
        {"{ }", "a", "1", "{\"a\": 1 }"},
        {"{\"a\":1}", "b", "2", "{\"a\":1,\"b\":2}"},
        {"{\n  \"a\": 1\n}\n", "b", "\"x\"", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}\n"},
        {"{\"a\" : [1, {\"a\":2}] ,\"b\":3.10}", "a", "null", "{\"a\" : null ,\"b\":3.10}"},
        {"{\"a\":1,\"b\":2,\"c\":3}", "b", NULL, "{\"a\":1,\"c\":3}"},
        {"{\"a\":1,\"b\":2}", "b", NULL, "{\"a\":1}"},
        {"{\"a\":1 , \"b\":2}", "a", NULL, "{ \"b\":2}"},
        {"{\"a\":1}", "a", NULL, "{}"},
        {"{\"a\":1}", "x", NULL, "{\"a\":1}"},
        {"{\"\\u0061\":12345678901234567890}", "a", "1", "{\"\\u0061\":1}"},
        {"{\"b\":{\"a\":1}}", "a", "2", "{\"b\":{\"a\":1},\"a\":2}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hst_strbuf out = {0};
        assert_int_equal(hst_json_edit_set(cases[i].text, strlen(cases[i].text), cases[i].key, cases[i].value, &out, NULL), 0);
        assert_string_equal(out.text, cases[i].changed);
        hst_strbuf_fini(&out);
    }
}

static void what_is_no_object_is_not_changed(void **state)
{
    static const char *const bad[] = {"", "[]", "1", "{", "{\"a\":1", "{\"a\":1}{}", "{\"a\":1,\"a\":2}", "{\"a\":}", "{a:1}", "\xef\xbb\xbf{}"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hst_strbuf out = {0};
        struct hst_json_span span;
        assert_int_equal(hst_json_edit_set(bad[i], strlen(bad[i]), "a", "1", &out, NULL), HST_E_INVALID_FILE);
        assert_int_equal(hst_json_edit_find(bad[i], strlen(bad[i]), "a", &span, NULL), HST_E_INVALID_FILE);
        assert_null(out.text);
    }
}

static void texts_are_quoted(void **state)
{
    struct hst_strbuf text = {0};
    (void)state;
    hst_strbuf_puts(&text, "{}");
    assert_int_equal(hst_json_edit_text(&text, "k\"", "a\"b\\c\nd\x01\xc3\xa4", NULL), 0);
    assert_string_equal(text.text, "{\"k\\\"\":\"a\\\"b\\\\c\\u000ad\\u0001\xc3\xa4\"}");
    assert_int_equal(hst_json_edit_text(&text, "k\"", NULL, NULL), 0);
    assert_string_equal(text.text, "{}");
    hst_strbuf_fini(&text);
}

/* The JSON of a new header without its padding; its length is checked. */
static char *retag(const char *header, const struct hst_retag_pair *pairs, size_t count)
{
    struct hst_strbuf out = {0};
    uint64_t length;
    assert_int_equal(hst_retag_header(header, strlen(header), pairs, count, &out, NULL), 0);
    memcpy(&length, out.text, 8);
    assert_int_equal(le64toh(length), out.length - 8);
    assert_int_equal((out.length - 8) % 4096, strlen(header) % 4096);
    while (out.text[out.length - 1] == ' ')
        out.text[--out.length] = '\0';
    char *json = strdup(out.text + 8);
    hst_strbuf_fini(&out);
    return json;
}

static void a_header_keeps_its_tensors_and_its_place_in_the_page(void **state)
{
    static const struct {
        const char *header, *changed;
    } cases[] = {
        {"{\"w\":{\"x\":[1, 2]}}   ", "{\"w\":{\"x\":[1, 2]},\"__metadata__\":{\"t\":\"new\"}}"},
        {"{\"__metadata__\":null,\"w\":{}}", "{\"__metadata__\":{\"t\":\"new\"},\"w\":{}}"},
        {"{\"__metadata__\":{\"t\":\"old\",\"gone\":\"x\",\"k\":\"v\"},\"w\":{}}", "{\"__metadata__\":{\"t\":\"new\",\"k\":\"v\"},\"w\":{}}"},
    };
    static const struct hst_retag_pair pairs[] = {{"t", "new"}, {"gone", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = retag(cases[i].header, pairs, 2);
        assert_string_equal(json, cases[i].changed);
        free(json);
    }
}

static void a_header_that_gets_too_long_is_refused(void **state)
{
    size_t length = 99999990;
    char *header = malloc(length);
    struct hst_strbuf out = {0};
    (void)state;
    memset(header, 'x', length);
    memcpy(header, "{\"", 2);
    memcpy(header + length - 5, "\":{}}", 5);
    assert_int_equal(hst_retag_header(header, length, &(struct hst_retag_pair){"t", "a title"}, 1, &out, NULL), HST_E_LIMIT_EXCEEDED);
    free(header);
    hst_strbuf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_is_set_or_taken_out), cmocka_unit_test(what_is_no_object_is_not_changed),
        cmocka_unit_test(texts_are_quoted),               cmocka_unit_test(a_header_keeps_its_tensors_and_its_place_in_the_page),
        cmocka_unit_test(a_header_that_gets_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
