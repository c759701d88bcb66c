/* The double's streams work later and in order: what a card does with a buffer that is used again too early, it does, too. */
#include "cards.h"
#include "cmocka_all.h"

#include <fcntl.h>
#include <sys/mman.h>

#define SIZE (2 * MIB)

static int start(void **state)
{
    static struct machine machine;
    machine_start(&machine, "64M");
    *state = &machine;
    return 0;
}

static int end(void **state)
{
    machine_end(*state);
    return 0;
}

/* What these tests have on the card: some memory, a stream, an event, and a pinned buffer full of 1. */
struct bench {
    const struct hst_cuda_driver *driver;
    unsigned long long device;
    unsigned char *seen; /* the same */
    unsigned char *pinned;
    void *stream, *event;
};

static struct bench set_up(void)
{
    struct bench b = {.driver = driver_start()};
    unsigned long long handle = 0;
    void *pinned = NULL;
    CHECK(memory_create(b.driver, SIZE, &handle) == 0);
    b.device = memory_map(b.driver, handle, SIZE, HST_CU_ACCESS_READ_WRITE);
    b.seen = (unsigned char *)(uintptr_t)b.device;
    CHECK(b.driver->cuMemHostAlloc(&pinned, SIZE, HST_CU_HOST_ALLOC_PORTABLE) == 0);
    b.pinned = memset(pinned, 1, SIZE);
    CHECK(b.driver->cuStreamCreate(&b.stream, HST_CU_STREAM_NON_BLOCKING) == 0 && b.driver->cuEventCreate(&b.event, 0) == 0);
    return b;
}

#if !defined(__SANITIZE_THREAD__) /* which would report what is tested here */
static void use_the_buffer_again(void *argument)
{
    struct bench b = set_up();
    CHECK(b.driver->cuMemcpyHtoDAsync(b.device, b.pinned, SIZE, b.stream) == 0);
    memset(b.pinned, 2, SIZE); /* too early */
    CHECK(b.driver->cuStreamSynchronize(b.stream) == 0 && b.seen[0] == 2);
    CHECK(b.driver->cuMemcpyHtoDAsync(b.device, b.pinned, SIZE, b.stream) == 0 && b.driver->cuEventRecord(b.event, b.stream) == 0);
    CHECK(b.driver->cuEventSynchronize(b.event) == 0);
    memset(b.pinned, 3, SIZE);
    CHECK(b.driver->cuStreamSynchronize(b.stream) == 0 && b.seen[0] == 2 && b.seen[SIZE - 1] == 2);
    (void)argument;
}

static void test_a_pinned_buffer_used_again_before_its_event_corrupts_the_copy(void **state)
{
    (void)state;
    assert_int_equal(process_run(use_the_buffer_again, NULL), 0);
}
#endif

static void use_pageable_memory(void *argument)
{
    struct bench b = set_up();
    unsigned char *plain = malloc(SIZE), *back = calloc(1, SIZE);
    memset(plain, 7, SIZE);
    CHECK(b.driver->cuMemcpyHtoDAsync(b.device, plain, SIZE, b.stream) == 0);
    memset(plain, 8, SIZE);
    CHECK(b.driver->cuMemcpyDtoHAsync(back, b.device, SIZE, b.stream) == 0 && back[0] == 7 && back[SIZE - 1] == 7);
    free(plain);
    free(back);
    (void)argument;
}

static void test_pageable_memory_is_copied_when_the_call_returns(void **state)
{
    (void)state;
    assert_int_equal(process_run(use_pageable_memory, NULL), 0);
}

static void ask_while_it_works(void *machine)
{
    struct bench b = set_up();
    machine_script(machine, "cuMemcpyHtoDAsync 1 slow 100\n");
    CHECK(b.driver->cuEventQuery(b.event) == 0); /* never recorded */
    CHECK(b.driver->cuMemcpyHtoDAsync(b.device, b.pinned, SIZE, b.stream) == 0 && b.driver->cuEventRecord(b.event, b.stream) == 0);
    CHECK(b.driver->cuStreamQuery(b.stream) == HST_CU_NOT_READY && b.driver->cuEventQuery(b.event) == HST_CU_NOT_READY);
    CHECK(b.driver->cuEventSynchronize(b.event) == 0 && b.seen[SIZE - 1] == 1);
    CHECK(b.driver->cuStreamSynchronize(b.stream) == 0 && b.driver->cuStreamQuery(b.stream) == 0 && b.driver->cuEventQuery(b.event) == 0);
}

static void test_a_stream_says_whether_it_works(void **state)
{
    assert_int_equal(process_run(ask_while_it_works, *state), 0);
}

