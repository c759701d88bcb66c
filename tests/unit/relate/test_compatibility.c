/* Do adapters fit their bases? Names of every trainer against names of every base, by shapes alone. */
#include "sketch.h"

#include "relate/compatibility.h"

#include <time.h>

enum { CHANNELS = 320 };

/* ---- bases ---- */

static const char *const linears[] = {"attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0", "ff.net.0.proj", "ff.net.2"};
enum { LINEARS = sizeof linears / sizeof linears[0] };

static uint64_t rows_of(size_t linear, uint64_t width)
{
    return linear == 8 ? 8 * width : width;
}

static uint64_t columns_of(size_t linear, uint64_t width, uint64_t context)
{
    return linear == 5 || linear == 6 ? context : linear == 9 ? 4 * width : width;
}

/* Where the blocks with attention of a UNet of two levels are, in the original code and in diffusers. */
static const struct place {
    const char *ldm, *diffusers;
    unsigned times; /* width: times CHANNELS */
} places[] = {{"input_blocks.1", "down_blocks.0.attentions.0", 1},   {"input_blocks.2", "down_blocks.0.attentions.1", 1},  {"input_blocks.4", "down_blocks.1.attentions.0", 2},
              {"input_blocks.5", "down_blocks.1.attentions.1", 2},   {"middle_block", "mid_block.attentions.0", 2},        {"output_blocks.0", "up_blocks.0.attentions.0", 2},
              {"output_blocks.1", "up_blocks.0.attentions.1", 2},    {"output_blocks.2", "up_blocks.0.attentions.2", 2},  {"output_blocks.3", "up_blocks.1.attentions.0", 1},
              {"output_blocks.4", "up_blocks.1.attentions.1", 1},    {"output_blocks.5", "up_blocks.1.attentions.2", 1}};
enum { PLACES = sizeof places / sizeof places[0] };

static void add_attention(struct sketch *sketch, const char *prefix, const char *place, uint64_t width, uint64_t context)
{
    for (size_t i = 0; i < LINEARS; i++)
        sketch_add(sketch, rows_of(i, width), columns_of(i, width, context), "%s%s.transformer_blocks.0.%s.weight", prefix, place, linears[i]);
}

static struct hst_model *ldm_base(const char *id, uint64_t context)
{
    static const char prefix[] = "model.diffusion_model.";
    struct sketch *sketch = sketch_begin("unet");
    char place[64];
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, 4, 3, 3}, "model.diffusion_model.input_blocks.0.0.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, CHANNELS, 3, 3}, "model.diffusion_model.input_blocks.3.0.op.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, CHANNELS, 3, 3}, "model.diffusion_model.input_blocks.1.0.in_layers.2.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){2 * CHANNELS, 2 * CHANNELS, 3, 3}, "model.diffusion_model.output_blocks.2.2.conv.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){4, CHANNELS, 3, 3}, "model.diffusion_model.out.2.weight");
    for (size_t i = 0; i < PLACES; i++) {
        snprintf(place, sizeof place, "%s.1", places[i].ldm);
        add_attention(sketch, prefix, place, places[i].times * CHANNELS, context);
    }
    return sketch_end(sketch, id, "diffusion_model", context == 768 ? "sd1" : "sdxl");
}

static struct hst_model *diffusers_base(uint64_t context)
{
    struct sketch *sketch = sketch_begin("unet");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, 4, 3, 3}, "conv_in.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, CHANNELS, 3, 3}, "down_blocks.0.resnets.1.conv1.weight");
    for (size_t i = 0; i < PLACES; i++)
        add_attention(sketch, "", places[i].diffusers, places[i].times * CHANNELS, context);
    return sketch_end(sketch, "base", "diffusion_model", "sd1");
}

static struct hst_model *flux_base(void)
{
    struct sketch *sketch = sketch_begin("transformer");
    sketch_add(sketch, 3072, 64, "img_in.weight");
    sketch_add(sketch, 3072, 4096, "txt_in.weight");
    sketch_add(sketch, 3072, 768, "vector_in.in_layer.weight");
    sketch_add(sketch, 64, 3072, "final_layer.linear.weight");
    for (int i = 0; i < 2; i++) {
        for (int text = 0; text < 2; text++) {
            const char *side = text ? "txt" : "img";
            sketch_add(sketch, 9216, 3072, "double_blocks.%d.%s_attn.qkv.weight", i, side);
            sketch_add(sketch, 3072, 3072, "double_blocks.%d.%s_attn.proj.weight", i, side);
            sketch_add(sketch, 12288, 3072, "double_blocks.%d.%s_mlp.0.weight", i, side);
            sketch_add(sketch, 3072, 12288, "double_blocks.%d.%s_mlp.2.weight", i, side);
            sketch_add(sketch, 18432, 3072, "double_blocks.%d.%s_mod.lin.weight", i, side);
        }
        sketch_add(sketch, 21504, 3072, "single_blocks.%d.linear1.weight", i);
        sketch_add(sketch, 3072, 15360, "single_blocks.%d.linear2.weight", i);
    }
    return sketch_end(sketch, "flux", "diffusion_model", "flux1");
}

