/* Whichever allocation or system call fails first: an error comes out, nothing is lost, and nothing of it stays. */
#include "card_tier.h"
#include "faults.h"

enum { CALLS_MAX = 5000 };

/* @return what the scenario gave; state must then be as before */
typedef int (*scenario_fn)(struct tier *tier, struct hst_model *model);

static int load_once(struct tier *tier, struct hst_model *model)
{
    struct hst_job *job = NULL;
    struct hst_load_request request = {.model = model, .device = tier->device};
    int before = tier->ended;
    int status = hst_loader_start(tier->loader, &request, tier_on_end, tier, &job, NULL);
    if (status == HST_OK) tier_wait(tier, before + 1);
    return status == HST_OK ? job->error.status : status;
}

/* Nothing that fails is seen. */
static int load_unfailing(struct tier *tier, struct hst_model *model)
{
    int status = load_once(tier, model);
    assert_int_equal(status, HST_OK);
    return status;
}

static void on_planned(void *context, const struct hst_job *job)
{
    *(int *)context = job->error.status;
    if (job->error.status == HST_OK) assert_true(job->plan->ram_bytes >= 2 * MIB && job->read.cold_bytes + job->read.warm_bytes >= 2 * MIB);
}

static int plan_once(struct tier *tier, struct hst_model *model)
{
    struct hst_load_request request = {.model = model, .device = tier->device};
    int planned = 1, status = hst_loader_dry_run(tier->loader, &request, on_planned, &planned, NULL);
    while (status == HST_OK && planned == 1)
        uv_run(&tier->loop, UV_RUN_ONCE);
    return status == HST_OK ? planned : status;
}

static int probe_once(struct tier *tier, struct hst_model *model)
{
    struct hst_model *again = NULL;
    (void)tier;
    int status = hst_probe_file(model->path, &again, NULL);
    if (status == HST_OK && again->state != HST_MODEL_OK) status = again->problem.status;
    hst_model_unref(again);
    return status;
}

/* Fail the first, the second, ... call until the scenario gets through without one. @return how many were failed */
static int sweep(const char *backing, enum fault_kind kind, scenario_fn scenario)
{
    int at = 1, status;
    for (bool failed = true; failed; at++) {
        struct tier tier;
        char before[4096], after[4096];
        tier_init_with(&tier, 64 * MIB, 64 * MIB, backing);
        struct hst_model *model = tier_model(&tier, "a", 1 * MIB);
        tier_chill(model);
        tier_snapshot(&tier, before, sizeof before);
        faults_begin(kind, at);
        status = scenario(&tier, model);
        failed = faults_end();
        tier_snapshot(&tier, after, sizeof after);
        if (status < 0) assert_string_equal(after, before);
        if (!failed) assert_int_equal(status, HST_OK);
        if (status < 0) assert_int_equal(scenario(&tier, model), HST_OK);
        tier_fini(&tier);
        assert_true(at < CALLS_MAX);
    }
    return at;
}

static void every_allocation_of_a_load(void **state)
{
    (void)state;
    assert_true(sweep("page_cache", FAULT_ALLOCATION, load_once) > 10);
    assert_true(sweep("pages", FAULT_ALLOCATION, load_once) > 10);
}

static void every_system_call_of_a_load(void **state)
{
    (void)state;
    assert_true(sweep("page_cache", FAULT_CALL, load_once) > 5);
    assert_true(sweep("tmpfs_huge", FAULT_CALL, load_once) > 5);
}

static void a_load_does_without_io_uring(void **state)
{
    (void)state;
    assert_true(sweep("tmpfs_huge", FAULT_RING, load_unfailing) > 3);
}

static void every_call_of_a_dry_run(void **state)
{
    (void)state;
    assert_true(sweep("page_cache", FAULT_ALLOCATION, plan_once) > 10);
    assert_true(sweep("tmpfs_huge", FAULT_ALLOCATION, plan_once) > 10);
    assert_true(sweep("page_cache", FAULT_CALL, plan_once) > 1);
}

static void every_call_of_reading_a_model_file(void **state)
{
    (void)state;
    assert_true(sweep(NULL, FAULT_ALLOCATION, probe_once) > 10);
    assert_true(sweep(NULL, FAULT_CALL, probe_once) > 2);
}

/* ---- a device with memory of its own ---- */

enum { GRAIN = 65536 };

/* What a has there, and b is going to share half of; d has to go for it. */
struct scene {
    struct card_tier card;
    struct hst_model *a, *b, *d;
    char before[4096];
};

static void set_scene(struct scene *scene)
{
    card_tier_init(&scene->card, 64 * MIB, 4 * MIB, GRAIN);
    scene->a = card_tier_model(&scene->card, "a", MIB, 1, 9);
    scene->b = card_tier_model(&scene->card, "b", MIB, 2, 9);
    scene->d = card_tier_model(&scene->card, "d", MIB, 3, 4);
    card_tier_know(scene->a, 1, 9);
    card_tier_know(scene->b, 2, 9);
    load_unfailing(&scene->card.tier, scene->d);
    load_unfailing(&scene->card.tier, scene->a);
    tier_snapshot(&scene->card.tier, scene->before, sizeof scene->before);
}

static void end_scene(struct scene *scene)
{
    card_tier_forget(scene->a);
    card_tier_forget(scene->b);
    card_tier_fini(&scene->card);
}

static void check_bytes(struct scene *scene)
{
    const struct hst_loaded *gone = card_tier_find(&scene->card, scene->d, "model"), *left = card_tier_find(&scene->card, scene->d, "vae");
    card_tier_check(&scene->card);
    assert_true(card_tier_is(card_tier_find(&scene->card, scene->a, "model"), 1));
    assert_true(card_tier_is(card_tier_find(&scene->card, scene->a, "vae"), 9));
    assert_true((gone == NULL || card_tier_is(gone, 3)) && (left == NULL || card_tier_is(left, 4)));
}

/* @return did one fail? */
static bool fail_card(enum fault_kind kind, int at)
{
    struct scene scene;
    char after[4096];
    set_scene(&scene);
    faults_begin(kind, at);
    int status = load_once(&scene.card.tier, scene.b);
    bool failed = faults_end();
    tier_snapshot(&scene.card.tier, after, sizeof after);
    if (status < 0) assert_string_equal(after, scene.before);
    check_bytes(&scene);
    if (!failed) assert_int_equal(status, HST_OK);
    if (status < 0) assert_int_equal(load_once(&scene.card.tier, scene.b), HST_OK);
    assert_true(card_tier_is(card_tier_find(&scene.card, scene.b, "vae"), 9));
    check_bytes(&scene);
    end_scene(&scene);
    return failed;
}

static void every_allocation_of_a_load_to_a_card(void **state)
{
    int at = 1;
    (void)state;
    while (fail_card(FAULT_ALLOCATION, at))
        assert_true(++at < CALLS_MAX);
    assert_true(at > 30);
}

static void every_system_call_of_a_load_to_a_card(void **state)
{
    int at = 1;
    (void)state;
    while (fail_card(FAULT_CALL, at))
        assert_true(++at < CALLS_MAX);
    assert_true(at > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_load),
        cmocka_unit_test(every_system_call_of_a_load),
        cmocka_unit_test(every_allocation_of_a_load_to_a_card),
        cmocka_unit_test(every_system_call_of_a_load_to_a_card),
        cmocka_unit_test(every_call_of_a_dry_run),
        cmocka_unit_test(a_load_does_without_io_uring),
        cmocka_unit_test(every_call_of_reading_a_model_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
