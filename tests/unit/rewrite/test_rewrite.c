/* A file in another precision is there whole, or nothing is. What the numbers are: tests/python/test_convert.py and tests/system/test_convert.py. */
#include "faults.h"

#include "base/cleanup.h"
#include "catalog/catalog.h"
#include "cmocka_all.h"
#include "model_bytes.h"
#include "os/folder.h"
#include "rewrite/rewrite.h"

#include <stdio.h>

static char folder[64], source[128], target[128];
static _Atomic(bool) cancel;
static uint64_t told_bytes, cancel_after;

/* 24 MB of halves in two tensors, more than the buffers hold, and an integer. */
static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/hoist-rewrite-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(source, sizeof source, "%s/source.safetensors", folder);
    snprintf(target, sizeof target, "%s/target.safetensors", folder);
    model_bytes_write(source,
                      "{\"b.weight\":{\"dtype\":\"F16\",\"shape\":[3,1000003],\"data_offsets\":[0,6000018]},\"a.weight\":{\"dtype\":\"F16\",\"shape\":[9000000],"
                      "\"data_offsets\":[6000018,24000018]},\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[24000018,24000026]}}",
                      24000026);
    cancel = false;
    cancel_after = UINT64_MAX;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove(source);
    remove(target);
    return rmdir(folder); /* fails when anything else lies in it */
}

static void note(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    (void)context;
    (void)total_bytes;
    told_bytes = done_bytes;
    if (done_bytes >= cancel_after) cancel = true;
}

static struct hst_rewrite rewrite_of(struct hst_model *model)
{
    return (struct hst_rewrite){.wish = {.model = model, .dtype = HST_DTYPE_F32}, .output = target, .cancel = &cancel, .progress = note};
}

static bool is_there(const char *path)
{
    return hst_folder_has(HST_FOLDER_HERE, path);
}

static int check_written(const struct hst_rewritten *done)
{
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    assert_int_equal(hst_catalog_inspect(target, &model, NULL), 0);
    assert_int_equal(model->state, HST_MODEL_OK);
    assert_int_equal(model->size_bytes, done->size_bytes);
    assert_string_equal(model->files[0].table->tensors[0].name, "ids");
    assert_string_equal(model->files[0].table->tensors[1].name, "a.weight");
    assert_int_equal(model->files[0].table->tensors[1].dtype, HST_DTYPE_F32);
    return 0;
}

static void it_is_read_whole_and_written_whole(void **state)
{
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    struct hst_rewritten done;
    (void)state;
    assert_int_equal(hst_catalog_inspect(source, &model, NULL), 0);
    struct hst_rewrite rewrite = rewrite_of(model);
    assert_int_equal(hst_rewrite_run(&rewrite, &done, NULL), 0);
    assert_int_equal(told_bytes, 24000026);
    assert_int_equal(done.tensors, 3);
    assert_int_equal(done.converted, 2);
    assert_int_equal(done.change_count, 2);
    check_written(&done);
}

static void one_that_is_cancelled_leaves_nothing(void **state)
{
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    struct hst_rewritten done;
    (void)state;
    assert_int_equal(hst_catalog_inspect(source, &model, NULL), 0);
    struct hst_rewrite rewrite = rewrite_of(model);
    cancel_after = 20000000;
    assert_int_equal(hst_rewrite_run(&rewrite, &done, NULL), HST_E_CANCELLED);
    assert_false(is_there(target));
}

/* Fail the 1st, 2nd ... allocation or system call. @return how many there were */
static int sweep(enum fault_kind kind)
{
    int at = 0;
    for (bool failed = true; failed;) {
        HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
        struct hst_rewritten done;
        assert_int_equal(hst_catalog_inspect(source, &model, NULL), 0);
        struct hst_rewrite rewrite = rewrite_of(model);
        faults_begin(kind, ++at);
        int status = hst_rewrite_run(&rewrite, &done, NULL);
        failed = faults_end();
        assert_int_equal(is_there(target), status == 0);
        if (status == 0) check_written(&done);
        remove(target);
    }
    return at;
}

static void whatever_fails_nothing_is_left(void **state)
{
    (void)state;
    assert_in_range(sweep(FAULT_ALLOCATION), 6, 200);
    assert_in_range(sweep(FAULT_CALL), 10, 200);
}

static void components_are_chosen(void **state)
{
    HST_AUTO(hst_model_unrefp) struct hst_model *model = NULL;
    struct hst_rewritten done;
    bool taken[1] = {false};
    (void)state;
    assert_int_equal(hst_catalog_inspect(source, &model, NULL), 0);
    assert_int_equal(model->component_count, 1);
    struct hst_rewrite rewrite = rewrite_of(model);
    rewrite.wish.taken = taken;
    assert_int_equal(hst_rewrite_run(&rewrite, &done, NULL), 0);
    assert_int_equal(done.tensors, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_read_whole_and_written_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_cancelled_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whatever_fails_nothing_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(components_are_chosen, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
