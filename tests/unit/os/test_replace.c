/* A file takes another's place whole, with its mode, and leaves nothing behind when it does not. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "os/folder.h"
#include "os/replace.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hoist-replace-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/a", folder);
    return hst_file_replace(path, "old content", 11, NULL) < 0 || chmod(path, 0640) < 0;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static bool yes(void *context)
{
    (void)context;
    return true;
}

static bool no(void *context)
{
    (void)context;
    return false;
}

static int count_entry(void *context, const char *name, enum hst_entry_kind kind)
{
    (void)name, (void)kind;
    ++*(int *)context;
    return 0;
}

static int entries(void)
{
    int count = 0;
    HST_AUTO(hst_closep) int fd = hst_folder_open(folder, NULL);
    assert_int_equal(hst_folder_list(fd, count_entry, &count, NULL), 0);
    return count;
}

static void assert_content(const char *expected)
{
    char bytes[64] = {0};
    struct hst_file_id id;
    HST_AUTO(hst_closep) int fd = hst_file_open(path, &id, NULL);
    assert_int_equal(hst_file_read_at(fd, 0, bytes, id.size_bytes, NULL), 0);
    assert_string_equal(bytes, expected);
}

static void a_new_file_takes_over_name_and_mode_and_the_old_one_lives_on(void **state)
{
    struct hst_file_id id;
    struct stat st;
    char old[11];
    (void)state;
    HST_AUTO(hst_closep) int held = hst_file_open(path, &id, NULL);
    HST_AUTO(hst_replace_fini) struct hst_replace replace = {0};
    assert_int_equal(hst_replace_begin(&replace, path, path, NULL), 0);
    assert_int_equal(hst_file_write_all(replace.fd, "new ", 4, NULL), 0);
    assert_int_equal(hst_replace_add_from(&replace, held, 4, 7, yes, NULL, NULL), 0);
    assert_content("old content");
    assert_int_equal(hst_replace_commit(&replace, NULL), 0);
    assert_content("new content");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(hst_file_read_at(held, 0, old, 11, NULL), 0);
    assert_memory_equal(old, "old content", 11);
    assert_int_equal(entries(), 1);
}

static void what_is_given_up_leaves_nothing(void **state)
{
    struct hst_file_id id;
    (void)state;
    HST_AUTO(hst_closep) int held = hst_file_open(path, &id, NULL);
    struct hst_replace replace = {0};
    hst_replace_fini(&replace);
    assert_int_equal(hst_replace_begin(&replace, path, path, NULL), 0);
    assert_int_equal(hst_replace_add_from(&replace, held, 0, 11, no, NULL, NULL), HST_E_SHUTTING_DOWN);
    assert_int_equal(hst_replace_add_from(&replace, held, 0, 12, yes, NULL, NULL), HST_E_TRUNCATED);
    hst_replace_fini(&replace);
    assert_content("old content");
    assert_int_equal(entries(), 1);
}

static void links_and_folders_are_not_replaced(void **state)
{
    char name[128];
    struct hst_replace replace = {0};
    (void)state;
    snprintf(name, sizeof name, "%s/link", folder);
    assert_int_equal(symlink("a", name), 0);
    assert_int_equal(hst_replace_begin(&replace, name, name, NULL), HST_E_INCOMPATIBLE);
    assert_int_equal(hst_replace_begin(&replace, folder, folder, NULL), HST_E_INVALID_FILE);
    snprintf(name, sizeof name, "%s/none/x", folder);
    assert_int_equal(hst_replace_begin(&replace, name, path, NULL), HST_E_FILE_MISSING);
}

static void a_file_that_is_new_has_the_mode_of_its_neighbour(void **state)
{
    char name[128];
    struct stat st;
    (void)state;
    snprintf(name, sizeof name, "%s/b", folder);
    HST_AUTO(hst_replace_fini) struct hst_replace replace = {0};
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(hst_replace_begin(&replace, name, path, NULL), 0);
    assert_int_equal(hst_replace_commit(&replace, NULL), 0);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_file_takes_over_name_and_mode_and_the_old_one_lives_on, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_given_up_leaves_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(links_and_folders_are_not_replaced, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_is_new_has_the_mode_of_its_neighbour, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
