/* Files are opened without blocking, identified by content, and never outside the folder they belong to. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "os/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64];
static char path[128];

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    struct hst_error err = {0};
    snprintf(folder, sizeof folder, "/tmp/hoist-file-XXXXXX");
    return mkdtemp(folder) == NULL || hst_file_replace(in_folder("a"), "hello", 5, &err) < 0;
}

static void replaces_and_reads_whole_files(void **state)
{
    (void)state;
    struct hst_file_id before, after;
    char bytes[5];
    HST_AUTO(hst_closep) int fd = hst_file_open(in_folder("a"), &before, NULL);
    assert_true(fd >= 0);
    assert_int_equal(hst_file_read_at(fd, 0, bytes, 5, NULL), 0);
    assert_memory_equal(bytes, "hello", 5);
    struct hst_error err = {0};
    assert_int_equal(hst_file_read_at(fd, 3, bytes, 5, &err), HST_E_TRUNCATED);
    assert_int_equal(err.offset, 5);
    assert_int_equal(hst_file_replace(in_folder("a"), "world", 5, NULL), 0);
    HST_AUTO(hst_closep) __attribute__((unused)) int again = hst_file_open(in_folder("a"), &after, NULL);
    assert_false(hst_file_id_equal(&before, &after));
    assert_int_equal(hst_file_identify(fd, &after, NULL), 0);
    assert_int_equal(before.inode, after.inode);
}

static void refuses_what_is_no_regular_file_without_blocking(void **state)
{
    (void)state;
    struct hst_file_id id;
    mkfifo(in_folder("fifo"), 0600);
    assert_int_equal(hst_file_open(path, &id, NULL), HST_E_INVALID_FILE);
    assert_int_equal(hst_file_open(folder, &id, NULL), HST_E_INVALID_FILE);
    assert_int_equal(hst_file_open(in_folder("none"), &id, NULL), HST_E_FILE_MISSING);
    assert_int_equal(hst_file_open(in_folder("a/b"), &id, NULL), HST_E_FILE_MISSING);
}

static void never_opens_outside_the_folder(void **state)
{
    (void)state;
    struct hst_file_id id;
    assert_int_equal(symlink("/etc/passwd", in_folder("out")), 0);
    assert_int_equal(symlink("a", in_folder("in")), 0);
    HST_AUTO(hst_closep) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *bad[] = {"../a", "/etc/passwd", "x/../../a", "", "out", ".."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(hst_file_open_beneath(dir, bad[i], &id, NULL), HST_E_INVALID_FILE);
    HST_AUTO(hst_closep) int good = hst_file_open_beneath(dir, "in", &id, NULL);
    assert_true(good >= 0);
}

static void makes_folders_once(void **state)
{
    (void)state;
    assert_int_equal(hst_file_mkdirs(in_folder("x/y/z"), 0700, NULL), 0);
    assert_int_equal(hst_file_mkdirs(in_folder("x/y/z"), 0700, NULL), 0);
    assert_int_equal(hst_file_mkdirs(in_folder("a/y"), 0700, NULL), HST_E_IO);
    assert_int_equal(hst_file_mkdirs(in_folder("fifo"), 0700, NULL), HST_E_IO);
    char lengthy[5000];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    assert_int_equal(hst_file_mkdirs(lengthy, 0700, NULL), HST_E_INVALID_ARGUMENT);
    assert_int_equal(hst_file_replace(lengthy, "", 0, NULL), HST_E_INVALID_ARGUMENT);
}

static void says_why_writing_failed_and_leaves_nothing(void **state)
{
    (void)state;
    HST_AUTO(hst_closep) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(hst_file_write_all(full, "x", 1, NULL), HST_E_NO_SPACE);
    assert_int_equal(hst_file_replace(in_folder("none/b"), "x", 1, NULL), HST_E_FILE_MISSING);
    assert_int_equal(hst_file_replace(in_folder("x"), "x", 1, NULL), HST_E_IO);
}

static void what_is_in_memory_is_read_without_a_disk(void **state)
{
    (void)state;
    char bytes[8192];
    assert_int_equal(hst_file_replace(in_folder("warm"), bytes, 5000, NULL), 0);
    HST_AUTO(hst_closep) int fd = open(in_folder("warm"), O_RDONLY | O_CLOEXEC);
    size_t got = hst_file_read_cached(fd, 4000, bytes, sizeof bytes);
    assert_true(got == 1000 || got == 0); /* 0 where the file system does not tell */
    assert_int_equal(hst_file_read_cached(fd, 5000, bytes, sizeof bytes), 0);
    assert_int_equal(hst_file_read_cached(-1, 0, bytes, sizeof bytes), 0);
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_and_reads_whole_files),
        cmocka_unit_test(refuses_what_is_no_regular_file_without_blocking),
        cmocka_unit_test(never_opens_outside_the_folder),
        cmocka_unit_test(makes_folders_once),
        cmocka_unit_test(what_is_in_memory_is_read_without_a_disk),
        cmocka_unit_test(says_why_writing_failed_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
