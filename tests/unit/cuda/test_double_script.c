/* What a test may want of the double: that a certain call fails, takes long, never returns, or that the card is lost. */
#include "cards.h"
#include "cmocka_all.h"

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

static void count_from_now(void *machine)
{
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 2 * MIB, &handle) == 0);
    machine_script(machine, "cuMemCreate 3 = 2 # the third from now\n");
    CHECK(memory_create(driver, 2 * MIB, &handle) == 0 && memory_create(driver, 2 * MIB, &handle) == 0);
    CHECK(memory_create(driver, 2 * MIB, &handle) == HST_CU_OUT_OF_MEMORY && memory_create(driver, 2 * MIB, &handle) == 0);
    CHECK(memory_used(driver) == 8 * MIB);
    machine_script(machine, "cuMem* 2+ = 46\n");
    CHECK(memory_create(driver, 2 * MIB, &handle) == 0 && driver->cuMemRelease(handle) == 46 && driver->cuMemRelease(handle) == 46);
    machine_script(machine, "");
    CHECK(driver->cuMemRelease(handle) == 0);
}

static void test_a_call_fails_that_was_counted_from_when_the_script_was_written(void **state)
{
    assert_int_equal(process_run(count_from_now, *state), 0);
}

static void expect_result(void *result)
{
    unsigned long long handle = 0;
    CHECK(memory_create(driver_start(), 2 * MIB, &handle) == *(int *)result);
}

static void test_each_process_counts_by_itself_unless_it_is_for_once(void **state)
{
    int good = 0, bad = HST_CU_OUT_OF_MEMORY;
    machine_script(*state, "cuMemCreate 1 = 2\n");
    assert_int_equal(process_run(expect_result, &bad), 0);
    assert_int_equal(process_run(expect_result, &bad), 0);
    machine_script(*state, "cuMemCreate 1 = 2 once\n");
    assert_int_equal(process_run(expect_result, &bad), 0);
    assert_int_equal(process_run(expect_result, &good), 0);
}

static void test_a_line_may_be_for_one_program(void **state)
{
    int good = 0, bad = HST_CU_OUT_OF_MEMORY;
    machine_script(*state, "@hoist-device cuMemCreate 1 = 2\n");
    assert_int_equal(process_run(expect_result, &good), 0);
    setenv("FAKECUDA_PROGRAM", "hoist-device", 1);
    assert_int_equal(process_run(expect_result, &bad), 0);
}

static void make_four_calls(void *result)
{
    const struct hst_cuda_driver *driver = driver_start(); /* four of them: version, cuInit, retain, push */
    (void)driver;
    (void)result;
}

static unsigned count_lines(const char *path, char *ret_last)
{
    FILE *file = fopen(path, "re");
    unsigned count = 0;
    assert_non_null(file);
    while (fgets(ret_last, 256, file) != NULL)
        count++;
    fclose(file);
    return count;
}

static void test_calls_are_counted_so_that_each_can_be_failed_in_turn(void **state)
{
    const struct machine *machine = *state;
    char path[160], script[256], last[256] = "";
    snprintf(path, sizeof(path), "%s/calls", machine->folder);
    snprintf(script, sizeof(script), "cu* * count %s\n", path);
    machine_script(machine, script);
    assert_int_equal(process_run(make_four_calls, NULL), 0);
    assert_int_equal(count_lines(path, last), 4);
    assert_non_null(strstr(last, " 4 cuCtxPushCurrent\n"));
    for (int i = 1; i <= 4; i++) {
        snprintf(script, sizeof(script), "cu* %d = 999\n", i);
        machine_script(machine, script);
        assert_int_equal(process_run(make_four_calls, NULL), 1);
    }
    machine_script(machine, "cu* 5 = 999\n");
    assert_int_equal(process_run(make_four_calls, NULL), 0);
}

static void fail_for_good(void *machine)
{
    size_t free_bytes, total;
    const struct hst_cuda_driver *driver = driver_start();
    machine_script(machine, "cuMemGetInfo 1 = 700 sticky\n");
    CHECK(driver->cuMemGetInfo(&free_bytes, &total) == 700);
    machine_script(machine, "");
    CHECK(driver->cuMemGetInfo(&free_bytes, &total) == 700 && driver->cuCtxSynchronize() == 700);
}

static void test_a_sticky_result_stays_when_the_script_is_gone(void **state)
{
    assert_int_equal(process_run(fail_for_good, *state), 0);
}

static void fail_later(void *machine)
{
    static char bytes[4096];
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 2 * MIB, &handle) == 0);
    unsigned long long address = memory_map(driver, handle, 2 * MIB, HST_CU_ACCESS_READ_WRITE);
    CHECK(driver->cuMemHostRegister(bytes, sizeof(bytes), 0) == 0);
    machine_script(machine, "cuMemcpyHtoDAsync 2 late 719\n");
    for (int i = 0; i < 2; i++)
        CHECK(driver->cuMemcpyHtoDAsync(address, bytes, sizeof(bytes), NULL) == 0);
    CHECK(driver->cuStreamSynchronize(NULL) == HST_CU_LAUNCH_FAILED && driver->cuMemcpyHtoDAsync(address, bytes, sizeof(bytes), NULL) == HST_CU_LAUNCH_FAILED);
}

