/* What is said about a model: kept within limits, seen again when a sidecar changes, and overruled by the user. */
#include "library.h"

#include "catalog/annotate.h"
#include "catalog/limits.h"
#include "catalog/summary.h"

static void put(const struct library *library, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", library->models, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *answer(const struct hst_model *model, enum hst_field field)
{
    const struct hst_metadata_entry *said;
    return hst_field_answer(&model->metadata, field, &said);
}

static void a_value_over_the_limit_is_only_named(void **state)
{
    struct hst_metadata_list list;
    char text[32] = "0123456789abcdef";
    (void)state;
    hst_metadata_init(&list, 15, 200);
    assert_int_equal(hst_metadata_add(&list, HST_METADATA_HEADER, "long", text, NULL), 0);
    assert_int_equal(hst_metadata_add(&list, HST_METADATA_HEADER, "fits", text + 1, NULL), 0);
    assert_null(hst_metadata_find(&list, HST_METADATA_HEADER, "long"));
    assert_string_equal(hst_metadata_find(&list, HST_METADATA_HEADER, "fits"), "123456789abcdef");
    assert_null(hst_metadata_find(&list, HST_METADATA_SWARM, "fits"));
    for (int i = 0; i < 50; i++)
        assert_int_equal(hst_metadata_add(&list, HST_METADATA_HEADER, "more", "x", NULL), 0);
    assert_true(list.count < 10 && list.left_out == 52 - list.count);
    hst_metadata_cut(&list, 1);
    assert_int_equal(hst_metadata_add(&list, HST_METADATA_HEADER, "room", "x", NULL), 0);
    assert_string_equal(hst_metadata_find(&list, HST_METADATA_HEADER, "room"), "x");
    hst_metadata_fini(&list);
}

static void a_changed_sidecar_is_seen_and_is_no_new_generation(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_write(&library, "two.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    put(&library, "one.civitai.info", "{\"baseModel\":\"Pony\",\"trainedWords\":[\"a\",\"b\"]}");
    library_scan(&library);
    assert_string_equal(library.news, "one +\n");
    struct hst_model *model = hst_catalog_find(library.catalog, "one");
    assert_int_equal(model->generation, 1);
    assert_string_equal(answer(model, HST_FIELD_TRIGGER_WORDS), "a, b");
    assert_int_equal(hst_catalog_scan_status(library.catalog).files_changed, 0);
    library_scan(&library);
    assert_string_equal(library.news, "");
    put(&library, "one.civitai.info", "");
    library_scan(&library);
    assert_string_equal(library.news, "one +\n");
    assert_int_equal(hst_catalog_find(library.catalog, "one")->metadata.warning_count, 1);
    library_fini(&library);
}

static void what_a_sidecar_says_is_a_hint(void **state)
{
    struct library library;
    bool found = false;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    put(&library, "one.json", "{\"sd version\":\"SDXL\",\"description\":\"x\"}");
    library_open(&library);
    library_scan(&library);
    const struct hst_model *model = hst_catalog_find(library.catalog, "one");
    for (size_t i = 0; i < model->hint_count; i++)
        found |= model->hints[i].source == HST_HINT_SIDECAR && strcmp(model->hints[i].key, "a1111.sd version") == 0 && strcmp(model->hints[i].value, "SDXL") == 0;
    assert_true(found);
    library_fini(&library);
}

static void on_done(void *context, const struct hst_error *err)
{
    *(int *)context = err != NULL ? err->status : 0;
}

/* Say one thing and wait until it is written. @return status */
static int say(struct library *library, enum hst_annotate_target target, bool in_catalog, const char *key, const char *value)
{
    struct hst_annotation annotation = {.target = target};
    int status = 1;
    library->news[0] = '\0';
    assert_int_equal(hst_override_set(in_catalog ? &annotation.said : &annotation.words, key, value, NULL), 0);
    int begun = hst_annotate(library->catalog, "one", &annotation, on_done, &status, NULL);
    while (begun == 0 && status == 1)
        uv_run(&library->loop, UV_RUN_ONCE);
    return begun < 0 ? begun : status;
}

static void the_user_is_right_and_stays_so(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    assert_int_equal(say(&library, HST_ANNOTATE_SIDECAR, true, "family", "sdxl"), 0);
    assert_string_equal(library.news, "one +\n");
    assert_string_equal(hst_catalog_find(library.catalog, "one")->family, "sdxl");
    library_close(&library);
    library_write(&library, "one.safetensors", 300);
    library_open(&library);
    library_scan(&library);
    const struct hst_model *model = hst_catalog_find(library.catalog, "one");
    assert_string_equal(model->family, "sdxl");
    assert_true(model->verdict.confidence == 1);
    assert_string_equal(model->verdict.evidence[model->verdict.evidence_count - 1], "you said so: family = sdxl");
    assert_int_equal(say(&library, HST_ANNOTATE_SIDECAR, true, "family", NULL), 0);
    assert_null(hst_catalog_find(library.catalog, "one")->family);
    library_fini(&library);
}

static void a_header_is_written_and_the_next_scan_finds_nothing_new(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    assert_int_equal(say(&library, HST_ANNOTATE_HEADER, false, "modelspec.title", "T"), 0);
    const struct hst_model *model = hst_catalog_find(library.catalog, "one");
    assert_string_equal(answer(model, HST_FIELD_TITLE), "T");
    assert_int_equal(model->generation, 2);
    assert_int_equal(say(&library, HST_ANNOTATE_SIDECAR, false, "modelspec.title", "S"), 0);
    assert_string_equal(answer(hst_catalog_find(library.catalog, "one"), HST_FIELD_TITLE), "S");
    library_scan(&library);
    assert_string_equal(library.news, "");
    assert_int_equal(hst_catalog_find(library.catalog, "one")->generation, 2);
    library_fini(&library);
}

static void a_scan_that_runs_meanwhile_does_not_bring_back_old_words(void **state)
{
    struct library library;
    struct hst_annotation annotation = {0};
    int status = 1;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    put(&library, "one.swarm.json", "{\"modelspec.title\":\"old\"}");
    assert_int_equal(hst_override_set(&annotation.words, "modelspec.title", "new", NULL), 0);
    assert_int_equal(hst_catalog_scan(library.catalog, NULL), 0);
    assert_int_equal(hst_annotate(library.catalog, "one", &annotation, on_done, &status, NULL), 0);
    while (status == 1 || strcmp(hst_catalog_scan_status(library.catalog).state, "running") == 0)
        uv_run(&library.loop, UV_RUN_ONCE);
    assert_int_equal(status, 0);
    assert_string_equal(answer(hst_catalog_find(library.catalog, "one"), HST_FIELD_TITLE), "new");
    library_fini(&library);
}

static void a_header_written_during_a_scan_is_one_new_generation(void **state)
{
    struct library library;
    struct hst_annotation annotation = {.target = HST_ANNOTATE_HEADER};
    int status = 1;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    assert_int_equal(hst_override_set(&annotation.words, "modelspec.title", "new", NULL), 0);
    assert_int_equal(hst_annotate(library.catalog, "one", &annotation, on_done, &status, NULL), 0);
    assert_int_equal(hst_catalog_scan(library.catalog, NULL), 0);
    while (status == 1 || strcmp(hst_catalog_scan_status(library.catalog).state, "running") == 0)
        uv_run(&library.loop, UV_RUN_ONCE);
    library_scan(&library);
    assert_int_equal(hst_catalog_find(library.catalog, "one")->generation, 2);
    library_fini(&library);
}

static void what_cannot_be_written_is_refused(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    put(&library, "one.swarm.json", "not JSON");
    assert_int_equal(say(&library, HST_ANNOTATE_SIDECAR, false, "modelspec.title", "T"), HST_E_INVALID_FILE);
    library_write(&library, "one.safetensors", 200);
    assert_int_equal(say(&library, HST_ANNOTATE_HEADER, false, "modelspec.title", "T"), HST_E_FILE_CHANGED);
    struct hst_annotation annotation = {0};
    assert_int_equal(hst_annotate(library.catalog, "none", &annotation, on_done, NULL, NULL), HST_E_MODEL_NOT_FOUND);
    library_fini(&library);
}

static void only_one_writes_at_a_time_and_the_end_of_the_catalog_is_told(void **state)
{
    struct library library;
    struct hst_annotation first = {0}, second = {0};
    int status = 1;
    (void)state;
    library_init(&library);
    library_write(&library, "one.safetensors", 100);
    library_open(&library);
    library_scan(&library);
    assert_int_equal(hst_override_set(&first.words, "modelspec.title", "T", NULL), 0);
    assert_int_equal(hst_annotate(library.catalog, "one", &first, on_done, &status, NULL), 0);
    assert_int_equal(hst_annotate(library.catalog, "one", &second, on_done, &status, NULL), HST_E_BUSY);
    library_close(&library);
    assert_int_equal(status, HST_E_SHUTTING_DOWN);
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_over_the_limit_is_only_named),
        cmocka_unit_test(a_changed_sidecar_is_seen_and_is_no_new_generation),
        cmocka_unit_test(what_a_sidecar_says_is_a_hint),
        cmocka_unit_test(the_user_is_right_and_stays_so),
        cmocka_unit_test(a_header_is_written_and_the_next_scan_finds_nothing_new),
        cmocka_unit_test(a_scan_that_runs_meanwhile_does_not_bring_back_old_words),
        cmocka_unit_test(a_header_written_during_a_scan_is_one_new_generation),
        cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(only_one_writes_at_a_time_and_the_end_of_the_catalog_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
