/* What a model lacks, and who serves. */
#include "sketch.h"

#include "relate/needs.h"

/* A model with one component. */
static struct hst_model *make(const char *id, const char *type, const char *family, const char *role)
{
    struct sketch *sketch = sketch_begin(role);
    sketch_add(sketch, 512, 16, "%s", strcmp(role, "vae") == 0 ? "decoder.conv_in.weight" : "weight");
    return sketch_end(sketch, id, type, family);
}

/* The need of this role, which must be there. */
static struct hst_need need_of(const struct hst_model *model, const char *role)
{
    struct hst_need need;
    size_t cursor = 0;
    while (hst_needs_next(model, &cursor, &need))
        if (strcmp(need.role, role) == 0) return need;
    fail_msg("%s does not need %s", model->id, role);
    return need;
}

static bool serves_as(const char *type, const char *family, const char *variant, const char *role, const struct hst_need *need, struct hst_serving *serving)
{
    struct hst_model *model = make("other", type, family, role);
    assert_int_equal(hst_draft_text(&model->variant, variant, NULL), 0);
    bool good = hst_needs_serves(need, &model->components[0], serving);
    hst_model_unref(model);
    return good;
}

static bool serves(const char *type, const char *family, const char *role, const struct hst_need *need, struct hst_serving *serving)
{
    return serves_as(type, family, NULL, role, need, serving);
}

static void a_bare_flux_transformer_needs_two_encoders_and_a_vae(void **state)
{
    static const char *const expected[][2] = {{"text_encoder", "clip_l"}, {"text_encoder_2", "t5_xxl"}, {"vae", "flux1"}};
    struct hst_model *model = make("flux", "diffusion_model", "flux1", "transformer");
    struct hst_need need;
    size_t cursor = 0;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(hst_needs_next(model, &cursor, &need));
        assert_string_equal(need.role, expected[i][0]);
        assert_string_equal(need.families[0], expected[i][1]);
        assert_null(hst_needs_own(model, &need));
    }
    assert_int_equal(need.latent_channels, 16);
    assert_false(hst_needs_next(model, &cursor, &need));
    hst_model_unref(model);
}

static void encoders_serve_by_family(void **state)
{
    struct hst_model *model = make("flux", "diffusion_model", "flux1", "transformer");
    struct hst_need need = need_of(model, "text_encoder_2");
    struct hst_serving serving;
    (void)state;
    assert_true(serves("text_encoder", "t5_xxl", "text_encoder", &need, &serving));
    assert_true(serving.decided && serving.rank == 0);
    assert_false(serves("text_encoder", "umt5_xxl", "text_encoder", &need, &serving));
    assert_false(serves("text_encoder", NULL, "text_encoder", &need, &serving));
    assert_false(serves("vae", "t5_xxl", "vae", &need, &serving));
    assert_true(serves("checkpoint", "sd3", "text_encoder_3", &need, &serving));
    assert_true(serving.decided && serving.rank == 1);
    assert_false(serves("checkpoint", "sd3", "text_encoder_2", &need, &serving));
    hst_model_unref(model);
}

static void a_vae_of_unknown_family_serves_perhaps(void **state)
{
    struct hst_model *model = make("z", "diffusion_model", "z_image", "transformer");
    struct hst_need need = need_of(model, "vae");
    struct hst_serving serving;
    (void)state;
    assert_true(serves("vae", NULL, "vae", &need, &serving));
    assert_true(!serving.decided && serving.rank == 2 && strstr(serving.reason, "16 latent channels") != NULL);
    assert_true(serves("vae", "flux1", "vae", &need, &serving) && serving.decided);
    assert_false(serves("vae", "sd3", "vae", &need, &serving));
    assert_true(serves("checkpoint", "chroma", "vae", &need, &serving) && serving.rank == 1);
    assert_false(serves("checkpoint", "qwen_image", "vae", &need, &serving));
    hst_model_unref(model);
}

static void what_a_checkpoint_has_in_itself_it_does_not_lack(void **state)
{
    struct sketch *sketch = sketch_begin("unet");
    (void)state;
    sketch_add(sketch, 8, 8, "weight");
    sketch->role = "text_encoder";
    sketch_add(sketch, 8, 8, "cond.weight");
    struct hst_model *model = sketch_end(sketch, "refiner", "checkpoint", "sdxl_refiner");
    struct hst_need encoder = need_of(model, "text_encoder_2"), vae = need_of(model, "vae");
    assert_string_equal(hst_needs_own(model, &encoder)->id, "refiner:text_encoder"); /* its only one, under another number */
    assert_null(hst_needs_own(model, &vae));
    hst_model_unref(model);
}

static void the_variant_says_which_encoder(void **state)
{
    struct hst_model *model = make("klein", "diffusion_model", "flux2", "transformer");
    struct hst_need open = need_of(model, "text_encoder");
    struct hst_serving serving;
    (void)state;
    assert_true(serves_as("llm", "qwen3", "4b", "model", &open, &serving) && !serving.decided);
    assert_int_equal(hst_draft_text(&model->variant, "klein_4b", NULL), 0);
    struct hst_need settled = need_of(model, "text_encoder");
    assert_true(serves_as("llm", "qwen3", "4b", "model", &settled, &serving) && serving.decided);
    assert_true(serves("llm", "qwen3", "model", &settled, &serving) && !serving.decided);
    assert_false(serves_as("llm", "qwen3", "8b", "model", &settled, &serving));
    assert_false(serves_as("llm", "mistral", "small_24b", "model", &settled, &serving));
    hst_model_unref(model);
}

static void an_adapter_needs_a_base_of_its_family(void **state)
{
    struct hst_model *lora = make("style", "lora", "sdxl", "lora");
    struct hst_need need = need_of(lora, "base");
    struct hst_serving serving;
    (void)state;
    assert_true(serves("checkpoint", "sdxl", "unet", &need, &serving) && serving.decided);
    assert_false(serves("checkpoint", "sd1", "unet", &need, &serving));
    assert_false(serves("lora", "sdxl", "lora", &need, &serving));
    assert_false(serves("vae", "sdxl", "vae", &need, &serving));
    hst_model_unref(lora);
}

static void bytes_are_counted_by_type(void **state)
{
    struct sketch *sketch = sketch_begin("unet");
    (void)state;
    sketch_tensor(sketch, HST_DTYPE_F8_E4M3, 1, (const uint64_t[]){1000}, "a");
    sketch_tensor(sketch, HST_DTYPE_F8_E5M2, 1, (const uint64_t[]){24}, "b");
    sketch_tensor(sketch, HST_DTYPE_F32, 1, (const uint64_t[]){10}, "c");
    struct hst_model *model = sketch_end(sketch, "mixed", "diffusion_model", NULL);
    const struct hst_component *component = &model->components[0];
    assert_int_equal(component->dtype_count, 3);
    assert_int_equal(component->dtypes[2].dtype, HST_DTYPE_F32);
    assert_int_equal(component->dtypes[2].size_bytes, 40);
    assert_int_equal(component->dtypes[2].elements, 10);
    hst_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_flux_transformer_needs_two_encoders_and_a_vae), cmocka_unit_test(encoders_serve_by_family),
        cmocka_unit_test(a_vae_of_unknown_family_serves_perhaps),               cmocka_unit_test(what_a_checkpoint_has_in_itself_it_does_not_lack),
        cmocka_unit_test(the_variant_says_which_encoder),                       cmocka_unit_test(an_adapter_needs_a_base_of_its_family),
        cmocka_unit_test(bytes_are_counted_by_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
