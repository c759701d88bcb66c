/* What was evicted is on its way back to the kernel: until it is there it is charged, whoever needs its bytes waits, and what is locked since stays locked. */
#include "cache/internal.h"
#include "tier.h"

/* The thread is busy for a while: what is sent now is still on its way when the next thing happens. */
static void nap(void *arg)
{
    (void)arg;
    usleep(100000);
}

static void delay(struct tier *tier)
{
    assert_int_equal(hst_exec_submit(tier->cache->drainer, nap, NULL, NULL), 0);
}

static void take_off(struct tier *tier)
{
    size_t cursor = 0;
    for (struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(tier->loader, &cursor)); cursor = 0)
        assert_int_equal(hst_loader_unload(tier->loader, loaded, NULL, NULL), 0);
}

/* Bytes of the file that this process has locked. */
static uint64_t locked_bytes(const struct hst_model *model)
{
    char line[512];
    unsigned long long kib, sum = 0;
    bool ours = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (fgets(line, sizeof line, maps) != NULL) {
        if (strchr(line, '-') != NULL && strstr(line, " r--s ") != NULL) ours = strstr(line, model->path) != NULL;
        if (ours && sscanf(line, "Locked: %llu kB", &kib) == 1) sum += kib * 1024;
    }
    fclose(maps);
    return sum;
}

static void what_is_locked_again_is_not_unlocked_by_what_was_evicted_before(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "one", MIB);
    tier_load(&tier, model);
    take_off(&tier);
    struct hst_residency *held = hst_cache_find(tier.cache, &model->components[0]);
    uint64_t locked = locked_bytes(model);
    if (!held->locked || locked < 2 * MIB) { /* not permitted here */
        tier_fini(&tier);
        skip();
    }
    delay(&tier);
    assert_int_equal(hst_cache_evict(tier.cache, held, NULL, NULL), 0);
    tier_load(&tier, model);
    tier_settle(&tier);
    assert_int_equal(locked_bytes(model), locked);
    tier_fini(&tier);
}

static void a_load_waits_for_the_bytes_of_its_victims(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 3 * MIB, 64 * MIB);
    struct hst_model *first = tier_model(&tier, "first", MIB), *second = tier_model(&tier, "second", MIB);
    tier_load(&tier, first);
    delay(&tier);
    struct hst_job *job = tier_start(&tier, &(struct hst_load_request){.model = second, .device = tier.device});
    int waited = 0;
    while (job->step < HST_STEP_LOAD) {
        struct hst_cache_stats stats = hst_cache_stats(tier.cache);
        assert_true(stats.used_bytes <= stats.budget_bytes);
        waited += stats.draining_bytes > 0;
        if (stats.draining_bytes > 0) assert_null(hst_cache_find(tier.cache, &second->components[0]));
        uv_run(&tier.loop, UV_RUN_ONCE);
    }
    assert_true(waited > 0);
    tier_wait(&tier, 2);
    assert_int_equal(job->state, HST_JOB_DONE);
    assert_int_equal(job->replans, 0);
    tier_fini(&tier);
}

static void one_that_is_cancelled_meanwhile_brings_them_back(void **state)
{
    struct tier tier;
    char before[2048], after[2048];
    (void)state;
    tier_init(&tier, 3 * MIB, 64 * MIB);
    struct hst_model *first = tier_model(&tier, "first", MIB), *second = tier_model(&tier, "second", MIB);
    tier_load(&tier, first);
    tier_snapshot(&tier, before, sizeof before);
    delay(&tier);
    struct hst_job *job = tier_start(&tier, &(struct hst_load_request){.model = second, .device = tier.device});
    while (hst_cache_draining(tier.cache) == 0)
        uv_run(&tier.loop, UV_RUN_ONCE);
    assert_int_equal(hst_loader_cancel(tier.loader, job, NULL), 0);
    delay(&tier);
    tier_wait(&tier, 2);
    assert_int_equal(job->state, HST_JOB_CANCELLED);
    tier_snapshot(&tier, after, sizeof after);
    assert_string_equal(before, after);
    tier_fini(&tier);
}

static void *settled_at;

static void on_settled(void *context)
{
    settled_at = context;
}

static void settling_comes_after_all_that_was_given_back_before(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "one", MIB);
    tier_load(&tier, model);
    take_off(&tier);
    delay(&tier);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(hst_cache_evict(tier.cache, hst_cache_find(tier.cache, &model->components[i]), NULL, NULL), 0);
    settled_at = NULL;
    assert_int_equal(hst_cache_settle(tier.cache, on_settled, &tier, NULL), 0);
    assert_true(hst_cache_draining(tier.cache) >= 2 * MIB);
    while (settled_at == NULL)
        uv_run(&tier.loop, UV_RUN_ONCE);
    assert_int_equal(hst_cache_draining(tier.cache), 0);
    assert_int_equal(hst_cache_stats(tier.cache).used_bytes, 0);
    tier_fini(&tier);
}

static void an_end_in_the_middle_gives_all_of_it_back(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "one", MIB);
    tier_load(&tier, model);
    take_off(&tier);
    delay(&tier);
    assert_int_equal(hst_cache_evict(tier.cache, hst_cache_find(tier.cache, &model->components[0]), NULL, NULL), 0);
    tier_start(&tier, &(struct hst_load_request){.model = model, .device = tier.device});
    tier_fini(&tier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_locked_again_is_not_unlocked_by_what_was_evicted_before),
        cmocka_unit_test(a_load_waits_for_the_bytes_of_its_victims),
        cmocka_unit_test(one_that_is_cancelled_meanwhile_brings_them_back),
        cmocka_unit_test(settling_comes_after_all_that_was_given_back_before),
        cmocka_unit_test(an_end_in_the_middle_gives_all_of_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
