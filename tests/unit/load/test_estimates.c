/* Estimates come from what was measured, the nearest kind of it, and their margin from how wrong they were. */
#include "cmocka_all.h"
#include "load/estimates.h"

#include <math.h>

#define MIB UINT64_C(1048576)

static const struct hst_workload cold = {.model_id = "a", .device_id = "host:0", .precision = "", .disk = 7, .bytes = 1000 * MIB};

static double learn(struct hst_estimates *estimates, struct hst_workload load, double ms)
{
    struct hst_estimate estimate = hst_estimates_make(estimates, &load);
    estimate.measured_ms = ms;
    hst_estimates_learn(estimates, &load, &estimate);
    return estimate.expected_ms;
}

static double expect(const struct hst_estimates *estimates, struct hst_workload load)
{
    return hst_estimates_make(estimates, &load).expected_ms;
}

static void nothing_is_expected_before_the_first_load(void **state)
{
    struct hst_estimates estimates = {0};
    (void)state;
    struct hst_estimate estimate = hst_estimates_make(&estimates, &cold);
    assert_true(estimate.expected_ms < 0 && estimate.margin_ms < 0);
    assert_string_equal(estimate.source, "cold");
    hst_estimates_fini(&estimates);
}

static void another_model_is_expected_by_its_bytes(void **state)
{
    struct hst_estimates estimates = {0};
    struct hst_workload other = cold;
    (void)state;
    learn(&estimates, cold, 500);
    other.model_id = "b";
    other.bytes = 3000 * MIB;
    assert_float_equal(expect(&estimates, other), 1500, 1);
    hst_estimates_fini(&estimates);
}

static void sources_disks_devices_and_conversions_are_apart(void **state)
{
    struct hst_estimates estimates = {0};
    struct hst_workload warm = cold, disk = cold, device = cold, converted = cold;
    (void)state;
    learn(&estimates, cold, 500);
    warm.warm_share = 1;
    disk.disk = 8;
    device.device_id = "cuda:0";
    converted.precision = "fp16";
    warm.model_id = disk.model_id = device.model_id = converted.model_id = "b";
    assert_true(expect(&estimates, warm) < 0 && expect(&estimates, disk) < 0 && expect(&estimates, device) < 0 && expect(&estimates, converted) < 0);
    learn(&estimates, warm, 10);
    assert_float_equal(expect(&estimates, warm), 10, 0.1);
    assert_float_equal(expect(&estimates, cold), 500, 1);
    hst_estimates_fini(&estimates);
}

static void a_half_warm_file_takes_the_sum_of_its_parts(void **state)
{
    struct hst_estimates estimates = {0};
    struct hst_workload warm = cold, mixed = cold;
    (void)state;
    warm.warm_share = 1;
    mixed.warm_share = 0.5;
    learn(&estimates, cold, 500);
    learn(&estimates, warm, 10);
    assert_float_equal(expect(&estimates, mixed), 255, 1);
    learn(&estimates, mixed, 5000); /* says nothing about either */
    assert_float_equal(expect(&estimates, cold), 500, 1);
    hst_estimates_fini(&estimates);
}

static void what_is_known_of_a_model_counts_more_than_of_its_kind(void **state)
{
    struct hst_estimates estimates = {0};
    struct hst_workload slow = cold;
    (void)state;
    slow.model_id = "slow";
    for (int i = 0; i < 8; i++)
        learn(&estimates, cold, 500);
    learn(&estimates, slow, 1500);
    learn(&estimates, slow, 1500);
    assert_float_equal(expect(&estimates, slow), 1500, 1);
    assert_true(expect(&estimates, cold) < 501);
    hst_estimates_fini(&estimates);
}

static void one_load_that_hung_does_not_spoil_them(void **state)
{
    struct hst_estimates estimates = {0};
    (void)state;
    for (int i = 0; i < 8; i++)
        learn(&estimates, cold, 500);
    learn(&estimates, cold, 60000);
    assert_true(expect(&estimates, cold) < 750);
    hst_estimates_fini(&estimates);
}

static void a_disk_that_became_slower_is_learnt(void **state)
{
    struct hst_estimates estimates = {0};
    (void)state;
    for (int i = 0; i < 8; i++)
        learn(&estimates, cold, 500);
    for (int i = 0; i < 12; i++)
        learn(&estimates, cold, 1500);
    assert_true(expect(&estimates, cold) > 1400);
    hst_estimates_fini(&estimates);
}

static void the_margin_shrinks_with_the_error(void **state)
{
    struct hst_estimates estimates = {0};
    (void)state;
    learn(&estimates, cold, 500);
    struct hst_estimate first = hst_estimates_make(&estimates, &cold);
    assert_true(first.margin_ms > 500);
    for (int i = 0; i < 8; i++)
        learn(&estimates, cold, 500 + 20 * (i % 2));
    struct hst_estimate later = hst_estimates_make(&estimates, &cold);
    assert_true(later.margin_ms > 0 && later.margin_ms < 100);
    assert_true(estimates.count == 8 && estimates.error < 0.1);
    hst_estimates_fini(&estimates);
}

static void a_small_load_says_little_about_a_large_one(void **state)
{
    struct hst_estimates estimates = {0};
    struct hst_workload small = cold;
    (void)state;
    small.bytes = 1000;
    learn(&estimates, small, 3);
    assert_float_equal(expect(&estimates, small), 3, 0.01);
    learn(&estimates, cold, 500);
    assert_float_equal(expect(&estimates, cold), 500, 1);
    learn(&estimates, small, 3);
    assert_float_equal(expect(&estimates, cold), 500, 1);
    assert_float_equal(expect(&estimates, small), 3, 0.01);
    hst_estimates_fini(&estimates);
}

static void what_is_known_of_a_model_is_told(void **state)
{
    struct hst_estimates estimates = {0};
    struct hst_workload other = cold;
    size_t cursor = 0;
    (void)state;
    other.model_id = "b";
    learn(&estimates, cold, 500);
    learn(&estimates, other, 700);
    learn(&estimates, cold, 600);
    const struct hst_experience *known = hst_estimates_next(&estimates, "a", &cursor);
    assert_non_null(known);
    assert_string_equal(known->device_id, "host:0");
    assert_true(known->loads == 2 && known->last.measured_ms == 600 && known->last.expected_ms > 400);
    assert_null(hst_estimates_next(&estimates, "a", &cursor));
    hst_estimates_fini(&estimates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_expected_before_the_first_load),
        cmocka_unit_test(another_model_is_expected_by_its_bytes),
        cmocka_unit_test(sources_disks_devices_and_conversions_are_apart),
        cmocka_unit_test(a_half_warm_file_takes_the_sum_of_its_parts),
        cmocka_unit_test(what_is_known_of_a_model_counts_more_than_of_its_kind),
        cmocka_unit_test(one_load_that_hung_does_not_spoil_them),
        cmocka_unit_test(a_disk_that_became_slower_is_learnt),
        cmocka_unit_test(the_margin_shrinks_with_the_error),
        cmocka_unit_test(a_small_load_says_little_about_a_large_one),
        cmocka_unit_test(what_is_known_of_a_model_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