static void wait_for_another_stream(void *machine)
{
    struct bench b = set_up();
    void *other = NULL, *back = NULL;
    machine_script(machine, "cuMemcpyHtoDAsync 1 slow 50\n");
    CHECK(b.driver->cuStreamCreate(&other, HST_CU_STREAM_NON_BLOCKING) == 0 && b.driver->cuMemHostAlloc(&back, SIZE, 0) == 0);
    CHECK(b.driver->cuMemcpyHtoDAsync(b.device, b.pinned, SIZE, b.stream) == 0 && b.driver->cuEventRecord(b.event, b.stream) == 0);
    CHECK(b.driver->cuStreamWaitEvent(other, b.event, 0) == 0 && b.driver->cuMemcpyDtoHAsync(back, b.device, SIZE, other) == 0);
    CHECK(b.driver->cuStreamSynchronize(other) == 0 && ((unsigned char *)back)[SIZE - 1] == 1);
    CHECK(b.driver->cuMemFreeHost(back) == 0 && b.driver->cuStreamDestroy(other) == 0 && b.driver->cuStreamSynchronize(other) == HST_CU_INVALID_HANDLE);
}

static void test_a_stream_waits_for_an_event_of_another(void **state)
{
    assert_int_equal(process_run(wait_for_another_stream, *state), 0);
}

static void measure_time(void *machine)
{
    float ms = 0;
    struct bench b = set_up();
    void *later = NULL, *untimed = NULL;
    machine_script(machine, "cuMemcpyHtoDAsync 1 slow 60\n");
    CHECK(b.driver->cuEventCreate(&later, 0) == 0 && b.driver->cuEventCreate(&untimed, HST_CU_EVENT_DISABLE_TIMING) == 0);
    CHECK(b.driver->cuEventElapsedTime(&ms, b.event, later) == HST_CU_INVALID_HANDLE); /* never recorded */
    CHECK(b.driver->cuEventRecord(b.event, b.stream) == 0 && b.driver->cuMemcpyHtoDAsync(b.device, b.pinned, SIZE, b.stream) == 0);
    CHECK(b.driver->cuEventRecord(later, b.stream) == 0 && b.driver->cuEventRecord(untimed, b.stream) == 0);
    CHECK(b.driver->cuEventElapsedTime(&ms, b.event, later) == HST_CU_NOT_READY && b.driver->cuCtxSynchronize() == 0);
    CHECK(b.driver->cuEventElapsedTime(&ms, b.event, later) == 0 && ms > 50 && ms < 5000);
    CHECK(b.driver->cuEventElapsedTime(&ms, b.event, untimed) == HST_CU_INVALID_HANDLE);
    CHECK(b.driver->cuEventDestroy(later) == 0 && b.driver->cuEventDestroy(later) == HST_CU_INVALID_HANDLE);
}

static void test_events_tell_the_time_between_them(void **state)
{
    assert_int_equal(process_run(measure_time, *state), 0);
}

