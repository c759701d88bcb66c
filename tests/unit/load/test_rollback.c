/* Whatever fails at whichever step: bytes, refcounts and states are those before the load. */
#include "tier.h"

#include <sys/stat.h>

/* Two models held, a and b, in room for two; loading c must set one aside. */
struct scene {
    struct tier tier;
    struct hst_model *c;
    char before[4096];
};

static void set_scene(struct scene *scene)
{
    tier_init(&scene->tier, 9 * MIB, 9 * MIB);
    tier_load(&scene->tier, tier_model(&scene->tier, "a", 2 * MIB));
    tier_load(&scene->tier, tier_model(&scene->tier, "b", 2 * MIB - 8192));
    scene->c = tier_model(&scene->tier, "c", 2 * MIB);
    tier_snapshot(&scene->tier, scene->before, sizeof scene->before);
}

static void assert_unchanged(struct scene *scene)
{
    char after[4096];
    tier_snapshot(&scene->tier, after, sizeof after);
    assert_string_equal(after, scene->before);
}

static void fail_step(enum hst_step step)
{
    struct scene scene;
    set_scene(&scene);
    hst_loader_inject(scene.tier.loader, step, HST_E_DEVICE_FAILED);
    struct hst_job *job = tier_load(&scene.tier, scene.c);
    assert_int_equal(job->state, HST_JOB_FAILED);
    assert_int_equal(job->error.status, HST_E_DEVICE_FAILED);
    assert_int_equal(job->step, step);
    assert_string_equal(job->steps[step].state, "failed");
    assert_unchanged(&scene);
    assert_int_equal(tier_load(&scene.tier, scene.c)->state, HST_JOB_DONE);
    tier_fini(&scene.tier);
}

static void validate_failing_changes_nothing(void **state) { (void)state; fail_step(HST_STEP_VALIDATE); }
static void estimate_failing_changes_nothing(void **state) { (void)state; fail_step(HST_STEP_ESTIMATE); }
static void allocate_failing_changes_nothing(void **state) { (void)state; fail_step(HST_STEP_ALLOCATE); }
static void load_failing_changes_nothing(void **state) { (void)state; fail_step(HST_STEP_LOAD); }
static void status_failing_changes_nothing(void **state) { (void)state; fail_step(HST_STEP_STATUS); }

static void cancelling_at_any_moment_changes_nothing(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct scene scene;
        set_scene(&scene);
        struct hst_job *job = tier_start(&scene.tier, &(struct hst_load_request){.model = scene.c, .device = scene.tier.device});
        for (int i = 0; i < turns && job->state == HST_JOB_RUNNING; i++)
            uv_run(&scene.tier.loop, UV_RUN_ONCE);
        if (hst_loader_cancel(scene.tier.loader, job, NULL) == HST_OK) {
            tier_wait(&scene.tier, 3);
            assert_int_equal(job->state, HST_JOB_CANCELLED);
            assert_unchanged(&scene);
        }
        assert_int_equal(hst_loader_cancel(scene.tier.loader, job, NULL), HST_E_BUSY);
        tier_fini(&scene.tier);
    }
}

static void a_job_that_waits_is_cancelled_at_once(void **state)
{
    struct tier tier;
    (void)state;
    tier_init(&tier, 64 * MIB, 64 * MIB);
    struct hst_model *a = tier_model(&tier, "a", 2 * MIB);
    struct hst_load_request request = {.model = a, .device = tier.device};
    struct hst_job *first = tier_start(&tier, &request), *second = tier_start(&tier, &request);
    assert_int_equal(hst_loader_cancel(tier.loader, second, NULL), HST_OK);
    assert_int_equal(second->state, HST_JOB_CANCELLED);
    tier_wait(&tier, 2);
    assert_int_equal(first->state, HST_JOB_DONE);
    tier_fini(&tier);
}