/* A module of an adapter, with its shape. */
struct module {
    const char *name;
    uint64_t out, in;
};

static const struct module flux_diffusers[] = {
    {"transformer_blocks.0.attn.to_q", 3072, 3072}, {"transformer_blocks.0.attn.to_k", 3072, 3072}, {"transformer_blocks.1.attn.to_v", 3072, 3072},
    {"transformer_blocks.0.attn.to_out.0", 3072, 3072}, {"transformer_blocks.0.attn.add_q_proj", 3072, 3072}, {"transformer_blocks.1.attn.to_add_out", 3072, 3072},
    {"transformer_blocks.0.ff.net.0.proj", 12288, 3072}, {"transformer_blocks.0.ff_context.net.2", 3072, 12288}, {"transformer_blocks.1.norm1_context.linear", 18432, 3072},
    {"single_transformer_blocks.0.attn.to_q", 3072, 3072}, {"single_transformer_blocks.1.attn.to_v", 3072, 3072}, {"single_transformer_blocks.0.proj_mlp", 12288, 3072},
    {"single_transformer_blocks.1.proj_out", 3072, 15360}, {"x_embedder", 3072, 64}, {"context_embedder", 3072, 4096}, {NULL, 0, 0}};

/* ---- adapters ---- */

/* Names as kohya's scripts write them. */
static void underscored(const char *name, char out[256])
{
    snprintf(out, 256, "%s", name);
    for (char *at = out; *at != '\0'; at++)
        if (*at == '.') *at = '_';
}

/* How a trainer names the two halves. */
struct style {
    const char *prefix, *down, *up;
    bool underscores;
};
static const struct style kohya = {"lora_unet_", "lora_down.weight", "lora_up.weight", true};
static const struct style peft = {"base_model.model.", "lora_A.weight", "lora_B.weight", false};
static const struct style pipeline = {"unet.", "lora_A.weight", "lora_B.weight", false};
static const struct style transformer = {"transformer.", "lora_A.weight", "lora_B.weight", false};

static void add_lora(struct sketch *sketch, const struct style *style, const char *name, uint64_t out, uint64_t in)
{
    char shown[256];
    underscored(name, shown);
    if (!style->underscores) snprintf(shown, sizeof shown, "%s", name);
    sketch_add(sketch, 8, in, "%s%s.%s", style->prefix, shown, style->down);
    sketch_add(sketch, out, 8, "%s%s.%s", style->prefix, shown, style->up);
}

static struct hst_model *unet_lora(const struct style *style, bool diffusers, uint64_t context)
{
    struct sketch *sketch = sketch_begin("lora");
    char name[256];
    for (size_t i = 0; i < PLACES; i++)
        for (size_t j = 0; j < LINEARS; j++) {
            uint64_t width = places[i].times * CHANNELS;
            snprintf(name, sizeof name, "%s%s.transformer_blocks.0.%s", diffusers ? places[i].diffusers : places[i].ldm, diffusers ? "" : ".1", linears[j]);
            add_lora(sketch, style, name, rows_of(j, width), columns_of(j, width, context));
        }
    return sketch_end(sketch, "style", "lora", context == 768 ? "sd1" : "sdxl");
}

static struct hst_model *lora_of(const struct style *style, const struct module *modules, const char *family)
{
    struct sketch *sketch = sketch_begin("lora");
    for (; modules->name != NULL; modules++)
        add_lora(sketch, style, modules->name, modules->out, modules->in);
    return sketch_end(sketch, "style", "lora", family);
}

/* Compare both ways round, free both models, and hand the report's texts over as counts. */
static struct hst_compatibility check(struct hst_model *adapter, struct hst_model *base)
{
    struct hst_compatibility report, turned;
    assert_int_equal(hst_compatibility_check(adapter, base, &report, NULL), 0);
    assert_int_equal(hst_compatibility_check(base, adapter, &turned, NULL), 0);
    assert_int_equal(report.compatible, turned.compatible);
    assert_int_equal(report.matched, turned.matched);
    hst_compatibility_fini(&turned);
    hst_model_unref(adapter);
    hst_model_unref(base);
    return report;
}

