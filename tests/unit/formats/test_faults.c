/* Whichever allocation fails while a file is parsed: nothing is lost, and it is no verdict on the file. */
#include "cmocka_all.h"
#include "faults.h"
#include "formats/format.h"

#include <stdio.h>

enum { SIZE_MAX_OF_SAMPLE = 65536 };

static size_t read_sample(const char *name, uint8_t *bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/fuzz/corpus/safetensors/%s", TESTS_FOLDER, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, SIZE_MAX_OF_SAMPLE, file);
    fclose(file);
    return size;
}

static void sweep(const char *name)
{
    static uint8_t bytes[SIZE_MAX_OF_SAMPLE];
    struct hst_source_bytes memory = {bytes, read_sample(name, bytes)};
    struct hst_source source = hst_source_memory(&memory);
    bool failed = true;
    for (int at = 1; failed; at++) {
        const struct hst_format *format;
        struct hst_tensor_table *table = NULL;
        struct hst_error err = {0};
        faults_begin(FAULT_ALLOCATION, at);
        int status = hst_format_parse(&source, &format, &table, &err);
        failed = faults_end();
        assert_true(status == HST_OK || (failed && status == HST_E_NOMEM && err.status == status));
        hst_tensor_table_free(table);
    }
}

static void every_allocation(void **state)
{
    const char *samples[] = {"two", "gguf", "onnx", "onnx-external", "onnx-nested", "onnx-sparse"};
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        sweep(samples[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
