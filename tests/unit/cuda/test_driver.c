/* The driver as a table: found, or what is wrong with it. The library is the double. */
#include "cards.h"
#include "cmocka_all.h"

#include "os/dynamic.h"

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

/* A process whose driver must not be found, for this reason. */
static void expect_reason(void *reason)
{
    const struct hst_cuda_driver *driver = NULL;
    struct hst_error err = {0};
    for (int attempt = 0; attempt < 2; attempt++) {
        CHECK(hst_cuda_driver_get(&driver, attempt == 0 ? &err : NULL) == HST_E_DEVICE_UNAVAILABLE && driver == NULL);
        if (strstr(err.text, reason) == NULL) fprintf(stderr, "it says: %s\n", err.text);
        CHECK(strstr(err.text, reason) != NULL);
    }
}

static void assert_reason(const char *reason)
{
    assert_int_equal(process_run(expect_reason, (void *)reason), 0);
}

static void expect_double(void *argument)
{
    const struct hst_cuda_driver *driver = NULL, *again = NULL;
    struct hst_cu_uuid uuid;
    char text[64];
    CHECK(hst_cuda_driver_get(&driver, NULL) == HST_OK && hst_cuda_driver_get(&again, NULL) == HST_OK && driver == again);
    CHECK(driver->version == 12040 && strcmp(driver->path, getenv("HOIST_CUDA_DRIVER")) == 0);
    CHECK(driver->cuDeviceGetUuid(&uuid, 0) == 0);
    hst_cuda_uuid_text(&uuid, false, text);
    CHECK(strcmp(text, "GPU-fa4ec0da-0001-4d0b-81e5-5eedca4d0000") == 0);
    (void)argument;
}

static void test_the_driver_that_the_environment_names_is_loaded_once(void **state)
{
    (void)state;
    assert_int_equal(process_run(expect_double, NULL), 0);
}

static void test_a_function_of_a_library_may_have_an_older_name_or_be_needless(void **state)
{
    (void)state;
    struct hst_cuda_driver table = {0};
    char why[256];
    static const struct hst_dynamic_symbol there = {.name = "malloc", .offset = offsetof(struct hst_cuda_driver, cuInit)};
    static const struct hst_dynamic_symbol older = {.name = "malloc_v9", .fallback = "free", .offset = offsetof(struct hst_cuda_driver, cuInit)};
    static const struct hst_dynamic_symbol absent = {.name = "malloc_v9", .offset = offsetof(struct hst_cuda_driver, cuInit)};
    static const struct hst_dynamic_symbol needless = {.name = "malloc_v9", .offset = offsetof(struct hst_cuda_driver, cuInit), .optional = true};
    void *library = hst_dynamic_open("libc.so.6", why);
    assert_non_null(library);
    assert_null(hst_dynamic_resolve(library, &there, 1, &table));
    assert_non_null(table.cuInit);
    void *first = (void *)table.cuInit;
    assert_null(hst_dynamic_resolve(library, &older, 1, &table));
    assert_ptr_not_equal((void *)table.cuInit, first);
    assert_string_equal(hst_dynamic_resolve(library, &absent, 1, &table), "malloc_v9");
    assert_null(hst_dynamic_resolve(library, &needless, 1, &table));
    assert_null(table.cuInit);
    hst_dynamic_close(library);
}

static void test_a_machine_without_a_driver_says_so(void **state)
{
    (void)state;
    unsetenv("HOIST_CUDA_DRIVER");
    char why[256];
    void *library = hst_dynamic_open("libcuda.so.1", why);
    hst_dynamic_close(library);
    if (library != NULL) skip(); /* this machine has one */
    assert_reason("there is no NVIDIA driver: libcuda.so.1");
}