/* Check, and expect that every module fits. */
static void expect_all(struct hst_model *adapter, struct hst_model *base, size_t modules)
{
    struct hst_compatibility report = check(adapter, base);
    for (size_t i = 0; i < report.example_count; i++)
        print_message("%s: %s\n", report.examples[i].problem, report.examples[i].module);
    assert_int_equal(report.matched, modules);
    assert_int_equal(hst_compatibility_total(&report), modules);
    assert_int_equal(report.compatible, HST_COMPATIBLE_YES);
    hst_compatibility_fini(&report);
}

/* ---- UNets ---- */

static void every_naming_of_a_unet_lora_fits_every_naming_of_its_base(void **state)
{
    static const struct style *const styles[] = {&kohya, &peft, &pipeline};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int diffusers = 0; diffusers < 2; diffusers++) {
            expect_all(unet_lora(styles[i], diffusers, 768), ldm_base("base", 768), PLACES * LINEARS);
            expect_all(unet_lora(styles[i], diffusers, 768), diffusers_base(768), PLACES * LINEARS);
        }
}

static void another_context_width_is_a_mismatch_with_both_shapes(void **state)
{
    (void)state;
    struct hst_compatibility report = check(unet_lora(&kohya, false, 768), ldm_base("base", 2048));
    assert_int_equal(report.mismatched, 2 * PLACES);
    assert_int_equal(report.matched, PLACES * (LINEARS - 2));
    assert_int_equal(report.compatible, HST_COMPATIBLE_NO);
    assert_int_equal(report.text_width, 768);
    assert_string_equal(report.examples[0].problem, "mismatched");
    assert_string_equal(report.examples[0].key, "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight");
    assert_int_equal(report.examples[0].adapter_shape[1], 768);
    assert_int_equal(report.examples[0].base_shape[1], 2048);
    assert_non_null(strstr(report.reasons[report.reason_count - 1], "768], and the base's is [320, 2048]"));
    hst_compatibility_fini(&report);
}

static void a_base_with_fewer_blocks_fits_partly(void **state)
{
    struct sketch *sketch = sketch_begin("unet");
    (void)state;
    sketch_add(sketch, CHANNELS, 4, "input_blocks.0.0.weight");
    for (size_t i = 0; i < PLACES - 4; i++) {
        char place[64];
        snprintf(place, sizeof place, "%s.1", places[i].ldm);
        add_attention(sketch, "", place, places[i].times * CHANNELS, 768);
    }
    struct hst_compatibility report = check(unet_lora(&kohya, false, 768), sketch_end(sketch, "base", "diffusion_model", "sd1"));
    assert_int_equal(report.missing, 4 * LINEARS);
    assert_int_equal(report.compatible, HST_COMPATIBLE_PARTLY);
    assert_non_null(strstr(report.reasons[report.reason_count - 1], "warning: both are said to be sd1, but not every shape fits"));
    hst_compatibility_fini(&report);
}

static void convolutions_of_diffusers_are_found_in_the_original_code(void **state)
{
    struct sketch *sketch = sketch_begin("lora");
    (void)state;
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){8, CHANNELS, 3, 3}, "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, 8, 1, 1}, "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){8, CHANNELS, 3, 3}, "lora_unet_down_blocks_0_downsamplers_0_conv.lora_down.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, 8, 1, 1}, "lora_unet_down_blocks_0_downsamplers_0_conv.lora_up.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){8, 2 * CHANNELS, 3, 3}, "lora_unet_up_blocks_0_upsamplers_0_conv.lora_down.weight");
    sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){2 * CHANNELS, 8, 1, 1}, "lora_unet_up_blocks_0_upsamplers_0_conv.lora_up.weight");
    expect_all(sketch_end(sketch, "style", "lora", "sd1"), ldm_base("base", 768), 3);
}

static void a_base_without_the_modules_is_told(void **state)
{
    (void)state;
    struct hst_compatibility report = check(unet_lora(&kohya, false, 768), flux_base());
    assert_int_equal(report.missing, PLACES * LINEARS);
    assert_int_equal(report.matched, 0);
    assert_int_equal(report.compatible, HST_COMPATIBLE_NO);
    assert_int_equal(report.example_count, HST_COMPATIBILITY_EXAMPLES);
    hst_compatibility_fini(&report);
}

