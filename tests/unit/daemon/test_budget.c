/* What hoist may use of a machine, and what stays free of it. */
#include "cmocka_all.h"
#include "daemon/budget.h"

#include <string.h>

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

static int read_with(const char *ram, const char *reserve, uint64_t total, uint64_t *ram_bytes, uint64_t *reserve_bytes, struct hst_error *err)
{
    struct hst_settings settings = {0};
    if (ram != NULL) hst_settings_add(&settings, (size_t)hst_settings_row("ram"), ram, NULL);
    if (reserve != NULL) hst_settings_add(&settings, (size_t)hst_settings_row("reserve"), reserve, NULL);
    int status = hst_budget_read(&settings, total, ram_bytes, reserve_bytes, err);
    hst_settings_fini(&settings);
    return status;
}

static void the_reserve_grows_with_the_machine_between_bounds(void **state)
{
    static const struct {
        uint64_t total, reserve;
    } rows[] = {{GIB, 128 * MIB}, {50 * GIB, GIB}, {512 * GIB, 2 * GIB}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ram, reserve;
        assert_int_equal(read_with(NULL, NULL, rows[i].total, &ram, &reserve, NULL), 0);
        assert_int_equal(reserve, rows[i].reserve);
        assert_int_equal(ram, rows[i].total / 100 * 60);
    }
}

static void what_nobody_has_chosen_gives_way_to_the_reserve(void **state)
{
    uint64_t ram, reserve;
    (void)state;
    assert_int_equal(read_with(NULL, "3G", 4 * GIB, &ram, &reserve, NULL), 0);
    assert_int_equal(ram, GIB);
}

static void more_than_there_is_is_refused_with_the_figures(void **state)
{
    static const struct {
        const char *ram, *reserve, *figure;
    } rows[] = {{"8G", NULL, "8589934592"}, {"4G", NULL, "4294967296"}, {"3G", "2G", "2147483648"}, {"90%", "20%", "858993440"}, {NULL, "4G", "4294967296"}, {NULL, "9G", "9663676416"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hst_error err = {0};
        uint64_t ram = 7, reserve = 7;
        assert_int_equal(read_with(rows[i].ram, rows[i].reserve, 4 * GIB, &ram, &reserve, &err), HST_E_CONFIG);
        assert_non_null(strstr(err.text, rows[i].figure));
        assert_int_equal(ram + reserve, 14);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reserve_grows_with_the_machine_between_bounds),
        cmocka_unit_test(what_nobody_has_chosen_gives_way_to_the_reserve),
        cmocka_unit_test(more_than_there_is_is_refused_with_the_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
