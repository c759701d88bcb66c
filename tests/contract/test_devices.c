/* What every device backend does alike: memory comes and goes, cancelling is heeded, budgets are kept above it; and what those do that have memory of
 * their own: what arrives in it is what was sent, it outlives whoever made it, and is found again by its descriptors. */
#include "backend/host/host.h"
#include "card.h"
#include "os/clock.h"
#include "os/memfd.h"

#include <fcntl.h>
#include <unistd.h>

#define MIB UINT64_C(1048576)

static struct card card;

/* Every backend: how it is opened with a budget. */
static int open_host(uint64_t budget, struct hst_device **ret_device)
{
    return hst_host_open(0, budget, ret_device, NULL);
}
static int open_cuda(uint64_t budget, struct hst_device **ret_device)
{
    return card_open(&card, budget, 0, ret_device);
}
static int (*const backends[])(uint64_t budget, struct hst_device **ret_device) = {open_host, open_cuda};
#define BACKENDS (sizeof backends / sizeof backends[0])

/* A device with memory in it: two segments, filled from three runs of a file in RAM of 6 MiB of noise. */
struct scene {
    struct hst_device *device;
    struct hst_device_memory *memory;
    struct hst_memfd ram;
    struct hst_device_extent extents[3];
    _Atomic(bool) cancel;
    struct hst_device_progress progress;
    const struct hst_device_segment *segments;
    size_t segment_count;
};

static void make_noise(struct hst_memfd *ram, uint64_t size_bytes)
{
    assert_int_equal(hst_memfd_new("noise", size_bytes, false, ram, NULL), 0);
    uint64_t *words = ram->address, seed = 1;
    for (size_t i = 0; i < size_bytes / 8; i++)
        words[i] = seed = seed * 6364136223846793005u + 1442695040888963407u;
}

static int set_up(void **state)
{
    static struct scene scene;
    static const uint64_t sizes[] = {4 * MIB, 2 * MIB};
    scene = (struct scene){.progress.cancel = &scene.cancel};
    assert_int_equal(open_cuda(16 * MIB, &scene.device), 0);
    make_noise(&scene.ram, 6 * MIB);
    scene.extents[0] = (struct hst_device_extent){scene.ram.fd, 0, 4 * MIB - 1000, 0, 0};
    scene.extents[1] = (struct hst_device_extent){scene.ram.fd, 4 * MIB - 1000, 1000, 0, 4 * MIB - 1000};
    scene.extents[2] = (struct hst_device_extent){scene.ram.fd, 4 * MIB + 3, 2 * MIB - 3, 1, 3};
    assert_int_equal(scene.device->ops->allocate(scene.device->backend, sizes, 2, &scene.memory, NULL), 0);
    scene.segments = scene.device->ops->segments(scene.memory, &scene.segment_count);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    scene->device->ops->release(scene->memory);
    hst_device_free(scene->device);
    hst_memfd_fini(&scene->ram);
    assert_int_equal(count_fds(), card.fds_before);
    return 0;
}

static int fill(struct scene *scene)
{
    return scene->device->ops->fill(scene->memory, scene->extents, 3, &scene->progress, NULL);
}

static void says_who_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKENDS; i++) {
        struct hst_device *device, *again;
        assert_int_equal(backends[i](4 * MIB, &device), 0);
        assert_int_equal(backends[i](4 * MIB, &again), 0);
        assert_int_equal(strncmp(device->id, device->ops->kind, strlen(device->ops->kind)), 0);
        assert_true(device->name[0] != '\0' && device->ops->total_bytes(device->backend) > 0);
        assert_string_equal(device->uuid, again->uuid);
        hst_device_free(device);
        hst_device_free(again);
    }
}

static void a_budget_is_kept_to_the_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKENDS; i++) {
        struct hst_device *device;
        struct hst_error err = {0};
        assert_int_equal(backends[i](4 * MIB, &device), 0);
        assert_int_equal(hst_device_reserve(device, 3 * MIB, NULL), 0);
        assert_int_equal(hst_device_reserve(device, MIB + 1, &err), HST_E_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(err.required_bytes, MIB + 1);
        assert_int_equal(err.available_bytes, MIB);
        assert_int_equal(hst_device_reserve(device, MIB, NULL), 0);
        assert_int_equal(hst_device_available(device), 0);
        assert_int_equal(hst_device_reserve(device, UINT64_MAX, NULL), HST_E_OUT_OF_DEVICE_MEMORY);
        hst_device_unreserve(device, 4 * MIB);
        assert_int_equal(hst_device_available(device), 4 * MIB);
        hst_device_free(device);
    }
}