static void families_that_differ_are_a_warning_when_every_shape_fits(void **state)
{
    (void)state;
    struct hst_model *base = ldm_base("base", 768);
    assert_int_equal(hst_draft_text(&base->family, "sd2", NULL), 0);
    struct hst_compatibility report = check(unet_lora(&kohya, false, 768), base);
    assert_int_equal(report.compatible, HST_COMPATIBLE_YES);
    assert_non_null(strstr(report.reasons[report.reason_count - 1], "warning: every shape fits, but style is said to be for sd1"));
    assert_int_equal(report.touched, PLACES * LINEARS);
    assert_int_equal(report.targets, PLACES * LINEARS + 5);
    hst_compatibility_fini(&report);
}

/* ---- transformers ---- */

static void slices_fit_fused_weights_of_flux(void **state)
{
    struct module wrong[] = {{"transformer_blocks.0.attn.to_q", 4096, 3072}, {"single_transformer_blocks.0.proj_mlp", 12288, 4096}, {NULL, 0, 0}};
    (void)state;
    expect_all(lora_of(&transformer, flux_diffusers, "flux1"), flux_base(), 15);
    expect_all(lora_of(&peft, flux_diffusers, "flux1"), flux_base(), 15);
    struct hst_compatibility report = check(lora_of(&transformer, wrong, "flux1"), flux_base());
    assert_int_equal(report.mismatched, 2);
    hst_compatibility_fini(&report);
}

static void fused_weights_fit_slices_of_flux(void **state)
{
    static const struct module native[] = {{"double_blocks.0.img_attn.qkv", 9216, 3072}, {"single_blocks.0.linear1", 21504, 3072}, {"double_blocks.0.img_mlp.0", 12288, 3072}, {NULL, 0, 0}};
    struct sketch *sketch = sketch_begin("transformer");
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sketch_add(sketch, 3072, 3072, "transformer_blocks.0.attn.to_%c.weight", "qkv"[i]);
        sketch_add(sketch, 3072, 3072, "single_transformer_blocks.0.attn.to_%c.weight", "qkv"[i]);
    }
    sketch_add(sketch, 12288, 3072, "single_transformer_blocks.0.proj_mlp.weight");
    sketch_add(sketch, 12288, 3072, "transformer_blocks.0.ff.net.0.proj.weight");
    expect_all(lora_of(&kohya, native, "flux1"), sketch_end(sketch, "flux", "diffusion_model", "flux1"), 3);
}

static void xlabs_names_are_known(void **state)
{
    struct sketch *sketch = sketch_begin("lora");
    static const struct module modules[] = {{"double_blocks.0.processor.qkv_lora1", 9216, 3072}, {"double_blocks.1.processor.proj_lora2", 3072, 3072}, {NULL, 0, 0}};
    (void)state;
    for (const struct module *module = modules; module->name != NULL; module++) {
        sketch_add(sketch, 16, module->in, "%s.down.weight", module->name);
        sketch_add(sketch, module->out, 16, "%s.up.weight", module->name);
    }
    sketch_add(sketch, 16, 3072, "single_blocks.0.processor.qkv_lora.down.weight");
    sketch_add(sketch, 9216, 16, "single_blocks.0.processor.qkv_lora.up.weight");
    expect_all(sketch_end(sketch, "style", "lora", "flux1"), flux_base(), 3);
}

static void sd3_fits_by_both_names(void **state)
{
    static const struct module diffusers[] = {{"transformer_blocks.0.attn.to_k", 1536, 1536}, {"transformer_blocks.0.attn.add_v_proj", 1536, 1536}, {"transformer_blocks.0.attn.to_add_out", 1536, 1536},
                                              {"transformer_blocks.0.ff_context.net.0.proj", 6144, 1536}, {"transformer_blocks.0.norm1.linear", 9216, 1536}, {NULL, 0, 0}};
    static const struct module native[] = {{"joint_blocks.0.x_block.attn.qkv", 4608, 1536}, {"joint_blocks.0.context_block.mlp.fc1", 6144, 1536}, {NULL, 0, 0}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sketch *sketch = sketch_begin("transformer");
        for (int block = 0; block < 2; block++) {
            const char *side = block ? "x_block" : "context_block";
            sketch_add(sketch, 4608, 1536, "model.diffusion_model.joint_blocks.0.%s.attn.qkv.weight", side);
            sketch_add(sketch, 1536, 1536, "model.diffusion_model.joint_blocks.0.%s.attn.proj.weight", side);
            sketch_add(sketch, 6144, 1536, "model.diffusion_model.joint_blocks.0.%s.mlp.fc1.weight", side);
            sketch_add(sketch, 9216, 1536, "model.diffusion_model.joint_blocks.0.%s.adaLN_modulation.1.weight", side);
        }
        expect_all(lora_of(i ? &kohya : &transformer, i ? native : diffusers, "sd3"), sketch_end(sketch, "sd3", "diffusion_model", "sd3"), i ? 2 : 5);
    }
}