static void a_file_that_changed_or_went_is_refused(void **state)
{
    struct scene scene;
    char path[256];
    (void)state;
    set_scene(&scene);
    tier_path(&scene.tier, "c", path);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(tier_load(&scene.tier, scene.c)->error.status, HST_E_FILE_CHANGED);
    assert_unchanged(&scene);
    unlink(path);
    assert_int_equal(tier_load(&scene.tier, scene.c)->error.status, HST_E_FILE_MISSING);
    assert_unchanged(&scene);
    tier_fini(&scene.tier);
}

static void truncate_once(void *context, const struct hst_job *job)
{
    struct scene *scene = context;
    char path[256];
    tier_path(&scene->tier, "c", path);
    if (job->state == HST_JOB_RUNNING && job->step == HST_STEP_ALLOCATE) assert_int_equal(truncate(path, 100), 0);
}

/* The loader's listener is fixed at its making, so this scene makes its own. */
static void a_file_truncated_after_validation_is_noticed(void **state)
{
    struct scene scene;
    (void)state;
    tier_init(&scene.tier, 9 * MIB, 9 * MIB);
    hst_loader_free(scene.tier.loader);
    struct hst_loader_config config = {.loop = &scene.tier.loop, .cache = scene.tier.cache, .devices = &scene.tier.device, .device_count = 1,
        .listener = {.progress = truncate_once, .context = &scene}};
    assert_int_equal(hst_loader_new(&config, &scene.tier.loader, NULL), 0);
    scene.c = tier_model(&scene.tier, "c", 2 * MIB);
    tier_snapshot(&scene.tier, scene.before, sizeof scene.before);
    assert_int_equal(tier_load(&scene.tier, scene.c)->error.status, HST_E_FILE_CHANGED);
    assert_unchanged(&scene);
    tier_fini(&scene.tier);
}

static struct hst_job *fail_after(struct scene *scene, void (*harm)(const char *path))
{
    char path[256];
    set_scene(scene);
    tier_path(&scene->tier, "a", path);
    hst_loader_inject(scene->tier.loader, HST_STEP_STATUS, HST_E_DEVICE_FAILED);
    harm(path);
    return tier_load(&scene->tier, scene->c);
}

static void touch_file(const char *path) { assert_int_equal(chmod(path, 0600), 0); }

static void a_victim_that_changed_meanwhile_is_named_as_lost(void **state)
{
    struct scene scene;
    (void)state;
    struct hst_job *job = fail_after(&scene, touch_file);
    assert_int_equal(job->error.status, HST_E_DEVICE_FAILED);
    assert_non_null(strstr(job->error.text, "could not be brought back"));
    assert_null(hst_loader_find(scene.tier.loader, &scene.tier.models[0]->components[0], scene.tier.device));
    assert_null(hst_cache_find(scene.tier.cache, &scene.tier.models[0]->components[0]));
    tier_fini(&scene.tier);
}

static void stopping_during_a_load_undoes_it(void **state)
{
    struct scene scene;
    (void)state;
    set_scene(&scene);
    tier_start(&scene.tier, &(struct hst_load_request){.model = scene.c, .device = scene.tier.device});
    uv_run(&scene.tier.loop, UV_RUN_ONCE);
    tier_fini(&scene.tier);
    assert_int_equal(scene.tier.ended, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validate_failing_changes_nothing), cmocka_unit_test(estimate_failing_changes_nothing),
        cmocka_unit_test(allocate_failing_changes_nothing), cmocka_unit_test(load_failing_changes_nothing),
        cmocka_unit_test(status_failing_changes_nothing), cmocka_unit_test(cancelling_at_any_moment_changes_nothing),
        cmocka_unit_test(a_job_that_waits_is_cancelled_at_once), cmocka_unit_test(a_file_that_changed_or_went_is_refused),
        cmocka_unit_test(a_file_truncated_after_validation_is_noticed), cmocka_unit_test(a_victim_that_changed_meanwhile_is_named_as_lost),
        cmocka_unit_test(stopping_during_a_load_undoes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
