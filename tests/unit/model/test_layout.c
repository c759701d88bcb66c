/* Tables of tensors go after a scan and come back, exactly as they were, for as long as somebody needs them. */
#include "model/layout.h"
#include "library.h"

/* Tensors of three components, interleaved as they lie in the file. */
static const char *const interleaved =
    "{\"__metadata__\":{\"who\":\"a trainer\"},"
    "\"model.a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
    "\"first_stage_model.a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
    "\"model.b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[8,12]},"
    "\"cond_stage_model.a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[12,16]},"
    "\"first_stage_model.b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[16,16]},"
    "\"first_stage_model.c\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[16,20]}}";

static void path_of(const struct library *library, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", library->models, name);
}

static struct hst_model *scan_one(struct library *library, const char *name, const char *header, size_t bytes)
{
    char path[256];
    path_of(library, name, path);
    model_bytes_write(path, header, bytes);
    if (library->catalog == NULL) assert_int_equal(library_open(library), 0);
    library_scan(library);
    size_t cursor = 0;
    return hst_catalog_next(library->catalog, &cursor);
}

/* Read what is missing and hold. @return status */
static int hold(struct hst_component *component)
{
    struct hst_reread *reread;
    assert_int_equal(hst_reread_new(component->model, &reread, NULL), 0);
    hst_reread_want(reread, component);
    int status = hst_reread_run(reread, NULL);
    if (status == 0) status = hst_layout_hold(component, reread, NULL);
    hst_reread_free(reread);
    return status;
}

static void a_catalog_has_sums_and_no_tensors(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    const struct hst_model *model = scan_one(&library, "mixed.safetensors", interleaved, 20);
    assert_int_equal(model->component_count, 3);
    assert_null(model->files[0].table);
    const struct hst_component *vae = hst_model_component(model, "vae");
    assert_null(vae->tensors);
    assert_int_equal(vae->tensor_count, 3);
    assert_int_equal(vae->size_bytes, 8);
    assert_int_equal(vae->ram_bytes, 4096);
    assert_int_equal(vae->dtype_count, 2);
    assert_int_equal(vae->dtypes[0].dtype, HST_DTYPE_U8);
    assert_int_equal(vae->dtypes[0].tensor_count, 2);
    assert_int_equal(vae->dtypes[0].size_bytes, 4);
    assert_int_equal(vae->dtypes[1].elements, 1);
    assert_int_equal(model->metadata.count, 1);
    assert_string_equal(model->metadata.entries[0].value, "a trainer");
    library_fini(&library);
}

static void a_component_gets_exactly_its_tensors_again(void **state)
{
    struct library library;
    struct hst_model *built;
    char path[256];
    (void)state;
    library_init(&library);
    struct hst_model *model = scan_one(&library, "mixed.safetensors", interleaved, 20);
    path_of(&library, "mixed.safetensors", path);
    assert_int_equal(hst_catalog_inspect(path, &built, NULL), 0);
    for (size_t i = 0; i < model->component_count; i++) {
        struct hst_component *again = &model->components[i], *first = hst_model_component(built, again->role);
        assert_int_equal(hold(again), 0);
        assert_int_equal(again->tensor_count, first->tensor_count);
        for (size_t j = 0; j < again->tensor_count; j++) {
            assert_string_equal(again->tensors[j].tensor->name, first->tensors[j].tensor->name);
            assert_int_equal(again->tensors[j].tensor->offset, first->tensors[j].tensor->offset);
        }
        hst_layout_release(again);
    }
    hst_model_unref(built);
    library_fini(&library);
}

static void tensors_stay_until_the_last_holder_lets_go(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    struct hst_model *model = scan_one(&library, "mixed.safetensors", interleaved, 20);
    struct hst_component *vae = hst_model_component(model, "vae"), *text = hst_model_component(model, "text_encoder");
    assert_int_equal(hold(vae), 0);
    hst_layout_share(vae);
    assert_int_equal(hold(text), 0);
    hst_layout_release(vae);
    assert_non_null(vae->tensors);
    hst_layout_release(vae);
    assert_null(vae->tensors);
    assert_string_equal(text->tensors[0].tensor->name, "cond_stage_model.a"); /* the file's table is still there */
    hst_layout_release(text);
    assert_null(model->files[0].table);
    library_fini(&library);
}

static void another_file_in_its_place_is_refused(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    struct hst_model *model = hst_model_ref(scan_one(&library, "mixed.safetensors", interleaved, 20));
    library_write(&library, "mixed.safetensors", 20);
    assert_int_equal(hold(&model->components[0]), HST_E_FILE_CHANGED);
    assert_null(model->components[0].tensors);
    hst_model_unref(model);
    library_fini(&library);
}

static void a_table_that_is_not_the_recorded_one_is_refused(void **state)
{
    struct library library;
    struct hst_model *other;
    struct hst_reread *reread;
    char path[256];
    (void)state;
    library_init(&library);
    struct hst_model *model = scan_one(&library, "mixed.safetensors", interleaved, 20);
    library_write(&library, "sub/one.safetensors", 20);
    path_of(&library, "sub/one.safetensors", path);
    assert_int_equal(hst_catalog_inspect(path, &other, NULL), 0);
    assert_int_equal(hst_reread_new(model, &reread, NULL), 0);
    reread->tables[0] = other->files[0].table;
    other->files[0].table = NULL;
    assert_int_equal(hst_layout_hold(&model->components[0], reread, NULL), HST_E_FILE_CHANGED);
    assert_null(model->files[0].table);
    assert_int_equal(model->components[0].holders, 0);
    hst_reread_free(reread);
    hst_model_unref(other);
    library_fini(&library);
}

static void only_the_files_of_a_component_are_read(void **state)
{
    struct library library;
    char path[256];
    (void)state;
    library_init(&library);
    path_of(&library, "whole-00001-of-00002.safetensors", path);
    model_bytes_write(path, "{\"model.a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
    struct hst_model *model = scan_one(&library, "whole-00002-of-00002.safetensors", "{\"vae.a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4);
    struct hst_component *vae = hst_model_component(model, "vae");
    assert_non_null(vae);
    assert_int_equal(model->component_count, 2);
    unlink(path);
    assert_int_equal(hold(vae), 0);
    assert_false(hst_layout_touches(vae, 0));
    assert_int_equal(hold(&model->components[0]), HST_E_FILE_MISSING);
    hst_layout_release(vae);
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_catalog_has_sums_and_no_tensors),
        cmocka_unit_test(a_component_gets_exactly_its_tensors_again),
        cmocka_unit_test(tensors_stay_until_the_last_holder_lets_go),
        cmocka_unit_test(another_file_in_its_place_is_refused),
        cmocka_unit_test(a_table_that_is_not_the_recorded_one_is_refused),
        cmocka_unit_test(only_the_files_of_a_component_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
