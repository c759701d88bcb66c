/* Loading in five steps: what is there afterwards, who shares, who waits. */
#include "tier.h"

static void loads_every_component_to_the_device(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "a", 2 * MIB);
    struct hst_job *job = tier_load(&tier, model);
    assert_int_equal(job->state, HST_JOB_DONE);
    for (int i = 0; i < HST_STEP_COUNT; i++)
        assert_string_equal(job->steps[i].state, "done");
    assert_int_equal(job->done_bytes, model->components[0].size_bytes * 2);
    assert_int_equal(tier.device->reserved_bytes, 4 * MIB);
    for (size_t i = 0; i < 2; i++) {
        struct hst_loaded *loaded = hst_loader_find(tier.loader, &model->components[i], tier.device);
        assert_int_equal(loaded->residency->device_refs, 1);
        assert_int_equal(loaded->residency->state, HST_RESIDENCY_CACHED);
    }
    assert_non_null(strstr(tier.news, "a:model loading\n"));
    assert_non_null(strstr(tier.news, "a:vae loaded\n"));
    tier_fini(&tier);
}

static void a_second_load_reads_nothing(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "a", 2 * MIB);
    tier_load(&tier, model);
    uint64_t filled = hst_cache_stats(tier.cache).filled_bytes;
    struct hst_job *job = tier_load(&tier, model);
    assert_int_equal(job->state, HST_JOB_DONE);
    assert_true(job->shared[0] && job->shared[1]);
    assert_int_equal(hst_cache_stats(tier.cache).filled_bytes, filled);
    assert_int_equal(hst_cache_stats(tier.cache).hits, 2);
    assert_int_equal(tier.device->reserved_bytes, 4 * MIB);
    tier_fini(&tier);
}

static void eight_that_ask_at_once_are_served_by_one_fill(void **state)
{
    struct tier tier;
    struct hst_job *jobs[8];
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "a", 4 * MIB);
    for (size_t i = 0; i < 8; i++)
        jobs[i] = tier_start(&tier, &(struct hst_load_request){.model = model, .device = tier.device});
    assert_int_equal(jobs[7]->state, HST_JOB_QUEUED);
    tier_wait(&tier, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(jobs[i]->state, HST_JOB_DONE);
    assert_int_equal(hst_cache_stats(tier.cache).misses, 2);
    assert_true(hst_cache_stats(tier.cache).filled_bytes < 9 * MIB);
    tier_fini(&tier);
}

static void one_role_into_ram_alone(void **state)
{
    struct tier tier;
    const char *const roles[] = {"vae", "vae"};
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "a", 2 * MIB);
    struct hst_job *job = tier_start(&tier, &(struct hst_load_request){.model = model, .roles = roles, .role_count = 2, .pin = true});
    tier_wait(&tier, 1);
    assert_int_equal(job->state, HST_JOB_DONE);
    assert_int_equal(job->component_count, 1);
    assert_int_equal(tier.device->reserved_bytes, 0);
    assert_null(hst_cache_find(tier.cache, hst_model_component(model, "model")));
    assert_true(hst_cache_find(tier.cache, hst_model_component(model, "vae"))->pinned);
    tier_fini(&tier);
}

static void room_is_made_by_the_least_recently_used(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 9 * MIB, 9 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB), *b = tier_model(&tier, "b", 2 * MIB - 8192);
    tier_load(&tier, a);
    tier_load(&tier, b);
    tier_load(&tier, a); /* now b is the older one */
    struct hst_model *c = tier_model(&tier, "c", 1 * MIB);
    assert_int_equal(tier_load(&tier, c)->state, HST_JOB_DONE);
    assert_non_null(hst_loader_find(tier.loader, &a->components[0], tier.device));
    assert_null(hst_loader_find(tier.loader, &b->components[0], tier.device));
    assert_null(hst_cache_find(tier.cache, &b->components[0]));
    assert_true(hst_cache_stats(tier.cache).used_bytes <= 9 * MIB);
    tier_fini(&tier);
}