static void fills_what_was_allocated_from_extents(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKENDS; i++) {
        struct hst_device *device;
        struct hst_device_memory *memory;
        struct hst_memfd ram;
        _Atomic(bool) cancel = false;
        struct hst_device_progress progress = {.cancel = &cancel};
        const uint64_t wanted = 2 * MIB;
        assert_int_equal(backends[i](4 * MIB, &device), 0);
        assert_int_equal(hst_memfd_new("test", 2 * MIB, false, &ram, NULL), 0);
        const struct hst_device_extent halves[] = {{ram.fd, 0, MIB, 0, 0}, {ram.fd, MIB, MIB, 0, MIB}};
        assert_int_equal(device->ops->allocate(device->backend, &wanted, 1, &memory, NULL), 0);
        assert_int_equal(device->ops->fill(memory, halves, 2, &progress, NULL), 0);
        assert_int_equal(progress.done_bytes, 2 * MIB);
        if (device->ops->references_ram) assert_true(device->ops->fill(memory, halves, 1, &progress, NULL) < 0);
        device->ops->release(memory);
        hst_memfd_fini(&ram);
        hst_device_free(device);
    }
}

static void a_load_that_is_cancelled_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKENDS; i++) {
        struct hst_device *device;
        struct hst_device_memory *memory;
        struct hst_memfd ram;
        _Atomic(bool) cancel = true;
        struct hst_device_progress progress = {.cancel = &cancel};
        const uint64_t wanted = 256 * MIB;
        assert_int_equal(backends[i](256 * MIB, &device), 0);
        assert_int_equal(hst_memfd_new("test", MIB, false, &ram, NULL), 0);
        struct hst_device_extent extents[256];
        for (size_t k = 0; k < 256; k++)
            extents[k] = (struct hst_device_extent){ram.fd, 0, MIB, 0, k * MIB};
        assert_int_equal(device->ops->allocate(device->backend, &wanted, 1, &memory, NULL), 0);
        if (!card_is_real()) card_script(&card, "@hoist-device cuMemcpyHtoDAsync * delay 30\n");
        assert_int_equal(device->ops->fill(memory, extents, 256, &progress, NULL), HST_E_CANCELLED);
        if (!card_is_real()) card_script(&card, "");
        device->ops->release(memory);
        hst_memfd_fini(&ram);
        hst_device_free(device);
    }
}

static void what_arrives_is_what_was_sent(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(fill(scene), 0);
    assert_int_equal(scene->progress.done_bytes, 6 * MIB - 3);
    char *bytes = card_read(&card, scene->segments, scene->segment_count);
    assert_memory_equal(bytes, scene->ram.address, 4 * MIB);
    assert_memory_equal(bytes + 4 * MIB + 3, (char *)scene->ram.address + 4 * MIB + 3, 2 * MIB - 3);
    free(bytes);
}

static void segments_are_as_asked_for(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(scene->segment_count, 2);
    assert_int_equal(scene->segments[0].size_bytes, 4 * MIB);
    assert_int_equal(scene->segments[1].size_bytes, 2 * MIB);
    assert_int_equal(4 * MIB % scene->device->ops->granularity, 0);
    assert_true(fcntl(scene->segments[0].fd, F_GETFD) & FD_CLOEXEC);
}

static void equal_is_what_equals_to_the_last_byte(void **state)
{
    struct scene *scene = *state;
    bool is_equal = false;
    assert_int_equal(fill(scene), 0);
    assert_int_equal(scene->device->ops->compare(scene->memory, scene->extents, 3, &is_equal, NULL), 0);
    assert_true(is_equal);
    ((char *)scene->ram.address)[6 * MIB - 1] ^= 1;
    assert_int_equal(scene->device->ops->compare(scene->memory, scene->extents, 3, &is_equal, NULL), 0);
    assert_false(is_equal);
    assert_int_equal(scene->device->ops->compare(scene->memory, scene->extents, 2, &is_equal, NULL), 0);
    assert_true(is_equal);
}

/* As the hoistd that comes after one that was killed: it has the descriptors, and nothing else. */
static void memory_outlives_who_made_it_and_is_adopted(void **state)
{
    struct scene *scene = *state;
    struct hst_device_segment kept[2];
    bool is_equal = false;
    assert_int_equal(fill(scene), 0);
    for (size_t i = 0; i < 2; i++)
        kept[i] = (struct hst_device_segment){fcntl(scene->segments[i].fd, F_DUPFD_CLOEXEC, 0), scene->segments[i].size_bytes};
    scene->device->ops->release(scene->memory);
    hst_device_free(scene->device);
    assert_int_equal(open_cuda(16 * MIB, &scene->device), 0);
    assert_int_equal(scene->device->ops->adopt(scene->device->backend, kept, 2, &scene->memory, NULL), 0);
    assert_int_equal(scene->device->ops->compare(scene->memory, scene->extents, 3, &is_equal, NULL), 0);
    assert_true(is_equal);
}

