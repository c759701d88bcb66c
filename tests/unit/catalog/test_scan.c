/* What a scan finds, keeps, misses, and remembers over a restart. */
#include "library.h"

static void path_of(const struct library *library, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", library->models, name);
}

static void finds_what_is_there_and_parses_it_once(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_write(&library, "sub/Two Words.safetensors", 200);
    assert_int_equal(library_open(&library), 0);
    assert_string_equal(hst_catalog_scan_status(library.catalog).state, "idle");
    assert_int_equal(library_scan(&library), 0);
    assert_non_null(strstr(library.news, "one +\n"));
    assert_non_null(hst_catalog_find(library.catalog, "two-words"));
    assert_int_equal(hst_catalog_scan_status(library.catalog).files_changed, 2);
    library_scan(&library);
    assert_string_equal(library.news, "");
    assert_int_equal(hst_catalog_scan_status(library.catalog).files_changed, 0);
    assert_int_equal(hst_catalog_count(library.catalog), 2);
    library_fini(&library);
}

static void a_changed_file_is_a_new_generation(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    struct hst_model *old = hst_model_ref(hst_catalog_find(library.catalog, "one"));
    library_write(&library, "one.safetensors", 300);
    library_scan(&library);
    struct hst_model *new = hst_catalog_find(library.catalog, "one");
    assert_ptr_not_equal(new, old);
    assert_int_equal(new->generation, old->generation + 1);
    assert_int_equal(old->components[0].size_bytes, 100);
    assert_int_equal(new->components[0].size_bytes, 300);
    hst_model_unref(old);
    library_fini(&library);
}

static void a_file_that_is_gone_is_missing_and_keeps_its_id(void **state)
{
    struct library library;
    char path[256];
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    path_of(&library, "one.safetensors", path);
    unlink(path);
    library_scan(&library);
    assert_string_equal(library.news, "one -\n");
    assert_int_equal(hst_catalog_find(library.catalog, "one")->state, HST_MODEL_MISSING);
    library_close(&library);
    library_open(&library);
    assert_int_equal(hst_catalog_find(library.catalog, "one")->state, HST_MODEL_MISSING);
    library_write(&library, "one.safetensors", 100);
    library_scan(&library);
    assert_int_equal(hst_catalog_find(library.catalog, "one")->state, HST_MODEL_OK);
    library_fini(&library);
}

static void a_moved_file_keeps_its_id(void **state)
{
    struct library library;
    char from[256], to[256];
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_write(&library, "sub/one.safetensors", 200);
    library_open(&library);
    library_scan(&library);
    uint64_t size = hst_catalog_find(library.catalog, "one")->components[0].size_bytes;
    path_of(&library, size == 100 ? "one.safetensors" : "sub/one.safetensors", from);
    path_of(&library, "moved.safetensors", to);
    assert_int_equal(rename(from, to), 0);
    library_scan(&library);
    assert_string_equal(hst_catalog_find(library.catalog, "one")->path, to);
    assert_non_null(hst_catalog_find(library.catalog, "one-2"));
    assert_int_equal(hst_catalog_count(library.catalog), 2);
    library_fini(&library);
}

static void a_second_scan_meanwhile_is_refused(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    assert_int_equal(hst_catalog_scan(library.catalog, NULL), 0);
    assert_int_equal(hst_catalog_scan(library.catalog, NULL), HST_E_BUSY);
    library_fini(&library); /* in the middle of it */
}

static void a_root_that_is_not_there_is_an_error_of_the_scan(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library.roots[0] = "/no/such/folder";
    library_open(&library);
    library_scan(&library);
    assert_int_equal(hst_catalog_scan_status(library.catalog).errors, 1);
    library_fini(&library);
}

static void links_that_lead_in_circles_end(void **state)
{
    struct library library;
    char link[256];
    (void)state;
    library_init(&library);
    library_write(&library, "sub/one.safetensors", 100);
    path_of(&library, "sub/again", link);
    assert_int_equal(symlink(library.models, link), 0);
    path_of(&library, "sub/self", link);
    assert_int_equal(symlink("self", link), 0);
    library_open(&library);
    library_scan(&library);
    assert_int_equal(hst_catalog_count(library.catalog), 1);
    library_fini(&library);
}

static void a_thousand_files_have_a_thousand_ids(void **state)
{
    struct library library;
    char name[64];
    (void)state;
    library_init(&library);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, i % 2 ? "sub/model %d.safetensors" : "model_%d.safetensors", i / 2);
        library_write(&library, name, (unsigned)i + 1);
    }
    library_open(&library);
    library_scan(&library);
    assert_int_equal(hst_catalog_count(library.catalog), 1000);
    size_t cursor = 0;
    const char *last = "";
    for (struct hst_model *model; (model = hst_catalog_next(library.catalog, &cursor));) {
        assert_true(strcmp(last, model->id) < 0);
        last = model->id;
    }
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there_and_parses_it_once),
        cmocka_unit_test(a_changed_file_is_a_new_generation),
        cmocka_unit_test(a_file_that_is_gone_is_missing_and_keeps_its_id),
        cmocka_unit_test(a_moved_file_keeps_its_id),
        cmocka_unit_test(a_second_scan_meanwhile_is_refused),
        cmocka_unit_test(a_root_that_is_not_there_is_an_error_of_the_scan),
        cmocka_unit_test(links_that_lead_in_circles_end),
        cmocka_unit_test(a_thousand_files_have_a_thousand_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
