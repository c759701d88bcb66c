#include "convert/rules.h"

#include "base/text.h"

/* What a rule is asked about. */
struct question {
    const struct hst_convert_wish *wish;
    const struct hst_convert_tensor *tensor;
    enum hst_dtype target; /* what is wished, as far as the device goes along */
};

static bool is_fp8(enum hst_dtype dtype)
{
    return dtype == HST_DTYPE_F8_E4M3 || dtype == HST_DTYPE_F8_E5M2;
}

static bool is_wide(enum hst_dtype dtype)
{
    return dtype == HST_DTYPE_F32 || dtype == HST_DTYPE_F64;
}

static bool has_part(const char *name, const char *const *parts)
{
    for (; *parts != NULL; parts++)
        if (strstr(name, *parts) != NULL) return true;
    return false;
}

static bool is_scale(const char *name)
{
    static const char *const parts[] = {"scale_weight", "scale_input", "weight_scale", "input_scale", "scaled_fp8", "absmax", "quant_map", "quant_state", NULL};
    return has_part(name, parts);
}

/* Norms and embeddings, as diffusers' layerwise casting skips them: by these parts of their names, or because their layers are none that it casts. */
static bool is_delicate(const char *name)
{
    static const char *const parts[] = {"norm", "pos_embed", "patch_embed", "embed_tokens", "token_embedding", "position_embedding", "word_embeddings",
                                        "relative_attention_bias", NULL};
    static const char *const starts[] = {"proj_in.", "proj_out.", "shared.", "wte.", "wpe."};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (hst_starts_with(name, starts[i])) return true;
    return has_part(name, parts);
}

/* Does something get lost on the way, range or precision? From half to bf16 precision does, and none that anybody has missed. */
static bool loses(enum hst_dtype from, enum hst_dtype to)
{
    return hst_dtype_info(to)->block_bytes < hst_dtype_info(from)->block_bytes || (from == HST_DTYPE_BF16 && to == HST_DTYPE_F16);
}

static bool holds_no_floats(const struct question *question)
{
    return !hst_convert_knows(question->tensor->dtype);
}

static bool as_stored(const struct question *question)
{
    return question->target == 0;
}

static bool needs_scales(const struct question *question)
{
    return is_scale(question->tensor->name) || (question->wish->scaled && is_fp8(question->tensor->dtype));
}

static bool is_so_already(const struct question *question)
{
    return question->tensor->dtype == question->target;
}

static bool is_of_no_component(const struct question *question)
{
    return question->wish->role == NULL;
}

static bool is_vae(const struct question *question)
{
    return strcmp(question->wish->role, "vae") == 0 && !question->wish->named && loses(question->tensor->dtype, question->target);
}

static bool is_wide_vae(const struct question *question)
{
    return question->wish->level == HST_CONVERT_MEMORY && is_wide(question->tensor->dtype) && is_vae(question);
}

static bool overflows_in_t5(const struct question *question)
{
    static const char *const parts[] = {".wo.", NULL};
    bool encoder = hst_starts_with(question->wish->role, "text_encoder");
    return encoder && question->target == HST_DTYPE_F16 && loses(question->tensor->dtype, HST_DTYPE_F16) && has_part(question->tensor->name, parts);
}

static bool is_delicate_in_fp8(const struct question *question)
{
    return is_fp8(question->target) && (question->tensor->rank < 2 || is_delicate(question->tensor->name));
}

static bool is_wide_and_delicate_in_fp8(const struct question *question)
{
    return is_wide(question->tensor->dtype) && is_delicate_in_fp8(question);
}

static bool always(const struct question *question)
{
    (void)question;
    return true;
}

static enum hst_dtype stored(const struct question *question)
{
    return question->tensor->dtype;
}

static enum hst_dtype target(const struct question *question)
{
    return question->target;
}

static enum hst_dtype bf16(const struct question *question)
{
    (void)question;
    return HST_DTYPE_BF16;
}

