/* What a keeper does with files: locked is what it says, and no truncated file kills it. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "keeper/items.h"
#include "os/filelease.h"
#include "fds.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB (1ull << 20)

static unsigned long locked_kb(void)
{
    char line[256];
    unsigned long kb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmLck: %lu", &kb) == 1) break;
    fclose(file);
    return kb;
}

/* Sanitizers make mlock(2) do nothing. */
static void need_locks(void)
{
    static char page[8192];
    mlock(page, sizeof page);
    bool real = locked_kb() > 0;
    munlock(page, sizeof page);
    if (!real) skip();
}

static int file_of(uint64_t size_bytes)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
    return fd;
}

static int start(void **state)
{
    static struct hst_items items;
    hst_items_init(&items);
    *state = &items;
    return 0;
}

static int end(void **state)
{
    hst_items_fini(*state);
    assert_int_equal(locked_kb(), 0);
    return 0;
}

static void put(struct hst_items *items, uint64_t id, uint64_t size_bytes)
{
    struct hst_kept given = {.id = id, .fds = {file_of(size_bytes)}, .fd_count = 1};
    assert_int_equal(hst_items_put(items, &given, NULL), 0);
    assert_int_equal(given.fd_count, 0);
}

static const struct hst_kept *first_of(const struct hst_items *items)
{
    return hst_container_of(items->all.next, struct hst_kept, node);
}

static void locked_is_locked_and_unlocked_is_not(void **state)
{
    bool locked = false;
    need_locks();
    put(*state, 1, 4 * MIB);
    assert_int_equal(hst_items_lock(*state, 1, &(struct hst_keeper_range){0, 2 * MIB}, &locked, NULL), 0);
    assert_true(locked);
    assert_int_equal(locked_kb(), 2048);
    assert_int_equal(hst_items_unlock(*state, 1, &(struct hst_keeper_range){MIB, MIB}, NULL), 0);
    assert_int_equal(locked_kb(), 1024);
    hst_items_drop(*state, 1);
    assert_int_equal(locked_kb(), 0);
    hst_items_drop(*state, 1);
}

static void beyond_the_limit_nothing_of_a_range_is_locked(void **state)
{
    struct rlimit old, small = {MIB, 0};
    bool locked = true;
    need_locks();
    put(*state, 1, 4 * MIB);
    getrlimit(RLIMIT_MEMLOCK, &old);
    small.rlim_max = old.rlim_max;
    if (geteuid() == 0) assert_int_equal(seteuid(65534), 0); /* root has no limit */
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &small), 0);
    int status = hst_items_lock(*state, 1, &(struct hst_keeper_range){0, 2 * MIB}, &locked, NULL);
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
    setrlimit(RLIMIT_MEMLOCK, &old);
    assert_int_equal(status, 0);
    assert_false(locked);
    assert_int_equal(locked_kb(), 0);
    assert_int_equal(first_of(*state)->locked.count, 0);
}

static void a_file_that_was_truncated_is_not_locked_and_kills_nobody(void **state)
{
    need_locks();
    HST_AUTO(hst_closep) int fd = file_of(4 * MIB);
    struct hst_kept given = {.id = 1, .fds = {dup(fd)}, .fd_count = 1};
    bool locked = false;
    assert_int_equal(hst_items_put(*state, &given, NULL), 0);
    assert_int_equal(hst_items_lock(*state, 1, &(struct hst_keeper_range){0, MIB}, &locked, NULL), 0);
    assert_true(locked);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(hst_items_lock(*state, 1, &(struct hst_keeper_range){2 * MIB, MIB}, &locked, NULL), 0);
    assert_false(locked);
    assert_int_equal(first_of(*state)->locked.count, 1);
    assert_int_equal(hst_items_unlock(*state, 1, &(struct hst_keeper_range){0, MIB}, NULL), 0);
    assert_int_equal(locked_kb(), 0);
}

