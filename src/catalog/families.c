#include "catalog/families.h"

#include <string.h>

/* A condition on one tensor. */
struct test {
    const char *key;
    int dim;         /* -1 = present, -2 = absent, else which dimension */
    uint64_t value;  /* that the dimension has */
};
#define HAS(key) {key, -1, 0}
#define LACKS(key) {key, -2, 0}
#define DIM(key, dim, value) {key, dim, value}

/* A family: all tests must hold. The first row that fits is the verdict, the next one of another family the runner-up. */
struct rule {
    const char *type, *family, *variant, *role, *needs_hint;
    struct test tests[4];
};

#define UNET_IN "input_blocks.0.0.weight"
#define UNET_CTX "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
#define XL_CTX "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
#define HF_IN "conv_in.weight"
#define HF_CTX "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
#define HF_XL_CTX "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"
#define HF_XL_ADD "add_embedding.linear_1.weight"
#define MMDIT "joint_blocks.0.context_block.attn.qkv.weight"
#define FLUX "double_blocks.0.img_attn.norm.key_norm.scale"
#define HF_FLUX "single_transformer_blocks.0.attn.norm_k.weight"
#define HF_FLUX_ADD "transformer_blocks.0.attn.add_k_proj.weight"
#define GUIDANCE "guidance_in.in_layer.weight"
#define HF_GUIDANCE "time_text_embed.guidance_embedder.linear_1.weight"
#define LDM_HINT "input_hint_block.0.weight"
#define LDM_CONTROL "control_model.input_hint_block.0.weight"
#define HF_CONTROL "controlnet_cond_embedding.conv_in.weight"
#define CLIP "text_model.embeddings.token_embedding.weight"
#define T5 "encoder.block.0.layer.0.SelfAttention.k.weight"
#define KL_HINT_4 "which family it belongs to: its name, modelspec.architecture, or the scaling factor (0.18215 = sd1/sd2, 0.13025 = sdxl)"
#define KL_HINT_16 "which family it belongs to: its name, modelspec.architecture, or the scaling factor of its config.json (sd3, flux1)"

