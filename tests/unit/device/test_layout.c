/* Where tensors lie on a device: aligned, each in one segment, no two in one place, in segments of whole granules. */
#include "base/checked.h"
#include "cmocka_all.h"
#include "device/layout.h"

#include <string.h>

#define GIB (UINT64_C(1) << 30)
#define MIB2 (UINT64_C(2) << 20)

static struct hst_device_layout make(const uint64_t *sizes, const bool *elsewhere, size_t count, uint64_t granularity)
{
    struct hst_device_layout layout = {0};
    assert_int_equal(hst_device_layout_make(sizes, elsewhere, count, granularity, &layout, NULL), HST_OK);
    return layout;
}

/* Is it one that may be handed out: each tensor in its segment, behind the one before? */
static void check(const struct hst_device_layout *layout, const uint64_t *sizes, const bool *elsewhere, size_t count, uint64_t granularity)
{
    uint64_t sum = 0, end = 0;
    uint32_t segment = 0;
    for (size_t i = 0; i < layout->segment_count; i++) {
        sum += layout->segment_bytes[i];
        assert_true(layout->segment_bytes[i] > 0 && layout->segment_bytes[i] % granularity == 0);
    }
    assert_int_equal(layout->size_bytes, sum);
    for (size_t i = 0; i < count; i++) {
        const struct hst_device_spot *spot = &layout->spots[i];
        if (sizes[i] == 0 || (elsewhere != NULL && elsewhere[i])) continue;
        if (spot->segment != segment) end = 0;
        assert_true(spot->segment < layout->segment_count && spot->segment >= segment && spot->offset >= end && spot->offset % HST_DEVICE_ALIGNMENT == 0);
        segment = spot->segment;
        end = spot->offset + sizes[i];
        assert_true(end <= layout->segment_bytes[segment]);
        assert_true(layout->segment_bytes[segment] <= hst_round_up(HST_DEVICE_SEGMENT_BYTES, granularity) || spot->offset == 0);
    }
}

static void tensors_lie_aligned_one_behind_the_other(void **state)
{
    const uint64_t sizes[] = {1, 256, 257, 100};
    (void)state;
    struct hst_device_layout layout = make(sizes, NULL, 4, 4096);
    const uint64_t offsets[] = {0, 256, 512, 1024};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(layout.spots[i].offset, offsets[i]);
    assert_int_equal(layout.segment_count, 1);
    assert_int_equal(layout.size_bytes, 4096);
    hst_device_layout_fini(&layout);
    assert_null(layout.spots);
}

static void what_is_empty_or_elsewhere_takes_no_place(void **state)
{
    const uint64_t sizes[] = {0, 300, 1000, 0, 5};
    const bool elsewhere[] = {false, false, true, true, false};
    (void)state;
    struct hst_device_layout layout = make(sizes, elsewhere, 5, MIB2);
    assert_int_equal(layout.spots[4].offset, 512);
    for (size_t i = 0; i < 5; i++)
        if (i != 1 && i != 4) assert_true(layout.spots[i].segment == 0 && layout.spots[i].offset == 0);
    assert_int_equal(layout.size_bytes, MIB2);
    hst_device_layout_fini(&layout);
}

static void of_nothing_there_is_no_segment(void **state)
{
    const uint64_t sizes[] = {0, 7};
    const bool elsewhere[] = {false, true};
    (void)state;
    struct hst_device_layout layout = make(sizes, elsewhere, 2, 4096);
    assert_int_equal(layout.segment_count, 0);
    assert_int_equal(layout.size_bytes, 0);
    hst_device_layout_fini(&layout);
    layout = make(NULL, NULL, 0, 4096);
    assert_int_equal(layout.segment_count, 0);
    hst_device_layout_fini(&layout);
}

static void no_tensor_lies_in_two_segments(void **state)
{
    const uint64_t sizes[] = {3 * GIB, GIB, 1, 2 * GIB, 2 * GIB - 256, 1, 5 * GIB + 1, 1, 4 * GIB};
    const uint32_t segments[] = {0, 0, 1, 1, 1, 2, 3, 4, 5};
    (void)state;
    struct hst_device_layout layout = make(sizes, NULL, 9, MIB2);
    check(&layout, sizes, NULL, 9, MIB2);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(layout.spots[i].segment, segments[i]);
    assert_int_equal(layout.segment_count, 6);
    assert_int_equal(layout.segment_bytes[3], 5 * GIB + MIB2);
    hst_device_layout_fini(&layout);
}

static void sizes_that_overflow_are_refused(void **state)
{
    const uint64_t wrong[][3] = {{UINT64_MAX, 1, 1}, {UINT64_MAX - 255, UINT64_MAX - 255, 1}, {1, UINT64_MAX, 1}, {UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2}, {UINT64_MAX - 4094, 0, 0}};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct hst_device_layout layout = {0};
        struct hst_error err = {0};
        assert_int_equal(hst_device_layout_make(wrong[i], NULL, 3, 4096, &layout, &err), HST_E_LIMIT_EXCEEDED);
        assert_int_equal(err.status, HST_E_LIMIT_EXCEEDED);
        assert_null(layout.spots);
    }
}

static void whatever_the_sizes_are_it_holds(void **state)
{
    static const uint64_t scales[] = {10, 5000, MIB2, GIB, 3 * GIB}, granularities[] = {1, 256, 4096, MIB2};
    uint64_t random = 7, sizes[40];
    bool elsewhere[40];
    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < 40; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            sizes[i] = (random >> 20) % scales[(random >> 60) % 5];
            elsewhere[i] = (random >> 57) % 4 == 0;
        }
        uint64_t granularity = granularities[round % 4];
        struct hst_device_layout layout = make(sizes, round % 3 ? elsewhere : NULL, 40, granularity);
        check(&layout, sizes, round % 3 ? elsewhere : NULL, 40, granularity);
        hst_device_layout_fini(&layout);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_lie_aligned_one_behind_the_other), cmocka_unit_test(what_is_empty_or_elsewhere_takes_no_place),
        cmocka_unit_test(of_nothing_there_is_no_segment),           cmocka_unit_test(no_tensor_lies_in_two_segments),
        cmocka_unit_test(sizes_that_overflow_are_refused),          cmocka_unit_test(whatever_the_sizes_are_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
