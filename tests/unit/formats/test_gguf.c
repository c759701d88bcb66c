/* GGUF is read strictly: each case is a file with one thing wrong, and the verdict it must get. */
#include "cmocka_all.h"
#include "formats/format.h"
#include "formats/limits.h"

#include <stdlib.h>
#include <string.h>

enum { UINT32 = 4, STRING = 8, ARRAY = 9, F32 = 0, Q4_0 = 2, Q4_K = 12 };

/* A file being written. */
struct file {
    uint8_t bytes[4096];
    size_t size;
};

static void put(struct file *file, const void *bytes, size_t length)
{
    memcpy(file->bytes + file->size, bytes, length);
    file->size += length;
}

static void put_u32(struct file *file, uint32_t value)
{
    put(file, &value, sizeof value);
}

static void put_u64(struct file *file, uint64_t value)
{
    put(file, &value, sizeof value);
}

static void put_text(struct file *file, const char *text)
{
    put_u64(file, strlen(text));
    put(file, text, strlen(text));
}

static void put_head(struct file *file, uint32_t version, uint64_t tensors, uint64_t pairs)
{
    *file = (struct file){.size = 0};
    put(file, "GGUF", 4);
    put_u32(file, version);
    put_u64(file, tensors);
    put_u64(file, pairs);
}

static void put_tensor(struct file *file, const char *name, uint32_t type, uint64_t inner, uint64_t outer, uint64_t offset)
{
    put_text(file, name);
    put_u32(file, 2);
    put_u64(file, inner);
    put_u64(file, outer);
    put_u32(file, type);
    put_u64(file, offset);
}

/* Zeros up to a multiple of `alignment`, then `data` more. */
static void put_data(struct file *file, size_t alignment, size_t data)
{
    file->size = (file->size + alignment - 1) / alignment * alignment + data;
}

static int parse(const struct file *file, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    uint8_t *copy = malloc(file->size + (file->size == 0));
    memcpy(copy, file->bytes, file->size);
    struct hst_source_bytes memory = {copy, file->size};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format;
    int status = hst_format_parse(&source, &format, ret_table, err);
    if (status == 0) assert_string_equal(format->name, "gguf");
    free(copy);
    return status;
}

static void assert_refused(const struct file *file, int status, const char *word)
{
    struct hst_tensor_table *table;
    struct hst_error err = {0};
    assert_int_equal(parse(file, &table, &err), status);
    assert_non_null(strstr(err.text, word));
}

/* Two tensors, one of them packed, and metadata of every kind. */
static void put_good(struct file *file)
{
    put_head(file, 3, 2, 3);
    put_text(file, "general.architecture");
    put_u32(file, STRING);
    put_text(file, "llama");
    put_text(file, "llama.block_count");
    put_u32(file, UINT32);
    put_u32(file, 7);
    put_text(file, "tokens");
    put_u32(file, ARRAY);
    put_u32(file, STRING);
    put_u64(file, 2);
    put_text(file, "a");
    put_text(file, "bc");
    put_tensor(file, "blk.0.weight", Q4_K, 256, 3, 0);
    put_tensor(file, "norm", F32, 2, 1, 448);
    put_data(file, 32, 448 + 8);
}

static void tells_shapes_types_and_places(void **state)
{
    struct file file;
    struct hst_tensor_table *table;
    (void)state;
    put_good(&file);
    assert_int_equal(parse(&file, &table, NULL), 0);
    assert_int_equal(table->count, 2);
    const struct hst_tensor *packed = &table->tensors[0], *plain = &table->tensors[1];
    assert_string_equal(hst_dtype_info(packed->dtype)->name, "Q4_K");
    assert_int_equal(packed->shape[0], 3);
    assert_int_equal(packed->shape[1], 256);
    assert_int_equal(packed->size_bytes, 3 * 144);
    assert_int_equal(plain->offset, packed->offset + 448);
    assert_int_equal(plain->offset % 32, 0);
    assert_string_equal(hst_tensor_table_metadata(table, "general.architecture"), "llama");
    assert_string_equal(hst_tensor_table_metadata(table, "llama.block_count"), "7");
    assert_null(hst_tensor_table_metadata(table, "tokens"));
    hst_tensor_table_free(table);
}

static void every_length_short_of_the_whole_is_truncated(void **state)
{
    struct file file;
    struct hst_tensor_table *table;
    struct hst_error err;
    (void)state;
    put_good(&file);
    for (size_t whole = file.size, size = 8; size < whole; size++) {
        file.size = size;
        err = (struct hst_error){0};
        assert_int_equal(parse(&file, &table, &err), HST_E_TRUNCATED);
    }
}

static void every_byte_changed_is_survived(void **state)
{
    struct file file, broken;
    struct hst_tensor_table *table;
    (void)state;
    put_good(&file);
    for (size_t at = 4; at < file.size; at++)
        for (int bit = 0; bit < 8; bit++) {
            broken = file;
            broken.bytes[at] ^= (uint8_t)(1 << bit);
            if (parse(&broken, &table, NULL) == 0) hst_tensor_table_free(table);
        }
}