static void too_large_is_refused_with_the_figures(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 6 * MIB, 6 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 1 * MIB), *big = tier_model(&tier, "big", 4 * MIB);
    tier_load(&tier, a);
    struct hst_job *job = tier_load(&tier, big);
    assert_int_equal(job->state, HST_JOB_FAILED);
    assert_int_equal(job->error.status, HST_E_OUT_OF_RAM);
    assert_true(job->error.required_bytes >= 8 * MIB);
    assert_true(job->error.evictable_bytes >= 2 * MIB);
    assert_string_equal(job->steps[HST_STEP_ESTIMATE].state, "failed");
    assert_string_equal(job->steps[HST_STEP_LOAD].state, "skipped");
    assert_non_null(hst_loader_find(tier.loader, &a->components[0], tier.device));
    tier_fini(&tier);
}

static void the_device_has_a_budget_of_its_own(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 3 * MIB);
    struct hst_job *job = tier_load(&tier, tier_model(&tier, "a", 2 * MIB));
    assert_int_equal(job->error.status, HST_E_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(hst_cache_stats(tier.cache).used_bytes, 0);
    tier_fini(&tier);
}

static void what_is_pinned_or_leased_makes_no_room(void **state)
{
    struct tier tier;
    uint64_t lease;
    int pipe_fd;
    (void)state;
    tier_init(&tier, 9 * MIB, 9 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB), *b = tier_model(&tier, "b", 2 * MIB - 8192), *c = tier_model(&tier, "c", 1 * MIB);
    tier_start(&tier, &(struct hst_load_request){.model = a, .device = tier.device, .pin = true});
    tier_start(&tier, &(struct hst_load_request){.model = b});
    tier_wait(&tier, 2);
    struct hst_residency *held[] = {hst_cache_find(tier.cache, &b->components[0]), hst_cache_find(tier.cache, &b->components[1])};
    assert_int_equal(hst_cache_lease(tier.cache, held, 2, 1, "test", "host:0", &lease, &pipe_fd, NULL), 0);
    assert_int_equal(tier_load(&tier, c)->error.status, HST_E_OUT_OF_RAM);
    close(pipe_fd);
    while (held[0]->leases > 0)
        uv_run(&tier.loop, UV_RUN_ONCE);
    assert_int_equal(tier_load(&tier, c)->state, HST_JOB_DONE);
    assert_non_null(hst_loader_find(tier.loader, &a->components[0], tier.device));
    tier_fini(&tier);
}

static void unloading_gives_the_bytes_back_but_not_while_leased(void **state)
{
    struct tier tier;
    uint64_t lease, freed = 0;
    int pipe_fd;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB);
    tier_load(&tier, a);
    struct hst_loaded *unet = hst_loader_find(tier.loader, hst_model_component(a, "model"), tier.device);
    assert_int_equal(hst_cache_lease(tier.cache, &unet->residency, 1, 1, "test", "host:0", &lease, &pipe_fd, NULL), 0);
    assert_int_equal(hst_loader_unload(tier.loader, unet, &freed, NULL), HST_E_BUSY);
    close(pipe_fd);
    while (unet->residency->leases > 0)
        uv_run(&tier.loop, UV_RUN_ONCE);
    assert_int_equal(hst_loader_unload(tier.loader, unet, &freed, NULL), 0);
    assert_int_equal(freed, 2 * MIB);
    assert_int_equal(tier.device->reserved_bytes, 2 * MIB);
    assert_null(hst_loader_find(tier.loader, hst_model_component(a, "model"), tier.device));
    assert_non_null(strstr(tier.news, "a:model absent\n"));
    tier_fini(&tier);
}

