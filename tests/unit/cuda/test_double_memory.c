/* The double's memory is that of a card: shared by processes, alive as long as any of them has it, and guarded as it was mapped. */
#include "cards.h"
#include "cmocka_all.h"

#include <fcntl.h>
#include <sys/mman.h>

#define RW HST_CU_ACCESS_READ_WRITE
#define RO HST_CU_ACCESS_READ

/* A machine, and two ends through which its processes pass descriptors; the test itself has `mine`, as hoistd would. */
struct scene {
    struct machine machine;
    int mine, theirs;
};

static int start(void **state)
{
    static struct scene scene;
    int pair[2];
    machine_start(&scene.machine, "64M");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -1;
    scene.mine = pair[0];
    scene.theirs = pair[1];
    *state = &scene;
    return 0;
}

static int end(void **state)
{
    struct scene *scene = *state;
    close(scene->mine);
    close(scene->theirs);
    machine_end(&scene->machine);
    return 0;
}

/* Makes 8 MiB, fills them, sends their descriptor, and ends. */
static void make_and_send(void *argument)
{
    struct scene *scene = argument;
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 8 * MIB, &handle) == 0);
    unsigned long long address = memory_map(driver, handle, 8 * MIB, RW);
    memset((void *)(uintptr_t)address, 42, 8 * MIB);
    send_fd(scene->theirs, memory_export(driver, handle));
}

static void make_send_and_die(void *argument)
{
    make_and_send(argument);
    raise(SIGKILL);
}

static void expect_used(void *bytes)
{
    uint64_t used = memory_used(driver_start());
    if (used != *(uint64_t *)bytes) fprintf(stderr, "used are %llu bytes\n", (unsigned long long)used);
    CHECK(used == *(uint64_t *)bytes);
}

static void assert_used(uint64_t bytes)
{
    assert_int_equal(process_run(expect_used, &bytes), 0);
}

static void expect_content(void *fd)
{
    const unsigned char *bytes = memory_import(driver_start(), *(int *)fd, 8 * MIB, RO);
    CHECK(bytes[0] == 42 && bytes[8 * MIB - 1] == 42);
}

static void test_memory_outlives_its_creator_while_a_descriptor_is_held(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(process_run(make_send_and_die, scene), -SIGKILL);
    assert_used(8 * MIB); /* in a message under way */
    int fd = receive_fd(scene->mine);
    assert_used(8 * MIB);
    assert_int_equal(process_run(expect_content, &fd), 0);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    assert_int_equal(process_run(expect_content, &copy), 0);
    close(copy);
    assert_used(0);
}

/* Holds nothing but a mapping, until it is killed. */
static void hold_mapping(void *argument)
{
    struct scene *scene = argument;
    const struct hst_cuda_driver *driver = driver_start();
    int fd = receive_fd(scene->theirs);
    memory_import(driver, fd, 8 * MIB, RO);
    close(fd);
    send_fd(scene->theirs, open("/dev/null", O_RDONLY | O_CLOEXEC)); /* it is mapped now */
    pause();
}

static void test_memory_lives_as_long_as_a_mapping_and_dies_with_a_killed_process(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(process_run(make_and_send, scene), 0);
    pid_t holder = process_start(hold_mapping, scene);
    send_fd(scene->mine, receive_fd(scene->mine));
    close(receive_fd(scene->mine));
    assert_used(8 * MIB);
    kill(holder, SIGKILL);
    assert_int_equal(process_end(holder), -SIGKILL);
    assert_used(0);
}

static void fill_to_the_byte(void *argument)
{
    unsigned long long first = 0, second = 0, third = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 62 * MIB, &first) == 0 && memory_create(driver, 4 * MIB, &second) == HST_CU_OUT_OF_MEMORY);
    CHECK(memory_used(driver) == 62 * MIB && memory_create(driver, 2 * MIB, &second) == 0 && memory_used(driver) == 64 * MIB);
    CHECK(memory_create(driver, 2 * MIB, &third) == HST_CU_OUT_OF_MEMORY);
    CHECK(driver->cuMemRelease(second) == 0 && memory_used(driver) == 62 * MIB && memory_create(driver, 2 * MIB, &third) == 0);
    (void)argument;
}

static void test_a_card_is_full_to_the_byte_and_not_before(void **state)
{
    (void)state;
    assert_int_equal(process_run(fill_to_the_byte, NULL), 0);
    assert_used(0);
}

static void test_contexts_and_strangers_cost_what_they_are_said_to(void **state)
{
    struct scene *scene = *state;
    setenv("FAKECUDA_CONTEXT_BYTES", "3M", 1);
    assert_used(3 * MIB);
    machine_script(&scene->machine, "set others 1048576\n");
    assert_used(4 * MIB);
}

