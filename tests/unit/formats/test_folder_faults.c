/* Whichever allocation fails while a folder's JSON is read: it is said, and nothing is left behind. The formats themselves: tests/badfiles/check.c. */
#include "cmocka_all.h"
#include "faults.h"
#include "formats/folder.h"

static int read_pipeline(const char *text, struct hst_error *err)
{
    struct hst_pipeline_index index;
    int status = hst_pipeline_index_parse(text, strlen(text), &index, err);
    if (status == 0) hst_pipeline_index_fini(&index);
    return status;
}

static int read_shards(const char *text, struct hst_error *err)
{
    struct hst_shard_index index;
    int status = hst_shard_index_parse(text, strlen(text), &index, err);
    if (status == 0) hst_shard_index_fini(&index);
    return status;
}

static int read_config(const char *text, struct hst_error *err)
{
    struct hst_model_config config;
    int status = hst_model_config_parse(text, strlen(text), &config, err);
    if (status == 0) hst_model_config_fini(&config);
    return status;
}

static const struct {
    int (*read)(const char *text, struct hst_error *err);
    const char *text;
} readers[] = {
    {read_pipeline, "{\"_class_name\":\"P\",\"unet\":[\"diffusers\",\"U\"],\"vae\":[\"diffusers\",\"V\"],\"off\":[null,null]}"},
    {read_shards, "{\"metadata\":{\"total_size\":3},\"weight_map\":{\"a\":\"x\",\"b\":\"y\",\"c\":\"x\",\"d\":\"z\",\"e\":\"x\",\"f\":\"x\",\"g\":\"x\",\"h\":\"x\",\"i\":\"x\",\"j\":\"x\"}}"},
    {read_config, "{\"_class_name\":\"C\",\"model_type\":\"m\",\"architectures\":[\"A\",\"B\",{}],\"auto_map\":{}}"},
};

static void every_allocation_that_fails_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        bool failed = true;
        for (int at = 1; failed; at++) {
            struct hst_error err = {0};
            faults_begin(FAULT_ALLOCATION, at);
            int status = readers[i].read(readers[i].text, &err);
            failed = faults_end();
            assert_int_equal(status, failed ? HST_E_NOMEM : HST_OK);
            assert_true(at < 200);
        }
    }
}

static void an_error_that_nobody_asks_for_is_fine(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        faults_begin(FAULT_ALLOCATION, 1);
        assert_int_equal(readers[i].read(readers[i].text, NULL), HST_E_NOMEM);
        faults_end();
        assert_int_equal(readers[i].read("[", NULL), HST_E_INVALID_FILE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_that_fails_is_said), cmocka_unit_test(an_error_that_nobody_asks_for_is_fine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
