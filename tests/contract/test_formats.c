/* What every format does alike, on a sample of each: what is cut, changed or claimed is refused or lies within the file. */
#include "cmocka_all.h"
#include "formats/format.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A good file of each format, from the fuzz corpus (tests/fuzz/seeds.py). A format without a row fails every_format_has_a_sample. */
static const struct {
    const char *format, *file;
} samples[] = {{"safetensors", "two"}, {"gguf", "gguf"}, {"torch", "torch-zip"}, {"torch", "torch-stream"}, {"onnx", "onnx"}, {"onnx", "onnx-nested"}};
#define SAMPLES (sizeof samples / sizeof samples[0])

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes read_sample(const char *name)
{
    char path[512];
    struct bytes bytes = {.data = malloc(65536)};
    snprintf(path, sizeof path, "%s/fuzz/corpus/safetensors/%s", TESTS_FOLDER, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    bytes.size = fread(bytes.data, 1, 65536, file);
    fclose(file);
    return bytes;
}

/* Parse an exact copy, so that the sanitizers see a read beyond the end. @return status */
static int parse(const uint8_t *data, size_t size, const char **ret_format, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    uint8_t *copy = malloc(size + (size == 0));
    memcpy(copy, data, size);
    struct hst_source_bytes memory = {copy, size};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format = NULL;
    int status = hst_format_parse(&source, &format, ret_table, err);
    if (status == 0) *ret_format = format->name;
    free(copy);
    return status;
}

static void assert_within(const struct hst_tensor_table *table, size_t size)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct hst_tensor *tensor = &table->tensors[i];
        uint64_t bytes;
        assert_true(tensor->offset <= size && tensor->size_bytes <= size - tensor->offset);
        assert_true(hst_dtype_bytes(tensor->dtype, tensor->elements, &bytes) && bytes == tensor->size_bytes);
        assert_true(i == 0 || table->tensors[i - 1].offset <= tensor->offset);
        assert_ptr_equal(hst_tensor_table_find(table, tensor->name), tensor);
    }
}

static void every_format_has_a_sample(void **state)
{
    size_t formats = 0;
    (void)state;
    for (; hst_formats[formats] != NULL; formats++) {
        size_t found = 0;
        for (size_t i = 0; i < SAMPLES; i++)
            found += strcmp(samples[i].format, hst_formats[formats]->name) == 0;
        assert_true(found > 0);
    }
}

static void a_good_file_is_of_one_format_and_all_of_it_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes sample = read_sample(samples[i].file);
        struct hst_tensor_table *table;
        const char *format;
        size_t sniffed = 0;
        assert_int_equal(parse(sample.data, sample.size, &format, &table, NULL), 0);
        assert_string_equal(format, samples[i].format);
        assert_string_equal(table->format, format);
        assert_true(table->count > 0 && table->file_size_bytes == sample.size);
        assert_within(table, sample.size);
        for (size_t f = 0; hst_formats[f] != NULL; f++)
            sniffed += hst_formats[f]->sniff(sample.data, sample.size, sample.size);
        assert_int_equal(sniffed, 1);
        hst_tensor_table_free(table);
        free(sample.data);
    }
}

static void every_shorter_file_is_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes sample = read_sample(samples[i].file);
        for (size_t size = 0; size < sample.size; size++) {
            struct hst_tensor_table *table;
            struct hst_error err = {0};
            const char *format;
            assert_true(parse(sample.data, size, &format, &table, &err) < 0);
            assert_string_equal(hst_status_info(err.status)->category, "format");
            assert_true(err.text[0] != '\0');
        }
        free(sample.data);
    }
}

static void every_longer_file_is_refused_or_warned_of(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes sample = read_sample(samples[i].file);
        struct hst_tensor_table *table;
        struct hst_error err = {0};
        const char *format;
        memset(sample.data + sample.size, 0, 64);
        if (parse(sample.data, sample.size + 64, &format, &table, &err) == 0) {
            assert_int_equal(table->warning_count, 1);
            assert_non_null(strstr(table->warnings[0], "64 bytes follow"));
            hst_tensor_table_free(table);
        } else {
            assert_string_equal(hst_status_info(err.status)->category, "format");
        }
        free(sample.data);
    }
}

static void every_changed_bit_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes sample = read_sample(samples[i].file);
        for (size_t bit = 0; bit < 8 * sample.size; bit++) {
            struct hst_tensor_table *table;
            const char *format;
            sample.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (parse(sample.data, sample.size, &format, &table, NULL) == 0) {
                assert_within(table, sample.size);
                hst_tensor_table_free(table);
            }
            sample.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        free(sample.data);
    }
}

static int fail_read(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    struct hst_source *inner = context;
    if (offset + length > inner->size_bytes / 2) return hst_error_set(err, HST_E_IO, "the disk failed");
    return inner->read_at(inner->context, offset, buffer, length, err);
}

static void a_disk_that_fails_is_no_verdict_on_the_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct bytes sample = read_sample(samples[i].file);
        struct hst_source_bytes memory = {sample.data, sample.size};
        struct hst_source good = hst_source_memory(&memory), bad = {.size_bytes = sample.size, .read_at = fail_read, .context = &good};
        struct hst_tensor_table *table;
        const struct hst_format *format;
        assert_int_equal(hst_format_parse(&bad, &format, &table, NULL), HST_E_IO);
        free(sample.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_has_a_sample),
        cmocka_unit_test(a_good_file_is_of_one_format_and_all_of_it_is_known),
        cmocka_unit_test(every_shorter_file_is_refused_with_a_reason),
        cmocka_unit_test(every_longer_file_is_refused_or_warned_of),
        cmocka_unit_test(every_changed_bit_is_survived),
        cmocka_unit_test(a_disk_that_fails_is_no_verdict_on_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
