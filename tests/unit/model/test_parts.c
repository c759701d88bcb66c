/* Names of parts: what they say, and models that lie in several files. */
#include "library.h"

#include "model/parts.h"

static void names_are_read(void **state)
{
    static const struct {
        const char *name;
        unsigned number, count; /* 0 = it is no part */
    } cases[] = {{"m-00001-of-00003.gguf", 1, 3}, {"/a/b.c/m-00003-of-00003.safetensors", 3, 3}, {"m-00004-of-00003.gguf", 0, 0}, {"m-00000-of-00003.gguf", 0, 0},
                 {"m-00001-of-00001.gguf", 0, 0}, {"m-0001-of-0003.gguf", 0, 0}, {"m-00001-of-00003", 0, 0}, {"00001-of-00003.gguf", 0, 0},
                 {"m-00001-of-99999.gguf", 0, 0}, {"m-0000x-of-00003.gguf", 0, 0}, {"", 0, 0}, {"m-00001-of-00003.x/y", 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hst_parts parts = {0};
        assert_int_equal(hst_parts_of(cases[i].name, &parts), cases[i].count > 0);
        if (cases[i].count == 0) continue;
        assert_int_equal(parts.number, cases[i].number);
        assert_int_equal(parts.count, cases[i].count);
    }
}

static void another_name_is_made(void **state)
{
    struct hst_parts parts;
    char other[64];
    (void)state;
    assert_true(hst_parts_of("a/m-00001-of-00012.gguf", &parts));
    hst_parts_name("a/m-00001-of-00012.gguf", &parts, 12, other);
    assert_string_equal(other, "a/m-00012-of-00012.gguf");
}

/* A part with one tensor of its own. */
static void write_part(const struct library *library, unsigned number, const char *tensor)
{
    char path[256], header[256];
    snprintf(path, sizeof path, "%s/big-%05u-of-00003.safetensors", library->models, number);
    snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"U8\",\"shape\":[%u],\"data_offsets\":[0,%u]}}", tensor, 10 * number, 10 * number);
    model_bytes_write(path, header, 10 * number);
}

static void parts_are_one_model_and_a_change_of_any_is_seen(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_part(&library, 3, "c");
    write_part(&library, 1, "a");
    write_part(&library, 2, "b");
    library_open(&library);
    library_scan(&library);
    assert_int_equal(hst_catalog_count(library.catalog), 1);
    struct hst_model *model = hst_catalog_find(library.catalog, "big");
    assert_int_equal(model->state, HST_MODEL_OK);
    assert_int_equal(model->file_count, 3);
    assert_int_equal(model->components[0].size_bytes, 60);
    write_part(&library, 2, "bee");
    library_scan(&library);
    assert_string_equal(library.news, "big +\n");
    write_part(&library, 2, "a");
    library_scan(&library);
    assert_int_equal(hst_catalog_find(library.catalog, "big")->problem.status, HST_E_INVALID_FILE);
    library_fini(&library);
}

static void a_missing_part_is_named(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_part(&library, 1, "a");
    write_part(&library, 3, "c");
    library_open(&library);
    library_scan(&library);
    assert_int_equal(hst_catalog_count(library.catalog), 1);
    assert_non_null(strstr(hst_catalog_find(library.catalog, "big")->problem.text, "part 2 of 3 is missing"));
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(another_name_is_made),
        cmocka_unit_test(parts_are_one_model_and_a_change_of_any_is_seen),
        cmocka_unit_test(a_missing_part_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
