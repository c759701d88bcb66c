/* Numbers that become others on their way to a card: from files, at any place in them, in pieces, beside bytes that stay as they are. With the bits of the host. */
#include "card.h"
#include "convert/convert.h"
#include "os/memfd.h"

#define MIB UINT64_C(1048576)

static struct card card;
static const enum hst_dtype types[] = {HST_DTYPE_F64, HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_BF16, HST_DTYPE_F8_E4M3, HST_DTYPE_F8_E5M2};

/* Two segments of 16 and 2 MiB, and a file in RAM of 12 MiB of noise. */
struct scene {
    struct hst_device *device;
    struct hst_device_memory *memory;
    struct hst_memfd ram;
    _Atomic(bool) cancel;
    struct hst_device_progress progress;
};

static int set_up(void **state)
{
    static struct scene scene;
    static const uint64_t sizes[] = {16 * MIB, 2 * MIB};
    scene = (struct scene){.progress.cancel = &scene.cancel};
    assert_int_equal(card_open(&card, 18 * MIB, 0, &scene.device), 0);
    assert_true(scene.device->ops->converts);
    assert_int_equal(hst_memfd_new("noise", 12 * MIB, false, &scene.ram, NULL), 0);
    uint64_t *words = scene.ram.address, seed = 5;
    for (size_t i = 0; i < 12 * MIB / 8; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        words[i] = seed ^ seed >> 31;
    }
    assert_int_equal(scene.device->ops->allocate(scene.device->backend, sizes, 2, &scene.memory, NULL), 0);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    if (!card_is_real()) card_script(&card, "");
    scene->device->ops->release(scene->memory);
    hst_device_free(scene->device);
    hst_memfd_fini(&scene->ram);
    assert_int_equal(count_fds(), card.fds_before);
    return 0;
}

static struct hst_device_extent extent(const struct scene *scene, uint64_t offset, uint64_t size_bytes, uint64_t to, enum hst_dtype from_dtype, enum hst_dtype to_dtype)
{
    return (struct hst_device_extent){scene->ram.fd, offset, size_bytes, 0, to, from_dtype, to_dtype};
}

static int fill(struct scene *scene, const struct hst_device_extent *extents, size_t count)
{
    return scene->device->ops->fill(scene->memory, extents, count, &scene->progress, NULL);
}

static char *read_back(struct scene *scene)
{
    size_t count;
    const struct hst_device_segment *segments = scene->device->ops->segments(scene->memory, &count);
    return card_read(&card, segments, count);
}

/* What the host makes of an extent is in `found`, which begins with the memory of its segment. */
static void is_there(const struct scene *scene, const struct hst_device_extent *extent, const char *found)
{
    const struct hst_converter *converter = hst_convert_find(extent->from_dtype, extent->to_dtype);
    const char *source = (const char *)scene->ram.address + extent->offset;
    uint64_t count = converter != NULL ? extent->size_bytes / converter->from_bytes : 0, bytes = converter != NULL ? count * converter->to_bytes : extent->size_bytes;
    char *expected = malloc(bytes + 1);
    if (converter != NULL)
        converter->run(source, expected, count);
    else
        memcpy(expected, source, bytes);
    assert_memory_equal(found + extent->to, expected, bytes);
    free(expected);
}

/* Bring extents into the first segment, and see that they are there. */
static void arrive(struct scene *scene, const struct hst_device_extent *extents, size_t count)
{
    assert_int_equal(fill(scene, extents, count), 0);
    char *found = read_back(scene);
    for (size_t i = 0; i < count; i++)
        is_there(scene, &extents[i], found);
    free(found);
}

static void every_type_becomes_every_other(void **state)
{
    struct scene *scene = *state;
    struct hst_device_extent extents[HST_CONVERT_TYPES * HST_CONVERT_TYPES];
    for (size_t i = 0; i < HST_CONVERT_TYPES * HST_CONVERT_TYPES; i++) {
        enum hst_dtype from = types[i / HST_CONVERT_TYPES], to = types[i % HST_CONVERT_TYPES];
        extents[i] = extent(scene, i * 8192, 8000, i * 65536, from == to ? 0 : from, from == to ? 0 : to);
    }
    arrive(scene, extents, HST_CONVERT_TYPES * HST_CONVERT_TYPES);
}

/* Larger than the room for them on the card and than a slot, from an odd place of the file. */
static void numbers_cross_pieces_whole(void **state)
{
    struct scene *scene = *state;
    const struct hst_device_extent narrowed = extent(scene, 4093, 9 * MIB + 24, 256, HST_DTYPE_F64, HST_DTYPE_BF16);
    arrive(scene, &narrowed, 1);
    assert_int_equal(scene->progress.done_bytes, 9 * MIB + 24);
    const struct hst_device_extent widened = extent(scene, 1, 2 * MIB + 20, 512, HST_DTYPE_F32, HST_DTYPE_F64);
    arrive(scene, &widened, 1);
}

/* Tensors one behind the other on both sides, of one type and of others. */
static void neighbours_keep_their_types(void **state)
{
    struct scene *scene = *state;
    const struct hst_device_extent extents[] = {
        extent(scene, 0, 4096, 0, HST_DTYPE_F32, HST_DTYPE_F16),       extent(scene, 4096, 4096, 2048, HST_DTYPE_F32, HST_DTYPE_F16),
        extent(scene, 8192, 4096, 4096, HST_DTYPE_F16, HST_DTYPE_F32), extent(scene, 12288, 4096, 12288, HST_DTYPE_F16, HST_DTYPE_BF16),
        extent(scene, 16384, 4096, 16384, 0, 0),                       extent(scene, 20480, 4096, 20480, HST_DTYPE_F8_E4M3, HST_DTYPE_F64),
    };
    arrive(scene, extents, sizeof extents / sizeof extents[0]);
}

