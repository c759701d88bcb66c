/* What a validation finds in models made by hand. */
#include "catalog/validation.h"
#include "library.h"

#define LORA(name, down, up)                                                                                           \
    "\"" name ".lora_down.weight\":{\"dtype\":\"F32\",\"shape\":" down ",\"data_offsets\":[0,16]},"                     \
    "\"" name "." up "\":{\"dtype\":\"F32\",\"shape\":[4,1],\"data_offsets\":[16,32]}"
/* SHA-256 of eight zero bytes. */
#define OF_ZEROS "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"

static void path_of(const struct library *library, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", library->models, name);
}

static void write_data(const struct library *library, const char *name, const char *header, const void *data, size_t size)
{
    char path[256];
    path_of(library, name, path);
    struct model_bytes file = model_bytes_make(header, strlen(header), size);
    memcpy(file.bytes + file.size - size, data, size);
    FILE *out = fopen(path, "wb");
    fwrite(file.bytes, 1, file.size, out);
    fclose(out);
    free(file.bytes);
}

static struct hst_validation *validate(const struct library *library, const char *name, bool deep)
{
    char path[256];
    struct hst_validation *validation;
    path_of(library, name, path);
    assert_int_equal(hst_validation_run(&(struct hst_validation_wish){.path = path, .deep = deep}, &validation, NULL), 0);
    return validation;
}

static void expect(const struct hst_validation *validation, enum hst_check_kind kind, enum hst_check_state state, const char *part)
{
    const struct hst_check *check = &validation->checks[kind];
    if (check->state != state || strstr(check->text, part) == NULL)
        fail_msg("%s is %s: %s", hst_check_name(kind), hst_check_state_name(check->state), check->text);
}

static void a_sound_adapter_is_valid_without_a_look_at_its_weights(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_data(&library, "a.safetensors", "{" LORA("x", "[1,4]", "lora_up.weight") "}", (float[8]){1, 1, 1, 1, 1}, 32);
    struct hst_validation *found = validate(&library, "a.safetensors", false);
    expect(found, HST_CHECK_STRUCTURE, HST_CHECK_OK, "2 tensors");
    expect(found, HST_CHECK_COMPLETENESS, HST_CHECK_OK, "both halves of 1");
    expect(found, HST_CHECK_VALUES, HST_CHECK_SKIPPED, "deep");
    assert_true(hst_validation_is_valid(found) && found->reading.bytes_read == 0);
    hst_validation_free(found);
    library_fini(&library);
}

static void a_missing_half_is_named(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_data(&library, "a.safetensors", "{" LORA("x", "[1,4]", "alpha") "}", (float[8]){1}, 32);
    struct hst_validation *found = validate(&library, "a.safetensors", false);
    expect(found, HST_CHECK_COMPLETENESS, HST_CHECK_FAILED, "x.lora_up.weight");
    assert_int_equal(found->halves.missing.count, 1);
    assert_false(hst_validation_is_valid(found));
    hst_validation_free(found);
    library_fini(&library);
}

static void halves_of_different_rank_are_named(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_data(&library, "a.safetensors", "{" LORA("x", "[2,2]", "lora_up.weight") "}", (float[8]){1}, 32);
    struct hst_validation *found = validate(&library, "a.safetensors", false);
    expect(found, HST_CHECK_COMPLETENESS, HST_CHECK_FAILED, "x.lora_down.weight");
    hst_validation_free(found);
    library_fini(&library);
}

static void values_are_counted_by_component(void **state)
{
    static const char *const header = "{\"model.a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},\"vae.a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[16,20]},"
                                      "\"model.b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[20,28]},\"model.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[28,36]}}";
    const uint32_t data[9] = {0x7fc00000, 0x3f800000, 0xff800000, 0x7f800000, 0x7e007c00, 0, 0x80000000, 0, 0};
    struct library library;
    (void)state;
    library_init(&library);
    write_data(&library, "a.safetensors", header, data, sizeof data);
    struct hst_validation *found = validate(&library, "a.safetensors", true);
    expect(found, HST_CHECK_VALUES, HST_CHECK_WARNING, "2 NaN, 3 infinite, 1 weights of zeros alone");
    const struct hst_component_values *model = &found->reading.values[0], *vae = &found->reading.values[1];
    assert_true(model->nan == 1 && model->infinite == 2 && model->zero.count == 2 && model->zero_weights.count == 1);
    assert_string_equal(model->zero_weights.texts[0], "model.b");
    assert_true(vae->nan == 1 && vae->infinite == 1 && vae->zero.count == 0 && vae->scanned_bytes == 4);
    assert_int_equal(found->reading.bytes_read, 36);
    assert_true(hst_validation_is_valid(found));
    hst_validation_free(found);
    library_fini(&library);
}

static void the_untrained_half_of_a_pair_may_be_zeros(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_data(&library, "a.safetensors", "{" LORA("x", "[1,4]", "lora_up.weight") "}", (float[8]){1}, 32);
    struct hst_validation *found = validate(&library, "a.safetensors", true);
    expect(found, HST_CHECK_VALUES, HST_CHECK_OK, "1 small or untrained");
    expect(found, HST_CHECK_HASH, HST_CHECK_SKIPPED, "states no hash");
    hst_validation_free(found);
    library_fini(&library);
}

