/* Whichever allocation or system call fails while metadata is written: the file is the old or the new one, nothing else lies beside
 * it, and writing again works. */
#include "faults.h"
#include "library.h"

#include "base/cleanup.h"
#include "catalog/annotate.h"
#include "os/folder.h"

static void on_done(void *context, const struct hst_error *err)
{
    *(int *)context = err != NULL ? err->status : 0;
}

/* Write a title and wait. @return status */
static int annotate(struct library *library, enum hst_annotate_target target)
{
    struct hst_annotation annotation = {.target = target};
    int status = 1;
    int begun = hst_override_set(&annotation.words, "modelspec.title", "T", NULL);
    if (begun == 0) begun = hst_override_set(&annotation.said, "family", "sdxl", NULL);
    if (begun == 0) begun = hst_annotate(library->catalog, "one", &annotation, on_done, &status, NULL);
    hst_override_fini(&annotation.words);
    hst_override_fini(&annotation.said);
    while (begun == 0 && status == 1)
        uv_run(&library->loop, UV_RUN_ONCE);
    return begun < 0 ? begun : status;
}

static int count_entry(void *context, const char *name, enum hst_entry_kind kind)
{
    (void)kind;
    *(int *)context += strcmp(name, "sub") != 0;
    return 0;
}

static int files_of(const struct library *library)
{
    int count = 0;
    HST_AUTO(hst_closep) int fd = hst_folder_open(library->models, NULL);
    assert_int_equal(hst_folder_list(fd, count_entry, &count, NULL), 0);
    return count;
}

static void sweep(enum fault_kind kind, enum hst_annotate_target target)
{
    bool failed = true;
    for (int at = 1; failed; at++) {
        struct library library;
        library_init(&library);
        library_write(&library, "one.safetensors", 100);
        assert_int_equal(library_open(&library), 0);
        library_scan(&library);
        faults_begin(kind, at);
        annotate(&library, target);
        failed = faults_end();
        library_scan(&library);
        assert_int_equal(hst_catalog_find(library.catalog, "one")->state, HST_MODEL_OK);
        assert_int_equal(annotate(&library, target), 0);
        assert_string_equal(hst_catalog_find(library.catalog, "one")->family, "sdxl");
        assert_int_equal(files_of(&library), target == HST_ANNOTATE_SIDECAR ? 2 : 1);
        assert_true(at < 2000);
        library_fini(&library);
    }
}

static void every_allocation(void **state)
{
    (void)state;
    sweep(FAULT_ALLOCATION, HST_ANNOTATE_SIDECAR);
    sweep(FAULT_ALLOCATION, HST_ANNOTATE_HEADER);
}

static void every_system_call(void **state)
{
    (void)state;
    sweep(FAULT_CALL, HST_ANNOTATE_SIDECAR);
    sweep(FAULT_CALL, HST_ANNOTATE_HEADER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation), cmocka_unit_test(every_system_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
