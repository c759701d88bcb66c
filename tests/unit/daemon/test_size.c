/* Sizes are what people write; anything else is refused with the text that was given. */
#include "cmocka_all.h"
#include "daemon/size.h"

#include <string.h>

static void understands_units_and_shares(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"512M", 512ULL << 20}, {"24G", 24ULL << 30}, {"80%", 800}, {"auto", 600}, {"4096", 4096}, {"1KiB", 1024}, {"2TB", 2ULL << 40}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t bytes = 0;
        assert_int_equal(hst_size_parse(good[i].text, 1000, &bytes, NULL), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    const char *bad[] = {"", "-1", "G", "12X", "101%", "0", "0%", "99999999999999T", "1.5G", " 5", "5 G"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hst_error err = {0};
        uint64_t bytes;
        assert_int_equal(hst_size_parse(bad[i], 1000, &bytes, &err), HST_E_CONFIG);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_units_and_shares),
        cmocka_unit_test(refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