static void transformers_with_equal_names_fit_up_to_the_prefix(void **state)
{
    static const struct module wan[] = {{"blocks.0.attn1.to_q", 1536, 1536}, {"blocks.0.attn2.to_out.0", 1536, 1536}, {"blocks.0.ffn.net.0.proj", 8960, 1536}, {NULL, 0, 0}};
    static const struct module z_image[] = {{"layers.0.attention.to_q", 3840, 3840}, {"layers.0.attention.to_v", 3840, 3840}, {"layers.0.attention.to_out.0", 3840, 3840}, {NULL, 0, 0}};
    struct sketch *sketch = sketch_begin("transformer");
    (void)state;
    sketch_add(sketch, 1536, 1536, "model.diffusion_model.blocks.0.self_attn.q.weight");
    sketch_add(sketch, 1536, 1536, "model.diffusion_model.blocks.0.cross_attn.o.weight");
    sketch_add(sketch, 8960, 1536, "model.diffusion_model.blocks.0.ffn.0.weight");
    expect_all(lora_of(&transformer, wan, "wan21"), sketch_end(sketch, "wan", "diffusion_model", "wan21"), 3);
    sketch = sketch_begin("transformer");
    sketch_add(sketch, 11520, 3840, "layers.0.attention.qkv.weight");
    sketch_add(sketch, 3840, 3840, "layers.0.attention.out.weight");
    expect_all(lora_of(&transformer, z_image, "z_image"), sketch_end(sketch, "z", "diffusion_model", "z_image"), 3);
}

/* ---- text encoders ---- */

static void encoders_are_adapted_fused_and_in_slices(void **state)
{
    struct sketch *sketch = sketch_begin("text_encoder");
    static const struct style second = {"lora_te2_", "lora_down.weight", "lora_up.weight", true}, first = {"lora_te1_", "lora_down.weight", "lora_up.weight", true};
    (void)state;
    sketch_add(sketch, 768, 768, "conditioner.embedders.0.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight");
    sketch->role = "text_encoder_2";
    sketch_add(sketch, 3840, 1280, "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight");
    sketch_add(sketch, 5120, 1280, "conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc.weight");
    struct hst_model *base = sketch_end(sketch, "base", "checkpoint", "sdxl");
    sketch = sketch_begin("lora");
    add_lora(sketch, &first, "text_model.encoder.layers.0.self_attn.q_proj", 768, 768);
    add_lora(sketch, &second, "text_model.encoder.layers.0.self_attn.k_proj", 1280, 1280);
    add_lora(sketch, &second, "text_model.encoder.layers.0.mlp.fc1", 5120, 1280);
    expect_all(sketch_end(sketch, "style", "lora", "sdxl"), base, 3);
}

static void modules_for_an_encoder_that_is_elsewhere_are_not_missing(void **state)
{
    struct sketch *sketch = sketch_begin("lora");
    static const struct style encoder = {"lora_te_", "lora_down.weight", "lora_up.weight", true};
    (void)state;
    add_lora(sketch, &encoder, "text_model.encoder.layers.0.self_attn.q_proj", 768, 768);
    add_lora(sketch, &kohya, "input_blocks.1.1.transformer_blocks.0.attn1.to_q", 320, 320);
    struct hst_compatibility report = check(sketch_end(sketch, "style", "lora", "sd1"), ldm_base("base", 768));
    assert_int_equal(report.elsewhere, 1);
    assert_int_equal(report.matched, 1);
    assert_int_equal(report.compatible, HST_COMPATIBLE_YES);
    hst_compatibility_fini(&report);
}

/* ---- methods ---- */

#define TO_Q "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q"

