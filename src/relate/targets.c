#include "relate/targets.h"

#include "formats/arena.h"

#include <stdio.h>
#include <string.h>

enum { KEY_MAX = HST_MODULE_NAME_MAX + 16 };

/* Components that no LoRA adapts. */
static bool side_of(const struct hst_component *component, enum hst_side *ret_side)
{
    static const char *const encoders[] = {"text_encoder", "text_encoder_2", "text_encoder_3"};
    static const char *const none[] = {"vae", "image_encoder", "safety_checker", "text_encoder_4", "clip_vision", "ema"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (strcmp(component->role, none[i]) == 0) return false;
    *ret_side = HST_SIDE_MAIN;
    for (size_t i = 0; i < sizeof encoders / sizeof encoders[0]; i++)
        if (strcmp(component->role, encoders[i]) == 0) *ret_side = (enum hst_side)(HST_SIDE_TE1 + i);
    return true;
}

/* T5 is the second or the third encoder, by family and by trainer; its names are its own. */
static char side_letter(enum hst_side side, const char *flat)
{
    if (side != HST_SIDE_MAIN && strncmp(flat, "encoder_block_", strlen("encoder_block_")) == 0) return 't';
    return (char)('0' + side);
}

static void make_key(enum hst_side side, const char *flat, const char *slice, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "%c%s%s%s", side_letter(side, flat), flat, slice[0] != '\0' ? "#" : "", slice);
}

/* Length of the module's part of a weight's name; 0 = the tensor is no weight of a module. */
static size_t module_length(const char *name)
{
    static const struct {
        const char *end;
        size_t cut;
    } ends[] = {{".weight", 7}, {".qweight", 8}, {"in_proj_weight", 7}};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t end = strlen(ends[i].end);
        if (length > end && strcmp(name + length - end, ends[i].end) == 0) return length - ends[i].cut;
    }
    return 0;
}

/* Bytes, two numbers in each: NF4, NVFP4, Nunchaku, GPTQ. The shape is not the weight's. */
static bool is_packed(const struct hst_tensor *tensor)
{
    bool integers = tensor->dtype == HST_DTYPE_U8 || tensor->dtype == HST_DTYPE_I32;
    size_t length = strlen(tensor->name);
    return integers || (length > 8 && strcmp(tensor->name + length - 8, ".qweight") == 0);
}

/* GGML has four dimensions at most: a weight with more was folded. */
static bool is_folded(const struct hst_component *component, const struct hst_tensor *tensor)
{
    return strcmp(component->model->format, "gguf") == 0 && tensor->rank > 2;
}

static struct hst_target shape_of(const struct hst_component *component, const struct hst_tensor *tensor, enum hst_side side)
{
    struct hst_target target = {.key = tensor->name, .side = side, .known = !is_packed(tensor) && !is_folded(component, tensor)};
    if (tensor->rank == 0 || tensor->shape[0] == 0) return target;
    target.out = tensor->shape[0];
    target.in = tensor->rank > 1 ? tensor->shape[1] : 0;
    target.in_flat = tensor->rank > 1 ? tensor->elements / tensor->shape[0] : 0;
    return target;
}

static int add_tensor(struct hst_targets *targets, const struct hst_component *component, const struct hst_tensor *tensor, enum hst_side side, struct hst_error *err)
{
    const char *bare = hst_modules_bare(tensor->name);
    size_t length = module_length(bare);
    char module[HST_MODULE_NAME_MAX], key[KEY_MAX];
    struct hst_module_name name;
    if (length == 0 || length >= sizeof module) return HST_OK;
    memcpy(module, bare, length);
    module[length] = '\0';
    if (!hst_modules_name(&targets->naming, module, &name)) return HST_OK;
    make_key(side, name.text, name.slice, key);
    struct hst_target *target = hst_arena_alloc(targets->arena, sizeof *target);
    char *kept = hst_arena_text(targets->arena, key, strlen(key));
    if (target == NULL || kept == NULL || hst_map_put_str(&targets->by_name, kept, target) < 0) return hst_error_nomem(err);
    *target = shape_of(component, tensor, side);
    return HST_OK;
}

static int add_component(struct hst_targets *targets, const struct hst_component *component, struct hst_error *err)
{
    enum hst_side side;
    if (!side_of(component, &side)) return HST_OK;
    targets->sides[side] = true;
    for (size_t i = 0; side == HST_SIDE_MAIN && i < component->tensor_count; i++)
        hst_modules_learn(&targets->naming, hst_modules_bare(component->tensors[i].tensor->name));
    for (size_t i = 0; i < component->tensor_count; i++)
        HST_TRY(add_tensor(targets, component, component->tensors[i].tensor, side, err));
    return HST_OK;
}