static void find_no_room_for_a_context(void *argument)
{
    void *context = NULL;
    const struct hst_cuda_driver *driver = NULL;
    CHECK(hst_cuda_driver_get(&driver, NULL) == HST_OK && driver->cuDevicePrimaryCtxRetain(&context, 0) == HST_CU_OUT_OF_MEMORY);
    (void)argument;
}

static void test_a_context_may_find_no_room(void **state)
{
    (void)state;
    setenv("FAKECUDA_CONTEXT_BYTES", "65M", 1);
    assert_int_equal(process_run(find_no_room_for_a_context, NULL), 0);
}

/* Maps what it is sent, reads it, and does as its name says. */
static unsigned char *map_shared(struct scene *scene, const struct hst_cuda_driver **ret_driver)
{
    *ret_driver = driver_start();
    int fd = receive_fd(scene->theirs);
    unsigned char *bytes = memory_import(*ret_driver, fd, 8 * MIB, RO);
    close(fd);
    CHECK(bytes[8 * MIB - 1] == 42);
    return bytes;
}

static void write_what_is_read_only(void *argument)
{
    const struct hst_cuda_driver *driver;
    *(volatile unsigned char *)map_shared(argument, &driver) = 1;
}

static void use_after_unmap(void *argument)
{
    const struct hst_cuda_driver *driver;
    volatile unsigned char *bytes = map_shared(argument, &driver);
    CHECK(driver->cuMemUnmap((uintptr_t)bytes, 8 * MIB) == 0);
    exit(*bytes);
}

static void use_after_free(void *argument)
{
    const struct hst_cuda_driver *driver;
    volatile unsigned char *bytes = map_shared(argument, &driver);
    CHECK(driver->cuMemUnmap((uintptr_t)bytes, 8 * MIB) == 0 && driver->cuMemAddressFree((uintptr_t)bytes, 8 * MIB) == 0);
    exit(*bytes);
}

static void copy_to_what_is_read_only(void *argument)
{
    const struct hst_cuda_driver *driver;
    static char zero[4096];
    size_t free_bytes, total;
    unsigned long long address = (uintptr_t)map_shared(argument, &driver);
    CHECK(driver->cuMemcpyHtoDAsync(address, zero, sizeof(zero), NULL) == HST_CU_ILLEGAL_ADDRESS);
    CHECK(driver->cuMemGetInfo(&free_bytes, &total) == HST_CU_ILLEGAL_ADDRESS && driver->cuCtxSynchronize() == HST_CU_ILLEGAL_ADDRESS);
}

static void test_a_fault_is_that_of_one_process_and_others_memory_is_untouched(void **state)
{
    struct scene *scene = *state;
    static void (*const offenders[])(void *) = {write_what_is_read_only, use_after_unmap, use_after_free, copy_to_what_is_read_only};
    static const int ends[] = {-SIGSEGV, -SIGSEGV, -SIGSEGV, 0};
    assert_int_equal(process_run(make_and_send, scene), 0);
    int fd = receive_fd(scene->mine);
    for (size_t i = 0; i < sizeof(offenders) / sizeof(offenders[0]); i++) {
        send_fd(scene->mine, fcntl(fd, F_DUPFD_CLOEXEC, 3));
        assert_int_equal(process_run(offenders[i], scene), ends[i]);
        assert_int_equal(process_run(expect_content, &fd), 0);
    }
    close(fd);
    assert_used(0);
}

static void refuse_sizes(void *argument)
{
    unsigned long long handle = 0, address = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 1 * MIB, &handle) == HST_CU_INVALID_VALUE && memory_create(driver, 0, &handle) == HST_CU_INVALID_VALUE);
    CHECK(driver->cuMemAddressReserve(&address, 3 * MIB, 0, 0, 0) == HST_CU_INVALID_VALUE);
    CHECK(memory_create(driver, 4 * MIB, &handle) == 0 && driver->cuMemAddressReserve(&address, 8 * MIB, 0, 0, 0) == 0 && address % (2 * MIB) == 0);
    CHECK(driver->cuMemMap(address, 4 * MIB, 2 * MIB, handle, 0) == HST_CU_INVALID_VALUE); /* an offset */
    CHECK(driver->cuMemMap(address, 6 * MIB, 0, handle, 0) == HST_CU_INVALID_VALUE);       /* more than there is */
    CHECK(driver->cuMemMap(address + 6 * MIB, 4 * MIB, 0, handle, 0) == HST_CU_INVALID_VALUE); /* beyond what is reserved */
    CHECK(driver->cuMemMap(address, 4 * MIB, 0, handle, 0) == 0 && driver->cuMemMap(address + 2 * MIB, 2 * MIB, 0, handle, 0) == 208);
    CHECK(driver->cuMemUnmap(address, 2 * MIB) == HST_CU_INVALID_VALUE && driver->cuMemUnmap(address, 8 * MIB) == HST_CU_INVALID_VALUE);
    CHECK(driver->cuMemAddressFree(address, 8 * MIB) == HST_CU_INVALID_VALUE); /* something is mapped there */
    (void)argument;
}

