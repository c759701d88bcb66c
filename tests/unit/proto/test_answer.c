/* What hoistd believes of what a parser's process says. */
#include "cmocka_all.h"
#include "proto/answer.h"

#include <string.h>

static void a_greeting_names_the_version_and_the_protections(void **state)
{
    (void)state;
    struct hst_strbuf out = {0};
    struct hst_answer_hello got;
    hst_answer_put_hello(&out, &(struct hst_answer_hello){15, 7});
    assert_int_equal(hst_answer_read_hello(out.text, out.length, &got, NULL), 0);
    assert_true(got.protections == 15 && got.landlock == 7);
    assert_int_equal(hst_answer_read_hello(out.text, out.length - 1, &got, NULL), HST_E_PROTOCOL); /* another version */
    out.text[out.length - 1]++;
    assert_int_equal(hst_answer_read_hello(out.text, out.length, &got, NULL), HST_E_PROTOCOL);
    assert_int_equal(hst_answer_read_hello(out.text, 0, &got, NULL), HST_E_PROTOCOL);
    hst_strbuf_fini(&out);
}

static void a_request_is_its_size(void **state)
{
    (void)state;
    uint8_t bytes[HST_ANSWER_REQUEST_BYTES];
    uint64_t size;
    hst_answer_put_request(UINT64_C(0x123456789abc), bytes);
    assert_int_equal(hst_answer_read_request(bytes, sizeof bytes, &size, NULL), 0);
    assert_int_equal(size, UINT64_C(0x123456789abc));
    assert_int_equal(hst_answer_read_request(bytes, sizeof bytes - 1, &size, NULL), HST_E_PROTOCOL);
    bytes[0]++;
    assert_int_equal(hst_answer_read_request(bytes, sizeof bytes, &size, NULL), HST_E_PROTOCOL);
}

/* Send an error and read it. @return the status that arrives */
static int pass(int status, uint64_t offset, const char *text, struct hst_error *ret_error)
{
    struct hst_strbuf out = {0};
    struct hst_error why = {.status = status, .has_offset = offset > 0, .offset = offset};
    const struct hst_format *format;
    struct hst_tensor_table *table;
    strcpy(why.text, text);
    hst_answer_put(&out, status, &why, NULL, NULL);
    int got = hst_answer_read(out.text, out.length, 100, &format, &table, ret_error);
    hst_strbuf_fini(&out);
    return got;
}

static void an_error_arrives_with_its_place(void **state)
{
    (void)state;
    struct hst_error got = {0};
    assert_int_equal(pass(HST_E_TRUNCATED, 77, "it ends", &got), HST_E_TRUNCATED);
    assert_true(got.status == HST_E_TRUNCATED && got.has_offset && got.offset == 77);
    assert_string_equal(got.text, "it ends");
    assert_int_equal(pass(HST_E_UNKNOWN_FORMAT, 0, "what is it", &got), HST_E_UNKNOWN_FORMAT);
    assert_false(got.has_offset);
    assert_int_equal(pass(HST_E_IO, 0, "the disk", &got), HST_E_IO);
}

static void its_text_can_forge_nothing(void **state)
{
    (void)state;
    struct hst_error got = {0};
    assert_int_equal(pass(HST_E_INVALID_FILE, 0, "a\nb\x1b[2J\xff", &got), HST_E_INVALID_FILE);
    assert_string_equal(got.text, "a\\x0ab\\x1b[2J\\xff");
}

static void only_what_a_parser_can_find_is_believed(void **state)
{
    (void)state;
    static const int others[] = {HST_E_SHUTTING_DOWN, HST_E_PARSER_FAILED, HST_E_UNREACHABLE, HST_E_PROTOCOL, HST_E_OUT_OF_RAM, HST_E_FORBIDDEN, -1000, -98};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(pass(others[i], 0, "x", NULL), HST_E_PROTOCOL);
    assert_int_equal(pass(HST_E_NOMEM, 0, "x", NULL), HST_E_LIMIT_EXCEEDED); /* its limit, not the machine's */
}

static void nonsense_is_no_answer(void **state)
{
    (void)state;
    const struct hst_format *format;
    struct hst_tensor_table *table;
    static const unsigned char words[][4] = {{0, 0, 0, 0}, {1, 0, 0, 0}, {99, 0, 0, 0}, {255, 255, 255, 255}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (size_t length = 0; length <= 4; length++)
            assert_int_equal(hst_answer_read(words[i], length, 100, &format, &table, NULL), HST_E_PROTOCOL);
}

static void a_small_file_has_no_long_answer(void **state)
{
    (void)state;
    assert_int_equal(hst_answer_limit(0), HST_ANSWER_FREE_BYTES);
    assert_int_equal(hst_answer_limit(1000), HST_ANSWER_FREE_BYTES + 8000);
    assert_int_equal(hst_answer_limit(UINT64_C(1) << 40), HST_ANSWER_BYTES_MAX);
    assert_int_equal(hst_answer_limit(UINT64_MAX), HST_ANSWER_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_names_the_version_and_the_protections),
        cmocka_unit_test(a_request_is_its_size),
        cmocka_unit_test(an_error_arrives_with_its_place),
        cmocka_unit_test(its_text_can_forge_nothing),
        cmocka_unit_test(only_what_a_parser_can_find_is_believed),
        cmocka_unit_test(nonsense_is_no_answer),
        cmocka_unit_test(a_small_file_has_no_long_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
