/* The cache of huggingface_hub: what its paths say, and which of its links are opened. */
#include "identify/folders.h"
#include "model/hub.h"
#include "cmocka_all.h"
#include "os/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SNAPSHOT "/hub/models--org--the-name/snapshots/abc"

static void paths_say_repository_and_rest(void **state)
{
    struct hst_hub hub;
    (void)state;
    assert_true(hst_hub_of(SNAPSHOT "/unet/x.safetensors", &hub));
    assert_string_equal(hub.repository, "org/the-name");
    assert_string_equal(hub.rest, "unet/x.safetensors");
    assert_int_equal(hub.snapshot, strlen(SNAPSHOT));
    assert_true(hst_hub_of(SNAPSHOT, &hub));
    assert_string_equal(hub.rest, "");
    assert_true(hst_hub_of("/a/snapshots/b/models--gpt2/snapshots/r/m.gguf", &hub));
    assert_string_equal(hub.repository, "gpt2");
    assert_true(hst_hub_of("/hub/models--a--b--c/snapshots/r", &hub));
    assert_string_equal(hub.repository, "a/b--c");
}

static void other_paths_say_nothing(void **state)
{
    static const char *const paths[] = {"", "/", "/models--a--b", "/models--a--b/snapshots", "/models--a--b/snapshots/", "/x/snapshots/r/m.gguf", "/models--a--b/blobs/x"};
    struct hst_hub hub;
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_false(hst_hub_of(paths[i], &hub));
}

static void files_with_names_that_all_have_are_named_by_their_repository(void **state)
{
    struct hst_hub hub;
    (void)state;
    assert_string_equal(hst_hub_name(SNAPSHOT, &hub), "the-name");
    assert_string_equal(hst_hub_name(SNAPSHOT "/model.safetensors", &hub), "the-name");
    assert_string_equal(hst_hub_name(SNAPSHOT "/pytorch_lora_weights.safetensors", &hub), "the-name");
    assert_null(hst_hub_name(SNAPSHOT "/Q4_K_M.gguf", &hub));
    assert_null(hst_hub_name("/elsewhere/model.safetensors", &hub));
}

struct scene {
    char folder[64];
    char snapshot[128];
};

static void run(const struct scene *scene, const char *format)
{
    char command[1024], script[512];
    snprintf(script, sizeof script, format, "models--o--n");
    snprintf(command, sizeof command, "cd %s && %s", scene->folder, script);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    strcpy(scene->folder, "/tmp/hoist-test-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    snprintf(scene->snapshot, sizeof scene->snapshot, "%s/models--o--n/snapshots/r", scene->folder);
    run(scene, "mkdir -p %s && cd models--o--n && mkdir -p blobs refs snapshots/r/sub && echo content > blobs/hash && ln -s ../../blobs/hash snapshots/r/good "
               "&& ln -s ../../../blobs/hash snapshots/r/sub/good");
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    run(scene, "rm -r ../$(basename $PWD) # %s");
    free(scene);
    return 0;
}

static int open_in(const struct scene *scene, const char *path)
{
    struct hst_file_id id;
    int dir_fd = hst_folder_open(scene->snapshot, NULL), fd = hst_file_open_beneath(dir_fd, path, &id, NULL);
    close(dir_fd);
    if (fd < 0) return fd;
    assert_int_equal(id.size_bytes, 8);
    close(fd);
    return 0;
}

static void links_to_its_own_blobs_are_opened(void **state)
{
    assert_int_equal(open_in(*state, "good"), 0);
    assert_int_equal(open_in(*state, "sub/good"), 0);
}

static void other_links_are_not(void **state)
{
    static const char *const targets[] = {"/etc/passwd", "../../refs/main", "../../blobs/../refs/main", "../blobs/hash", "../../../blobs/hash",
                                          "../../blobs/chain", "../../blobs/.", "../../blobs/", "../../../models--o--n/blobs/hash", "link"};
    struct scene *scene = *state;
    char link[256];
    run(scene, "cd %s && echo content > refs/main && ln -s hash blobs/chain");
    snprintf(link, sizeof link, "%s/link", scene->snapshot);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_int_equal(symlink(targets[i], link), 0);
        assert_int_equal(open_in(scene, "link"), HST_E_INVALID_FILE);
        unlink(link);
    }
    assert_int_equal(symlink("../../blobs/nothing", link), 0);
    assert_int_equal(open_in(scene, "link"), HST_E_FILE_MISSING);
}