static void a_wrong_request_makes_no_job(void **state)
{
    static const char *const nobody[] = {"nobody"};
    struct tier tier;
    struct hst_job *job;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", MIB);
    const struct {
        struct hst_load_request request;
        int status;
    } wrong[] = {{{.model = a, .precision = "fp99"}, HST_E_INVALID_ARGUMENT},
                 {{.model = a, .optimization_level = "warp"}, HST_E_INVALID_ARGUMENT},
                 {{.model = a, .roles = nobody, .role_count = 1}, HST_E_COMPONENT_NOT_FOUND}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hst_loader_start(tier.loader, &wrong[i].request, NULL, NULL, &job, NULL), wrong[i].status);
    job = tier_start(&tier, &(struct hst_load_request){.model = a, .precision = "fp16"});
    tier_wait(&tier, 1);
    assert_int_equal(job->error.status, HST_E_INCOMPATIBLE);
    assert_ptr_equal(hst_loader_job(tier.loader, job->id), job);
    assert_null(hst_loader_job(tier.loader, "job-999"));
    tier_fini(&tier);
}

static void the_dry_run_says_what_the_load_would_do(void **state)
{
    struct tier tier;
    struct hst_plan plan;
    (void)state;
    tier_init(&tier, 6 * MIB, 6 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB), *b = tier_model(&tier, "b", 2 * MIB);
    struct hst_load_request request = {.model = b, .device = tier.device};
    tier_load(&tier, a);
    assert_int_equal(hst_loader_plan(tier.loader, &request, &plan, NULL), 0);
    assert_int_equal(plan.batch_count, 1);
    assert_int_equal(plan.device_bytes, 4 * MIB);
    assert_true(plan.ram_eviction_count > 0 && plan.device_eviction_count > 0);
    hst_plan_fini(&plan);
    assert_non_null(hst_loader_find(tier.loader, &a->components[0], tier.device));
    tier_fini(&tier);
}

static void on_planned(void *context, const struct hst_job *job)
{
    (void)job;
    *(bool *)context = true;
}

/* It keeps nothing from going while it looks at files. */
static void a_dry_run_under_way_holds_nobody(void **state)
{
    struct tier tier;
    bool planned = false;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *model = tier_model(&tier, "one", MIB);
    tier_load(&tier, model);
    uint64_t before = hst_loader_evictable_bytes(tier.loader, tier.device);
    assert_true(before > 0);
    assert_int_equal(hst_loader_dry_run(tier.loader, &(struct hst_load_request){.model = model, .device = tier.device}, on_planned, &planned, NULL), 0);
    assert_false(planned);
    assert_int_equal(hst_loader_evictable_bytes(tier.loader, tier.device), before);
    while (!planned)
        uv_run(&tier.loop, UV_RUN_ONCE);
    tier_fini(&tier);
}

static void level_memory_loads_one_component_after_the_other(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB);
    tier_start(&tier, &(struct hst_load_request){.model = a, .device = tier.device, .optimization_level = "memory"});
    tier_wait(&tier, 1);
    assert_int_equal(hst_cache_stats(tier.cache).count, 2);
    assert_non_null(strstr(hst_loader_job(tier.loader, "job-1")->steps[HST_STEP_ESTIMATE].detail, "2 batches"));
    tier_fini(&tier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_every_component_to_the_device), cmocka_unit_test(a_second_load_reads_nothing),
        cmocka_unit_test(eight_that_ask_at_once_are_served_by_one_fill), cmocka_unit_test(one_role_into_ram_alone),
        cmocka_unit_test(room_is_made_by_the_least_recently_used), cmocka_unit_test(too_large_is_refused_with_the_figures),
        cmocka_unit_test(the_device_has_a_budget_of_its_own), cmocka_unit_test(what_is_pinned_or_leased_makes_no_room),
        cmocka_unit_test(unloading_gives_the_bytes_back_but_not_while_leased), cmocka_unit_test(a_wrong_request_makes_no_job),
        cmocka_unit_test(the_dry_run_says_what_the_load_would_do), cmocka_unit_test(a_dry_run_under_way_holds_nobody), cmocka_unit_test(level_memory_loads_one_component_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