static void test_a_named_library_that_is_not_there_is_named(void **state)
{
    (void)state;
    setenv("HOIST_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
    assert_reason("HOIST_CUDA_DRIVER cannot be loaded: /nowhere/libcuda.so.1");
}

static void test_a_library_that_is_no_driver_lacks_its_functions(void **state)
{
    (void)state;
    setenv("HOIST_CUDA_DRIVER", "libc.so.6", 1);
    assert_reason("it has no cuDriverGetVersion");
}

static void test_a_driver_before_11_2_is_too_old(void **state)
{
    (void)state;
    setenv("FAKECUDA_VERSION", "11010", 1);
    assert_reason("is too old: it offers CUDA 11.1, and hoist needs 11.2");
}

static void test_a_toolkits_stub_is_told_from_a_driver(void **state)
{
    machine_script(*state, "cuDriverGetVersion * = 34\n");
    assert_reason("it is the stub of a CUDA toolkit");
}

static void test_a_process_that_may_see_no_card_is_told_what_counts(void **state)
{
    (void)state;
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    assert_reason("CUDA_VISIBLE_DEVICES counts");
}

static void test_a_driver_upgraded_under_the_library_is_told_what_to_mend(void **state)
{
    machine_script(*state, "cuInit * = 803\n");
    assert_reason("of different versions, as after an upgrade");
}

static void test_any_other_result_of_the_start_is_told_with_its_number(void **state)
{
    machine_script(*state, "cuInit * = 304\n");
    assert_reason("the driver does not start (cuInit says 304)");
}

static void expect_statuses(void *argument)
{
    static const struct {
        int result, status;
    } rows[] = {{HST_CU_OUT_OF_MEMORY, HST_E_OUT_OF_DEVICE_MEMORY}, {HST_CU_ILLEGAL_ADDRESS, HST_E_DEVICE_LOST},   {HST_CU_ECC_UNCORRECTABLE, HST_E_DEVICE_LOST},
                {715, HST_E_DEVICE_LOST},                           {HST_CU_UNKNOWN, HST_E_DEVICE_LOST},           {HST_CU_DEVICE_UNAVAILABLE, HST_E_DEVICE_UNAVAILABLE},
                {HST_CU_DRIVER_MISMATCH, HST_E_DEVICE_UNAVAILABLE}, {HST_CU_INVALID_VALUE, HST_E_DEVICE_FAILED},   {HST_CU_NOT_SUPPORTED, HST_E_DEVICE_FAILED},
                {713, HST_E_DEVICE_FAILED},                         {720, HST_E_DEVICE_FAILED}};
    const struct hst_cuda_driver *driver = driver_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK(hst_cuda_error(driver, rows[i].result, "testing", NULL) == rows[i].status);
    (void)argument;
}

static void test_each_result_becomes_the_status_that_says_what_to_do(void **state)
{
    (void)state;
    assert_int_equal(process_run(expect_statuses, NULL), 0);
}

static void expect_words(void *argument)
{
    struct hst_error err = {0};
    const struct hst_cuda_driver *driver = driver_start();
    hst_cuda_error(driver, HST_CU_OUT_OF_MEMORY, "allocating 4 GiB", &err);
    CHECK(strcmp(err.text, "allocating 4 GiB: CUDA_ERROR_OUT_OF_MEMORY (2: out of memory)") == 0);
    hst_cuda_error(driver, 12345, "testing", &err);
    CHECK(strcmp(err.text, "testing: unknown to the driver (12345: no text)") == 0);
    (void)argument;
}

static void test_an_error_has_the_drivers_own_name_of_it(void **state)
{
    (void)state;
    assert_int_equal(process_run(expect_words, NULL), 0);
}

static void test_a_uuid_reads_as_people_write_it(void **state)
{
    (void)state;
    const struct hst_cu_uuid uuid = {{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10}};
    char text[64];
    hst_cuda_uuid_text(&uuid, false, text);
    assert_string_equal(text, "GPU-01234567-89ab-cdef-fedc-ba9876543210");
    hst_cuda_uuid_text(&uuid, true, text);
    assert_string_equal(text, "MIG-01234567-89ab-cdef-fedc-ba9876543210");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_driver_that_the_environment_names_is_loaded_once),
        TEST(test_a_function_of_a_library_may_have_an_older_name_or_be_needless),
        TEST(test_a_machine_without_a_driver_says_so),
        TEST(test_a_named_library_that_is_not_there_is_named),
        TEST(test_a_library_that_is_no_driver_lacks_its_functions),
        TEST(test_a_driver_before_11_2_is_too_old),
        TEST(test_a_toolkits_stub_is_told_from_a_driver),
        TEST(test_a_process_that_may_see_no_card_is_told_what_counts),
        TEST(test_a_driver_upgraded_under_the_library_is_told_what_to_mend),
        TEST(test_any_other_result_of_the_start_is_told_with_its_number),
        TEST(test_each_result_becomes_the_status_that_says_what_to_do),
        TEST(test_an_error_has_the_drivers_own_name_of_it),
        TEST(test_a_uuid_reads_as_people_write_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
