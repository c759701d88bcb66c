/* The head of a model card and the tags of a training set, in the shapes that people and tools write; whatever allocation fails is said. */
#include "cmocka_all.h"
#include "faults.h"
#include "formats/card.h"
#include "formats/tag_frequency.h"

#include <stdio.h>

/* "key=value;" of everything that was found. */
static int note(void *context, const char *key, const char *value)
{
    char *out = context;
    size_t used = strlen(out);
    snprintf(out + used, 512 - used, "%s=%s;", key, value);
    return 0;
}

static int refuse(void *context, const char *key, const char *value)
{
    (void)context, (void)key, (void)value;
    return HST_E_CANCELLED;
}

static int read_card(const char *text, size_t length, char out[512], struct hst_error *err)
{
    out[0] = '\0';
    return hst_card_parse(text, length, note, out, err);
}

static void cards_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text, *found;
    } cards[] = {
        {"", ""},
        {"# no head\n", ""},
        {" --- \nlicense: mit\n---\n", "license=mit;"},
        {"---\nlicense: \"mit\"\nlicense_name: 'x'\nbase_model: \"a\n---\n", "license=mit;license_name=x;base_model=\"a;"},
        {"---\nlicense: '\n---\n", "license=';"},
        {"---\ntags: [a, \"b\",, c]\n---\n", "tags=a, b, c;"},
        {"---\ntags: []\nlicense: [\n---\n", "license=[;"},
        {"---\ntags:\n- a\n  - b\n-c\n-\n---\n", "tags=a, b;"},
        {"---\n- nobody's\nlicense: |\n  block\nbase_model: &x\ntags: !x\nlanguage: {a: b}\n---\n", ""},
        {"---\n# license: mit\n\n indented: x\nno colon\nunknown: x\nlicense :x\nlicensed: y\n---\n", ""},
        {"---\r\nlicense:\tmit \r\n---\r\n", "license=mit;"},
        {"---\nlicense: a\nlicense: b\n---", "license=a;license=b;"},
    };
    char out[512];
    (void)state;
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        assert_int_equal(read_card(cards[i].text, strlen(cards[i].text), out, NULL), 0);
        assert_string_equal(out, cards[i].found);
    }
}

static void a_card_that_is_no_text_or_has_no_end_is_refused(void **state)
{
    static const char nul[] = "---\nlicense: a\0b\n---\n", broken[] = "---\nlicense: \xff\nx: y\n---\n", broken_last[] = "---\nlicense: \xff\n---\n";
    char out[512];
    (void)state;
    assert_int_equal(read_card(nul, sizeof nul - 1, out, NULL), HST_E_INVALID_FILE);
    assert_int_equal(read_card(broken, sizeof broken - 1, out, NULL), HST_E_INVALID_FILE);
    assert_int_equal(read_card(broken_last, sizeof broken_last - 1, out, NULL), HST_E_INVALID_FILE);
    assert_int_equal(read_card("---\nlicense: a\n", 15, out, NULL), HST_E_INVALID_FILE);
    assert_int_equal(hst_card_parse("---\nlicense: a\nx: y\n---\n", 24, refuse, NULL, NULL), HST_E_CANCELLED);
}

static int read_tags(const char *json, char out[512], struct hst_error *err)
{
    struct hst_strbuf found = {0};
    int status = hst_tag_frequency_top(json, strlen(json), 3, &found, err);
    snprintf(out, 512, "%s", status == 0 && found.text != NULL ? found.text : "");
    bool complete = hst_strbuf_ok(&found);
    hst_strbuf_fini(&found);
    return status == 0 && !complete ? HST_E_NOMEM : status;
}

static void the_most_frequent_tags_are_found(void **state)
{
    static const struct {
        const char *json, *found;
    } sets[] = {{"{}", ""}, {"{\"a\":{}}", ""}, {"{\"a\":{\"x\":0}}", ""}, {"{\"a\":{\"x\":1,\"y\":3},\"b\":{\"x\":3,\"z\":1,\"w\":1}}", "x, y, w"}};
    static const char *const bad[] = {"[]", "{", "{\"a\"}", "{\"a\":1}", "{\"a\":{", "{\"a\":{1}}", "{\"a\":{\"x\":\"y\"}}", "{\"a\":{\"x\":-1}}", "{\"a\":{\"x\":4294967296}}", "{} {}"};
    char out[512];
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        assert_int_equal(read_tags(sets[i].json, out, NULL), 0);
        assert_string_equal(out, sets[i].found);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(read_tags(bad[i], out, NULL), HST_E_INVALID_FILE);
}

static int card_of_all(char out[512], struct hst_error *err)
{
    static const char text[] = "---\nlicense: a-long-licence-name-that-needs-memory\ntags: [a, b]\nlanguage: en\n---\n";
    return read_card(text, sizeof text - 1, out, err);
}

static int tags_of_all(char out[512], struct hst_error *err)
{
    return read_tags("{\"a\":{\"x\":1,\"y\":2,\"a tag with a longer text\":3}}", out, err);
}

static void every_allocation_that_fails_is_said(void **state)
{
    static int (*const readers[])(char out[512], struct hst_error *err) = {card_of_all, tags_of_all};
    char out[512];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bool failed = true;
        for (int at = 1; failed; at++) {
            struct hst_error err = {0};
            faults_begin(FAULT_ALLOCATION, at);
            int status = readers[i](out, &err);
            failed = faults_end();
            assert_int_equal(status, failed ? HST_E_NOMEM : HST_OK);
            assert_true(at < 100);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cards_are_read_as_people_write_them),
        cmocka_unit_test(a_card_that_is_no_text_or_has_no_end_is_refused),
        cmocka_unit_test(the_most_frequent_tags_are_found),
        cmocka_unit_test(every_allocation_that_fails_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
