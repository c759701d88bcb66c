/* A card as a device: it is found, or it is said why not; when it is lost that is told once, and it is fine again when it works. */
#include "card.h"
#include "os/clock.h"

#include <poll.h>

#define MIB UINT64_C(1048576)

struct scene {
    struct hst_device *device;
    int lost;
    char why[256];
};

static struct card card;

static int start(void **state)
{
    (void)state;
    card_init(&card, "64M");
    return 0;
}

static int end(void **state)
{
    (void)state;
    card_fini(&card);
    return 0;
}

static void on_lost(void *context, const struct hst_error *why)
{
    struct scene *scene = context;
    scene->lost++;
    assert_int_equal(why->status, HST_E_DEVICE_LOST);
    snprintf(scene->why, sizeof scene->why, "%.255s", why->text);
}

static int set_up(void **state)
{
    static struct scene scene;
    scene = (struct scene){0};
    card_script(&card, "");
    assert_int_equal(card_open(&card, 32 * MIB, 5000, &scene.device), 0);
    scene.device->ops->watch(scene.device->backend, on_lost, &scene);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    hst_device_free(scene->device);
    assert_int_equal(count_fds(), card.fds_before);
    return 0;
}

static int allocate(struct scene *scene, struct hst_device_memory **ret_memory, struct hst_error *err)
{
    const uint64_t size = 2 * MIB;
    return scene->device->ops->allocate(scene->device->backend, &size, 1, ret_memory, err);
}

/* Run the loop until the device is in this state. */
static void wait_for(struct scene *scene, const char *state)
{
    struct hst_device_figures figures = {0};
    uint64_t began = hst_clock_ns();
    while (strcmp(figures.state, state) != 0 && hst_clock_ms_since(began) < 8000) {
        uv_run(&card.loop, UV_RUN_NOWAIT);
        poll(NULL, 0, 2);
        scene->device->ops->figures(scene->device->backend, &figures);
    }
    assert_string_equal(figures.state, state);
}

/* News of it comes on the loop's thread. */
static void assert_told_once(struct scene *scene)
{
    for (uint64_t began = hst_clock_ns(); scene->lost == 0 && hst_clock_ms_since(began) < 5000;)
        uv_run(&card.loop, UV_RUN_ONCE);
    uv_run(&card.loop, UV_RUN_NOWAIT);
    assert_int_equal(scene->lost, 1);
}

static void a_fault_of_the_card_is_told_once(void **state)
{
    struct scene *scene = *state;
    struct hst_device_memory *memory;
    struct hst_error err = {0};
    card_script(&card, "@hoist-device cuMemCreate * = 719 sticky\n");
    assert_int_equal(allocate(scene, &memory, &err), HST_E_DEVICE_LOST);
    wait_for(scene, "lost");
    assert_told_once(scene);
    assert_non_null(strstr(scene->why, "719"));
    poll(NULL, 0, 600); /* after a while, it is tried again */
    assert_int_equal(allocate(scene, &memory, &err), HST_E_DEVICE_LOST);
    assert_told_once(scene);
}

static void after_a_loss_calls_fail_at_once_and_work_again_later(void **state)
{
    struct scene *scene = *state;
    struct hst_device_memory *memory;
    struct hst_error err = {0};
    card_script(&card, "@hoist-device cuMemCreate 1 = 719 sticky\n");
    assert_int_equal(allocate(scene, &memory, &err), HST_E_DEVICE_LOST);
    uint64_t began = hst_clock_ns();
    assert_int_equal(allocate(scene, &memory, &err), HST_E_DEVICE_LOST);
    assert_non_null(strstr(err.text, "719")); /* the reason is still the first */
    assert_true(hst_clock_ms_since(began) < 50);
    card_script(&card, "");
    poll(NULL, 0, 600);
    assert_int_equal(allocate(scene, &memory, &err), 0);
    wait_for(scene, "ok");
    scene->device->ops->release(memory);
}