/* The first that holds. */
static const struct {
    bool (*holds)(const struct question *question);
    enum hst_dtype (*gives)(const struct question *question);
    const char *why;
} rules[] = {
    {as_stored, stored, "no other precision was wished"},
    {holds_no_floats, stored, "it holds no plain floating-point numbers"},
    {is_of_no_component, stored, "it belongs to no component"},
    {needs_scales, stored, "its numbers count only together with their scales"},
    {is_so_already, stored, "it is stored so"},
    {is_wide_vae, bf16, "a VAE overflows in fp16 and loses detail in fp8; bf16 saves half of its memory"},
    {is_vae, stored, "a VAE overflows in fp16 and loses detail below; name the component to convert it all the same"},
    {overflows_in_t5, stored, "the output of T5's feed-forward layers overflows in fp16"},
    {is_wide_and_delicate_in_fp8, bf16, "norms, biases and embeddings are computed in 16 bits"},
    {is_delicate_in_fp8, stored, "norms, biases and embeddings are not for 8 bits"},
    {always, target, "as wished"},
};

static enum hst_dtype sixteen_bits(const struct hst_convert_device *device)
{
    return device->has_bf16 ? HST_DTYPE_BF16 : HST_DTYPE_F16;
}

/* What is wished, or what the device computes with in its place. */
static enum hst_dtype fit_to_device(const struct hst_convert_wish *wish)
{
    bool slow_fp8 = is_fp8(wish->dtype) && !wish->device.has_fp8 && wish->level == HST_CONVERT_SPEED;
    bool slow_bf16 = wish->dtype == HST_DTYPE_BF16 && wish->level != HST_CONVERT_MEMORY;
    return slow_fp8 || slow_bf16 ? sixteen_bits(&wish->device) : wish->dtype;
}

struct hst_convert_choice hst_convert_choose(const struct hst_convert_wish *wish, const struct hst_convert_tensor *tensor)
{
    struct question question = {.wish = wish, .tensor = tensor, .target = fit_to_device(wish)};
    size_t rule = 0;
    while (!rules[rule].holds(&question))
        rule++;
    return (struct hst_convert_choice){.dtype = rules[rule].gives(&question), .why = rules[rule].why};
}

/* The first name of a type is the one that is shown. */
static const struct {
    const char *name;
    enum hst_dtype dtype;
} precisions[] = {
    {"fp64", HST_DTYPE_F64}, {"fp32", HST_DTYPE_F32}, {"fp16", HST_DTYPE_F16}, {"bf16", HST_DTYPE_BF16}, {"fp8_e4m3", HST_DTYPE_F8_E4M3}, {"fp8_e5m2", HST_DTYPE_F8_E5M2}, {"fp8", HST_DTYPE_F8_E4M3},
};
enum { PRECISIONS = sizeof precisions / sizeof precisions[0] };

int hst_convert_precision(const char *text, enum hst_dtype *ret_dtype, struct hst_error *err)
{
    for (size_t i = 0; i < PRECISIONS; i++)
        if (strcmp(precisions[i].name, text) == 0) {
            *ret_dtype = precisions[i].dtype;
            return HST_OK;
        }
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no precision '%s'; fp64, fp32, fp16, bf16, fp8 (which is fp8_e4m3) and fp8_e5m2 are", text);
}

const char *hst_convert_precision_name(enum hst_dtype dtype)
{
    size_t i = 0;
    while (i < PRECISIONS && precisions[i].dtype != dtype)
        i++;
    return i < PRECISIONS ? precisions[i].name : NULL;
}

static const char *const levels[] = {[HST_CONVERT_BALANCED] = "balanced", [HST_CONVERT_SPEED] = "speed", [HST_CONVERT_MEMORY] = "memory"};

const char *hst_convert_level_name(enum hst_convert_level level)
{
    return levels[level];
}

int hst_convert_level_parse(const char *text, enum hst_convert_level *ret_level, struct hst_error *err)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i], text) == 0) {
            *ret_level = (enum hst_convert_level)i;
            return HST_OK;
        }
    return hst_error_set(err, HST_E_INVALID_ARGUMENT, "there is no level '%s'; speed, balanced and memory are", text);
}