static void every_method_tells_its_shape(void **state)
{
    static const struct {
        const char *suffix;
        uint64_t rows, columns;
        int method;
    } tensors[] = {{"hada_w1_a", 320, 8, 0}, {"hada_w1_b", 8, 320, 0}, {"hada_w2_a", 320, 8, 0}, {"hada_w2_b", 8, 320, 0}, {"lokr_w1", 16, 16, 1}, {"lokr_w2_a", 20, 4, 1},
                   {"lokr_w2_b", 4, 20, 1}, {"alpha", 1, 0, 1}, {"diff", 320, 320, 2}, {"diff_b", 320, 0, 2}, {"lora_down.weight", 4, 320, 3}, {"lora_up.weight", 320, 4, 3}, {"dora_scale", 320, 1, 3}};
    (void)state;
    for (int method = 0; method < 4; method++) {
        struct sketch *sketch = sketch_begin("lora");
        for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++)
            if (tensors[i].method == method) sketch_add(sketch, tensors[i].rows, tensors[i].columns, "%s.%s", TO_Q, tensors[i].suffix);
        expect_all(sketch_end(sketch, "style", "lora", "sd1"), ldm_base("base", 768), 1);
    }
}

static void a_rotation_tells_its_rows(void **state)
{
    (void)state;
    for (uint64_t block = 80; block <= 160; block += 80) {
        struct sketch *sketch = sketch_begin("lora");
        sketch_tensor(sketch, HST_DTYPE_F16, 3, (const uint64_t[]){4, block, block}, TO_Q ".oft_blocks");
        struct hst_compatibility report = check(sketch_end(sketch, "style", "lora", "sd1"), ldm_base("base", 768));
        assert_int_equal(report.matched, block == 80);
        assert_int_equal(report.mismatched, block != 80);
        hst_compatibility_fini(&report);
    }
}

static void a_missing_half_is_dangling(void **state)
{
    static const char *const lonely[] = {"lora_up.weight", "lora_down.weight", "hada_w1_a", "lokr_w1", "lokr_w2_a"};
    (void)state;
    for (size_t i = 0; i < sizeof lonely / sizeof lonely[0]; i++) {
        struct sketch *sketch = sketch_begin("lora");
        sketch_add(sketch, 320, 320, "%s.%s", TO_Q, lonely[i]);
        struct hst_compatibility report = check(sketch_end(sketch, "style", "lora", "sd1"), ldm_base("base", 768));
        assert_int_equal(report.dangling, 1);
        assert_int_equal(report.compatible, HST_COMPATIBLE_NO);
        hst_compatibility_fini(&report);
    }
}

static void packed_weights_are_not_mismatches(void **state)
{
    static const struct module modules[] = {{"double_blocks.0.img_attn.qkv", 9216, 3072}, {NULL, 0, 0}};
    struct sketch *sketch = sketch_begin("transformer");
    (void)state;
    sketch_tensor(sketch, HST_DTYPE_U8, 2, (const uint64_t[]){14155776, 1}, "double_blocks.0.img_attn.qkv.weight");
    struct hst_compatibility report = check(lora_of(&kohya, modules, "flux1"), sketch_end(sketch, "flux", "diffusion_model", "flux1"));
    assert_int_equal(report.unchecked, 1);
    assert_int_equal(report.mismatched, 0);
    assert_int_equal(report.compatible, HST_COMPATIBLE_UNKNOWN);
    hst_compatibility_fini(&report);
}

/* ---- what meets in one size ---- */

static struct hst_model *one_tensor(const char *id, const char *type, const char *family, const char *role, uint64_t rows, uint64_t columns, const char *name)
{
    struct sketch *sketch = sketch_begin(role);
    sketch_add(sketch, rows, columns, "%s", name);
    return sketch_end(sketch, id, type, family);
}

static void expect_pair(struct hst_model *adapter, struct hst_model *base, enum hst_compatible expected)
{
    struct hst_compatibility report = check(adapter, base);
    for (size_t i = 0; report.compatible != expected && i < report.reason_count; i++)
        print_message("%s\n", report.reasons[i]);
    assert_int_equal(report.compatible, expected);
    hst_compatibility_fini(&report);
}

static void a_vae_fits_by_its_latent_channels(void **state)
{
    static const char key[] = "decoder.conv_in.weight";
    (void)state;
    expect_pair(one_tensor("vae", "vae", NULL, "vae", 512, 4, key), ldm_base("base", 768), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("vae", "vae", NULL, "vae", 512, 16, key), ldm_base("base", 768), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("vae", "vae", NULL, "vae", 512, 16, key), flux_base(), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("vae", "vae", NULL, "vae", 512, 4, key), flux_base(), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("vae", "vae", NULL, "vae", 512, 16, "decoder.other.weight"), flux_base(), HST_COMPATIBLE_UNKNOWN);
}