static void ranges_that_are_none_are_refused(void **state)
{
    static const struct hst_keeper_range wrong[] = {{1, 4096}, {0, 1}, {0, 8 * MIB}, {UINT64_MAX - 4095, 4096}, {4096, UINT64_MAX - 4095}};
    bool locked;
    put(*state, 1, 4 * MIB);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(hst_items_lock(*state, 1, &wrong[i], &locked, NULL), HST_E_INVALID_ARGUMENT);
        assert_int_equal(hst_items_unlock(*state, 1, &wrong[i], NULL), HST_E_INVALID_ARGUMENT);
    }
    assert_int_equal(hst_items_lock(*state, 2, &(struct hst_keeper_range){0, 4096}, &locked, NULL), HST_E_NOT_FOUND);
}

static void what_cannot_be_mapped_is_refused(void **state)
{
    int ends[2];
    bool locked;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct hst_kept pipe = {.id = 1, .fds = {ends[0]}, .fd_count = 1}, none = {.id = 2};
    assert_int_equal(hst_items_put(*state, &pipe, NULL), 0);
    assert_int_equal(hst_items_put(*state, &none, NULL), 0);
    put(*state, 3, 0);
    for (uint64_t id = 1; id <= 3; id++)
        assert_true(hst_items_lock(*state, id, &(struct hst_keeper_range){0, 4096}, &locked, NULL) < 0);
    close(ends[1]);
}

static void a_new_blob_leaves_files_and_locks_and_a_new_file_does_not(void **state)
{
    struct hst_items *items = *state;
    int before = count_fds();
    bool locked;
    need_locks();
    put(items, 1, MIB);
    assert_int_equal(hst_items_lock(items, 1, &(struct hst_keeper_range){0, MIB}, &locked, NULL), 0);
    struct hst_kept words = {.id = 1, .kind = 5, .blob = strdup("words"), .blob_bytes = 5}, file = {.id = 1, .fds = {file_of(5)}, .fd_count = 1, .blob_in_file = true, .blob_bytes = 5};
    assert_int_equal(hst_items_put(items, &words, NULL), 0);
    assert_int_equal(locked_kb(), 1024);
    assert_int_equal(hst_items_put(items, &file, NULL), 0);
    assert_int_equal(locked_kb(), 1024);
    assert_int_equal(count_fds(), before + 2);
    words = (struct hst_kept){.id = 1, .blob = strdup("again"), .blob_bytes = 5};
    assert_int_equal(hst_items_put(items, &words, NULL), 0);
    assert_int_equal(count_fds(), before + 1);
    put(items, 1, 2 * MIB);
    assert_int_equal(locked_kb(), 0);
    assert_int_equal(count_fds(), before + 1);
    assert_int_equal(items->by_id.count, 1);
}

static void a_writer_does_not_wait_for_a_hoistd_that_is_gone(void **state)
{
    char path[] = "/tmp/hoist-lease-XXXXXX";
    HST_AUTO(hst_closep) int made = mkstemp(path);
    hst_closep(&made);
    HST_AUTO(hst_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    signal(SIGIO, SIG_IGN);
    if (!hst_filelease_take(fd)) {
        unlink(path);
        skip(); /* no leases on this file system */
    }
    struct hst_kept given = {.id = 1, .fds = {dup(fd)}, .fd_count = 1};
    assert_int_equal(hst_items_put(*state, &given, NULL), 0);
    hst_closep(&fd);
    assert_int_equal(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1); /* the copy keeps the lease */
    hst_items_release_leases(*state);
    HST_AUTO(hst_closep) int writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    unlink(path);
    assert_true(writer >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(locked_is_locked_and_unlocked_is_not), TEST(beyond_the_limit_nothing_of_a_range_is_locked),
                                       TEST(a_file_that_was_truncated_is_not_locked_and_kills_nobody), TEST(ranges_that_are_none_are_refused),
                                       TEST(what_cannot_be_mapped_is_refused), TEST(a_new_blob_leaves_files_and_locks_and_a_new_file_does_not),
                                       TEST(a_writer_does_not_wait_for_a_hoistd_that_is_gone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
