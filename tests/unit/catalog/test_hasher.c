/* Hashing the catalog: what is hashed when, what waits, and whose id a model at a new path has. */
#include "catalog/hashes.h"
#include "library.h"

/* A library of one, two and sub/three, scanned; three has the weights of one. */
static void begin(struct library *library, enum hst_hash_mode mode)
{
    library_init(library);
    library->hash = mode;
    library_write(library, "one.safetensors", 100000);
    library_write(library, "two.safetensors", 200000);
    library_write(library, "sub/three.safetensors", 100000);
    assert_int_equal(library_open(library), 0);
    assert_int_equal(library_scan(library), 0);
}

/* Run the loop until nothing is left to do. */
static void settle(struct library *library)
{
    uv_run(&library->loop, UV_RUN_DEFAULT);
}

/* Run a shell command in the folder of the models. */
static void shell(const struct library *library, const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "cd %s && %s", library->models, command);
    assert_int_equal(system(line), 0);
}

static const struct hst_hashes *hashes_of(const struct library *library, const char *id)
{
    return hst_hashes_find(library->catalog, &hst_catalog_find(library->catalog, id)->files[0].id);
}

static const char *state_of(const struct library *library, const char *id)
{
    return hst_catalog_hash_status_of(library->catalog, hst_catalog_find(library->catalog, id)).state;
}

static void every_model_is_hashed_once(void **state)
{
    struct library library;
    (void)state;
    begin(&library, HST_HASH_AUTO);
    settle(&library);
    assert_non_null(strstr(library.news, "one #\n"));
    assert_non_null(strstr(library.news, "three #\n"));
    struct hst_hash_status status = hst_catalog_hash_status(library.catalog);
    assert_string_equal(status.state, "done");
    assert_int_equal(status.files_done, 3);
    assert_int_equal(status.bytes_done, status.bytes_total);
    assert_int_equal(status.hashed_bytes, status.bytes_total);
    library_scan(&library);
    settle(&library);
    assert_int_equal(hst_catalog_hash_status(library.catalog).hashed_bytes, status.bytes_total);
    library_close(&library);
    library_open(&library);
    library_scan(&library);
    settle(&library);
    assert_int_equal(hst_catalog_hash_status(library.catalog).hashed_bytes, 0);
    assert_string_equal(state_of(&library, "one"), "done");
    library_fini(&library);
}

static void what_is_asked_for_is_hashed_alone(void **state)
{
    struct library library;
    (void)state;
    begin(&library, HST_HASH_ASKED);
    settle(&library);
    assert_null(hashes_of(&library, "two"));
    assert_string_equal(state_of(&library, "two"), "off");
    assert_int_equal(hst_catalog_hash(library.catalog, hst_catalog_find(library.catalog, "two"), NULL), 0);
    assert_string_equal(state_of(&library, "two"), "running");
    settle(&library);
    assert_non_null(hashes_of(&library, "two"));
    assert_null(hashes_of(&library, "one"));
    assert_string_equal(hst_catalog_hash_status(library.catalog).state, "off");
    library_fini(&library);
}

static void what_is_cancelled_is_not_hashed_unless_asked_for_again(void **state)
{
    struct library library;
    (void)state;
    begin(&library, HST_HASH_ASKED);
    struct hst_model *two = hst_catalog_find(library.catalog, "two");
    hst_catalog_hash_hold(library.catalog, true);
    hst_catalog_hash(library.catalog, two, NULL);
    assert_string_equal(state_of(&library, "two"), "queued");
    hst_catalog_hash_cancel(library.catalog, two);
    hst_catalog_hash_hold(library.catalog, false);
    settle(&library);
    assert_null(hashes_of(&library, "two"));
    hst_catalog_hash(library.catalog, two, NULL);
    hst_catalog_hash_cancel(library.catalog, two);
    hst_catalog_hash(library.catalog, two, NULL);
    settle(&library);
    assert_non_null(hashes_of(&library, "two"));
    library_fini(&library);
}

static void nothing_is_hashed_while_loads_are_under_way(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library.hash = HST_HASH_AUTO;
    library_write(&library, "one.safetensors", 100000);
    library_open(&library);
    hst_catalog_hash_hold(library.catalog, true);
    library_scan(&library);
    settle(&library);
    assert_string_equal(hst_catalog_hash_status(library.catalog).state, "paused");
    assert_int_equal(hst_catalog_hash_status(library.catalog).hashed_bytes, 0);
    hst_catalog_hash_hold(library.catalog, false);
    settle(&library);
    assert_string_equal(state_of(&library, "one"), "done");
    library_fini(&library);
}