static void test_sizes_and_places_that_the_driver_does_not_take_are_refused(void **state)
{
    (void)state;
    assert_int_equal(process_run(refuse_sizes, NULL), 0);
}

static void follow_a_handle(void *argument)
{
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 2 * MIB, &handle) == 0);
    unsigned long long address = memory_map(driver, handle, 2 * MIB, RW);
    CHECK(driver->cuMemRelease(handle) == 0 && driver->cuMemRelease(handle) == HST_CU_INVALID_VALUE);
    memset((void *)(uintptr_t)address, 1, 2 * MIB);
    CHECK(memory_used(driver) == 2 * MIB && driver->cuMemUnmap(address, 2 * MIB) == 0 && memory_used(driver) == 0);
    CHECK(driver->cuMemAddressFree(address, 2 * MIB) == 0 && driver->cuMemAddressFree(address, 2 * MIB) == HST_CU_INVALID_VALUE);
    (void)argument;
}

static void test_memory_goes_with_its_last_mapping_when_its_handle_was_released(void **state)
{
    (void)state;
    assert_int_equal(process_run(follow_a_handle, NULL), 0);
}

static void import_strange_things(void *argument)
{
    const struct scene *scene = argument;
    char path[160];
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    snprintf(path, sizeof(path), "%s/c0-mem-not-made-here", scene->machine.folder);
    const int fds[] = {-1, 1000, open("/dev/null", O_RDWR | O_CLOEXEC), memfd_create("strange", MFD_CLOEXEC), open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                       scene->mine};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        CHECK(driver->cuMemImportFromShareableHandle(&handle, (void *)(uintptr_t)fds[i], HST_CU_HANDLE_POSIX_FD) == HST_CU_INVALID_HANDLE);
}

static void test_a_descriptor_of_something_else_is_no_memory(void **state)
{
    assert_int_equal(process_run(import_strange_things, *state), 0);
}

/* What cards this process sees: their last bytes of the uuid, as "0,1". */
static void expect_cards(void *expected)
{
    char seen[64] = "";
    int count = 0;
    const struct hst_cuda_driver *driver = NULL;
    CHECK(hst_cuda_driver_get(&driver, NULL) == HST_OK && driver->cuDeviceGetCount(&count) == 0);
    for (int i = 0; i < count; i++) {
        struct hst_cu_uuid uuid;
        CHECK(driver->cuDeviceGetUuid(&uuid, i) == 0);
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s%d", i > 0 ? "," : "", uuid.bytes[15]);
    }
    if (strcmp(seen, expected) != 0) fprintf(stderr, "it sees %s instead of %s\n", seen, (char *)expected);
    CHECK(strcmp(seen, expected) == 0);
}

static void test_a_process_sees_the_cards_that_its_environment_names(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"2,0", "2,0"}, {"1", "1"}, {"0,7,1", "0"}, {"GPU-fa4ec0da-0001-4d0b-81e5-5eedca4d0001,0", "1,0"}};
    setenv("FAKECUDA_DEVICES", "3", 1);
    assert_int_equal(process_run(expect_cards, "0,1,2"), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setenv("CUDA_VISIBLE_DEVICES", rows[i][0], 1);
        assert_int_equal(process_run(expect_cards, (void *)rows[i][1]), 0);
    }
}

static void use_another_card(void *argument)
{
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(memory_create(driver, 8 * MIB, &handle) == 0 && memory_used(driver) == 8 * MIB);
    send_fd(((struct scene *)argument)->theirs, memory_export(driver, handle));
}

static void import_from_a_card_that_is_not_seen(void *fd)
{
    unsigned long long handle = 0;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(driver->cuMemImportFromShareableHandle(&handle, (void *)(uintptr_t) * (int *)fd, HST_CU_HANDLE_POSIX_FD) == HST_CU_INVALID_DEVICE);
}

static void test_cards_have_memory_of_their_own(void **state)
{
    struct scene *scene = *state;
    setenv("FAKECUDA_DEVICES", "2", 1);
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    assert_int_equal(process_run(use_another_card, scene), 0);
    setenv("CUDA_VISIBLE_DEVICES", "0", 1);
    assert_used(0);
    int fd = receive_fd(scene->mine);
    assert_int_equal(process_run(import_from_a_card_that_is_not_seen, &fd), 0);
    close(fd);
}