static const struct rule rules[] = {
    /* Adapters first: they carry names of the models they adapt. */
    {"controlnet", "sd1", NULL, "controlnet", NULL, {HAS(LDM_CONTROL), DIM("control_model." UNET_CTX, 1, 768)}},
    {"controlnet", "sd2", NULL, "controlnet", NULL, {HAS(LDM_CONTROL), DIM("control_model." UNET_CTX, 1, 1024)}},
    {"controlnet", "sdxl", NULL, "controlnet", NULL, {HAS(LDM_CONTROL), DIM("control_model." XL_CTX, 1, 2048)}},
    {"controlnet", "sd1", NULL, "controlnet", NULL, {HAS(LDM_HINT), DIM(UNET_CTX, 1, 768)}},
    {"controlnet", "sd2", NULL, "controlnet", NULL, {HAS(LDM_HINT), DIM(UNET_CTX, 1, 1024)}},
    {"controlnet", "sdxl", NULL, "controlnet", NULL, {HAS(LDM_HINT), DIM(XL_CTX, 1, 2048)}},
    {"controlnet", "sd1", NULL, "controlnet", NULL, {HAS(HF_CONTROL), DIM(HF_CTX, 1, 768)}},
    {"controlnet", "sd2", NULL, "controlnet", NULL, {HAS(HF_CONTROL), DIM(HF_CTX, 1, 1024)}},
    {"controlnet", "sdxl", NULL, "controlnet", NULL, {HAS(HF_CONTROL), DIM(HF_XL_CTX, 1, 2048)}},
    /* UNets as in the original code (ldm). */
    {"diffusion_model", "sd1", "inpaint", "unet", NULL, {DIM(UNET_IN, 1, 9), DIM(UNET_CTX, 1, 768)}},
    {"diffusion_model", "sd1", "ip2p", "unet", NULL, {DIM(UNET_IN, 1, 8), DIM(UNET_CTX, 1, 768)}},
    {"diffusion_model", "sd1", NULL, "unet", NULL, {DIM(UNET_IN, 1, 4), DIM(UNET_CTX, 1, 768)}},
    {"diffusion_model", "sd2", "inpaint", "unet", NULL, {DIM(UNET_IN, 1, 9), DIM(UNET_CTX, 1, 1024)}},
    {"diffusion_model", "sd2", "depth", "unet", NULL, {DIM(UNET_IN, 1, 5), DIM(UNET_CTX, 1, 1024)}},
    {"diffusion_model", "sd2", NULL, "unet", NULL, {DIM(UNET_IN, 1, 4), DIM(UNET_CTX, 1, 1024)}},
    {"diffusion_model", "sdxl", "inpaint", "unet", NULL, {DIM(UNET_IN, 1, 9), DIM(XL_CTX, 1, 2048)}},
    {"diffusion_model", "sdxl", NULL, "unet", NULL, {HAS(UNET_IN), DIM(XL_CTX, 1, 2048)}},
    {"diffusion_model", "sdxl_refiner", NULL, "unet", NULL, {HAS(UNET_IN), DIM(XL_CTX, 1, 1280)}},
    /* UNets as diffusers names them. */
    {"diffusion_model", "sd1", "inpaint", "unet", NULL, {DIM(HF_IN, 1, 9), DIM(HF_CTX, 1, 768)}},
    {"diffusion_model", "sd1", NULL, "unet", NULL, {DIM(HF_IN, 1, 4), DIM(HF_CTX, 1, 768)}},
    {"diffusion_model", "sd2", NULL, "unet", NULL, {DIM(HF_IN, 1, 4), DIM(HF_CTX, 1, 1024)}},
    {"diffusion_model", "sdxl", NULL, "unet", NULL, {HAS(HF_XL_ADD), DIM(HF_XL_CTX, 1, 2048)}},
    {"diffusion_model", "sdxl_refiner", NULL, "unet", NULL, {HAS(HF_XL_ADD), DIM(HF_XL_CTX, 1, 1280)}},
    /* Transformers. FLUX.1 is what has its keys and none of those of its descendants. */
    {"diffusion_model", "sd35", NULL, "transformer", NULL, {HAS(MMDIT), HAS("joint_blocks.0.context_block.attn.ln_q.weight")}},
    {"diffusion_model", "sd3", NULL, "transformer", NULL, {HAS(MMDIT)}},
    {"diffusion_model", "flux2", NULL, "transformer", NULL, {HAS("double_stream_modulation_img.lin.weight")}},
    {"diffusion_model", "chroma", NULL, "transformer", NULL, {HAS(FLUX), HAS("distilled_guidance_layer.norms.0.scale")}},
    {"diffusion_model", "flux1", "fill", "transformer", NULL, {HAS(FLUX), DIM("img_in.weight", 1, 384), HAS(GUIDANCE)}},
    {"diffusion_model", "flux1", "control", "transformer", NULL, {HAS(FLUX), DIM("img_in.weight", 1, 128), HAS(GUIDANCE)}},
    {"diffusion_model", "flux1", "dev", "transformer", NULL, {HAS(FLUX), HAS("vector_in.in_layer.weight"), HAS(GUIDANCE)}},
    {"diffusion_model", "flux1", "schnell", "transformer", NULL, {HAS(FLUX), HAS("vector_in.in_layer.weight"), LACKS(GUIDANCE)}},
    {"diffusion_model", "flux1", "dev", "transformer", NULL, {HAS(HF_FLUX), HAS(HF_FLUX_ADD), HAS(HF_GUIDANCE)}},
    {"diffusion_model", "flux1", "schnell", "transformer", NULL, {HAS(HF_FLUX), HAS(HF_FLUX_ADD), LACKS(HF_GUIDANCE), HAS("time_text_embed.text_embedder.linear_1.weight")}},
    /* VAEs: shapes alone do not tell the families apart. */
    {"vae", NULL, NULL, "vae", KL_HINT_4, {DIM("decoder.conv_in.weight", 1, 4)}},
    {"vae", NULL, NULL, "vae", KL_HINT_16, {DIM("decoder.conv_in.weight", 1, 16)}},
    /* Encoders and language models. */
    {"text_encoder", "clip_l", NULL, "text_encoder", NULL, {DIM(CLIP, 1, 768)}},
    {"text_encoder", "clip_h", NULL, "text_encoder", NULL, {DIM(CLIP, 1, 1024)}},
    {"text_encoder", "clip_g", NULL, "text_encoder", NULL, {DIM(CLIP, 1, 1280)}},
    {"text_encoder", "clip", NULL, "text_encoder", NULL, {HAS(CLIP)}},
    {"text_encoder", "umt5_xxl", NULL, "text_encoder", NULL, {HAS(T5), DIM("shared.weight", 0, 256384), DIM("shared.weight", 1, 4096)}},
    {"text_encoder", "t5_xxl", NULL, "text_encoder", NULL, {HAS(T5), DIM("encoder.block.23.layer.1.DenseReluDense.wi_1.weight", 0, 10240)}},
    {"text_encoder", "t5", NULL, "text_encoder", NULL, {HAS(T5)}},
    {"clip_vision", "clip_vision", NULL, "image_encoder", NULL, {HAS("vision_model.encoder.layers.0.mlp.fc1.weight")}},
    {"llm", "bert", NULL, "model", NULL, {HAS("embeddings.word_embeddings.weight"), HAS("encoder.layer.0.attention.self.query.weight")}},
    {"llm", "bert", NULL, "model", NULL, {HAS("bert.embeddings.word_embeddings.weight")}},
    {"llm", "qwen3", NULL, "model", NULL, {HAS("model.layers.0.self_attn.q_proj.weight"), HAS("model.layers.0.self_attn.q_norm.weight")}},
    {"llm", "qwen2", NULL, "model", NULL, {HAS("model.layers.0.self_attn.q_proj.weight"), HAS("model.layers.0.self_attn.k_proj.bias")}},
    {"llm", "llama", NULL, "model", NULL, {HAS("model.layers.0.self_attn.q_proj.weight"), HAS("model.embed_tokens.weight")}},
    {"llm", "gpt2", NULL, "model", NULL, {HAS("h.0.attn.c_attn.weight"), HAS("wte.weight")}},
    /* Small things. */
    {"upscaler", "esrgan", NULL, "upscaler", NULL, {HAS("conv_first.weight"), HAS("conv_last.weight")}},
    {"upscaler", "esrgan", NULL, "upscaler", NULL, {HAS("model.0.weight"), HAS("model.1.sub.0.RDB1.conv1.0.weight")}},
    {"embedding", "sdxl", NULL, "embedding", NULL, {HAS("clip_l"), HAS("clip_g")}},
    {"embedding", "sd1", NULL, "embedding", NULL, {DIM("emb_params", 1, 768)}},
    {"embedding", "sd2", NULL, "embedding", NULL, {DIM("emb_params", 1, 1024)}},
};
enum { RULES = sizeof rules / sizeof rules[0], TESTS = sizeof rules[0].tests / sizeof rules[0].tests[0] };

