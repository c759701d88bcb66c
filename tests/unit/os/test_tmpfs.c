/* The tmpfs of our own: huge pages, a budget that holds, and descriptors that nobody can write through. */
#include "cmocka_all.h"
#include "os/tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB UINT64_C(1048576)
enum { NOBODY = 65534 };

/* The field of our smaps of this name, over all mappings, in KiB. */
static unsigned long sum_of(const char *name)
{
    char line[512];
    unsigned long sum = 0;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    while (fgets(line, sizeof line, smaps) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) sum += strtoul(line + strlen(name), NULL, 10);
    fclose(smaps);
    return sum;
}

static void a_file_is_made_of_huge_pages_as_far_as_it_is_large(void **state)
{
    struct hst_tmpfs tmpfs;
    struct hst_memfd memory;
    (void)state;
    if (hst_tmpfs_new(64 * MIB, &tmpfs, NULL) < 0) skip();
    assert_int_equal(hst_tmpfs_file(&tmpfs, 9 * MIB + 4096, &memory, NULL), 0);
    memset(memory.address, 1, memory.size_bytes);
    if (sum_of("ShmemPmdMapped:") > 0) assert_int_equal(sum_of("ShmemPmdMapped:"), 8 * 1024);
    struct stat st;
    assert_int_equal(fstat(memory.fd, &st), 0);
    assert_int_equal(st.st_size, 9 * MIB + 4096);
    assert_int_equal(st.st_blocks * 512, 9 * MIB + 4096);
    hst_memfd_fini(&memory);
    hst_tmpfs_fini(&tmpfs);
}

static void what_is_handed_out_cannot_be_written(void **state)
{
    struct hst_tmpfs tmpfs;
    struct hst_memfd memory;
    char path[64];
    (void)state;
    if (hst_tmpfs_new(64 * MIB, &tmpfs, NULL) < 0) skip();
    assert_int_equal(hst_tmpfs_file(&tmpfs, 4096, &memory, NULL), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory.fd);
    assert_int_equal(open(path, O_RDWR | O_CLOEXEC), -1);
    assert_int_equal(errno, EROFS);
    assert_int_equal(fchmod(memory.fd, 0777), -1);
    assert_int_equal(write(memory.fd, "x", 1), -1);
    assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0) == MAP_FAILED);
    ((char *)memory.address)[0] = 'a';
    char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory.fd, 0);
    assert_int_equal(mapped[0], 'a');
    munmap(mapped, 4096);
    hst_memfd_fini(&memory);
    hst_tmpfs_fini(&tmpfs);
}

static void the_budget_holds_and_comes_back(void **state)
{
    struct hst_tmpfs tmpfs;
    struct hst_memfd first, second;
    struct hst_error err = {0};
    (void)state;
    if (hst_tmpfs_new(16 * MIB, &tmpfs, NULL) < 0) skip();
    assert_int_equal(hst_tmpfs_file(&tmpfs, 10 * MIB, &first, NULL), 0);
    assert_int_equal(hst_tmpfs_file(&tmpfs, 10 * MIB, &second, &err), HST_E_OUT_OF_RAM);
    assert_int_equal(err.required_bytes, 10 * MIB);
    assert_int_equal(hst_tmpfs_file(&tmpfs, 7 * MIB, &second, &err), HST_E_OUT_OF_RAM);
    hst_memfd_fini(&first);
    assert_int_equal(hst_tmpfs_file(&tmpfs, 10 * MIB, &second, NULL), 0);
    hst_memfd_fini(&second);
    hst_tmpfs_fini(&tmpfs);
}

static void an_ordinary_user_may_have_one_too(void **state)
{
    (void)state;
    if (geteuid() != 0) skip();
    pid_t child = fork();
    if (child == 0) {
        struct hst_tmpfs tmpfs;
        struct hst_memfd memory;
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0) _exit(2);
        if (hst_tmpfs_new(16 * MIB, &tmpfs, NULL) < 0) _exit(3);
        _exit(hst_tmpfs_file(&tmpfs, 4 * MIB, &memory, NULL) == 0 ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) == 3) skip(); /* this machine lets ordinary users have no user namespaces */
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_of_huge_pages_as_far_as_it_is_large),
        cmocka_unit_test(what_is_handed_out_cannot_be_written),
        cmocka_unit_test(the_budget_holds_and_comes_back),
        cmocka_unit_test(an_ordinary_user_may_have_one_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
