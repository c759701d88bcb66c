/* Watched folders tell what changes in them, and when something was missed. */
#include "cmocka_all.h"
#include "os/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scene {
    char folder[64];
    struct hst_watch *watch;
    char news[1024]; /* "name " or "name/ " or "? " for each */
};

static void note(void *context, const char *name, bool is_folder)
{
    struct scene *scene = context;
    size_t used = strlen(scene->news);
    snprintf(scene->news + used, sizeof scene->news - used, "%s%s ", name != NULL ? name : "?", name != NULL && is_folder ? "/" : "");
}

static void path_of(const struct scene *scene, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", scene->folder, name);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    strcpy(scene->folder, "/tmp/hoist-test-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    assert_int_equal(hst_watch_new(0, &scene->watch, NULL), 0);
    assert_int_equal(hst_watch_add(scene->watch, scene->folder, NULL), 0);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    char command[128];
    hst_watch_free(scene->watch);
    snprintf(command, sizeof command, "rm -r %s", scene->folder);
    assert_int_equal(system(command), 0);
    free(scene);
    return 0;
}

static void read_news(struct scene *scene)
{
    scene->news[0] = '\0';
    hst_watch_read(scene->watch, note, scene);
}

static void tells_names_of_what_comes_and_goes(void **state)
{
    struct scene *scene = *state;
    char path[256], other[256];
    path_of(scene, "file", path);
    path_of(scene, "other", other);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    read_news(scene);
    assert_string_equal(scene->news, "file ");
    assert_int_equal(write(fd, "abc", 3), 3);
    read_news(scene);
    assert_string_equal(scene->news, "");
    close(fd);
    read_news(scene);
    assert_string_equal(scene->news, "file ");
    rename(path, other);
    unlink(other);
    read_news(scene);
    assert_string_equal(scene->news, "file other other ");
    path_of(scene, "sub", path);
    mkdir(path, 0700);
    read_news(scene);
    assert_string_equal(scene->news, "sub/ ");
}

static void a_folder_watched_twice_tells_once(void **state)
{
    struct scene *scene = *state;
    char path[256];
    assert_int_equal(hst_watch_add(scene->watch, scene->folder, NULL), 0);
    path_of(scene, "sub", path);
    mkdir(path, 0700);
    read_news(scene);
    assert_string_equal(scene->news, "sub/ ");
}

static void a_folder_that_moved_away_is_watched_no_more(void **state)
{
    struct scene *scene = *state;
    char path[256], moved[256], inside[300];
    path_of(scene, "sub", path);
    path_of(scene, "moved", moved);
    mkdir(path, 0700);
    assert_int_equal(hst_watch_add(scene->watch, path, NULL), 0);
    rename(path, moved);
    read_news(scene);
    snprintf(inside, sizeof inside, "%s/file", moved);
    close(open(inside, O_CREAT | O_WRONLY, 0600));
    read_news(scene);
    assert_string_equal(scene->news, "");
}

static void count_missed(void *context, const char *name, bool is_folder)
{
    (void)is_folder;
    *(int *)context += name == NULL;
}

static void more_than_the_kernel_keeps_is_told_as_anything(void **state)
{
    struct scene *scene = *state;
    char path[256];
    int missed = 0;
    for (int i = 0; i < 20000; i++) {
        path_of(scene, i % 2 ? "a" : "b", path);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        unlink(path);
    }
    hst_watch_read(scene->watch, count_missed, &missed);
    assert_int_equal(missed, 1);
}

static void refuses_what_is_no_folder_and_too_many(void **state)
{
    struct scene *scene = *state;
    struct hst_error err = {0};
    struct hst_watch *few;
    char path[256];
    assert_int_equal(hst_watch_add(scene->watch, "/no/such/folder", NULL), HST_E_FILE_MISSING);
    path_of(scene, "sub", path);
    mkdir(path, 0700);
    assert_int_equal(hst_watch_new(1, &few, NULL), 0);
    assert_int_equal(hst_watch_add(few, scene->folder, NULL), 0);
    assert_int_equal(hst_watch_add(few, path, &err), HST_E_LIMIT_EXCEEDED);
    assert_non_null(strstr(err.text, "max_user_watches"));
    hst_watch_free(few);
    hst_watch_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(tells_names_of_what_comes_and_goes),          TEST(a_folder_watched_twice_tells_once),
                                       TEST(a_folder_that_moved_away_is_watched_no_more), TEST(more_than_the_kernel_keeps_is_told_as_anything),
                                       TEST(refuses_what_is_no_folder_and_too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