int hst_targets_read(struct hst_targets *targets, const struct hst_model *base, struct hst_error *err)
{
    targets->arena = hst_arena_new();
    if (targets->arena == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < base->component_count; i++)
        HST_TRY(add_component(targets, &base->components[i], err));
    return HST_OK;
}

bool hst_targets_has_side(const struct hst_targets *targets, enum hst_side side, const char *name)
{
    struct hst_module_name module;
    if (targets->sides[side]) return true;
    bool t5 = hst_modules_name(&targets->naming, name, &module) && side_letter(side, module.text) == 't';
    return t5 && (targets->sides[HST_SIDE_TE2] || targets->sides[HST_SIDE_TE3]);
}

static struct hst_target *look_up(const struct hst_targets *targets, enum hst_side side, const char *flat, const char *slice)
{
    char key[KEY_MAX];
    make_key(side, flat, slice, key);
    return hst_map_get_str(&targets->by_name, key);
}

static uint64_t less(uint64_t all, uint64_t part)
{
    return all > part ? all - part : 0;
}

/* Rows of a slice. q is as wide as the input; k and v share what is left of a fused attention weight; FLUX's single blocks put all
 * three, each as wide as the input, before the rows of their MLP. */
static uint64_t slice_rows(const struct hst_target *fused, const char *flat, const char *slice)
{
    size_t length = strlen(flat);
    uint64_t width = fused->in;
    bool with_mlp = length > 7 && strcmp(flat + length - 7, "linear1") == 0;
    if (strcmp(slice, "qkv") == 0) return 3 * width;
    if (strcmp(slice, "first") == 0 || strcmp(slice, "second") == 0) return fused->out / 2;
    if (strcmp(slice, "mlp") == 0) return less(fused->out, 3 * width);
    return with_mlp || strcmp(slice, "q") == 0 ? width : less(fused->out, width) / 2;
}

static bool find_fused(const struct hst_targets *targets, enum hst_side side, const struct hst_module_name *name, struct hst_target *ret_target)
{
    struct hst_target *fused = look_up(targets, side, name->text, "");
    if (fused == NULL || name->slice[0] == '\0') return false;
    fused->touched = true;
    *ret_target = *fused;
    ret_target->out = slice_rows(fused, name->text, name->slice);
    return true;
}

/* The adapter has in one what the base has in slices. */
static bool find_slices(const struct hst_targets *targets, enum hst_side side, const struct hst_module_name *name, struct hst_target *ret_target)
{
    static const char *const slices[] = {"q", "k", "v", "mlp", "first", "second"};
    struct hst_target sum = {.side = side, .known = true};
    size_t count = strcmp(name->slice, "qkv") == 0 ? 3 : sizeof slices / sizeof slices[0];
    for (size_t i = 0; i < count; i++) {
        struct hst_target *slice = look_up(targets, side, name->text, slices[i]);
        if (slice == NULL) continue;
        slice->touched = true;
        sum = (struct hst_target){NULL, sum.out + slice->out, slice->in, slice->in_flat, sum.known && slice->known, true, side};
    }
    if (sum.out > 0) *ret_target = sum;
    return sum.out > 0;
}

bool hst_targets_find(struct hst_targets *targets, enum hst_side side, const char *name, struct hst_target *ret_target)
{
    struct hst_module_name module;
    if (!hst_modules_name(&targets->naming, name, &module)) return false;
    struct hst_target *target = look_up(targets, side, module.text, module.slice);
    if (target == NULL) return find_fused(targets, side, &module, ret_target) || find_slices(targets, side, &module, ret_target);
    target->touched = true;
    *ret_target = *target;
    return true;
}

size_t hst_targets_count(const struct hst_targets *targets, enum hst_side side, size_t *ret_touched)
{
    size_t count = 0, cursor = 0;
    *ret_touched = 0;
    for (const struct hst_target *target; (target = hst_map_next(&targets->by_name, &cursor));) {
        if (target->side != side || target->in == 0) continue;
        count++;
        *ret_touched += target->touched;
    }
    return count;
}

void hst_targets_fini(struct hst_targets *targets)
{
    hst_map_fini(&targets->by_name);
    hst_arena_free(targets->arena);
    *targets = (struct hst_targets){0};
}