static void test_work_may_fail_after_it_was_queued(void **state)
{
    assert_int_equal(process_run(fail_later, *state), 0);
}

static void test_a_process_may_be_killed_at_a_call_or_hang_in_it(void **state)
{
    int good = 0;
    machine_script(*state, "cuMemCreate 1 kill once\n");
    assert_int_equal(process_run(expect_result, &good), -SIGKILL);
    assert_int_equal(process_run(expect_result, &good), 0);
    machine_script(*state, "cuMemCreate 1 hang\n");
    pid_t hung = process_start(expect_result, &good);
    usleep(200000);
    assert_int_equal(waitpid(hung, NULL, WNOHANG), 0);
    kill(hung, SIGKILL);
    assert_int_equal(process_end(hung), -SIGKILL);
}

static void lose_the_card(void *machine)
{
    unsigned long long handle = 0, again = 0;
    void *context = NULL;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 2 * MIB, &handle) == 0 && memory_used(driver) == 2 * MIB);
    machine_script(machine, "lost GPU-fa4ec0da-0001-4d0b-81e5-5eedca4d0001\n"); /* another one */
    CHECK(memory_used(driver) == 2 * MIB);
    machine_script(machine, "lost\n");
    CHECK(memory_create(driver, 2 * MIB, &again) == HST_CU_UNKNOWN && driver->cuDevicePrimaryCtxRetain(&context, 0) == HST_CU_UNKNOWN);
    machine_script(machine, "");
    CHECK(memory_create(driver, 2 * MIB, &again) == HST_CU_UNKNOWN); /* this context is past mending */
}

static void find_it_lost(void *argument)
{
    void *context = NULL;
    const struct hst_cuda_driver *driver = NULL;
    CHECK(hst_cuda_driver_get(&driver, NULL) == HST_OK && driver->cuDevicePrimaryCtxRetain(&context, 0) == HST_CU_DEVICE_UNAVAILABLE);
    (void)argument;
}

static void send_memory(void *socket)
{
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 2 * MIB, &handle) == 0);
    send_fd(*(int *)socket, memory_export(driver, handle));
}

static void import_what_is_gone(void *fd)
{
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_used(driver) == 0);
    CHECK(driver->cuMemImportFromShareableHandle(&handle, (void *)(uintptr_t) * (int *)fd, HST_CU_HANDLE_POSIX_FD) == HST_CU_INVALID_HANDLE);
}

static void test_a_lost_card_takes_its_memory_along(void **state)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(process_run(send_memory, &pair[1]), 0);
    int fd = receive_fd(pair[0]);
    machine_script(*state, "lost\n");
    assert_int_equal(process_run(find_it_lost, NULL), 0);
    machine_script(*state, "");
    assert_int_equal(process_run(import_what_is_gone, &fd), 0);
    assert_int_equal(process_run(lose_the_card, *state), 0);
    close(fd);
    close(pair[0]);
    close(pair[1]);
}

static void expect_no_vmm(void *argument)
{
    int value = -1;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(driver->cuDeviceGetAttribute(&value, HST_CU_ATTRIBUTE_VMM, 0) == 0 && value == 0);
    CHECK(driver->cuDeviceGetAttribute(&value, HST_CU_ATTRIBUTE_POSIX_FD, 0) == 0 && value == 1);
    (void)argument;
}

static void test_attributes_of_the_card_can_be_set(void **state)
{
    machine_script(*state, "set attribute-102 0\n");
    assert_int_equal(process_run(expect_no_vmm, NULL), 0);
}

static void test_an_effect_that_is_none_is_a_mistake_of_the_test(void **state)
{
    int good = 0;
    machine_script(*state, "cuMemCreate 1 explode\n");
    assert_int_equal(process_run(expect_result, &good), -SIGABRT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_call_fails_that_was_counted_from_when_the_script_was_written),
        TEST(test_each_process_counts_by_itself_unless_it_is_for_once),
        TEST(test_a_line_may_be_for_one_program),
        TEST(test_calls_are_counted_so_that_each_can_be_failed_in_turn),
        TEST(test_a_sticky_result_stays_when_the_script_is_gone),
        TEST(test_work_may_fail_after_it_was_queued),
        TEST(test_a_process_may_be_killed_at_a_call_or_hang_in_it),
        TEST(test_a_lost_card_takes_its_memory_along),
        TEST(test_attributes_of_the_card_can_be_set),
        TEST(test_an_effect_that_is_none_is_a_mistake_of_the_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