/* LoRA: what makes a file one, and which base the width of a cross-attention layer names. */
static const char *const lora_down[] = {".lora_down.weight", ".lora_A.weight", ".lora.down.weight", "_lora.down.weight", ".lora_A.default.weight"};
static const struct {
    const char *part;     /* of the name */
    uint64_t width;       /* of the input of its down matrix; 0 = any */
    const char *family;
} lora_bases[] = {
    {"double_blocks", 3072, "flux1"}, {"single_transformer_blocks", 3072, "flux1"}, {"single_blocks", 3072, "flux1"},
    {"attn2_to_k", 768, "sd1"},       {"attn2_to_k", 1024, "sd2"},                  {"attn2_to_k", 2048, "sdxl"},
    {"attn2.to_k", 768, "sd1"},       {"attn2.to_k", 1024, "sd2"},                  {"attn2.to_k", 2048, "sdxl"},
    {"joint_blocks", 0, "sd3"},
};

/* Prefixes of a single-file checkpoint and the component they make. */
static const struct {
    const char *prefix, *role;
} prefixes[] = {
    {"first_stage_model.", "vae"},
    {"vae.", "vae"},
    {"conditioner.embedders.0.", "text_encoder"},
    {"conditioner.embedders.1.", "text_encoder_2"},
    {"cond_stage_model.", "text_encoder"},
    {"text_encoders.clip_l.", "text_encoder"},
    {"text_encoders.clip_g.", "text_encoder_2"},
    {"text_encoders.t5xxl.", "text_encoder_3"},
};

