/* ComfyUI's extra_model_paths.yaml, as its users have it. */
#include "cmocka_all.h"
#include "daemon/roots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
    char command[512];
    (void)state;
    strcpy(folder, "/tmp/hoist-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(command, sizeof command, "cd %s && mkdir -p ui/models/checkpoints ui/models/clip ui/models/text_encoders ui/custom_nodes other/vae home/loras", folder);
    return system(command);
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int read_text(const char *text, struct hst_roots *comfyui, struct hst_error *err)
{
    char path[128];
    snprintf(path, sizeof path, "%s/extra_model_paths.yaml", folder);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return hst_roots_read_comfyui(comfyui, path, err);
}

static void assert_folder(const struct hst_roots *comfyui, size_t i, const char *wanted)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, wanted);
    assert_true(i < comfyui->count);
    assert_string_equal(comfyui->folders[i], path);
}

static void folders_are_found_where_the_sections_say(void **state)
{
    struct hst_roots comfyui = {0};
    (void)state;
    setenv("HOME", folder, 1);
    assert_int_equal(read_text("# a comment\ncomfyui:\n  is_default: true\n  checkpoints: models/checkpoints\n  base_path: ui\n  custom_nodes: custom_nodes\n"
                               "  text_encoders: |\n    models/text_encoders\n    models/clip\n    models/missing\n\n"
                               "other:\n  base_path: other/\n  vae: vae\nempty:\nmine:\n  loras: ~/home/loras\n", &comfyui, NULL), 0);
    assert_int_equal(comfyui.count, 5);
    assert_folder(&comfyui, 0, "ui/models/checkpoints");
    assert_folder(&comfyui, 1, "ui/models/text_encoders");
    assert_folder(&comfyui, 2, "ui/models/clip");
    assert_folder(&comfyui, 3, "other//vae");
    assert_folder(&comfyui, 4, "home/loras");
    hst_roots_fini(&comfyui);
}

static void an_empty_file_has_no_folders(void **state)
{
    struct hst_roots comfyui = {0};
    (void)state;
    assert_int_equal(read_text("", &comfyui, NULL), 0);
    assert_int_equal(read_text("#nothing\n", &comfyui, NULL), 0);
    assert_int_equal(comfyui.count, 0);
}

static void what_it_cannot_mean_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *what;
    } cases[] = {{"a:\n  b: {c: d}\n", "line 2: a folder must be text"}, {"- a\n", "line 1: a list"}, {"text\n", "line 1: expected sections"},
                 {"a: [b\n", "line"}, {"a: &x\n  b: c\nd: *x\n", "line 3: aliases"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hst_roots comfyui = {0};
        struct hst_error err = {0};
        assert_int_equal(read_text(cases[i].text, &comfyui, &err), HST_E_CONFIG);
        assert_non_null(strstr(err.text, cases[i].what));
        hst_roots_fini(&comfyui);
    }
    struct hst_roots comfyui = {0};
    assert_int_equal(hst_roots_read_comfyui(&comfyui, "/no/such/file", NULL), HST_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_found_where_the_sections_say),
        cmocka_unit_test(an_empty_file_has_no_folders),
        cmocka_unit_test(what_it_cannot_mean_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