static void an_encoder_fits_by_its_width_and_family(void **state)
{
    (void)state;
    expect_pair(one_tensor("t5", "text_encoder", "t5_xxl", "text_encoder", 32128, 4096, "shared.weight"), flux_base(), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("umt5", "text_encoder", "umt5_xxl", "text_encoder", 256384, 4096, "shared.weight"), flux_base(), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("clip", "text_encoder", "clip_l", "text_encoder", 49408, 768, "text_model.embeddings.token_embedding.weight"), flux_base(), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("clip", "text_encoder", NULL, "text_encoder", 49408, 1280, "text_model.embeddings.token_embedding.weight"), flux_base(), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("clip", "text_encoder", NULL, "text_encoder", 49408, 1280, "text_model.embeddings.token_embedding.weight"), ldm_base("base", 2048), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("llm", "llm", "qwen3", "model", 151936, 2560, "model.embed_tokens.weight"), flux_base(), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("llm", "llm", "qwen3", "model", 151936, 4096, "model.embed_tokens.weight"), flux_base(), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("clip", "text_encoder", NULL, "text_encoder", 49408, 1024, "text_model.embeddings.token_embedding.weight"), ldm_base("base", 2048), HST_COMPATIBLE_NO);
}

static void an_ip_adapter_and_an_embedding_fit_by_the_width_of_the_text(void **state)
{
    (void)state;
    expect_pair(one_tensor("ip", "ip_adapter", "sd1", "ip_adapter", 320, 768, "ip_adapter.1.to_k_ip.weight"), ldm_base("base", 768), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("ip", "ip_adapter", "sdxl", "ip_adapter", 640, 2048, "ip_adapter.1.to_k_ip.weight"), ldm_base("base", 768), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("word", "embedding", "sd1", "embedding", 4, 768, "emb_params"), ldm_base("base", 768), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("word", "embedding", "sd2", "embedding", 4, 1024, "emb_params"), ldm_base("base", 768), HST_COMPATIBLE_NO);
}

static void a_t2i_adapter_fits_by_width_and_family(void **state)
{
    (void)state;
    expect_pair(one_tensor("sketch", "t2i_adapter", "sd1", "t2i_adapter", CHANNELS, 64, "conv_in.weight"), ldm_base("base", 768), HST_COMPATIBLE_YES);
    expect_pair(one_tensor("sketch", "t2i_adapter", "sdxl", "t2i_adapter", CHANNELS, 256, "conv_in.weight"), ldm_base("base", 768), HST_COMPATIBLE_NO);
    expect_pair(one_tensor("sketch", "t2i_adapter", NULL, "t2i_adapter", 384, 64, "conv_in.weight"), ldm_base("base", 768), HST_COMPATIBLE_NO);
}

static void layers_that_were_refitted_are_not_compared(void **state)
{
    struct hst_model *base = flux_base();
    (void)state;
    base->storage = "nunchaku";
    expect_pair(lora_of(&transformer, flux_diffusers, "flux1"), base, HST_COMPATIBLE_UNKNOWN);
}

static void a_controlnet_fits_as_a_copy_of_the_first_half(void **state)
{
    (void)state;
    for (uint64_t context = 768; context <= 1024; context += 256) {
        struct sketch *sketch = sketch_begin("controlnet");
        sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){16, 3, 3, 3}, "controlnet_cond_embedding.conv_in.weight");
        sketch_tensor(sketch, HST_DTYPE_F16, 4, (const uint64_t[]){CHANNELS, 4, 3, 3}, "conv_in.weight");
        for (size_t i = 0; i < 5; i++)
            add_attention(sketch, "", places[i].diffusers, places[i].times * CHANNELS, context);
        struct hst_compatibility report = check(sketch_end(sketch, "canny", "controlnet", "sd1"), ldm_base("base", 768));
        assert_int_equal(hst_compatibility_total(&report), 5 * LINEARS + 1);
        assert_int_equal(report.mismatched, context == 768 ? 0 : 10);
        hst_compatibility_fini(&report);
    }
}

static void two_that_do_not_adapt_each_other_are_unknown(void **state)
{
    (void)state;
    expect_pair(ldm_base("one", 768), ldm_base("other", 768), HST_COMPATIBLE_UNKNOWN);
    expect_pair(unet_lora(&kohya, false, 768), unet_lora(&peft, false, 768), HST_COMPATIBLE_UNKNOWN);
}

/* ---- foreign names, and many of them ---- */

