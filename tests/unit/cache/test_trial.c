/* Memory for copies is chosen by what was measured. */
#include "cmocka_all.h"
#include "tier.h"
#include "cache/trial.h"

static enum hst_backing best_of(double tmpfs, double memfd, double pages)
{
    struct hst_trial trial = {.touch_ms_per_gib = {[HST_BACKING_TMPFS_HUGE] = tmpfs, [HST_BACKING_MEMFD_HUGE] = memfd, [HST_BACKING_PAGES] = pages}};
    return hst_trial_best(&trial);
}

static void the_fastest_is_taken_and_the_usual_one_when_they_are_alike(void **state)
{
    (void)state;
    assert_int_equal(best_of(5, 5, 150), HST_BACKING_TMPFS_HUGE);
    assert_int_equal(best_of(6, 4, 150), HST_BACKING_TMPFS_HUGE);
    assert_int_equal(best_of(140, 5, 150), HST_BACKING_MEMFD_HUGE);
    assert_int_equal(best_of(0, 5, 150), HST_BACKING_MEMFD_HUGE);
    assert_int_equal(best_of(0, 160, 60), HST_BACKING_PAGES);
    assert_int_equal(best_of(0, 140, 150), HST_BACKING_PAGES); /* asked for, and did not come */
    assert_int_equal(best_of(150, 140, 150), HST_BACKING_TMPFS_HUGE);
    assert_int_equal(best_of(0, 0, 150), HST_BACKING_PAGES);
    assert_int_equal(best_of(0, 0, 0), HST_BACKING_PAGES);
}

static void each_kind_is_measured_and_nothing_of_it_stays(void **state)
{
    struct hst_trial trial;
    struct hst_tmpfs tmpfs = {-1, -1, 0};
    (void)state;
    bool have = hst_tmpfs_new(HST_TRIAL_BYTES, &tmpfs, NULL) == HST_OK;
    for (int i = 0; i < 3; i++) { /* there is room for one at a time */
        hst_trial_run(have ? &tmpfs : NULL, &trial);
        assert_true(trial.touch_ms_per_gib[HST_BACKING_MEMFD_HUGE] > 0 && trial.touch_ms_per_gib[HST_BACKING_PAGES] > 0);
        assert_true((trial.touch_ms_per_gib[HST_BACKING_TMPFS_HUGE] > 0) == have);
        assert_int_equal(trial.best, hst_trial_best(&trial));
    }
    hst_tmpfs_fini(&tmpfs);
}

static void a_tier_knows_after_a_moment(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 8 * MIB, 8 * MIB);
    while (hst_cache_touch_cost(tier.cache, HST_BACKING_PAGES) <= 0)
        uv_run(&tier.loop, UV_RUN_ONCE);
    assert_true(hst_cache_touch_cost(tier.cache, hst_cache_copy_backing(tier.cache)) > 0);
    assert_int_equal(hst_cache_stats(tier.cache).used_bytes, 0);
    tier_fini(&tier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_is_taken_and_the_usual_one_when_they_are_alike),
        cmocka_unit_test(each_kind_is_measured_and_nothing_of_it_stays),
        cmocka_unit_test(a_tier_knows_after_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
