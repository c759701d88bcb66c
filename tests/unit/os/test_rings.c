/* io_uring reads what pread reads, and when it fails, once or for good, somebody else does. */
#include "cmocka_all.h"
#include "faults.h"
#include "fds.h"
#include "os/file.h"
#include "os/rings.h"

#include <pthread.h>
#include <stdio.h>

#define MIB ((size_t)1048576)
#define FILE_BYTES (40 * MIB + 123) /* more blocks than a ring has room for, and half a page */
#define ROOM (41 * MIB)

static char path[] = "/var/tmp/hoist-rings-XXXXXX";
static char *wanted, *found;
static int direct_fd;

static int make_file(void **state)
{
    (void)state;
    struct hst_error err = {0};
    int fd = mkstemp(path);
    wanted = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    found = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < FILE_BYTES / 4; i++)
        ((unsigned *)wanted)[i] = (unsigned)(i * 2654435761u);
    if (fd < 0 || hst_file_write_all(fd, wanted, FILE_BYTES, &err) < 0) return -1;
    direct_fd = hst_file_reopen_direct(fd);
    close(fd);
    return direct_fd < 0 ? -1 : 0;
}

static int remove_file(void **state)
{
    (void)state;
    close(direct_fd);
    return unlink(path);
}

static void read_and_compare(struct hst_rings *rings, size_t offset, size_t length)
{
    memset(found, 0, length);
    assert_int_equal(hst_rings_read(rings, direct_fd, offset, found, length), HST_OK);
    assert_memory_equal(found, wanted + offset, length);
}

static void reads_what_lies_there(void **state)
{
    struct hst_rings *rings = NULL;
    (void)state;
    if (hst_rings_new(2, &rings, NULL) < 0) skip();
    read_and_compare(rings, 0, 4096);
    read_and_compare(rings, 4096, 1);
    read_and_compare(rings, 8192, MIB);
    read_and_compare(rings, 4096, 2 * MIB + 17);
    read_and_compare(rings, 0, FILE_BYTES);
    hst_rings_free(rings);
}

static void works_without_rings(void **state)
{
    (void)state;
    read_and_compare(NULL, 4096, FILE_BYTES - 4096);
    hst_rings_free(NULL);
}

static void a_file_that_ends_too_early_is_truncated(void **state)
{
    struct hst_rings *rings = NULL;
    (void)state;
    if (hst_rings_new(2, &rings, NULL) < 0) skip();
    assert_int_equal(hst_rings_read(rings, direct_fd, 40 * MIB, found, 8192), HST_E_TRUNCATED);
    assert_int_equal(hst_rings_read(rings, direct_fd, 40 * MIB, found, 124), HST_E_TRUNCATED);
    read_and_compare(rings, 0, 3 * MIB);
    hst_rings_free(rings);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    struct hst_rings *rings = NULL;
    int folder = open("/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)state;
    if (hst_rings_new(2, &rings, NULL) < 0) skip();
    assert_int_equal(hst_rings_read(rings, folder, 0, found, 8192), HST_E_IO);
    close(folder);
    hst_rings_free(rings);
}

/* Fail the n-th call of io_uring, and then the one after it, until a read gets through without. @return how many there were */
static int sweep(void (*begin)(enum fault_kind kind, int at))
{
    int at = 1, fds = count_fds();
    for (bool failed = true; failed; at++) {
        struct hst_rings *rings = NULL;
        begin(FAULT_RING, at);
        int status = hst_rings_new(1, &rings, NULL);
        read_and_compare(rings, 4096, 36 * MIB);
        failed = faults_end();
        assert_true(status == HST_OK || failed);
        read_and_compare(rings, 0, 8 * MIB); /* and goes on */
        hst_rings_free(rings);
        assert_int_equal(count_fds(), fds);
    }
    return at;
}

static void whichever_call_fails_the_bytes_come(void **state)
{
    (void)state;
    assert_true(sweep(faults_begin) > 10);
    assert_true(sweep(faults_begin_for_good) > 10);
}

static void *read_much(void *rings)
{
    char *target = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool good = true;
    for (size_t i = 0; i < 8; i++)
        good = good && hst_rings_read(rings, direct_fd, i * 4 * MIB, target, 4 * MIB) == HST_OK && memcmp(target, wanted + i * 4 * MIB, 4 * MIB) == 0;
    munmap(target, 4 * MIB);
    return good ? rings : NULL;
}

static void many_threads_share_a_few_rings(void **state)
{
    struct hst_rings *rings = NULL;
    pthread_t threads[6];
    void *result;
    (void)state;
    if (hst_rings_new(2, &rings, NULL) < 0) skip();
    for (size_t i = 0; i < 6; i++)
        pthread_create(&threads[i], NULL, read_much, rings);
    for (size_t i = 0; i < 6; i++) {
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, rings);
    }
    hst_rings_free(rings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_lies_there),
        cmocka_unit_test(works_without_rings),
        cmocka_unit_test(a_file_that_ends_too_early_is_truncated),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
        cmocka_unit_test(whichever_call_fails_the_bytes_come),
        cmocka_unit_test(many_threads_share_a_few_rings),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
