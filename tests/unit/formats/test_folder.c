/* The JSON files of model folders: what is needed is read, what leads out of the folder or is malformed is refused. */
#include "cmocka_all.h"
#include "formats/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int pipeline(const char *json)
{
    struct hst_pipeline_index index;
    int status = hst_pipeline_index_parse(json, strlen(json), &index, NULL);
    if (status == 0) hst_pipeline_index_fini(&index);
    return status;
}

static void reads_the_parts_of_a_pipeline(void **state)
{
    (void)state;
    struct hst_pipeline_index index;
    const char *json = "{\"_class_name\":\"StableDiffusionPipeline\",\"_x\":[1],\"unet\":[\"diffusers\",\"UNet2DConditionModel\"],"
                       "\"safety_checker\":[null,null],\"requires_safety_checker\":true}";
    assert_int_equal(hst_pipeline_index_parse(json, strlen(json), &index, NULL), 0);
    assert_string_equal(index.class_name, "StableDiffusionPipeline");
    assert_int_equal(index.count, 2);
    assert_string_equal(index.parts[0].class_name, "UNet2DConditionModel");
    assert_null(index.parts[1].library);
    hst_pipeline_index_fini(&index);
}

static void refuses_pipelines_that_are_malformed_or_lead_out(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"../x\":[\"a\",\"b\"]}", "{\"/etc\":[\"a\",\"b\"]}", "{\"..\":[\"a\",\"b\"]}", "{\"a/b\":[\"a\",\"b\"]}", "{\"\":[\"a\",\"b\"]}",
        "{\"unet\":[\"a\"]}", "{\"unet\":[\"a\",\"b\",\"c\"]}", "{\"unet\":[[\"x\"],\"y\"]}", "{\"unet\":[1,2]}", "{\"u\":[\"a\",\"b\"],\"u\":[\"a\",\"b\"]}",
        "[]", "{", "{}x", "{\"unet\":[\"a\\u0000\",\"b\"]}", "{\"a\\u0000\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pipeline(bad[i]), HST_E_INVALID_FILE);
    assert_int_equal(pipeline("{}"), 0);
}

static void reads_which_tensor_is_in_which_shard(void **state)
{
    (void)state;
    struct hst_shard_index index;
    const char *json = "{\"metadata\":{\"total_size\":12,\"x\":{}},\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"1.safetensors\"},\"y\":[]}";
    assert_int_equal(hst_shard_index_parse(json, strlen(json), &index, NULL), 0);
    assert_int_equal(index.file_count, 2);
    assert_int_equal(index.count, 3);
    assert_int_equal(index.entries[2].file, 0);
    assert_string_equal(index.entries[1].tensor, "b");
    assert_int_equal(index.total_size_bytes, 12);
    hst_shard_index_fini(&index);
}

static void refuses_shards_outside_the_folder(void **state)
{
    (void)state;
    static const char *const bad[] = {"../../x.safetensors", "/x", "", ".", "..", "a/b", "a\\\\b"};
    struct hst_shard_index index;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"weight_map\":{\"a\":\"%s\"}}", bad[i]);
        assert_int_equal(hst_shard_index_parse(json, strlen(json), &index, NULL), HST_E_INVALID_FILE);
    }
    static const char *const more[] = {"{\"weight_map\":{\"a\":1}}", "{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}", "{\"weight_map\":{}}", "{}", "{\"weight_map\":{\"a\":\"x\""};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        assert_int_equal(hst_shard_index_parse(more[i], strlen(more[i]), &index, NULL), HST_E_INVALID_FILE);
    const char *strange = "{\"metadata\":{\"total_size\":-5},\"weight_map\":{\"a\":\"x\"}}";
    assert_int_equal(hst_shard_index_parse(strange, strlen(strange), &index, NULL), 0);
    assert_int_equal(index.total_size_bytes, 0);
    hst_shard_index_fini(&index);
}

static void reads_what_a_config_says(void **state)
{
    (void)state;
    struct hst_model_config config;
    const char *json = "{\"architectures\":[\"BertModel\",\"Other\"],\"model_type\":\"bert\",\"auto_map\":{\"AutoModel\":\"x.py\"},\"n\":{\"a\":[1]}}";
    assert_int_equal(hst_model_config_parse(json, strlen(json), &config, NULL), 0);
    assert_string_equal(config.architecture, "BertModel");
    assert_string_equal(config.model_type, "bert");
    assert_true(config.has_code);
    assert_null(config.class_name);
    hst_model_config_fini(&config);
    assert_int_equal(hst_model_config_parse("{\"architectures\":[],\"_class_name\":\"X\",\"model_type\":3}", 53, &config, NULL), 0);
    assert_string_equal(config.class_name, "X");
    hst_model_config_fini(&config);
    assert_int_equal(hst_model_config_parse("{\"architectures\":[[1]", 21, &config, NULL), HST_E_INVALID_FILE);
}

static void long_files_and_names_meet_a_limit(void **state)
{
    (void)state;
    struct hst_model_config config;
    size_t length = 5000000;
    char *json = malloc(length);
    memset(json, ' ', length);
    assert_int_equal(hst_model_config_parse(json, length, &config, NULL), HST_E_LIMIT_EXCEEDED);
    json[0] = '{';
    memset(json + 2, 'k', 5000);
    json[1] = json[5002] = '"';
    json[5003] = ':';
    assert_int_equal(hst_model_config_parse(json, 6000, &config, NULL), HST_E_LIMIT_EXCEEDED);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_parts_of_a_pipeline),
        cmocka_unit_test(refuses_pipelines_that_are_malformed_or_lead_out),
        cmocka_unit_test(reads_which_tensor_is_in_which_shard),
        cmocka_unit_test(refuses_shards_outside_the_folder),
        cmocka_unit_test(reads_what_a_config_says),
        cmocka_unit_test(long_files_and_names_meet_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
