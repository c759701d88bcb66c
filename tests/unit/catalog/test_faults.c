/* Whichever allocation or system call of a scan fails: the next scan finds everything. */
#include "faults.h"
#include "library.h"

static int open_and_scan(struct library *library)
{
    int status = library_open(library);
    return status == 0 ? library_scan(library) : status;
}

/* An ONNX file whose tensors lie in two others. */
static void write_onnx(const struct library *library)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && cp %s/fuzz/corpus/safetensors/onnx-external three.onnx && truncate -s 16 w.bin && truncate -s 8 sub/w.bin", library->models,
             TESTS_FOLDER);
    assert_int_equal(system(command), 0);
}

static void sweep(enum fault_kind kind)
{
    bool failed = true;
    for (int at = 1; failed; at++) {
        struct library library;
        library_init(&library);
        library_write(&library, "one.safetensors", 100);
        library_write(&library, "sub/two.safetensors", 200);
        write_onnx(&library);
        faults_begin(kind, at);
        open_and_scan(&library);
        failed = faults_end();
        if (library.catalog == NULL) assert_int_equal(library_open(&library), 0);
        assert_int_equal(library_scan(&library), 0);
        library_scan(&library);
        assert_int_equal(hst_catalog_find(library.catalog, "one")->state, HST_MODEL_OK);
        assert_int_equal(hst_catalog_find(library.catalog, "two")->state, HST_MODEL_OK);
        assert_int_equal(hst_catalog_find(library.catalog, "three")->state, HST_MODEL_OK);
        assert_int_equal(hst_catalog_find(library.catalog, "three")->file_count, 3);
        assert_true(at < 5000);
        library_fini(&library);
    }
}

static void every_allocation(void **state)
{
    (void)state;
    sweep(FAULT_ALLOCATION);
}

static void every_system_call(void **state)
{
    (void)state;
    sweep(FAULT_CALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation), cmocka_unit_test(every_system_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