/* general.architecture of a GGUF file; what is not listed is a language model of that architecture. */
static const struct {
    const char *architecture, *type, *family;
} architectures[] = {
    {"flux", "diffusion_model", "flux1"},       {"sd1", "diffusion_model", "sd1"},          {"sdxl", "diffusion_model", "sdxl"},
    {"sd3", "diffusion_model", "sd3"},          {"aura", "diffusion_model", "aura_flow"},   {"hidream", "diffusion_model", "hidream"},
    {"cosmos", "diffusion_model", "cosmos"},    {"ltxv", "diffusion_model", "ltx_video"},   {"hyvid", "diffusion_model", "hunyuan_video"},
    {"wan", "diffusion_model", "wan21"},        {"lumina2", "diffusion_model", "lumina2"},  {"qwen_image", "diffusion_model", "qwen_image"},
    {"t5", "text_encoder", "t5"},               {"t5encoder", "text_encoder", "t5"},        {"clip", "clip_vision", "clip_vision"},
};

static bool holds(const struct test *test, const struct hst_keys *keys)
{
    const struct hst_tensor *tensor = hst_keys_find(keys, test->key);
    if (test->dim == -1) return tensor != NULL;
    if (test->dim == -2) return tensor == NULL;
    return hst_keys_dim(tensor, (uint32_t)test->dim) == test->value;
}

static bool fits(const struct rule *rule, const struct hst_keys *keys)
{
    for (size_t i = 0; i < TESTS && rule->tests[i].key != NULL; i++)
        if (!holds(&rule->tests[i], keys)) return false;
    return true;
}

static int say(struct hst_model *model, const struct test *test, const struct hst_keys *keys, struct hst_error *err)
{
    const char *prefix = hst_keys_find(keys, test->key) != NULL ? keys->prefix : "";
    if (test->dim == -2) return hst_draft_evidence(model, err, "no tensor %s", test->key);
    if (test->dim == -1) return hst_draft_evidence(model, err, "has %s%s", prefix, test->key);
    return hst_draft_evidence(model, err, "%s%s has %llu in dimension %d", prefix, test->key, (unsigned long long)test->value, test->dim);
}

static int apply(struct hst_model *model, const struct rule *rule, const struct hst_keys *keys, struct hst_error *err)
{
    HST_TRY(hst_draft_text(&model->type, rule->type, err));
    HST_TRY(hst_draft_text(&model->family, rule->family, err));
    HST_TRY(hst_draft_text(&model->variant, rule->variant, err));
    model->verdict.confidence = rule->needs_hint == NULL ? 1.0 : 0.5;
    if (rule->needs_hint != NULL) HST_TRY(hst_draft_needs_hint(model, rule->needs_hint, err));
    for (size_t i = 0; i < TESTS && rule->tests[i].key != NULL; i++)
        HST_TRY(say(model, &rule->tests[i], keys, err));
    return HST_OK;
}

static bool same_family(const struct rule *a, const struct rule *b)
{
    return a->family == b->family || (a->family != NULL && b->family != NULL && strcmp(a->family, b->family) == 0);
}