static void refuses_what_is_wrong_with_a_tensor(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t inner, outer, offset;
        size_t data;
        int status;
        const char *word;
    } cases[] = {
        {F32, 4, 1, 32, 48, HST_E_INVALID_FILE, "hole"},
        {F32, 4, 1, 0, 15, HST_E_TRUNCATED, "1 bytes are missing"},
        {F32, UINT64_MAX, 2, 0, 0, HST_E_INVALID_FILE, "overflow"},
        {F32, 4, 1, UINT64_MAX - 3, 0, HST_E_INVALID_FILE, "overflow"},
        {Q4_0, 31, 32, 0, 18 * 31, HST_E_INVALID_FILE, "blocks"},
        {4, 32, 1, 0, 18, HST_E_INVALID_FILE, "unknown element type"},
        {4000000000, 32, 1, 0, 18, HST_E_INVALID_FILE, "unknown element type"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct file file;
        put_head(&file, 3, 1, 0);
        put_tensor(&file, "t", cases[i].type, cases[i].inner, cases[i].outer, cases[i].offset);
        put_data(&file, 32, cases[i].data);
        assert_refused(&file, cases[i].status, cases[i].word);
    }
}

static void what_follows_the_last_tensor_is_a_warning(void **state)
{
    struct file file;
    struct hst_tensor_table *table;
    (void)state;
    for (size_t more = 0; more <= 96; more += 32) {
        put_head(&file, 3, 1, 0);
        put_tensor(&file, "t", F32, 4, 1, 0);
        put_data(&file, 32, 16 + more);
        assert_int_equal(parse(&file, &table, NULL), 0);
        assert_int_equal(table->warning_count, more >= 32);
        if (more == 96) assert_string_equal(table->warnings[0], "trailing_bytes: 96 bytes follow the last tensor");
        hst_tensor_table_free(table);
    }
}

static void refuses_tensors_that_overlap_or_have_one_name(void **state)
{
    struct file file;
    (void)state;
    put_head(&file, 3, 2, 0);
    put_tensor(&file, "a", F32, 16, 1, 0);
    put_tensor(&file, "b", F32, 16, 1, 32);
    put_data(&file, 32, 128);
    assert_refused(&file, HST_E_INVALID_FILE, "overlap");
    put_head(&file, 3, 2, 0);
    put_tensor(&file, "a", F32, 8, 1, 0);
    put_tensor(&file, "a", F32, 8, 1, 32);
    put_data(&file, 32, 64);
    assert_refused(&file, HST_E_INVALID_FILE, "twice");
}

static void refuses_other_versions_and_claims(void **state)
{
    struct file file;
    (void)state;
    put_head(&file, 1, 0, 0);
    assert_refused(&file, HST_E_INVALID_FILE, "version");
    put_head(&file, 0x03000000, 0, 0);
    assert_refused(&file, HST_E_INVALID_FILE, "big-endian");
    put_head(&file, 3, UINT64_MAX, 0);
    assert_refused(&file, HST_E_TRUNCATED, "truncated");
    put_head(&file, 3, 0, UINT64_MAX);
    assert_refused(&file, HST_E_TRUNCATED, "truncated");
}

static void refuses_wrong_metadata(void **state)
{
    struct file file;
    (void)state;
    put_head(&file, 3, 0, 1);
    put_text(&file, "general.alignment");
    put_u32(&file, UINT32);
    put_u32(&file, 48);
    assert_refused(&file, HST_E_INVALID_FILE, "alignment");
    put_head(&file, 3, 0, 1);
    put_text(&file, "k");
    put_u32(&file, 99);
    assert_refused(&file, HST_E_INVALID_FILE, "unknown type");
    put_head(&file, 3, 0, 1);
    put_text(&file, "k");
    put_u32(&file, ARRAY);
    put_u32(&file, ARRAY); /* arrays of arrays: GGML has none */
    put_u64(&file, 1);
    assert_refused(&file, HST_E_INVALID_FILE, "unknown type");
    put_head(&file, 3, 0, 1);
    put_text(&file, "k");
    put_u32(&file, ARRAY);
    put_u32(&file, UINT32);
    put_u64(&file, UINT64_MAX / 2);
    assert_refused(&file, HST_E_INVALID_FILE, "overflow");
}

static void a_vocabulary_alone_is_a_model_without_tensors(void **state)
{
    struct file file;
    struct hst_tensor_table *table;
    (void)state;
    put_head(&file, 2, 0, 0);
    assert_int_equal(parse(&file, &table, NULL), 0);
    assert_int_equal(table->count, 0);
    hst_tensor_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_shapes_types_and_places),
        cmocka_unit_test(every_length_short_of_the_whole_is_truncated),
        cmocka_unit_test(every_byte_changed_is_survived),
        cmocka_unit_test(refuses_what_is_wrong_with_a_tensor),
        cmocka_unit_test(what_follows_the_last_tensor_is_a_warning),
        cmocka_unit_test(refuses_tensors_that_overlap_or_have_one_name),
        cmocka_unit_test(refuses_other_versions_and_claims),
        cmocka_unit_test(refuses_wrong_metadata),
        cmocka_unit_test(a_vocabulary_alone_is_a_model_without_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
