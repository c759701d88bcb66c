/* What NVML says of a card, in the process that asks: no context is needed, and no NVML is no error. */
#include "cards.h"
#include "cmocka_all.h"

#include "cuda/nvml.h"

#define CARD "GPU-fa4ec0da-0001-4d0b-81e5-5eedca4d0000"

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

static void expect_unknown(void *argument)
{
    struct hst_nvml_figures figures;
    struct hst_nvml_process processes[1];
    char why[256], text[96];
    CHECK(!hst_nvml_available(why) && strstr(why, argument) != NULL);
    CHECK(!hst_nvml_figures(CARD, &figures) && hst_nvml_processes(CARD, processes, 1) == -1);
    CHECK(!hst_nvml_name(CARD, text) && !hst_nvml_driver_version(text) && !hst_nvml_has_slices(CARD));
}

static void test_without_nvml_everything_is_unknown(void **state)
{
    (void)state;
    setenv("HOIST_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
    assert_int_equal(process_run(expect_unknown, "/nowhere/libnvidia-ml.so.1"), 0);
}

static void test_an_nvml_that_does_not_start_says_why(void **state)
{
    machine_script(*state, "nvmlInit * = 18\n");
    assert_int_equal(process_run(expect_unknown, "does not start: Driver/library version mismatch (18)"), 0);
}

static void expect_card(void *argument)
{
    struct hst_nvml_figures figures;
    char text[96], why[256];
    CHECK(hst_nvml_available(why) && hst_nvml_figures(CARD, &figures) && !figures.is_lost);
    CHECK(figures.total_bytes == 64 * MIB && figures.free_bytes == 54 * MIB && figures.used_bytes == 10 * MIB && figures.reserved_bytes == 0);
    CHECK(figures.utilization_percent == 37 && figures.temperature_c == 41 && figures.ecc_errors == 2 && figures.xid == 0);
    CHECK(hst_nvml_name(CARD, text) && strcmp(text, "fakecuda card 0") == 0);
    CHECK(hst_nvml_driver_version(text) && strcmp(text, "0.0.0-fakecuda") == 0);
    CHECK(!hst_nvml_has_slices(CARD) && !hst_nvml_figures("GPU-of-nobody", &figures));
    (void)argument;
}

static void test_a_card_is_shown_as_nvml_says(void **state)
{
    machine_script(*state, "set others 10485760\nset temperature 41\nset utilization 37\nset ecc 2\n");
    assert_int_equal(process_run(expect_card, NULL), 0);
    machine_script(*state, "set others 10485760\nset temperature 41\nset utilization 37\nset ecc 2\nnvmlDeviceGetMemoryInfo_v2 * = 13\n");
    assert_int_equal(process_run(expect_card, NULL), 0);
}

static void expect_no_sensors(void *argument)
{
    struct hst_nvml_figures figures;
    CHECK(hst_nvml_figures(CARD, &figures) && figures.utilization_percent == -1 && figures.temperature_c == -1 && figures.ecc_errors == HST_NVML_UNKNOWN);
    CHECK(figures.xid == HST_NVML_UNKNOWN);
    (void)argument;
}

static void test_what_the_card_does_not_say_is_unknown_and_not_zero(void **state)
{
    machine_script(*state, "nvmlDeviceRegisterEvents * = 3\n");
    assert_int_equal(process_run(expect_no_sensors, NULL), 0);
}

static void expect_xid(void *machine)
{
    struct hst_nvml_figures figures;
    CHECK(hst_nvml_figures(CARD, &figures) && figures.xid == 0);
    machine_script(machine, "set xid 79\n");
    CHECK(hst_nvml_figures(CARD, &figures) && figures.xid == 79);
    CHECK(hst_nvml_figures(CARD, &figures) && figures.xid == 79);
    machine_script(machine, "set xid 48\n");
    CHECK(hst_nvml_figures(CARD, &figures) && figures.xid == 48);
}

static void test_the_last_xid_is_kept(void **state)
{
    assert_int_equal(process_run(expect_xid, *state), 0);
}

static void expect_lost(void *argument)
{
    struct hst_nvml_figures figures;
    CHECK(hst_nvml_figures(CARD, &figures) && figures.is_lost && figures.total_bytes == HST_NVML_UNKNOWN);
    (void)argument;
}

static void test_a_lost_card_is_known_as_lost(void **state)
{
    machine_script(*state, "lost\n");
    assert_int_equal(process_run(expect_lost, NULL), 0);
    machine_script(*state, "nvmlDeviceGetMemoryInfo* * = 15\n");
    assert_int_equal(process_run(expect_lost, NULL), 0);
}

/* Has a context and some memory until it is told to end. */
static void use_card(void *socket)
{
    unsigned long long handle = 0;
    char byte;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 4 * MIB, &handle) == 0 && write(*(int *)socket, "r", 1) == 1);
    CHECK(read(*(int *)socket, &byte, 1) == 0);
}

