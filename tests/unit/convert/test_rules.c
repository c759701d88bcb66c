/* What becomes of a tensor: one line a case. */
#include "cmocka_all.h"
#include "convert/rules.h"

#include <string.h>

static const struct hst_convert_device new_card = {true, true}, old_card = {false, false}, cpu = {true, false};

static enum hst_dtype choose(struct hst_convert_wish wish, const char *name, enum hst_dtype dtype, uint32_t rank)
{
    struct hst_convert_choice choice = hst_convert_choose(&wish, &(struct hst_convert_tensor){name, dtype, rank});
    assert_true(strlen(choice.why) > 5);
    return choice.dtype;
}

/* A wish for a new card. */
static struct hst_convert_wish wish(const char *role, enum hst_dtype dtype)
{
    return (struct hst_convert_wish){.dtype = dtype, .role = role, .device = new_card};
}

static void floats_become_what_was_wished(void **state)
{
    static const enum hst_dtype types[] = {HST_DTYPE_F64, HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_BF16, HST_DTYPE_F8_E4M3, HST_DTYPE_F8_E5M2};
    (void)state;
    for (size_t i = 0; i < 36; i++)
        assert_int_equal(choose(wish("unet", types[i / 6]), "blocks.0.weight", types[i % 6], 2), types[i / 6]);
}

static void what_is_no_float_stays(void **state)
{
    (void)state;
    for (size_t row = 0; row < HST_DTYPE_ROWS; row++) {
        enum hst_dtype dtype = hst_dtype_at(row)->dtype;
        assert_int_equal(choose(wish("unet", HST_DTYPE_F16), "a.weight", dtype, 2), hst_convert_knows(dtype) ? HST_DTYPE_F16 : dtype);
    }
}

static void nothing_changes_without_a_wish(void **state)
{
    struct hst_convert_wish none = wish("unet", (enum hst_dtype)0);
    (void)state;
    none.level = HST_CONVERT_MEMORY;
    assert_int_equal(choose(none, "a.weight", HST_DTYPE_F64, 2), HST_DTYPE_F64);
    assert_int_equal(choose(wish(NULL, HST_DTYPE_F16), "a.weight", HST_DTYPE_F32, 2), HST_DTYPE_F32);
}

static void a_vae_is_narrowed_only_by_name_or_for_memory(void **state)
{
    struct hst_convert_wish half = wish("vae", HST_DTYPE_F16);
    (void)state;
    assert_int_equal(choose(half, "decoder.weight", HST_DTYPE_F32, 4), HST_DTYPE_F32);
    assert_int_equal(choose(half, "decoder.weight", HST_DTYPE_BF16, 4), HST_DTYPE_BF16);
    assert_int_equal(choose(wish("vae", HST_DTYPE_BF16), "decoder.weight", HST_DTYPE_F16, 4), HST_DTYPE_BF16);
    assert_int_equal(choose(wish("vae", HST_DTYPE_F32), "decoder.weight", HST_DTYPE_F16, 4), HST_DTYPE_F32);
    assert_int_equal(choose(wish("vae", HST_DTYPE_F8_E4M3), "decoder.weight", HST_DTYPE_F16, 4), HST_DTYPE_F16);
    half.level = HST_CONVERT_MEMORY;
    assert_int_equal(choose(half, "decoder.weight", HST_DTYPE_F32, 4), HST_DTYPE_BF16);
    assert_int_equal(choose(half, "decoder.weight", HST_DTYPE_BF16, 4), HST_DTYPE_BF16);
    half.named = true;
    assert_int_equal(choose(half, "decoder.weight", HST_DTYPE_F32, 4), HST_DTYPE_F16);
}

static void norms_biases_and_embeddings_are_kept_from_eight_bits(void **state)
{
    static const char *const delicate[] = {"blocks.0.norm1.linear.weight", "pos_embed.weight", "model.embed_tokens.weight", "proj_out.weight", "shared.weight", "transformer.patch_embed.proj.weight"};
    struct hst_convert_wish eight = wish("unet", HST_DTYPE_F8_E4M3);
    (void)state;
    for (size_t i = 0; i < sizeof delicate / sizeof delicate[0]; i++) {
        assert_int_equal(choose(eight, delicate[i], HST_DTYPE_F32, 2), HST_DTYPE_BF16);
        assert_int_equal(choose(eight, delicate[i], HST_DTYPE_F16, 2), HST_DTYPE_F16);
        assert_int_equal(choose(wish("unet", HST_DTYPE_F16), delicate[i], HST_DTYPE_F32, 2), HST_DTYPE_F16);
    }
    assert_int_equal(choose(eight, "blocks.0.attn.bias", HST_DTYPE_F32, 1), HST_DTYPE_BF16);
    assert_int_equal(choose(eight, "lora.alpha", HST_DTYPE_F16, 0), HST_DTYPE_F16);
    assert_int_equal(choose(eight, "blocks.0.proj_out.weight", HST_DTYPE_F32, 2), HST_DTYPE_F8_E4M3);
}

