/* Loads that nobody waits for: into free memory alone, no use, and out of the way of others. */
#include "tier.h"

#include "load/internal.h"

static struct hst_job *ahead(struct tier *tier, struct hst_model *model)
{
    return tier_start(tier, &(struct hst_load_request){.model = model, .ahead = true});
}

static void it_evicts_nothing(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 9 * MIB, 9 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB), *b = tier_model(&tier, "b", 3 * MIB);
    tier_load(&tier, a);
    hst_loader_unload(tier.loader, hst_loader_find(tier.loader, &a->components[0], tier.device), NULL, NULL);
    struct hst_job *job = ahead(&tier, b);
    tier_wait(&tier, 2);
    assert_int_equal(job->error.status, HST_E_OUT_OF_RAM);
    assert_non_null(hst_cache_find(tier.cache, &a->components[0]));
    assert_int_equal(hst_cache_stats(tier.cache).evictions, 0);
    tier_fini(&tier);
}

static void it_is_no_use(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB);
    struct hst_job *job = ahead(&tier, a);
    tier_wait(&tier, 1);
    assert_int_equal(job->state, HST_JOB_DONE);
    assert_true(job->ahead && job->plan->ram_bytes >= 4 * MIB);
    assert_int_equal(hst_cache_stats(tier.cache).misses, 0);
    assert_int_equal(hst_cache_usage(tier.cache, &a->components[0]).last_used_wall_ns, 0);
    tier_load(&tier, a);
    assert_int_equal(hst_cache_stats(tier.cache).hits, 2);
    tier_fini(&tier);
}

static void it_does_not_begin_while_somebody_waits(void **state)
{
    struct tier tier;
    struct hst_job *job;
    struct hst_error err = {0};
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB), *b = tier_model(&tier, "b", 2 * MIB);
    tier_start(&tier, &(struct hst_load_request){.model = a});
    assert_int_equal(hst_loader_start(tier.loader, &(struct hst_load_request){.model = b, .ahead = true}, NULL, NULL, &job, &err), HST_E_BUSY);
    tier_wait(&tier, 1);
    tier_fini(&tier);
}

static void it_gives_way_with_all_that_it_has_reserved(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 33 * MIB, 33 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 12 * MIB), *b = tier_model(&tier, "b", 16 * MIB);
    struct hst_job *background = ahead(&tier, a);
    while (hst_cache_stats(tier.cache).used_bytes == 0)
        uv_run(&tier.loop, UV_RUN_ONCE);
    struct hst_job *real = tier_start(&tier, &(struct hst_load_request){.model = b, .device = tier.device});
    assert_int_equal(real->state, HST_JOB_QUEUED);
    tier_wait(&tier, 2);
    assert_int_equal(background->state, HST_JOB_CANCELLED);
    assert_int_equal(real->state, HST_JOB_DONE);
    assert_null(hst_cache_find(tier.cache, &a->components[0]));
    assert_true(hst_cache_stats(tier.cache).used_bytes <= 33 * MIB);
    tier_fini(&tier);
}

static void who_does_not_need_that_does_not_wait_for_it(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 12 * MIB), *b = tier_model(&tier, "b", 2 * MIB);
    struct hst_job *background = ahead(&tier, a);
    struct hst_job *real = tier_start(&tier, &(struct hst_load_request){.model = b, .device = tier.device});
    assert_int_equal(real->state, HST_JOB_RUNNING);
    tier_wait(&tier, 2);
    assert_int_equal(background->state, HST_JOB_CANCELLED);
    assert_int_equal(real->state, HST_JOB_DONE);
    tier_fini(&tier);
}

