/* safetensors is read strictly: each row is a file from the list of hostile ones, with the verdict it must get. */
#include "cmocka_all.h"
#include "formats/format.h"
#include "formats/limits.h"
#include "model_bytes.h"

#include <time.h>

#define T "\"t\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}"

static int parse_bytes(const uint8_t *bytes, size_t size, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    /* An exact copy, so that the sanitizers see a read beyond the end. */
    uint8_t *copy = malloc(size + (size == 0));
    memcpy(copy, bytes, size);
    struct hst_source_bytes memory = {copy, size};
    struct hst_source source = hst_source_memory(&memory);
    int status = hst_formats[0]->parse(&source, ret_table, err);
    free(copy);
    return status;
}

static int parse_header(const char *header, size_t length, size_t data, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    struct model_bytes file = model_bytes_make(header, length, data);
    int status = parse_bytes(file.bytes, file.size, ret_table, err);
    free(file.bytes);
    return status;
}

static void accepts_valid_files(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data, tensors;
    } good[] = {
        {"{" T "}", 16, 1},
        {"{" T "}   ", 16, 1},
        {"{}", 0, 0},
        {"{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[16,20]}," T "}", 20, 2},
        {"{\"z\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}," T ",\"y\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[16,16]}}", 16, 3},
        {"{\"__metadata__\":null," T "}", 16, 1},
        {"{\"__metadata__\":{\"a\":\"b\"}," T "}", 16, 1},
        {"{\"f\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]},\"g\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[2,5]}}", 5, 2},
        {"{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8],\"extra\":{\"x\":[1]}}}", 8, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct hst_tensor_table *table;
        assert_int_equal(parse_header(good[i].header, strlen(good[i].header), good[i].data, &table, NULL), 0);
        assert_int_equal(table->count, good[i].tensors);
        hst_tensor_table_free(table);
    }
}

static void tells_shape_type_and_place(void **state)
{
    (void)state;
    struct hst_tensor_table *table;
    const char *header = "{\"__metadata__\":{\"format\":\"pt\"}," T "}";
    assert_int_equal(parse_header(header, strlen(header), 16, &table, NULL), 0);
    const struct hst_tensor *tensor = hst_tensor_table_find(table, "t");
    assert_int_equal(tensor->offset, 8 + strlen(header));
    assert_int_equal(tensor->size_bytes, 16);
    assert_int_equal(tensor->elements, 4);
    assert_int_equal(tensor->shape[1], 2);
    assert_int_equal(tensor->dtype, HST_DTYPE_F32);
    assert_string_equal(hst_tensor_table_metadata(table, "format"), "pt");
    assert_null(hst_tensor_table_metadata(table, "other"));
    assert_null(hst_tensor_table_find(table, "u"));
    hst_tensor_table_free(table);
}

#define ONE(name, dtype, shape, offsets) "{\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
    const char *header, *why;
    size_t data;
} hostile[] = {
    {ONE("a\xff", "U8", "[1]", "[0,1]"), "utf8", 1},
    {ONE("a\xc0\x80", "U8", "[1]", "[0,1]"), "utf8", 1},
    {"\xef\xbb\xbf{}", "json", 0},
    {ONE("a\\u0000x", "U8", "[1]", "[0,1]"), "name", 1},
    {"{" T "}x", "json", 16},
    {"[]", "json", 0},
    {"null", "json", 0},
    {" {}", "json", 0},
    {"{" T "," T "}", "duplicate", 16},
    {"{" T ",\"\\u0074\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", "duplicate", 16},
    {"{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "duplicate", 1},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", "duplicate", 0},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", "duplicate", 0},
    {"{\"__metadata__\":{\"a\":1}}", "metadata", 0},
    {"{\"__metadata__\":[]}", "metadata", 0},
    {"{\"__metadata__\":{\"a\":{}}}", "metadata", 0},
    {"{\"t\":null}", "type", 0},
    {"{\"t\":[\"F32\",[2,2],[0,16]]}", "type", 16},
    {ONE("t", "F33", "[1]", "[0,1]"), "dtype", 1},
    {"{\"t\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,1]}}", "dtype", 1},
    {"{\"t\":{\"dtype\":{\"F32\":null},\"shape\":[1],\"data_offsets\":[0,4]}}", "dtype", 4},
    {ONE("t", "F32", "[18446744073709551616]", "[0,16]"), "overflow", 16},
    {ONE("t", "F32", "[4611686018427387908]", "[0,16]"), "overflow", 16},
    {ONE("t", "U8", "[0,18446744073709551615,2]", "[0,0]"), "overflow", 0},
    {ONE("t", "U8", "[18446744073709551615,2,0]", "[0,0]"), "overflow", 0},
    {ONE("t", "U8", "[-1]", "[0,1]"), "overflow", 1},
    {ONE("t", "U8", "[1.0]", "[0,1]"), "overflow", 1},
    {ONE("t", "U8", "[\"1\"]", "[0,1]"), "type", 1},
    {ONE("t", "U8", "1", "[0,1]"), "type", 1},
    {ONE("t", "F32", "[4]", "[0]"), "type", 16},
    {ONE("t", "F32", "[4]", "[0,16,32]"), "type", 16},
    {ONE("t", "F32", "[4]", "{\"b\":0,\"e\":16}"), "type", 16},
    {ONE("t", "F32", "[4]", "[16,0]"), "offset", 16},
    {ONE("t", "F32", "[4]", "[0,16]"), "truncated", 15},
    {ONE("t", "F32", "[4]", "[0,16]"), "trailing", 17},
    {ONE("t", "U8", "[18446744073709551600]", "[0,18446744073709551600]"), "overflow", 16},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[8,12]}}", "hole", 12},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", "overlap", 6},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "overlap", 4},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", "overlap", 4},
    {ONE("t", "F32", "[2,2]", "[0,12]"), "size", 12},
    {ONE("t", "F4", "[3]", "[0,1]"), "size", 1},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", "type", 1},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]", "json", 1},
};