static void strange_names_are_only_missing(void **state)
{
    static const char *const names[] = {"", "_", "down_blocks_99999999999999999999_attentions_0_x", "down_blocks_0_attentions_99999_y", "%1%d%s", "transformer_blocks_#_attn_to_q",
                                        "up_blocks_1_attentions_1_", "input_blocks_1_0_conv1"};
    struct sketch *sketch = sketch_begin("lora");
    char name[400];
    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        add_lora(sketch, &kohya, names[i], 8, 8);
    sketch_add(sketch, 8, 8, "lora_unet_%s.lora_up.weight", name);
    sketch_add(sketch, 8, 8, "lora_unet_%s.lora_down.weight", name);
    struct hst_compatibility report = check(sketch_end(sketch, "style", "lora", NULL), ldm_base("base", 768));
    assert_int_equal(report.matched, 0);
    assert_int_equal(report.compatible, HST_COMPATIBLE_NO);
    hst_compatibility_fini(&report);
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* As many tensors as an SDXL LoRA (2,200) and an SDXL base (2,500) have. */
static void a_large_lora_is_compared_at_once(void **state)
{
    enum { DEPTH = 25 };
    static const struct style *const styles[] = {&kohya, &pipeline};
    struct hst_compatibility report;
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sketch *sketch = sketch_begin("unet");
        sketch_add(sketch, 320, 4, "input_blocks.0.0.weight");
        for (int block = 0; block < PLACES * LINEARS * DEPTH - 300; block++)
            sketch_add(sketch, 640, 640, "input_blocks.%d.1.transformer_blocks.%d.%s.weight", block / 250, block / 10 % 25, linears[block % 10]);
        struct hst_model *base = sketch_end(sketch, "base", "checkpoint", "sdxl");
        sketch = sketch_begin("lora");
        for (int block = 0; block < 1100; block++) {
            char name[256];
            snprintf(name, sizeof name, i == 0 ? "input_blocks.%d.1.transformer_blocks.%d.%s" : "down_blocks.0.attentions.%d.transformer_blocks.%d.%s", block / 250 + (i == 0), block / 10 % 25, linears[block % 10]);
            add_lora(sketch, styles[i], name, 640, 640);
        }
        struct hst_model *lora = sketch_end(sketch, "style", "lora", "sdxl");
        double began = now_ms();
        assert_int_equal(hst_compatibility_check(lora, base, &report, NULL), 0);
        double took = now_ms() - began;
        print_message("%zu modules against %zu weights: %.2f ms\n", hst_compatibility_total(&report), base->components[0].tensor_count, took);
        assert_int_equal(report.matched, 1100);
        assert_true(took < 200); /* 20 ms on an idle machine; tests run on busy ones */
        hst_compatibility_fini(&report);
        hst_model_unref(lora);
        hst_model_unref(base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_naming_of_a_unet_lora_fits_every_naming_of_its_base),
        cmocka_unit_test(another_context_width_is_a_mismatch_with_both_shapes),
        cmocka_unit_test(a_base_with_fewer_blocks_fits_partly),
        cmocka_unit_test(convolutions_of_diffusers_are_found_in_the_original_code),
        cmocka_unit_test(a_base_without_the_modules_is_told),
        cmocka_unit_test(families_that_differ_are_a_warning_when_every_shape_fits),
        cmocka_unit_test(slices_fit_fused_weights_of_flux),
        cmocka_unit_test(fused_weights_fit_slices_of_flux),
        cmocka_unit_test(xlabs_names_are_known),
        cmocka_unit_test(sd3_fits_by_both_names),
        cmocka_unit_test(transformers_with_equal_names_fit_up_to_the_prefix),
        cmocka_unit_test(encoders_are_adapted_fused_and_in_slices),
        cmocka_unit_test(modules_for_an_encoder_that_is_elsewhere_are_not_missing),
        cmocka_unit_test(every_method_tells_its_shape),
        cmocka_unit_test(a_rotation_tells_its_rows),
        cmocka_unit_test(a_missing_half_is_dangling),
        cmocka_unit_test(packed_weights_are_not_mismatches),
        cmocka_unit_test(a_vae_fits_by_its_latent_channels),
        cmocka_unit_test(an_encoder_fits_by_its_width_and_family),
        cmocka_unit_test(an_ip_adapter_and_an_embedding_fit_by_the_width_of_the_text),
        cmocka_unit_test(a_t2i_adapter_fits_by_width_and_family),
        cmocka_unit_test(layers_that_were_refitted_are_not_compared),
        cmocka_unit_test(a_controlnet_fits_as_a_copy_of_the_first_half),
        cmocka_unit_test(two_that_do_not_adapt_each_other_are_unknown),
        cmocka_unit_test(strange_names_are_only_missing),
        cmocka_unit_test(a_large_lora_is_compared_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