/* Nobody works on it when it goes: that it was away is all that is seen, until it is asked what it has. */
static void a_card_that_comes_back_empty_is_lost(void **state)
{
    struct scene *scene = *state;
    struct hst_device_memory *memory;
    struct hst_error err = {0};
    if (allocate(scene, &memory, &err) < 0) fail_msg("%s", err.text);
    poll(NULL, 0, 2500); /* idle: the process ends */
    card_script(&card, "@hoist-device lost\n");
    struct hst_device_memory *none;
    assert_int_equal(allocate(scene, &none, NULL), HST_E_DEVICE_UNAVAILABLE);
    wait_for(scene, "unavailable");
    card_script(&card, "");
    wait_for(scene, "lost");
    assert_told_once(scene);
    scene->device->ops->release(memory);
}

static void a_card_that_is_away_is_unavailable_until_it_is_back(void **state)
{
    struct scene *scene = *state;
    card_script(&card, "@hoist-device cuDeviceGetName * = 46\n");
    wait_for(scene, "unavailable");
    card_script(&card, "");
    wait_for(scene, "ok");
    assert_int_equal(scene->lost, 0);
}

static void a_card_that_shares_no_memory_is_refused(void **state)
{
    (void)state;
    struct hst_device *device;
    struct hst_error err = {0};
    struct hst_cuda_card old = card.found;
    const struct hst_cuda_config config = {.loop = &card.loop, .program = card.program};
    old.usable = false;
    assert_int_equal(hst_cuda_open(&config, &old, MIB, &device, &err), HST_E_DEVICE_UNAVAILABLE);
    assert_non_null(strstr(err.text, old.name));
}

static void what_the_driver_says_of_a_card_is_listed(void **state)
{
    (void)state;
    assert_string_equal(card.found.name, "fakecuda card 0");
    assert_int_equal(strncmp(card.found.uuid, "GPU-", 4), 0);
    assert_int_equal(card.found.total_bytes, 64 * MIB);
    assert_int_equal(card.found.granularity, 2 * MIB);
    assert_int_equal(card.found.major, 9);
    assert_int_equal(card.found.driver_version, 12040);
    assert_true(card.found.usable);
}

static void why_there_is_no_card_is_said(void **state)
{
    (void)state;
    struct hst_cuda_card cards[HST_CUDA_CARDS_MAX];
    size_t count = 1;
    char why[256];
    card_script(&card, "@hoist-device cuInit * = 803\n");
    assert_int_equal(hst_cuda_list(card.program, cards, &count, why, NULL), 0);
    assert_int_equal(count, 0);
    assert_non_null(strstr(why, "reboot"));
    card_script(&card, "");
}

static void a_list_that_cannot_be_had_is_an_error(void **state)
{
    (void)state;
    struct hst_cuda_card cards[HST_CUDA_CARDS_MAX];
    struct hst_error err = {0};
    size_t count;
    char why[256];
    assert_int_equal(hst_cuda_list("/no/hoist-device", cards, &count, why, &err), HST_E_DEVICE_FAILED);
    assert_int_equal(hst_cuda_list("/bin/true", cards, &count, why, &err), HST_E_DEVICE_FAILED);
    card_script(&card, "@hoist-device cuInit * kill\n");
    assert_int_equal(hst_cuda_list(card.program, cards, &count, why, &err), HST_E_DEVICE_FAILED);
    assert_non_null(strstr(err.text, "SIGKILL"));
    card_script(&card, "");
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_device(a_fault_of_the_card_is_told_once),
        with_device(after_a_loss_calls_fail_at_once_and_work_again_later),
        with_device(a_card_that_comes_back_empty_is_lost),
        with_device(a_card_that_is_away_is_unavailable_until_it_is_back),
        cmocka_unit_test(a_card_that_shares_no_memory_is_refused),
        cmocka_unit_test(what_the_driver_says_of_a_card_is_listed),
        cmocka_unit_test(why_there_is_no_card_is_said),
        cmocka_unit_test(a_list_that_cannot_be_had_is_an_error),
    };
    return cmocka_run_group_tests(tests, start, end);
}