static void copy_across_mappings(void *argument)
{
    unsigned long long handles[2], address = 0;
    struct bench b = set_up();
    const struct hst_cu_access who = {.location = {.type = HST_CU_LOCATION_DEVICE}, .flags = HST_CU_ACCESS_READ_WRITE};
    CHECK(b.driver->cuMemAddressReserve(&address, 2 * SIZE, 0, 0, 0) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(memory_create(b.driver, SIZE, &handles[i]) == 0 && b.driver->cuMemMap(address + (uint64_t)i * SIZE, SIZE, 0, handles[i], 0) == 0);
    CHECK(b.driver->cuMemSetAccess(address, 2 * SIZE, &who, 1) == 0);
    const unsigned char *seen = (const unsigned char *)(uintptr_t)address;
    CHECK(b.driver->cuMemcpyHtoDAsync(address + SIZE / 2, b.pinned, SIZE, b.stream) == 0 && b.driver->cuStreamSynchronize(b.stream) == 0);
    CHECK(seen[SIZE / 2 - 1] == 0 && seen[SIZE / 2] == 1 && seen[SIZE] == 1 && seen[SIZE + SIZE / 2 - 1] == 1 && seen[SIZE + SIZE / 2] == 0);
    CHECK(b.driver->cuMemcpyDtoDAsync(b.device, address + SIZE / 2, SIZE, b.stream) == 0 && b.driver->cuCtxSynchronize() == 0);
    CHECK(b.seen[0] == 1 && b.seen[SIZE - 1] == 1);
    CHECK(b.driver->cuMemcpyHtoDAsync(address + SIZE + SIZE / 2, b.pinned, SIZE, b.stream) == HST_CU_ILLEGAL_ADDRESS); /* beyond the end */
    (void)argument;
}

static void test_a_copy_may_cross_from_one_allocation_into_the_next(void **state)
{
    (void)state;
    assert_int_equal(process_run(copy_across_mappings, NULL), 0);
}

static void fail_on_the_stream(void *machine)
{
    size_t free_bytes, total;
    void *context = NULL;
    struct bench b = set_up();
    machine_script(machine, "cuMemcpyHtoDAsync 1 slow 50\n");
    CHECK(b.driver->cuMemcpyHtoDAsync(b.device, b.pinned, SIZE, b.stream) == 0 && b.driver->cuMemUnmap(b.device, SIZE) == 0);
    CHECK(b.driver->cuStreamSynchronize(b.stream) == HST_CU_ILLEGAL_ADDRESS);
    CHECK(b.driver->cuMemGetInfo(&free_bytes, &total) == HST_CU_ILLEGAL_ADDRESS && b.driver->cuStreamQuery(b.stream) == HST_CU_ILLEGAL_ADDRESS);
    CHECK(b.driver->cuEventRecord(b.event, b.stream) == HST_CU_ILLEGAL_ADDRESS);
    CHECK(b.driver->cuDevicePrimaryCtxRetain(&context, 0) == HST_CU_ILLEGAL_ADDRESS);
}

static void start_well(void *argument)
{
    (void)set_up();
    (void)argument;
}

static void test_a_failed_copy_is_the_end_of_this_process_on_the_card_and_of_no_other(void **state)
{
    assert_int_equal(process_run(fail_on_the_stream, *state), 0);
    assert_int_equal(process_run(start_well, NULL), 0);
}

static void pin_memory(void *argument)
{
    struct bench b = set_up();
    char *memory = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(b.driver->cuMemHostRegister(memory, SIZE, 0) == 0 && b.driver->cuMemHostRegister(memory + MIB, SIZE, 0) == 712);
    CHECK(b.driver->cuMemHostUnregister(memory + MIB) == 713 && b.driver->cuMemHostUnregister(memory) == 0 && b.driver->cuMemHostUnregister(memory) == 713);
    CHECK(mprotect(memory + SIZE, SIZE, PROT_READ) == 0 && b.driver->cuMemHostRegister(memory, 4 * MIB, 0) == HST_CU_NOT_PERMITTED);
    CHECK(munmap(memory + SIZE, SIZE) == 0 && b.driver->cuMemHostRegister(memory + SIZE, SIZE, 0) == HST_CU_INVALID_VALUE);
    CHECK(b.driver->cuMemHostRegister(memory, SIZE, 0) == 0 && b.driver->cuMemFreeHost(memory) == HST_CU_INVALID_VALUE);
    CHECK(munmap(memory, SIZE) == 0 && b.driver->cuMemHostUnregister(memory) == HST_CU_INVALID_VALUE); /* that was the wrong order */
    (void)argument;
}

static void test_only_memory_that_is_there_and_writable_is_pinned_and_once(void **state)
{
    (void)state;
    assert_int_equal(process_run(pin_memory, NULL), 0);
}

static void destroy_while_it_works(void *machine)
{
    void *context = NULL;
    struct bench b = set_up();
    machine_script(machine, "cuMemcpyHtoDAsync 1 stall\n");
    CHECK(b.driver->cuMemcpyHtoDAsync(b.device, b.pinned, SIZE, b.stream) == 0 && b.driver->cuStreamQuery(b.stream) == HST_CU_NOT_READY);
    CHECK(b.driver->cuCtxPopCurrent(&context) == 0 && b.driver->cuDevicePrimaryCtxRelease(0) == 0);
    CHECK(b.driver->cuStreamQuery(b.stream) == HST_CU_INVALID_HANDLE && b.seen[0] == 0);
}

static void test_a_context_can_end_although_its_work_does_not(void **state)
{
    assert_int_equal(process_run(destroy_while_it_works, *state), 0);
}

static void load_nonsense(void *argument)
{
    void *module = NULL;
    struct bench b = set_up();
    CHECK(b.driver->cuModuleLoadData(&module, "this is no PTX") != 0 && module == NULL);
    CHECK(b.driver->cuLaunchKernel(&b, 1, 1, 1, 1, 1, 1, 0, b.stream, NULL, NULL) == HST_CU_INVALID_HANDLE);
    CHECK(b.driver->cuLaunchKernel(&b, 1, 1, 1, 1025, 1, 1, 0, b.stream, NULL, NULL) == HST_CU_INVALID_VALUE);
    CHECK(b.driver->cuModuleUnload(&b) == HST_CU_INVALID_HANDLE);
    (void)argument;
}

static void test_kernels_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_int_equal(process_run(load_nonsense, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
#if !defined(__SANITIZE_THREAD__)
        TEST(test_a_pinned_buffer_used_again_before_its_event_corrupts_the_copy),
#endif
        TEST(test_pageable_memory_is_copied_when_the_call_returns),
        TEST(test_a_stream_says_whether_it_works),
        TEST(test_a_stream_waits_for_an_event_of_another),
        TEST(test_events_tell_the_time_between_them),
        TEST(test_a_copy_may_cross_from_one_allocation_into_the_next),
        TEST(test_a_failed_copy_is_the_end_of_this_process_on_the_card_and_of_no_other),
        TEST(test_only_memory_that_is_there_and_writable_is_pinned_and_once),
        TEST(test_a_context_can_end_although_its_work_does_not),
        TEST(test_kernels_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
