/* Files go where a setting says, else where root's or the XDG folders are; with neither, the error says what to give. */
#include "cmocka_all.h"
#include "daemon/paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct hst_settings settings;
static char out[HST_PATH_MAX];

static void given(const char *key, const char *value)
{
    hst_settings_fini(&settings);
    assert_int_equal(hst_settings_add(&settings, (size_t)hst_settings_row(key), value, NULL), 0);
}

static void a_setting_wins(void **state)
{
    (void)state;
    given("socket", "/a/b.sock");
    assert_int_equal(hst_paths_socket(&settings, out, NULL), 0);
    assert_string_equal(out, "/a/b.sock");
    given("state", "/s");
    assert_int_equal(hst_paths_state(&settings, out, NULL), 0);
    assert_string_equal(out, "/s");
    given("python", "/p");
    assert_int_equal(hst_paths_python(&settings, out, NULL), 0);
    assert_string_equal(out, "/p");
}

static void root_has_fixed_places(void **state)
{
    (void)state;
    if (geteuid() != 0) skip();
    hst_settings_fini(&settings);
    assert_int_equal(hst_paths_socket(&settings, out, NULL), 0);
    assert_string_equal(out, "/run/hoist/hoist.sock");
    assert_int_equal(hst_paths_state(&settings, out, NULL), 0);
    assert_string_equal(out, "/var/lib/hoist");
}

/* As another user, in a child, so that the rest of the tests keeps its rights. */
static void others_use_the_xdg_folders(void **state)
{
    (void)state;
    hst_settings_fini(&settings);
    if (geteuid() == 0) assert_int_equal(seteuid(65534), 0);
    setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
    setenv("XDG_STATE_HOME", "not absolute", 1);
    setenv("HOME", "/home/x", 1);
    assert_int_equal(hst_paths_socket(&settings, out, NULL), 0);
    assert_string_equal(out, "/run/user/5/hoist/hoist.sock");
    assert_int_equal(hst_paths_state(&settings, out, NULL), 0);
    assert_string_equal(out, "/home/x/.local/state/hoist");
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_int_equal(hst_paths_state(&settings, out, NULL), 0);
    assert_string_equal(out, "/state/hoist");
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(hst_paths_socket(&settings, out, NULL), HST_E_CONFIG);
    assert_int_equal(hst_paths_state(&settings, out, NULL), HST_E_CONFIG);
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char *text = malloc(2 * HST_PATH_MAX);
    memset(text, 'x', 2 * HST_PATH_MAX - 1);
    text[2 * HST_PATH_MAX - 1] = '\0';
    given("socket", text);
    assert_int_equal(hst_paths_socket(&settings, out, NULL), HST_E_CONFIG);
    free(text);
    hst_settings_fini(&settings);
    assert_int_equal(hst_paths_python(&settings, out, NULL), 0);
    assert_non_null(strstr(out, "python3"));
}

static void hoist_scan_is_where_the_environment_says_or_beside_the_program(void **state)
{
    (void)state;
    struct hst_error err = {0};
    setenv("HOIST_SCAN", "/x/hoist-scan", 1);
    assert_int_equal(hst_paths_scan(out, NULL), 0);
    assert_string_equal(out, "/x/hoist-scan");
    setenv("HOIST_SCAN", "not absolute", 1);
    assert_int_equal(hst_paths_scan(out, &err), HST_E_CONFIG); /* this test lies beside none */
    assert_non_null(strstr(err.text, "hoist-scan"));
    unsetenv("HOIST_SCAN");
}

static void hoist_device_is_found_in_the_same_way(void **state)
{
    (void)state;
    struct hst_error err = {0};
    setenv("HOIST_DEVICE", "/x/hoist-device", 1);
    assert_int_equal(hst_paths_device(out, NULL), 0);
    assert_string_equal(out, "/x/hoist-device");
    unsetenv("HOIST_DEVICE");
    assert_int_equal(hst_paths_device(out, &err), HST_E_CONFIG);
    assert_non_null(strstr(err.text, "hoist-device"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setting_wins),
        cmocka_unit_test(root_has_fixed_places),
        cmocka_unit_test(others_use_the_xdg_folders),
        cmocka_unit_test(a_path_that_does_not_fit_is_refused),
        cmocka_unit_test(hoist_scan_is_where_the_environment_says_or_beside_the_program),
        cmocka_unit_test(hoist_device_is_found_in_the_same_way),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hst_settings_fini(&settings);
    return failed;
}
