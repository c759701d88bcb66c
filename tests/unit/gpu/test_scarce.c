/* hoistd is out of memory, or of descriptors, at any moment of a load: it fails, nothing is left, and the next one works. */
#include "faults.h"

#include "loading.h"

static int start(void **state)
{
    (void)state;
    loading_init(&the_loading, "64M");
    return 0;
}

/* What a load asks of the process. */
static int load(struct loading *loading, int fds[SEGMENTS])
{
    struct hst_gpu_info info;
    HST_TRY(hst_gpu_link_allocate(loading->link, loading->sizes, SEGMENTS, fds, NULL));
    HST_TRY(loading_fill(loading, fds, NULL));
    return hst_gpu_link_info(loading->link, &info, NULL);
}

/* @return did the n-th of its kind fail? */
static bool load_with_fault(struct loading *loading, enum fault_kind kind, int n)
{
    int fds[SEGMENTS] = {-1, -1, -1};
    loading_link(loading, 20000, 10);
    faults_begin(kind, n);
    int status = load(loading, fds);
    bool hit = faults_end();
    if (!hit) assert_int_equal(status, HST_OK);
    for (size_t i = 0; i < SEGMENTS; i++)
        if (fds[i] >= 0) close(fds[i]);
    assert_int_equal(card_free_bytes(&loading->card), loading->free_bytes);
    return hit;
}

static void fail_each(struct loading *loading, enum fault_kind kind, int at_least)
{
    int n = 1;
    while (load_with_fault(loading, kind, n))
        n++;
    assert_true(n > at_least);
    loading_works(loading);
}

static void any_allocation_may_fail(void **state)
{
    fail_each(*state, FAULT_ALLOCATION, 6);
}

static void any_call_of_the_kernel_may_fail(void **state)
{
    fail_each(*state, FAULT_CALL, 4);
}

static void no_link_is_left_when_there_is_no_memory_for_one(void **state)
{
    struct loading *loading = *state;
    const struct hst_gpu_link_config config = {loading->card.program, loading->card.found.uuid, 1, 1};
    struct hst_gpu_link *link;
    for (int n = 1; n <= 2; n++) {
        faults_begin(FAULT_ALLOCATION, n);
        assert_int_equal(hst_gpu_link_new(&config, &link, NULL), HST_E_NOMEM);
        assert_true(faults_end());
    }
}

/* The same of the device that is made of it. */
static void a_device_survives_a_lack_of_memory(void **state)
{
    struct loading *loading = *state;
    for (int n = 1, hit = 1; hit; n++) {
        struct hst_device *device = NULL;
        struct hst_device_memory *memory = NULL;
        _Atomic(bool) cancel = false;
        struct hst_device_progress progress = {.cancel = &cancel};
        const struct hst_device_extent extent = {.fd = loading->ram.fd, .size_bytes = 8 * MIB};
        faults_begin(FAULT_ALLOCATION, n);
        int status = card_open(&loading->card, 64 * MIB, 0, &device);
        if (status == HST_OK) status = device->ops->allocate(device->backend, loading->sizes, 1, &memory, NULL);
        if (status == HST_OK) status = device->ops->fill(memory, &extent, 1, &progress, NULL);
        hit = faults_end();
        assert_true(hit || status == HST_OK);
        if (memory != NULL) device->ops->release(memory);
        hst_device_free(device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loading_test(any_allocation_may_fail),
        loading_test(any_call_of_the_kernel_may_fail),
        loading_test(no_link_is_left_when_there_is_no_memory_for_one),
        loading_test(a_device_survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, start, loading_end_group);
}