static void who_asks_for_the_same_waits_for_it(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 4 * MIB);
    struct hst_job *background = ahead(&tier, a);
    struct hst_job *real = tier_start(&tier, &(struct hst_load_request){.model = a, .device = tier.device});
    tier_wait(&tier, 2);
    assert_int_equal(background->state, HST_JOB_DONE);
    assert_true(background->overtaken_ms > 0);
    assert_int_equal(real->state, HST_JOB_DONE);
    assert_int_equal(real->plan->ram_bytes, 0);
    assert_true(hst_cache_stats(tier.cache).filled_bytes < 9 * MIB);
    tier_fini(&tier);
}

static void who_asks_for_another_precision_does_not(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 4 * MIB);
    struct hst_job *background = ahead(&tier, a);
    tier_start(&tier, &(struct hst_load_request){.model = a, .precision = "fp16"});
    tier_wait(&tier, 2);
    assert_int_equal(background->state, HST_JOB_CANCELLED);
    tier_fini(&tier);
}

static void what_was_brought_in_ahead_goes_first_until_it_is_used(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 9 * MIB, 9 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 1 * MIB), *b = tier_model(&tier, "b", 1 * MIB), *c = tier_model(&tier, "c", 3 * MIB - 65536);
    tier_load(&tier, a);
    ahead(&tier, b);
    tier_wait(&tier, 2);
    for (size_t i = 0; i < 2; i++)
        hst_cache_foresee(tier.cache, hst_cache_find(tier.cache, &b->components[i]));
    hst_cache_touch(tier.cache, &b->components[1], hst_cache_find(tier.cache, &b->components[1]));
    assert_true(!hst_cache_find(tier.cache, &b->components[1])->ahead);
    assert_int_equal(tier_load(&tier, c)->state, HST_JOB_DONE);
    assert_null(hst_cache_find(tier.cache, &b->components[0]));
    assert_non_null(hst_cache_find(tier.cache, &b->components[1]));
    tier_fini(&tier);
}

static void also_when_the_machine_runs_short(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 9 * MIB, 9 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 1 * MIB), *b = tier_model(&tier, "b", 1 * MIB);
    tier_load(&tier, a);
    ahead(&tier, b); /* later, so that by use alone it would go last */
    tier_wait(&tier, 2);
    hst_cache_foresee(tier.cache, hst_cache_find(tier.cache, &b->components[1]));
    assert_int_equal(hst_giveback_run(tier.loader, 1, 1).components, 1);
    assert_null(hst_cache_find(tier.cache, &b->components[1]));
    assert_int_equal(hst_cache_stats(tier.cache).count, 3);
    tier_fini(&tier);
}

static void use_before_a_restart_is_known_again(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 9 * MIB, 9 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 1 * MIB);
    hst_cache_recall(tier.cache, &a->components[0], 5, 1000);
    hst_cache_recall(tier.cache, &a->components[1], 5, INT64_MAX); /* in the future */
    assert_true(hst_cache_usage(tier.cache, &a->components[0]).heat == 5);
    assert_int_equal(hst_cache_usage(tier.cache, &a->components[0]).last_used_wall_ns, 1000);
    assert_int_equal(hst_cache_usage(tier.cache, &a->components[1]).last_used_wall_ns, 0);
    tier_load(&tier, a);
    hst_cache_recall(tier.cache, &a->components[0], 99, 1000);
    assert_true(hst_cache_usage(tier.cache, &a->components[0]).heat < 7);
    tier_fini(&tier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_evicts_nothing),
        cmocka_unit_test(it_is_no_use),
        cmocka_unit_test(it_does_not_begin_while_somebody_waits),
        cmocka_unit_test(it_gives_way_with_all_that_it_has_reserved),
        cmocka_unit_test(who_does_not_need_that_does_not_wait_for_it),
        cmocka_unit_test(who_asks_for_the_same_waits_for_it),
        cmocka_unit_test(who_asks_for_another_precision_does_not),
        cmocka_unit_test(what_was_brought_in_ahead_goes_first_until_it_is_used),
        cmocka_unit_test(also_when_the_machine_runs_short),
        cmocka_unit_test(use_before_a_restart_is_known_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
