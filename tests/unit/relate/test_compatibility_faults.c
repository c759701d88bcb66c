/* Whichever allocation of a comparison fails: it says so, and the next one is whole. */
#include "faults.h"
#include "sketch.h"

#include "relate/compatibility.h"

static struct hst_model *make(const char *type, const char *role, const char *const *names)
{
    struct sketch *sketch = sketch_begin(role);
    for (size_t i = 0; names[i] != NULL; i++)
        sketch_add(sketch, strstr(names[i], "down") != NULL ? 4 : 320, strstr(names[i], "up.") != NULL ? 4 : 320, "%s", names[i]);
    return sketch_end(sketch, type, type, "sd1");
}

static void every_allocation(void **state)
{
    static const char *const lora[] = {"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight",
                                       "lora_unet_input_blocks_1_1_proj_in.lora_up.weight", NULL};
    static const char *const unet[] = {"input_blocks.0.0.weight", "middle_block.1.proj_in.weight", NULL};
    struct hst_model *adapter = make("lora", "lora", lora), *base = make("diffusion_model", "unet", unet);
    bool failed = true;
    (void)state;
    for (int at = 1; failed; at++) {
        struct hst_compatibility report = {0};
        struct hst_error error = {0};
        faults_begin(FAULT_ALLOCATION, at);
        int status = hst_compatibility_check(adapter, base, &report, &error);
        failed = faults_end();
        assert_int_equal(status, failed ? HST_E_NOMEM : HST_OK);
        assert_int_equal(report.matched, failed ? 0 : 1);
        assert_int_equal(report.dangling, failed ? 0 : 1);
        hst_compatibility_fini(&report);
        assert_true(at < 1000);
    }
    hst_model_unref(adapter);
    hst_model_unref(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
