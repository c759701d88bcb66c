/* What a walk finds, each once and whoever was first, what it leaves out, and what it says when it did not see all. */
#include "catalog/walk.h"
#include "cmocka_all.h"
#include "library.h"
#include "os/folder.h"

#include <pthread.h>
#include <stdarg.h>

static void make(const struct library *library, const char *format, ...)
{
    char script[512], command[700];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(script, sizeof script, format, arguments);
    va_end(arguments);
    snprintf(command, sizeof command, "cd %s && %s", library->models, script);
    assert_int_equal(system(command), 0);
}

static void *run(void *walk)
{
    hst_walk_run(walk);
    return NULL;
}

/* With four threads; what it found, below the models' folder, one a line. */
static struct hst_walk *walk_with(const struct hst_walk_config *config)
{
    struct hst_walk *walk;
    pthread_t threads[4];
    assert_int_equal(hst_walk_new(config, &walk, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, walk), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    hst_walk_sort(walk);
    return walk;
}

static const char *found(struct hst_walk *walk)
{
    static char text[4096];
    const struct hst_walk_result *result = hst_walk_result(walk);
    text[0] = '\0';
    for (size_t i = 0; i < result->count && i < 50; i++)
        strcat(strcat(text, strrchr(result->candidates[i].path, '/') + 1), "\n");
    return text;
}

static void many_folders_are_walked_by_all_threads(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, "for i in $(seq 300); do mkdir -p $((i %% 7))/$i; : > $((i %% 7))/$i/$i.gguf; : > $i.txt; done");
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1});
    const struct hst_walk_result *result = hst_walk_result(walk);
    assert_int_equal(result->count, 300);
    assert_int_equal(hst_walk_counts(walk).folders, 309);
    assert_int_equal(hst_walk_counts(walk).files, 600);
    for (size_t i = 1; i < result->count; i++)
        assert_true(strcmp(result->candidates[i - 1].path, result->candidates[i].path) < 0);
    assert_true(result->is_whole && result->error.status == 0 && result->unread_count == 0);
    hst_walk_free(walk);
    library_fini(&library);
}

static void roots_may_overlap(void **state)
{
    struct library library;
    char sub[128], link[128];
    (void)state;
    library_init(&library);
    make(&library, ": > a.gguf; : > sub/b.gguf; ln -s models ../link");
    snprintf(sub, sizeof sub, "%s/sub", library.models);
    snprintf(link, sizeof link, "%s/link", library.folder);
    const char *roots[] = {link, sub, library.models, library.models};
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = roots, .root_count = 4});
    assert_string_equal(found(walk), "a.gguf\nb.gguf\n");
    assert_true(strncmp(hst_walk_result(walk)->candidates[0].path, library.models, strlen(library.models)) == 0);
    hst_walk_free(walk);
    library_fini(&library);
}

static void links_give_way_to_what_they_lead_to(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, "mkdir ../out && : > sub/real.gguf && : > ../out/far.gguf && ln -s sub/real.gguf 0.gguf && ln -s ../out/far.gguf b.gguf && ln -s ../out/far.gguf a.gguf"
                   " && ln -s sub s && ln -s ../out z && ln -s nothing broken.gguf && ln -s sub folder.gguf");
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1});
    assert_string_equal(found(walk), "broken.gguf\nreal.gguf\nfar.gguf\n");
    assert_non_null(strstr(hst_walk_result(walk)->candidates[2].path, "/z/far.gguf"));
    assert_int_equal(hst_walk_result(walk)->candidates[0].trouble, HST_CANDIDATE_BROKEN);
    hst_walk_free(walk);
    walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1, .stay_inside = true});
    assert_string_equal(found(walk), "real.gguf\n");
    hst_walk_free(walk);
    library_fini(&library);
}

static void who_owns_a_linked_folder_does_not_depend_on_who_is_first(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, "mkdir -p ../out/in && : > ../out/in/x.gguf && for i in $(seq 20); do mkdir $i; ln -s ../../out $i/l; ln -s ../../out/in $i/k; done");
    for (int i = 0; i < 20; i++) {
        struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1});
        assert_int_equal(hst_walk_result(walk)->count, 1);
        assert_non_null(strstr(hst_walk_result(walk)->candidates[0].path, "/1/k/x.gguf"));
        hst_walk_free(walk);
    }
    library_fini(&library);
}

static void limits_are_told_and_nothing_is_called_whole(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, "for i in $(seq 30); do mkdir $i; : > $i/x.gguf; done");
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1, .most_folders = 10});
    assert_int_equal(hst_walk_result(walk)->error.status, HST_E_LIMIT_EXCEEDED);
    assert_non_null(strstr(hst_walk_result(walk)->error.text, "more than 10 folders"));
    assert_false(hst_walk_result(walk)->is_whole);
    hst_walk_free(walk);
    walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1, .most_candidates = 20});
    assert_int_equal(hst_walk_result(walk)->count, 20);
    assert_non_null(strstr(hst_walk_result(walk)->error.text, "more than 20 model files"));
    assert_false(hst_walk_result(walk)->is_whole);
    hst_walk_free(walk);
    library_fini(&library);
}