static void nor_is_any_when_the_folder_is_no_snapshot(void **state)
{
    struct scene *scene = *state;
    run(scene, "cd %s && mv snapshots revisions");
    snprintf(scene->snapshot, sizeof scene->snapshot, "%s/models--o--n/revisions/r", scene->folder);
    assert_int_equal(open_in(scene, "good"), HST_E_INVALID_FILE);
    run(scene, "cd %s && mv revisions snapshots && mv blobs elsewhere && ln -s elsewhere blobs");
    snprintf(scene->snapshot, sizeof scene->snapshot, "%s/models--o--n/snapshots/r", scene->folder);
    assert_int_equal(open_in(scene, "good"), HST_E_INVALID_FILE);
}

static void main_is_what_the_reference_names_if_it_is_there(void **state)
{
    static const char *const wrong[] = {"../../x", ".", "..", "/etc", "", "gone", "r/sub", "\n"};
    struct scene *scene = *state;
    char path[256], revision[256];
    snprintf(path, sizeof path, "%s/models--o--n", scene->folder);
    int dir_fd = hst_folder_open(path, NULL);
    assert_true(hst_hub_is_repository(path, dir_fd));
    assert_false(hst_hub_main(dir_fd, revision));
    run(scene, "cd %s && echo r > refs/main");
    assert_true(hst_hub_main(dir_fd, revision));
    assert_string_equal(revision, "r");
    strcat(path, "/refs/main");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        FILE *file = fopen(path, "w");
        fputs(wrong[i], file);
        fclose(file);
        assert_false(hst_hub_main(dir_fd, revision));
    }
    close(dir_fd);
}

static const char *hint_of(const char *path, const char *key)
{
    static char value[64];
    struct hst_model *model;
    assert_int_equal(hst_draft_new(path, "", &model, NULL), 0);
    assert_int_equal(hst_folders_note(model, NULL), 0);
    value[0] = '\0';
    for (size_t i = 0; i < model->hint_count; i++)
        if (strcmp(model->hints[i].key, key) == 0 && model->hints[i].source == HST_HINT_FOLDER) strcpy(value, model->hints[i].value);
    hst_model_unref(model);
    return value;
}

static void folders_of_the_usual_programs_say_the_type(void **state)
{
    (void)state;
    assert_string_equal(hint_of("/ComfyUI/models/loras/style/x.safetensors", "type"), "lora");
    assert_string_equal(hint_of("/webui/models/Stable-diffusion/x.ckpt", "type"), "checkpoint");
    assert_string_equal(hint_of("/webui/models/VAE/x.pt", "type"), "vae");
    assert_string_equal(hint_of("/webui/models/Lora/LyCORIS/x.safetensors", "type"), "lora");
    assert_string_equal(hint_of("/invokeai/models/sdxl/t2i_adapter/x", "type"), "t2i_adapter");
    assert_string_equal(hint_of("/SwarmUI/Models/diffusion_models/x.gguf", "type"), "diffusion_model");
    assert_string_equal(hint_of("/StabilityMatrix/Data/Models/TextEncoders/x.safetensors", "type"), "text_encoder");
    assert_string_equal(hint_of("/webui/models/RealESRGAN/x.pth", "type"), "upscaler");
    assert_string_equal(hint_of("/vae/checkpoints/x.safetensors", "type"), "checkpoint");
    assert_string_equal(hint_of("/home/me/files/x.safetensors", "type"), "");
    assert_string_equal(hint_of("x.safetensors", "type"), "");
    assert_string_equal(hint_of(SNAPSHOT "/vae/x.safetensors", "repository"), "org/the-name");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_say_repository_and_rest),
        cmocka_unit_test(other_paths_say_nothing),
        cmocka_unit_test(files_with_names_that_all_have_are_named_by_their_repository),
        TEST(links_to_its_own_blobs_are_opened),
        TEST(other_links_are_not),
        TEST(nor_is_any_when_the_folder_is_no_snapshot),
        TEST(main_is_what_the_reference_names_if_it_is_there),
        cmocka_unit_test(folders_of_the_usual_programs_say_the_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