static void refuses_hostile_files_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct hst_tensor_table *table;
        struct hst_error err = {0};
        assert_true(parse_header(hostile[i].header, strlen(hostile[i].header), hostile[i].data, &table, &err) < 0);
        if (strncmp(err.text, hostile[i].why, strlen(hostile[i].why)) != 0) fail_msg("%s: %s", hostile[i].header, err.text);
    }
}

static void refuses_lengths_before_believing_them(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {1000, 100000000, 100000001, UINT64_C(1) << 63, UINT64_MAX, 0, 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t bytes[70] = {0};
        uint64_t length = htole64(lengths[i]);
        struct hst_tensor_table *table;
        memcpy(bytes, &length, 8);
        assert_true(parse_bytes(bytes, sizeof bytes, &table, NULL) < 0);
    }
    struct hst_tensor_table *table;
    assert_int_equal(parse_bytes((const uint8_t *)"1234567", 7, &table, NULL), HST_E_TRUNCATED);
}

static char *repeated(const char *start, const char *piece, size_t times, const char *end)
{
    size_t length = strlen(piece), at = strlen(start);
    char *text = malloc(at + length * times + strlen(end) + 1);
    memcpy(text, start, at);
    for (size_t i = 0; i < times; i++, at += length)
        memcpy(text + at, piece, length);
    strcpy(text + at, end);
    return text;
}

static void limits_nesting_rank_and_names(void **state)
{
    (void)state;
    char *cases[] = {repeated("{\"t\":", "[", 100000, ""), repeated("{\"__metadata__\":", "[", 100000, ""), repeated("{\"t\":{\"x\":", "[", 100000, ""),
                     repeated("{\"t\":{\"dtype\":\"U8\",\"shape\":[1", ",1", 1000, "],\"data_offsets\":[0,1]}}"),
                     repeated("{\"", "n", HST_NAME_MAX + 1, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}")};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hst_tensor_table *table;
        assert_true(parse_header(cases[i], strlen(cases[i]), 1, &table, NULL) < 0);
        free(cases[i]);
    }
}

static void reads_a_hundred_thousand_tensors_in_a_second(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    char *header = malloc(COUNT * 90 + 2), *at = header;
    for (int i = 0; i < COUNT; i++)
        at += sprintf(at, "%c\"model.layer.%d.w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[%d,%d]}", i ? ',' : '{', i, 16 * i, 16 * i + 16);
    strcpy(at, "}");
    struct hst_tensor_table *table;
    clock_t start = clock();
    assert_int_equal(parse_header(header, strlen(header), 16 * COUNT, &table, NULL), 0);
    assert_true(clock() - start < CLOCKS_PER_SEC * 3);
    assert_int_equal(table->count, COUNT);
    hst_tensor_table_free(table);
    free(header);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    const char *header = "{\"__metadata__\":{\"a\":\"b\"},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[16,20]}," T "}  ";
    struct model_bytes file = model_bytes_make(header, strlen(header), 20);
    struct hst_tensor_table *table;
    for (size_t size = 0; size < file.size; size++)
        assert_true(parse_bytes(file.bytes, size, &table, NULL) < 0);
    assert_int_equal(parse_bytes(file.bytes, file.size, &table, NULL), 0);
    hst_tensor_table_free(table);
    free(file.bytes);
}

static void check_consistent(const struct hst_tensor_table *table, size_t size)
{
    for (size_t i = 0; i < table->count; i++) {
        uint64_t bytes;
        assert_true(hst_dtype_bytes(table->tensors[i].dtype, table->tensors[i].elements, &bytes));
        assert_true(bytes == table->tensors[i].size_bytes && table->tensors[i].offset <= size && bytes <= size - table->tensors[i].offset);
    }
}

static void no_bit_flip_makes_an_inconsistent_table(void **state)
{
    (void)state;
    struct model_bytes file = model_bytes_make("{" T "}", strlen("{" T "}"), 16);
    for (size_t bit = 0; bit < (file.size - 16) * 8; bit++) {
        struct hst_tensor_table *table;
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (parse_bytes(file.bytes, file.size, &table, NULL) == 0) {
            check_consistent(table, file.size);
            hst_tensor_table_free(table);
        }
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(file.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_valid_files),
        cmocka_unit_test(tells_shape_type_and_place),
        cmocka_unit_test(refuses_hostile_files_and_says_why),
        cmocka_unit_test(refuses_lengths_before_believing_them),
        cmocka_unit_test(limits_nesting_rank_and_names),
        cmocka_unit_test(reads_a_hundred_thousand_tensors_in_a_second),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(no_bit_flip_makes_an_inconsistent_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