static void nothing_beside_them_is_written(void **state)
{
    struct scene *scene = *state;
    const struct hst_device_extent all = extent(scene, 0, 12 * MIB, 0, 0, 0), some = extent(scene, MIB + 2, 6000, 3 * MIB, HST_DTYPE_F32, HST_DTYPE_F8_E5M2);
    assert_int_equal(fill(scene, &all, 1), 0);
    assert_int_equal(fill(scene, &some, 1), 0);
    char *found = read_back(scene);
    is_there(scene, &some, found);
    assert_memory_equal(found, scene->ram.address, 3 * MIB);
    assert_memory_equal(found + 3 * MIB + 1500, (const char *)scene->ram.address + 3 * MIB + 1500, 9 * MIB - 1500);
    free(found);
}

static void what_is_no_conversion_is_refused(void **state)
{
    struct scene *scene = *state;
    const struct hst_device_extent wrong[] = {
        extent(scene, 0, 4095, 0, HST_DTYPE_F32, HST_DTYPE_F16),              extent(scene, 0, 4096, 1, HST_DTYPE_F32, HST_DTYPE_F16),
        extent(scene, 0, 4096, 0, HST_DTYPE_F32, HST_DTYPE_F32),              extent(scene, 0, 4096, 0, HST_DTYPE_F32, 0),
        extent(scene, 0, 4096, 0, 0, HST_DTYPE_F32),                          extent(scene, 0, 4096, 0, HST_DTYPE_I32, HST_DTYPE_F32),
        extent(scene, 0, 4096, 0, HST_DTYPE_F32, (enum hst_dtype)4000000000), extent(scene, 0, 5 * MIB, 0, HST_DTYPE_F8_E4M3, HST_DTYPE_F32),
        extent(scene, 0, UINT64_C(1) << 62, 0, HST_DTYPE_F8_E4M3, HST_DTYPE_F64),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(fill(scene, &wrong[i], 1), HST_E_INVALID_ARGUMENT);
}

static void what_was_converted_is_not_compared(void **state)
{
    struct scene *scene = *state;
    bool is_equal = false;
    const struct hst_device_extent some = extent(scene, 0, 4096, 0, HST_DTYPE_F32, HST_DTYPE_F16);
    arrive(scene, &some, 1);
    assert_int_equal(scene->device->ops->compare(scene->memory, &some, 1, &is_equal, NULL), HST_E_INVALID_ARGUMENT);
}

/* Under each of these lines a fill that converts fails as it says, one that does not works, and later both do. */
static void a_card_that_cannot_convert_says_so_and_still_takes_bytes(void **state)
{
    static const struct {
        const char *line;
        int status;
    } failures[] = {
        {"@hoist-device cuModuleLoadData * = 221\n", HST_E_DEVICE_FAILED},
        {"@hoist-device cuModuleGetFunction * = 500\n", HST_E_DEVICE_FAILED},
        {"@hoist-device cuMemCreate * = 2\n", HST_E_OUT_OF_DEVICE_MEMORY},
        {"@hoist-device cuMemMap 3 = 2\n", HST_E_OUT_OF_DEVICE_MEMORY}, /* behind the two segments */
        {"@hoist-device cuLaunchKernel 1 = 1\n", HST_E_DEVICE_FAILED},
    };
    struct scene *scene = *state;
    const struct hst_device_extent plain = extent(scene, 0, 4096, 8192, 0, 0), some = extent(scene, 0, 4096, 0, HST_DTYPE_F32, HST_DTYPE_F16);
    for (size_t i = 0; !card_is_real() && i < sizeof failures / sizeof failures[0]; i++) {
        card_script(&card, failures[i].line);
        assert_int_equal(fill(scene, &some, 1), failures[i].status);
        arrive(scene, &plain, 1);
    }
    if (!card_is_real()) card_script(&card, "");
    arrive(scene, &some, 1);
}

/* Enough or not: that depends on which lane has it. */
static void room_for_one_lane_breaks_nothing(void **state)
{
    struct scene *scene = *state;
    const struct hst_device_extent some = extent(scene, 0, 8 * MIB, 0, HST_DTYPE_F64, HST_DTYPE_F16);
    if (!card_is_real()) card_script(&card, "@hoist-device cuMemCreate 2+ = 2\n");
    int status = fill(scene, &some, 1);
    assert_true(status == 0 || status == HST_E_OUT_OF_DEVICE_MEMORY);
    char *found = read_back(scene);
    if (status == 0) is_there(scene, &some, found);
    free(found);
    if (!card_is_real()) card_script(&card, "");
    arrive(scene, &some, 1);
}

static int start(void **state)
{
    (void)state;
    card_init(&card, "256M");
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
        with_memory(every_type_becomes_every_other),
        with_memory(numbers_cross_pieces_whole),
        with_memory(neighbours_keep_their_types),
        with_memory(nothing_beside_them_is_written),
        with_memory(what_is_no_conversion_is_refused),
        with_memory(what_was_converted_is_not_compared),
        with_memory(a_card_that_cannot_convert_says_so_and_still_takes_bytes),
        with_memory(room_for_one_lane_breaks_nothing),
    };
    return cmocka_run_group_tests(tests, start, end);
}