static void fork_with_a_context(void *argument)
{
    unsigned long long handle = 0;
    void *context = NULL;
    const struct hst_cuda_driver *driver = driver_start();
    pid_t child = fork();
    if (child == 0)
        _exit(memory_create(driver, 2 * MIB, &handle) == HST_CU_NOT_INITIALIZED && driver->cuInit(0) == HST_CU_NOT_INITIALIZED &&
                      driver->cuCtxGetCurrent(&context) == HST_CU_NOT_INITIALIZED
                  ? 0
                  : 1);
    CHECK(process_end(child) == 0 && memory_create(driver, 2 * MIB, &handle) == 0);
    (void)argument;
}

static void test_a_forked_child_has_no_driver(void **state)
{
    (void)state;
    assert_int_equal(process_run(fork_with_a_context, NULL), 0);
}

static void fork_with_a_mapping(void *argument)
{
    const struct hst_cuda_driver *driver;
    volatile unsigned char *bytes = map_shared(argument, &driver);
    pid_t child = fork();
    if (child == 0) _exit(*bytes);
    CHECK(process_end(child) == -SIGSEGV && *bytes == 42);
}

static void test_a_forked_child_has_no_mapping_of_its_parents(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(process_run(make_and_send, scene), 0);
    send_fd(scene->mine, receive_fd(scene->mine));
    assert_int_equal(process_run(fork_with_a_mapping, scene), 0);
}

static void do_without_a_context(void *argument)
{
    unsigned long long handle = 0;
    size_t free_bytes, total;
    void *stream = NULL, *context = NULL;
    const struct hst_cuda_driver *driver = driver_start();
    CHECK(driver->cuCtxPopCurrent(&context) == 0 && context != NULL);
    CHECK(memory_create(driver, 2 * MIB, &handle) == HST_CU_INVALID_CONTEXT && driver->cuMemGetInfo(&free_bytes, &total) == HST_CU_INVALID_CONTEXT);
    CHECK(driver->cuStreamCreate(&stream, 0) == HST_CU_INVALID_CONTEXT && driver->cuCtxSynchronize() == HST_CU_INVALID_CONTEXT);
    CHECK(driver->cuCtxSetCurrent(context) == 0 && memory_create(driver, 2 * MIB, &handle) == 0);
    CHECK(driver->cuDevicePrimaryCtxRelease(0) == 0 && driver->cuDevicePrimaryCtxRelease(0) == HST_CU_INVALID_CONTEXT);
    CHECK(driver->cuMemGetInfo(&free_bytes, &total) == HST_CU_CONTEXT_DESTROYED);
    CHECK(driver->cuDevicePrimaryCtxRetain(&context, 0) == 0 && memory_used(driver) == 2 * MIB); /* memory is not a context's */
    (void)argument;
}

static void test_what_needs_a_context_says_so(void **state)
{
    (void)state;
    assert_int_equal(process_run(do_without_a_context, NULL), 0);
}

/* Several at once take and give back, 2 MiB at a time, and none may ever be refused what is there. */
static void take_and_give(void *argument)
{
    const struct hst_cuda_driver *driver = driver_start();
    for (int i = 0; i < 200; i++) {
        unsigned long long handle = 0;
        CHECK(memory_create(driver, 16 * MIB, &handle) == 0);
        uint64_t used = memory_used(driver);
        CHECK(used >= 16 * MIB && used <= 64 * MIB && driver->cuMemRelease(handle) == 0);
    }
    (void)argument;
}

static void test_processes_at_once_are_charged_for_what_they_have_and_no_more(void **state)
{
    (void)state;
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        pids[i] = process_start(take_and_give, NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(process_end(pids[i]), 0);
    assert_used(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_memory_outlives_its_creator_while_a_descriptor_is_held),
        TEST(test_memory_lives_as_long_as_a_mapping_and_dies_with_a_killed_process),
        TEST(test_a_card_is_full_to_the_byte_and_not_before),
        TEST(test_contexts_and_strangers_cost_what_they_are_said_to),
        TEST(test_a_context_may_find_no_room),
        TEST(test_a_fault_is_that_of_one_process_and_others_memory_is_untouched),
        TEST(test_sizes_and_places_that_the_driver_does_not_take_are_refused),
        TEST(test_memory_goes_with_its_last_mapping_when_its_handle_was_released),
        TEST(test_a_descriptor_of_something_else_is_no_memory),
        TEST(test_a_process_sees_the_cards_that_its_environment_names),
        TEST(test_cards_have_memory_of_their_own),
        TEST(test_a_forked_child_has_no_driver),
        TEST(test_a_forked_child_has_no_mapping_of_its_parents),
        TEST(test_what_needs_a_context_says_so),
        TEST(test_processes_at_once_are_charged_for_what_they_have_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