static void a_file_that_cannot_be_hashed_is_tried_again_when_asked_for(void **state)
{
    struct library library;
    char before[200], gone[200];
    (void)state;
    begin(&library, HST_HASH_ASKED);
    snprintf(before, sizeof before, "%s/two.safetensors", library.models);
    snprintf(gone, sizeof gone, "%s/hidden", library.folder);
    assert_int_equal(rename(before, gone), 0);
    hst_catalog_hash(library.catalog, hst_catalog_find(library.catalog, "two"), NULL);
    settle(&library);
    assert_string_equal(state_of(&library, "two"), "failed");
    assert_int_equal(hst_catalog_hash_status_of(library.catalog, hst_catalog_find(library.catalog, "two")).failure, HST_E_FILE_MISSING);
    assert_int_equal(rename(gone, before), 0);
    library_scan(&library); /* its ctime is another one now */
    assert_int_equal(hst_catalog_hash(library.catalog, hst_catalog_find(library.catalog, "two"), NULL), 0);
    settle(&library);
    assert_string_equal(state_of(&library, "two"), "done");
    library_fini(&library);
}

static void duplicates_are_named_both_ways_until_one_goes(void **state)
{
    struct library library;
    (void)state;
    begin(&library, HST_HASH_AUTO);
    settle(&library);
    struct hst_model *one = hst_catalog_find(library.catalog, "one"), *three = hst_catalog_find(library.catalog, "three");
    assert_ptr_equal(hst_catalog_next_duplicate(library.catalog, one, NULL), three);
    assert_null(hst_catalog_next_duplicate(library.catalog, one, three));
    assert_ptr_equal(hst_catalog_next_duplicate(library.catalog, three, NULL), one);
    assert_null(hst_catalog_next_duplicate(library.catalog, hst_catalog_find(library.catalog, "two"), NULL));
    library_write(&library, "sub/three.safetensors", 100001);
    library_scan(&library);
    settle(&library);
    assert_null(hst_catalog_next_duplicate(library.catalog, hst_catalog_find(library.catalog, "one"), NULL));
    library_fini(&library);
}

static void a_copy_of_what_vanished_takes_its_id_over(void **state)
{
    struct library library;
    (void)state;
    begin(&library, HST_HASH_AUTO);
    settle(&library);
    shell(&library, "cp two.safetensors sub/copy.safetensors && rm two.safetensors");
    library_scan(&library);
    assert_memory_equal(library.news, "two +\n", 6);
    settle(&library);
    struct hst_model *two = hst_catalog_find(library.catalog, "two");
    assert_int_equal(hst_catalog_weights_since(library.catalog, two), 1);
    assert_int_equal(two->generation, 2); /* another file: what is in RAM of the old one is not served for it unseen */
    assert_int_equal(hst_catalog_count(library.catalog), 3);
    library_fini(&library);
}

/* Both vanished models have the same weights: the names decide. */
static void of_two_alike_each_finds_its_own_by_name(void **state)
{
    struct library library;
    char path[200];
    (void)state;
    begin(&library, HST_HASH_AUTO);
    settle(&library);
    shell(&library, "mkdir a b && cp one.safetensors b && cp sub/three.safetensors a && rm one.safetensors sub/three.safetensors");
    library_scan(&library);
    snprintf(path, sizeof path, "%s/a/three.safetensors", library.models);
    assert_string_equal(hst_catalog_find(library.catalog, "three")->path, path);
    snprintf(path, sizeof path, "%s/b/one.safetensors", library.models);
    assert_string_equal(hst_catalog_find(library.catalog, "one")->path, path);
    library_fini(&library);
}

static void of_several_copies_the_first_path_is_the_model(void **state)
{
    struct library library;
    char path[200];
    (void)state;
    begin(&library, HST_HASH_AUTO);
    settle(&library);
    shell(&library, "cp two.safetensors sub/b.safetensors && cp two.safetensors sub/a.safetensors && rm two.safetensors");
    library_scan(&library);
    snprintf(path, sizeof path, "%s/sub/a.safetensors", library.models);
    assert_string_equal(hst_catalog_find(library.catalog, "two")->path, path);
    assert_non_null(hst_catalog_find(library.catalog, "b"));
    library_fini(&library);
}

static void what_only_looks_alike_is_a_model_of_its_own(void **state)
{
    struct library library;
    (void)state;
    begin(&library, HST_HASH_AUTO);
    settle(&library);
    shell(&library, "cp two.safetensors sub/tuned.safetensors && rm two.safetensors");
    shell(&library, "printf x | dd of=sub/tuned.safetensors bs=1 seek=300 conv=notrunc status=none");
    library_scan(&library);
    assert_int_equal(hst_catalog_find(library.catalog, "two")->state, HST_MODEL_MISSING);
    assert_non_null(hst_catalog_find(library.catalog, "tuned"));
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_is_hashed_once),
        cmocka_unit_test(what_is_asked_for_is_hashed_alone),
        cmocka_unit_test(what_is_cancelled_is_not_hashed_unless_asked_for_again),
        cmocka_unit_test(nothing_is_hashed_while_loads_are_under_way),
        cmocka_unit_test(a_file_that_cannot_be_hashed_is_tried_again_when_asked_for),
        cmocka_unit_test(duplicates_are_named_both_ways_until_one_goes),
        cmocka_unit_test(a_copy_of_what_vanished_takes_its_id_over),
        cmocka_unit_test(of_two_alike_each_finds_its_own_by_name),
        cmocka_unit_test(of_several_copies_the_first_path_is_the_model),
        cmocka_unit_test(what_only_looks_alike_is_a_model_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