/* The first row after `rule` that fits too and says something else. */
static int name_runner_up(struct hst_model *model, const struct rule *rule, const struct hst_keys *keys, struct hst_error *err)
{
    for (const struct rule *other = rule + 1; other < rules + RULES; other++)
        if (!same_family(rule, other) && fits(other, keys)) return hst_draft_text(&model->verdict.runner_up, other->family, err);
    return HST_OK;
}

static const struct hst_tensor *find_lora(const struct hst_keys *keys, const char *part)
{
    const struct hst_tensor *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof lora_down / sizeof lora_down[0]; i++)
        found = hst_keys_like(keys, part, lora_down[i]);
    return found;
}

static int judge_lora(struct hst_model *model, const struct hst_keys *keys, const struct hst_tensor *any, struct hst_error *err)
{
    HST_TRY(hst_draft_text(&model->type, "lora", err));
    HST_TRY(hst_draft_evidence(model, err, "has low-rank pairs such as %s", any->name));
    for (size_t i = 0; i < sizeof lora_bases / sizeof lora_bases[0]; i++) {
        const struct hst_tensor *tensor = find_lora(keys, lora_bases[i].part);
        if (tensor == NULL || (lora_bases[i].width != 0 && hst_keys_dim(tensor, 1) != lora_bases[i].width)) continue;
        model->verdict.confidence = 1.0;
        HST_TRY(hst_draft_evidence(model, err, "%s has %llu in dimension 1", tensor->name, (unsigned long long)hst_keys_dim(tensor, 1)));
        return hst_draft_text(&model->family, lora_bases[i].family, err);
    }
    model->verdict.confidence = 0.5;
    return hst_draft_needs_hint(model, "which base model it was trained on: modelspec.architecture or ss_base_model_version", err);
}

/* A main model in which merged LoRA keys were left over is still a main model, so the structural rows come first. */
int hst_families_judge(struct hst_model *model, const struct hst_keys *keys, struct hst_error *err)
{
    for (const struct rule *rule = rules; rule < rules + RULES; rule++) {
        if (!fits(rule, keys)) continue;
        HST_TRY(apply(model, rule, keys, err));
        return name_runner_up(model, rule, keys, err);
    }
    const struct hst_tensor *lora = find_lora(keys, "");
    return lora != NULL ? judge_lora(model, keys, lora, err) : HST_OK;
}

int hst_families_judge_metadata(struct hst_model *model, const struct hst_tensor_table *table, struct hst_error *err)
{
    const char *name = hst_tensor_table_metadata(table, "general.architecture"), *kind = hst_tensor_table_metadata(table, "general.type");
    const char *type = "llm", *family = name;
    if (name == NULL || name[0] == '\0' || strcmp(model->type, "other") != 0) return HST_OK;
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++) {
        if (strcmp(architectures[i].architecture, name) != 0) continue;
        type = architectures[i].type;
        family = architectures[i].family;
    }
    if (kind != NULL && strcmp(kind, "adapter") == 0) type = "lora";
    HST_TRY(hst_draft_text(&model->type, type, err));
    HST_TRY(hst_draft_text(&model->family, family, err));
    model->verdict.confidence = 0.9; /* what a converter wrote, not what the tensors show */
    return hst_draft_evidence(model, err, "general.architecture is %s", name);
}

static const char *role_of_type(const struct hst_model *model)
{
    for (size_t i = 0; i < RULES; i++)
        if (strcmp(rules[i].type, model->type) == 0 && (model->family == NULL || (rules[i].family != NULL && strcmp(rules[i].family, model->family) == 0)))
            return rules[i].role;
    return NULL;
}

const char *hst_families_main_role(const struct hst_model *model)
{
    const char *role = role_of_type(model);
    if (role != NULL) return role;
    if (strcmp(model->type, "diffusion_model") == 0) return "transformer";
    return strcmp(model->type, "lora") == 0 ? "lora" : "model";
}

const char *hst_families_role_of(const char *tensor_name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(tensor_name, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0) return prefixes[i].role;
    return NULL;
}