static void numbers_with_scales_stay(void **state)
{
    struct hst_convert_wish quantised = wish("unet", HST_DTYPE_BF16);
    (void)state;
    quantised.scaled = true;
    assert_int_equal(choose(quantised, "a.weight", HST_DTYPE_F8_E4M3, 2), HST_DTYPE_F8_E4M3);
    assert_int_equal(choose(quantised, "a.weight", HST_DTYPE_F32, 2), HST_DTYPE_BF16);
    assert_int_equal(choose(quantised, "a.scale_weight", HST_DTYPE_F32, 0), HST_DTYPE_F32);
    assert_int_equal(choose(wish("unet", HST_DTYPE_BF16), "a.weight.absmax", HST_DTYPE_F32, 1), HST_DTYPE_F32);
}

static void t5_keeps_what_overflows_in_half(void **state)
{
    static const char name[] = "encoder.block.0.layer.1.DenseReluDense.wo.weight";
    (void)state;
    assert_int_equal(choose(wish("text_encoder_2", HST_DTYPE_F16), name, HST_DTYPE_F32, 2), HST_DTYPE_F32);
    assert_int_equal(choose(wish("text_encoder_2", HST_DTYPE_F16), name, HST_DTYPE_BF16, 2), HST_DTYPE_BF16);
    assert_int_equal(choose(wish("text_encoder_2", HST_DTYPE_BF16), name, HST_DTYPE_F32, 2), HST_DTYPE_BF16);
    assert_int_equal(choose(wish("unet", HST_DTYPE_F16), name, HST_DTYPE_F32, 2), HST_DTYPE_F16);
}

static void a_device_gets_what_it_computes_with(void **state)
{
    struct hst_convert_wish bf16 = wish("unet", HST_DTYPE_BF16), fp8 = wish("unet", HST_DTYPE_F8_E5M2);
    (void)state;
    bf16.device = old_card;
    assert_int_equal(choose(bf16, "a.weight", HST_DTYPE_F32, 2), HST_DTYPE_F16);
    bf16.level = HST_CONVERT_MEMORY;
    assert_int_equal(choose(bf16, "a.weight", HST_DTYPE_F32, 2), HST_DTYPE_BF16);
    fp8.device = cpu;
    assert_int_equal(choose(fp8, "a.weight", HST_DTYPE_F32, 2), HST_DTYPE_F8_E5M2);
    fp8.level = HST_CONVERT_SPEED;
    assert_int_equal(choose(fp8, "a.weight", HST_DTYPE_F32, 2), HST_DTYPE_BF16);
    fp8.device = old_card;
    assert_int_equal(choose(fp8, "a.weight", HST_DTYPE_F32, 2), HST_DTYPE_F16);
}

static void precisions_have_names(void **state)
{
    static const char *const names[] = {"fp64", "fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2"};
    struct hst_error error = {0};
    enum hst_dtype dtype;
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(hst_convert_precision(names[i], &dtype, NULL), 0);
        assert_true(hst_convert_knows(dtype));
        assert_string_equal(hst_convert_precision_name(dtype), names[i]);
    }
    assert_int_equal(hst_convert_precision("fp8", &dtype, NULL), 0);
    assert_int_equal(dtype, HST_DTYPE_F8_E4M3);
    assert_int_equal(hst_convert_precision("FP16", &dtype, &error), HST_E_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "fp8_e5m2"));
    assert_null(hst_convert_precision_name(HST_DTYPE_I8));
}

static void levels_have_names(void **state)
{
    enum hst_convert_level level;
    (void)state;
    assert_int_equal(hst_convert_level_parse("memory", &level, NULL), 0);
    assert_int_equal(level, HST_CONVERT_MEMORY);
    assert_int_equal(hst_convert_level_parse("balanced", &level, NULL), 0);
    assert_int_equal(level, HST_CONVERT_BALANCED);
    assert_int_equal(hst_convert_level_parse("", &level, NULL), HST_E_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_become_what_was_wished),
        cmocka_unit_test(what_is_no_float_stays),
        cmocka_unit_test(nothing_changes_without_a_wish),
        cmocka_unit_test(a_vae_is_narrowed_only_by_name_or_for_memory),
        cmocka_unit_test(norms_biases_and_embeddings_are_kept_from_eight_bits),
        cmocka_unit_test(numbers_with_scales_stay),
        cmocka_unit_test(t5_keeps_what_overflows_in_half),
        cmocka_unit_test(a_device_gets_what_it_computes_with),
        cmocka_unit_test(precisions_have_names),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