static void write_stating(const struct library *library, const char *name, const char *key, const char *hash)
{
    char header[512];
    snprintf(header, sizeof header, "{\"__metadata__\":{\"%s\":\"%s\"},\"w\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", key, hash);
    write_data(library, name, header, (uint8_t[8]){0}, 8);
}

static void stated_hashes_are_compared(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_stating(&library, "right.safetensors", "modelspec.hash_sha256", "0x" OF_ZEROS);
    write_stating(&library, "kohya.safetensors", "sshs_model_hash", OF_ZEROS);
    write_stating(&library, "wrong.safetensors", "modelspec.hash_sha256", "0xbf5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    write_stating(&library, "short.safetensors", "sshs_model_hash", "af5570f5a181");
    const struct {
        const char *name;
        enum hst_check_state state;
        const char *part;
    } cases[] = {{"right", HST_CHECK_OK, "1 stated"}, {"kohya", HST_CHECK_OK, "1 stated"}, {"wrong", HST_CHECK_WARNING, "modelspec.hash_sha256 states bf5570"}, {"short", HST_CHECK_SKIPPED, "no hash"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.safetensors", cases[i].name);
        struct hst_validation *found = validate(&library, name, true);
        expect(found, HST_CHECK_HASH, cases[i].state, cases[i].part);
        assert_true(hst_validation_is_valid(found));
        hst_validation_free(found);
    }
    library_fini(&library);
}

static void a_blob_must_have_the_hash_that_it_is_named_by(void **state)
{
    struct library library;
    char command[512];
    (void)state;
    library_init(&library);
    write_stating(&library, "blob", "who", "nobody");
    snprintf(command, sizeof command, "cd %s && mkdir blobs && h=$(sha256sum blob | cut -c1-64) && mv blob blobs/$h && ln -s blobs/$h m.safetensors && cp blobs/$h blobs/" OF_ZEROS
             " && ln -s blobs/" OF_ZEROS " bad.safetensors", library.models);
    assert_int_equal(system(command), 0);
    struct hst_validation *good = validate(&library, "m.safetensors", true), *bad = validate(&library, "bad.safetensors", true);
    expect(good, HST_CHECK_HASH, HST_CHECK_OK, "1 stated");
    expect(bad, HST_CHECK_HASH, HST_CHECK_FAILED, "name of the blob");
    assert_false(hst_validation_is_valid(bad));
    assert_true(good->reading.bytes_read == good->model->size_bytes);
    hst_validation_free(good);
    hst_validation_free(bad);
    library_fini(&library);
}

static void every_missing_part_is_named(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_write(&library, "big-00002-of-00004.safetensors", 10);
    struct hst_validation *found = validate(&library, "big-00002-of-00004.safetensors", true);
    expect(found, HST_CHECK_STRUCTURE, HST_CHECK_OK, "well-formed");
    expect(found, HST_CHECK_COMPLETENESS, HST_CHECK_FAILED, "3 of 4 parts");
    assert_non_null(strstr(found->missing_files.texts[2], "big-00004-of-00004.safetensors"));
    hst_validation_free(found);
    library_fini(&library);
}

static void what_is_malformed_or_gone_is_a_result(void **state)
{
    struct library library;
    char path[256];
    (void)state;
    library_init(&library);
    library_write(&library, "cut.safetensors", 1000);
    path_of(&library, "cut.safetensors", path);
    assert_int_equal(truncate(path, 900), 0);
    struct hst_validation *cut = validate(&library, "cut.safetensors", true), *gone = validate(&library, "gone.safetensors", true);
    expect(cut, HST_CHECK_STRUCTURE, HST_CHECK_FAILED, "missing");
    expect(cut, HST_CHECK_VALUES, HST_CHECK_SKIPPED, "not whole");
    assert_int_equal(cut->problem.status, HST_E_TRUNCATED);
    assert_int_equal(gone->problem.status, HST_E_FILE_MISSING);
    assert_false(hst_validation_is_valid(gone));
    hst_validation_free(cut);
    hst_validation_free(gone);
    library_fini(&library);
}

static void a_cancelled_one_ends_at_once(void **state)
{
    struct library library;
    struct hst_validation *found;
    const _Atomic(bool) cancel = true;
    char path[256];
    (void)state;
    library_init(&library);
    library_write(&library, "a.safetensors", 1000);
    path_of(&library, "a.safetensors", path);
    assert_int_equal(hst_validation_run(&(struct hst_validation_wish){.path = path, .deep = true, .cancel = &cancel}, &found, NULL), HST_E_CANCELLED);
    library_fini(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_adapter_is_valid_without_a_look_at_its_weights),
        cmocka_unit_test(a_missing_half_is_named),
        cmocka_unit_test(halves_of_different_rank_are_named),
        cmocka_unit_test(values_are_counted_by_component),
        cmocka_unit_test(the_untrained_half_of_a_pair_may_be_zeros),
        cmocka_unit_test(stated_hashes_are_compared),
        cmocka_unit_test(a_blob_must_have_the_hash_that_it_is_named_by),
        cmocka_unit_test(every_missing_part_is_named),
        cmocka_unit_test(what_is_malformed_or_gone_is_a_result),
        cmocka_unit_test(a_cancelled_one_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