static void what_is_no_memory_of_the_card_is_not_adopted(void **state)
{
    struct scene *scene = *state;
    struct hst_device_memory *memory;
    struct hst_error err = {0};
    const struct hst_device_segment strange[] = {{scene->ram.fd, 2 * MIB}};
    assert_int_equal(scene->device->ops->adopt(scene->device->backend, strange, 1, &memory, &err), HST_E_DEVICE_FAILED);
    assert_true(err.text[0] != '\0');
    assert_true(fcntl(scene->ram.fd, F_GETFD) >= 0); /* still the caller's */
    assert_int_equal(fill(scene), 0);
}

static void memory_is_back_when_it_is_released(void **state)
{
    struct scene *scene = *state;
    struct hst_device_memory *memory;
    const uint64_t sizes[] = {8 * MIB, 2 * MIB};
    uint64_t before = card_free_bytes(&card);
    assert_int_equal(scene->device->ops->allocate(scene->device->backend, sizes, 2, &memory, NULL), 0);
    assert_int_equal(before - card_free_bytes(&card), 10 * MIB);
    scene->device->ops->release(memory);
    assert_int_equal(card_free_bytes(&card), before);
}

static void more_than_there_is_cannot_be_had_and_says_so_with_figures(void **state)
{
    struct scene *scene = *state;
    struct hst_device_memory *memory;
    struct hst_error err = {0};
    uint64_t before = card_free_bytes(&card);
    const uint64_t sizes[] = {2 * MIB, before / (2 * MIB) * (2 * MIB)};
    assert_int_equal(scene->device->ops->allocate(scene->device->backend, sizes, 2, &memory, &err), HST_E_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(err.required_bytes, sizes[0] + sizes[1]);
    assert_int_equal(err.available_bytes, before);
    assert_int_equal(card_free_bytes(&card), before);
}

static void a_source_that_ends_too_early_is_an_error_and_nothing_dies(void **state)
{
    struct scene *scene = *state;
    scene->extents[1].offset = 6 * MIB - 500;
    assert_int_equal(fill(scene), HST_E_TRUNCATED);
    scene->extents[1] = (struct hst_device_extent){scene->ram.fd, 0, 1000, 7, 0};
    assert_int_equal(fill(scene), HST_E_INVALID_ARGUMENT);
    scene->extents[1] = (struct hst_device_extent){scene->ram.fd, 0, 1000, 0, UINT64_MAX - 10};
    assert_int_equal(fill(scene), HST_E_INVALID_ARGUMENT);
    scene->extents[1] = scene->extents[0];
    assert_int_equal(fill(scene), 0);
}

static void figures_come_by_themselves(void **state)
{
    struct scene *scene = *state;
    struct hst_device_figures figures = {0};
    uint64_t began = hst_clock_ns();
    scene->device->ops->figures(scene->device->backend, &figures);
    while (!figures.known && hst_clock_ms_since(began) < 5000) {
        uv_run(&card.loop, UV_RUN_ONCE);
        scene->device->ops->figures(scene->device->backend, &figures);
    }
    assert_true(figures.known);
    assert_string_equal(figures.state, "ok");
    assert_int_equal(figures.free_bytes, card_free_bytes(&card));
    assert_true(figures.used_bytes >= 6 * MIB);
}

static int start(void **state)
{
    (void)state;
    card_init(&card, "512M");
    return 0;
}

static int end(void **state)
{
    (void)state;
    card_fini(&card);
    return 0;
}

#define with_memory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_it_is),
        cmocka_unit_test(a_budget_is_kept_to_the_byte),
        cmocka_unit_test(fills_what_was_allocated_from_extents),
        cmocka_unit_test(a_load_that_is_cancelled_ends),
        with_memory(what_arrives_is_what_was_sent),
        with_memory(segments_are_as_asked_for),
        with_memory(equal_is_what_equals_to_the_last_byte),
        with_memory(memory_outlives_who_made_it_and_is_adopted),
        with_memory(what_is_no_memory_of_the_card_is_not_adopted),
        with_memory(memory_is_back_when_it_is_released),
        with_memory(more_than_there_is_cannot_be_had_and_says_so_with_figures),
        with_memory(a_source_that_ends_too_early_is_an_error_and_nothing_dies),
        with_memory(figures_come_by_themselves),
    };
    return cmocka_run_group_tests(tests, start, end);
}
