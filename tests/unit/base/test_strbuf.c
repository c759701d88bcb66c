/* A string grows by bytes, text and formats, and is handed over whole. */
#include "base/strbuf.h"
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

static void grows_by_every_kind_of_addition(void **state)
{
    (void)state;
    struct hst_strbuf buf = {0};
    for (int i = 0; i < 100; i++)
        hst_strbuf_printf(&buf, "%d,", i);
    hst_strbuf_puts(&buf, "end");
    hst_strbuf_append(&buf, "\0z", 2);
    assert_true(hst_strbuf_ok(&buf));
    assert_int_equal(buf.length, 290 + 3 + 2);
    assert_memory_equal(buf.text + 290, "end\0z", 6);
    hst_strbuf_fini(&buf);
}

static void hands_over_an_empty_string_too(void **state)
{
    (void)state;
    struct hst_strbuf buf = {0};
    char *text = hst_strbuf_take(&buf);
    assert_string_equal(text, "");
    free(text);
}

static void stays_failed_after_a_failed_allocation(void **state)
{
    (void)state;
    struct hst_strbuf buf = {.failed = true};
    hst_strbuf_puts(&buf, "x");
    assert_int_equal(buf.length, 0);
    assert_false(hst_strbuf_ok(&buf));
    assert_null(hst_strbuf_take(&buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_by_every_kind_of_addition),
        cmocka_unit_test(hands_over_an_empty_string_too),
        cmocka_unit_test(stays_failed_after_a_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
