/* How long loads take is told by how long they took: per kind of bytes, and not at all before something like it was measured. */
#include "cmocka_all.h"
#include "plan/expect.h"

#define MIB UINT64_C(1048576)

static void nothing_is_expected_before_anything_was_measured(void **state)
{
    struct hst_plan_rates rates = {0};
    const struct hst_plan_amount cold = {.cold_bytes = MIB}, nothing = {0};
    (void)state;
    assert_true(hst_plan_expect(&rates, &cold) < 0);
    assert_true(hst_plan_expect(&rates, &nothing) < 0);
    hst_plan_learn(&rates, &nothing, 0, 3);
    assert_true(hst_plan_expect(&rates, &nothing) == 3);
    assert_true(hst_plan_expect(&rates, &cold) < 0);
}

static void each_kind_has_a_rate_of_its_own(void **state)
{
    struct hst_plan_rates rates = {0};
    const struct hst_plan_amount cold = {.cold_bytes = 8 * MIB}, warm = {.warm_bytes = 8 * MIB}, converted = {.converted_bytes = 8 * MIB};
    const struct hst_plan_amount all = {.cold_bytes = 8 * MIB, .warm_bytes = 8 * MIB, .converted_bytes = 8 * MIB};
    (void)state;
    hst_plan_learn(&rates, &cold, 8, 1);
    hst_plan_learn(&rates, &warm, 2, 1);
    assert_true(hst_plan_expect(&rates, &all) < 0);
    hst_plan_learn(&rates, &converted, 16, 1);
    assert_true(hst_plan_expect(&rates, &cold) == 9);
    assert_true(hst_plan_expect(&rates, &all) == 27);
    assert_int_equal(hst_plan_amount_total(&all), 24 * MIB);
}

static void what_is_mixed_or_tiny_tells_no_rate(void **state)
{
    struct hst_plan_rates rates = {0};
    const struct hst_plan_amount mixed = {.cold_bytes = 8 * MIB, .warm_bytes = 8 * MIB}, tiny = {.cold_bytes = 4096};
    (void)state;
    hst_plan_learn(&rates, &mixed, 5, 1);
    hst_plan_learn(&rates, &tiny, 5, 1);
    assert_true(rates.cold == 0 && rates.warm == 0 && rates.fixed_ms == 1);
}

static void the_newest_measurement_counts_for_a_half(void **state)
{
    struct hst_plan_rates rates = {0};
    const struct hst_plan_amount cold = {.cold_bytes = 8 * MIB};
    (void)state;
    hst_plan_learn(&rates, &cold, 8, 2);
    hst_plan_learn(&rates, &cold, 4, 4);
    assert_true(rates.cold == 1.5 * (double)MIB && rates.fixed_ms == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_expected_before_anything_was_measured), cmocka_unit_test(each_kind_has_a_rate_of_its_own),
        cmocka_unit_test(what_is_mixed_or_tiny_tells_no_rate), cmocka_unit_test(the_newest_measurement_counts_for_a_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