static void a_limit_that_links_reach_is_told_too(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, "for i in $(seq 30); do mkdir -p ../out/$i; ln -s ../out/$i l$i; done");
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1, .most_folders = 10});
    assert_int_equal(hst_walk_result(walk)->error.status, HST_E_LIMIT_EXCEEDED);
    assert_false(hst_walk_result(walk)->is_whole);
    hst_walk_free(walk);
    library_fini(&library);
}

static void what_is_missing_is_named(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, ": > a.gguf");
    const char *roots[] = {"/no/such/folder", library.models};
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = roots, .root_count = 2});
    const struct hst_walk_result *result = hst_walk_result(walk);
    assert_string_equal(found(walk), "a.gguf\n");
    assert_int_equal(result->unread_count, 1);
    assert_string_equal(result->unread[0].path, "/no/such/folder");
    assert_true(result->is_whole && hst_walk_counts(walk).errors == 1);
    hst_walk_free(walk);
    library_fini(&library);
}

static void a_path_that_is_too_long_is_told(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, ": > a.gguf; n=$(printf 'x%%.0s' $(seq 250)); for i in $(seq 17); do mkdir $n; cd $n || true; done");
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1});
    assert_string_equal(found(walk), "a.gguf\n");
    assert_non_null(strstr(hst_walk_result(walk)->error.text, "longer than"));
    assert_true(hst_walk_result(walk)->is_whole && hst_walk_counts(walk).errors == 1);
    hst_walk_free(walk);
    library_fini(&library);
}

static void a_halted_walk_goes_on_and_finds_all(void **state)
{
    struct library library;
    struct hst_walk *walk;
    pthread_t thread;
    (void)state;
    library_init(&library);
    make(&library, "for i in $(seq 200); do mkdir $i; : > $i/x.gguf; done; seq -f '%%.0f.gguf' 3000 | xargs touch");
    assert_int_equal(hst_walk_new(&(struct hst_walk_config){.roots = library.roots, .root_count = 1}, &walk, NULL), 0);
    for (int i = 0; i < 50; i++) {
        hst_walk_halt(walk, false);
        assert_int_equal(pthread_create(&thread, NULL, run, walk), 0);
        usleep((unsigned)i * 20);
        hst_walk_halt(walk, true);
        pthread_join(thread, NULL);
    }
    hst_walk_halt(walk, false);
    hst_walk_run(walk);
    hst_walk_sort(walk);
    assert_int_equal(hst_walk_result(walk)->count, 3200);
    hst_walk_free(walk);
    library_fini(&library);
}

static void downloads_are_told_from_models(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, "echo x > a.gguf && : > a.gguf.aria2 && echo x > b.gguf && : > b.gguf.part && : > c.gguf && : > c.gguf.part && echo x > d.gguf && : > d.gguf.lock"
                   " && : > e.gguf.incomplete && : > f.txt.aria2 && echo x > f.gguf");
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1});
    assert_string_equal(found(walk), "a.gguf\nb.gguf\nc.gguf\nd.gguf\nf.gguf\n");
    const enum hst_candidate_trouble troubles[] = {HST_CANDIDATE_UNFINISHED, HST_CANDIDATE_GOOD, HST_CANDIDATE_UNFINISHED, HST_CANDIDATE_GOOD, HST_CANDIDATE_GOOD};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(hst_walk_result(walk)->candidates[i].trouble, troubles[i]);
    hst_walk_free(walk);
    library_fini(&library);
}

static void the_cache_of_the_hub_has_one_model_a_repository(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    make(&library, "for r in one two; do mkdir -p models--o--n/snapshots/$r; : > models--o--n/snapshots/$r/$r.gguf; done; mkdir -p models--o--n/refs models--o--n/blobs;"
                   " : > models--o--n/blobs/x.gguf; printf two > models--o--n/refs/main; mkdir -p datasets--o--n/snapshots/r; : > datasets--o--n/snapshots/r/d.bin;"
                   " mkdir models--no--repository; : > models--no--repository/plain.gguf");
    struct hst_walk *walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1});
    assert_string_equal(found(walk), "plain.gguf\ntwo.gguf\n");
    hst_walk_free(walk);
    make(&library, "rm models--o--n/refs/main");
    walk = walk_with(&(struct hst_walk_config){.roots = library.roots, .root_count = 1});
    assert_string_equal(found(walk), "plain.gguf\none.gguf\ntwo.gguf\n");
    hst_walk_free(walk);
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_folders_are_walked_by_all_threads),
        cmocka_unit_test(roots_may_overlap),
        cmocka_unit_test(links_give_way_to_what_they_lead_to),
        cmocka_unit_test(who_owns_a_linked_folder_does_not_depend_on_who_is_first),
        cmocka_unit_test(limits_are_told_and_nothing_is_called_whole),
        cmocka_unit_test(a_limit_that_links_reach_is_told_too),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_path_that_is_too_long_is_told),
        cmocka_unit_test(a_halted_walk_goes_on_and_finds_all),
        cmocka_unit_test(downloads_are_told_from_models),
        cmocka_unit_test(the_cache_of_the_hub_has_one_model_a_repository),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
