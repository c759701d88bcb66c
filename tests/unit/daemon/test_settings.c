/* Settings come from defaults, the file and the flags, in rising order; what is wrong is named with its line. */
#include "cmocka_all.h"
#include "daemon/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char file[] = "/tmp/hoist-settings-XXXXXX";
static struct hst_settings settings;

static int parse(const char *yaml, const char *flag, struct hst_error *err)
{
    char *argv[] = {"hoistd", "--config", file, (char *)flag};
    FILE *out = fopen(file, "w");
    fputs(yaml, out);
    fclose(out);
    hst_settings_fini(&settings);
    return hst_settings_parse(&settings, flag != NULL ? 4 : 3, argv, err);
}

static void flags_win_over_the_file_and_the_file_over_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse("ram: 24G\nlog: debug\nmodels:\n  - /a\n  - /b\nworkers: off\n", "--log=warn", NULL), 0);
    assert_string_equal(hst_settings_get(&settings, "ram"), "24G");
    assert_string_equal(hst_settings_get(&settings, "log"), "warn");
    assert_string_equal(hst_settings_get(&settings, "listen"), "127.0.0.1:8420");
    assert_null(hst_settings_get(&settings, "socket"));
    assert_int_equal(hst_settings_list(&settings, "models")->count, 2);
    assert_string_equal(hst_settings_list(&settings, "models")->values[1], "/b");
    assert_false(hst_settings_on(&settings, "workers"));
}

static void names_the_line_and_the_nearest_key(void **state)
{
    (void)state;
    struct hst_error err = {0};
    assert_int_equal(parse("ram: 1G\nmodel: /a\n", NULL, &err), HST_E_CONFIG);
    assert_non_null(strstr(err.text, "line 2: unknown key 'model'; the nearest valid key is 'models'"));
    assert_int_equal(parse("lisen: off\n", NULL, &err), HST_E_CONFIG);
    assert_non_null(strstr(err.text, "'listen'"));
    assert_int_equal(parse("config: /etc/x\n", NULL, &err), HST_E_CONFIG);
}

static void refuses_yaml_that_is_no_list_of_settings(void **state)
{
    (void)state;
    const char *bad[] = {"- a\n", "just text\n", "ram: {a: b}\n", "models: [[a]]\n", "ram: [\n", "ram: &x 1\nlog: *x\n", "? [a]\n: b\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct hst_error err = {0};
        assert_int_equal(parse(bad[i], NULL, &err), HST_E_CONFIG);
        assert_non_null(strstr(err.text, "line "));
    }
    assert_int_equal(parse("", NULL, NULL), 0);
}

static void refuses_flags_it_does_not_know(void **state)
{
    (void)state;
    const char *bad[] = {"--nonsense", "ram", "--ram", "--no-workers=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse("", bad[i], NULL), HST_E_CONFIG);
    assert_int_equal(parse("", "--no-workers", NULL), 0);
    assert_false(hst_settings_on(&settings, "workers"));
    assert_int_equal(hst_settings_read_file(&settings, "/nonexistent/hoist.yaml", NULL), HST_E_CONFIG);
}

static void limits_how_often_a_setting_is_given(void **state)
{
    (void)state;
    char yaml[4096] = "models:\n";
    for (unsigned i = 0; i <= HST_SETTING_VALUES_MAX; i++)
        strcat(yaml, "  - /a\n");
    assert_int_equal(parse(yaml, NULL, NULL), HST_E_CONFIG);
}

static void the_help_names_every_flag(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    hst_settings_help(out);
    fclose(out);
    const char *flags[] = {"--models DIR", "--socket PATH", "--listen HOST:PORT|off", "--no-workers", "(default: auto)"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        assert_non_null(strstr(text, flags[i]));
    free(text);
}

static int teardown(void **state)
{
    (void)state;
    hst_settings_fini(&settings);
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_win_over_the_file_and_the_file_over_defaults),
        cmocka_unit_test(names_the_line_and_the_nearest_key),
        cmocka_unit_test(refuses_yaml_that_is_no_list_of_settings),
        cmocka_unit_test(refuses_flags_it_does_not_know),
        cmocka_unit_test(limits_how_often_a_setting_is_given),
        cmocka_unit_test(the_help_names_every_flag),
    };
    close(mkstemp(file));
    return cmocka_run_group_tests(tests, NULL, teardown);
}
