/* Whichever allocation or system call fails while a library is hashed and a model of it is found elsewhere: nothing leaks, no wrong hash is
 * kept, and later every hash is known. */
#include "catalog/hashes.h"
#include "faults.h"
#include "library.h"

static void settle(struct library *library)
{
    uv_run(&library->loop, UV_RUN_DEFAULT);
}

static void move_by_copy(const struct library *library, const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof command, "cd %s && cp %s %s && rm %s", library->models, from, to, from);
    assert_int_equal(system(command), 0);
}

/* Hash the library, whatever happens; then once more by a catalog that nothing happens to. */
static bool hash_with_fault(struct library *library, enum fault_kind kind, int at)
{
    faults_begin(kind, at);
    if (library_open(library) == 0 && library_scan(library) == 0) settle(library);
    if (library->catalog != NULL) move_by_copy(library, "one.safetensors", "sub/moved.safetensors");
    if (library->catalog != NULL && library_scan(library) == 0) settle(library);
    bool failed = faults_end();
    library_close(library);
    assert_int_equal(library_open(library), 0);
    library_scan(library);
    settle(library);
    return failed;
}

static void check(struct library *library, const uint8_t expected[HST_SHA256_BYTES])
{
    size_t cursor = 0;
    int found = 0;
    for (struct hst_model *model; (model = hst_catalog_next(library->catalog, &cursor));) {
        if (model->state != HST_MODEL_OK) continue;
        const struct hst_hashes *hashes = hst_hashes_find(library->catalog, &model->files[0].id);
        assert_non_null(hashes);
        assert_memory_equal(hashes->sha256, expected, HST_SHA256_BYTES);
        found++;
    }
    assert_int_equal(found, 1);
}

static void sweep(enum fault_kind kind)
{
    uint8_t expected[HST_SHA256_BYTES];
    bool failed = true;
    for (int at = 0; failed || at <= 1; at++) { /* none fails at first */
        struct library library;
        library_init(&library);
        library.hash = HST_HASH_AUTO;
        library_write(&library, "one.safetensors", 100);
        failed = hash_with_fault(&library, kind, at == 0 ? 1000000 : at);
        if (at == 0) memcpy(expected, hst_hashes_find(library.catalog, &hst_catalog_find(library.catalog, "one")->files[0].id)->sha256, sizeof expected);
        check(&library, expected);
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