static void expect_user(void *argument)
{
    struct hst_nvml_process processes[40];
    CHECK(hst_nvml_processes(CARD, processes, 40) == 40);
    bool is_found = false;
    for (int i = 0; i < 40; i++)
        is_found |= processes[i].pid == *(uint32_t *)argument && processes[i].used_bytes == 5 * MIB;
    CHECK(is_found && hst_nvml_processes(CARD, processes, 1) == 40);
}

static void test_whoever_computes_on_a_card_is_listed_with_his_memory(void **state)
{
    (void)state;
    uint32_t pids[40] = {0};
    int pair[2];
    char byte;
    setenv("FAKECUDA_BYTES", "1G", 1);
    setenv("FAKECUDA_CONTEXT_BYTES", "1M", 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; i < 40; i++) {
        pids[i] = (uint32_t)process_start(use_card, &pair[1]);
        assert_int_equal(read(pair[0], &byte, 1), 1);
    }
    assert_int_equal(process_run(expect_user, &pids[7]), 0);
    for (int i = 0; i < 40; i++)
        kill((pid_t)pids[i], SIGKILL);
    for (int i = 0; i < 40; i++)
        assert_int_equal(process_end((pid_t)pids[i]), -SIGKILL);
    close(pair[0]);
    close(pair[1]);
}

static void expect_nobody(void *argument)
{
    struct hst_nvml_process processes[1];
    CHECK(hst_nvml_processes(CARD, processes, 1) == 0);
    (void)argument;
}

static void test_whoever_asks_is_not_listed(void **state)
{
    (void)state;
    assert_int_equal(process_run(expect_nobody, NULL), 0);
}

static void expect_slice(void *argument)
{
    struct hst_cu_uuid uuid;
    char text[64];
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(driver->cuDeviceGetUuid(&uuid, 0) == 0);
    bool is_slice = hst_nvml_is_slice(&uuid);
    hst_cuda_uuid_text(&uuid, is_slice, text);
    CHECK(is_slice == *(bool *)argument && hst_nvml_has_slices(text) == is_slice);
}

static void test_a_slice_is_told_from_a_whole_card(void **state)
{
    (void)state;
    bool is_slice = false;
    assert_int_equal(process_run(expect_slice, &is_slice), 0);
    is_slice = true;
    setenv("FAKECUDA_MIG", "1", 1);
    assert_int_equal(process_run(expect_slice, &is_slice), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_nvml_everything_is_unknown),
        TEST(test_an_nvml_that_does_not_start_says_why),
        TEST(test_a_card_is_shown_as_nvml_says),
        TEST(test_what_the_card_does_not_say_is_unknown_and_not_zero),
        TEST(test_the_last_xid_is_kept),
        TEST(test_a_lost_card_is_known_as_lost),
        TEST(test_whoever_computes_on_a_card_is_listed_with_his_memory),
        TEST(test_whoever_asks_is_not_listed),
        TEST(test_a_slice_is_told_from_a_whole_card),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
