#include "relate/adapter.h"

#include "base/checked.h"
#include "formats/arena.h"
#include "model/pieces.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    enum hst_side side;
} prefixes[] = {
#include "adapter_prefixes.inc"
};

/* Take the prefix off; *ret_side = what it says. */
static const char *bare_name(const char *name, enum hst_side *ret_side)
{
    static const char peft[] = "base_model.model.";
    while (strncmp(name, peft, sizeof peft - 1) == 0)
        name += sizeof peft - 1;
    *ret_side = HST_SIDE_MAIN;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(name, prefixes[i].text, strlen(prefixes[i].text)) != 0) continue;
        *ret_side = prefixes[i].side;
        return name + strlen(prefixes[i].text);
    }
    return name;
}

/* A module of this name, made if it is new; NULL when out of memory. */
static struct hst_adapter_module *module_of(struct hst_adapter *adapter, const char *name, size_t length)
{
    struct hst_adapter_module *module = hst_map_get(&adapter->by_name, name, length);
    if (module != NULL) return module;
    char *copy = hst_arena_text(adapter->arena, name, length);
    module = hst_arena_alloc(adapter->arena, sizeof *module);
    if (copy == NULL || module == NULL || hst_map_put(&adapter->by_name, copy, length, module) < 0) return NULL;
    module->name = bare_name(copy, &module->side);
    module->known = true;
    adapter->modules[adapter->count++] = module;
    return module;
}

static struct hst_adapter_size size_of(const struct hst_tensor *tensor)
{
    if (tensor->rank == 0 || tensor->shape[0] == 0) return (struct hst_adapter_size){0};
    return (struct hst_adapter_size){tensor->shape[0], tensor->rank > 1 ? tensor->shape[1] : 0, tensor->elements / tensor->shape[0]};
}

/* Blocks of rotations: [blocks, b, b], and BOFT's [factors, blocks, b, b]. */
static void add_rotation(struct hst_adapter_module *module, const struct hst_tensor *tensor)
{
    uint32_t at = tensor->rank == 4 ? 1 : 0;
    bool shaped = tensor->rank == 3 || tensor->rank == 4;
    module->known = module->known && shaped && hst_checked_mul(tensor->shape[at], tensor->shape[at + 1], &module->out);
}

static int add_tensor(struct hst_adapter *adapter, const struct hst_tensor *tensor, struct hst_error *err)
{
    const struct hst_piece *piece = hst_piece_of(tensor->name);
    adapter->whole += piece == NULL;
    if (piece == NULL || piece->part == HST_PIECE_NOTE) return HST_OK;
    struct hst_adapter_module *module = module_of(adapter, tensor->name, strlen(tensor->name) - piece->length);
    if (module == NULL) return hst_error_nomem(err);
    if (piece->part < HST_PIECE_SHAPED) module->parts[piece->part] = size_of(tensor);
    if (piece->part == HST_PIECE_ROTATION) add_rotation(module, tensor);
    if (piece->part == HST_PIECE_OPAQUE) module->known = false;
    return HST_OK;
}

static bool has(const struct hst_adapter_module *module, enum hst_piece_part part)
{
    return module->parts[part].first > 0;
}

static void finish_lora(struct hst_adapter_module *module)
{
    module->dangling = !has(module, HST_PIECE_DOWN) || !has(module, HST_PIECE_UP);
    module->out = module->parts[HST_PIECE_UP].first;
    module->in = module->parts[HST_PIECE_DOWN].second;
    module->in_flat = module->parts[HST_PIECE_DOWN].others;
}

/* With a core tensor (Tucker) the factors stand the other way round. */
static void finish_loha(struct hst_adapter_module *module)
{
    const struct hst_adapter_size *left = &module->parts[HST_PIECE_HADA_W1_A], *right = &module->parts[HST_PIECE_HADA_W1_B];
    module->dangling = !has(module, HST_PIECE_HADA_W1_A) || !has(module, HST_PIECE_HADA_W1_B) || !has(module, HST_PIECE_HADA_W2_A) || !has(module, HST_PIECE_HADA_W2_B);
    module->out = has(module, HST_PIECE_HADA_T) ? left->others : left->first;
    module->in = module->in_flat = right->others;
}

/* A factor of LoKr: whole, or a product of two; *ret_size is its own size. @return is it there? */
static bool kronecker(const struct hst_adapter_module *module, enum hst_piece_part whole, struct hst_adapter_size *ret_size)
{
    const struct hst_adapter_size *a = &module->parts[whole + 1], *b = &module->parts[whole + 2];
    *ret_size = has(module, whole) ? module->parts[whole] : (struct hst_adapter_size){a->first, b->others, b->others};
    return has(module, whole) || (a->first > 0 && b->first > 0);
}

static void finish_lokr(struct hst_adapter_module *module)
{
    struct hst_adapter_size one, other;
    bool first = kronecker(module, HST_PIECE_LOKR_W1, &one), second = kronecker(module, HST_PIECE_LOKR_W2, &other);
    module->dangling = !first || !second;
    bool good = hst_checked_mul(one.first, other.first, &module->out) && hst_checked_mul(one.second, other.second, &module->in) &&
                hst_checked_mul(one.others, other.others, &module->in_flat);
    module->known = module->known && good;
}

static void finish_full(struct hst_adapter_module *module)
{
    module->out = module->parts[HST_PIECE_FULL].first;
    module->in = module->parts[HST_PIECE_FULL].second;
    module->in_flat = module->parts[HST_PIECE_FULL].second != 0 ? module->parts[HST_PIECE_FULL].others : 0;
}

static void finish(struct hst_adapter_module *module)
{
    static const struct {
        enum hst_piece_part from, to;
        void (*finish)(struct hst_adapter_module *module);
    } methods[] = {{HST_PIECE_DOWN, HST_PIECE_UP, finish_lora}, {HST_PIECE_HADA_W1_A, HST_PIECE_HADA_T, finish_loha}, {HST_PIECE_LOKR_W1, HST_PIECE_LOKR_W2_B, finish_lokr}, {HST_PIECE_FULL, HST_PIECE_FULL, finish_full}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        for (enum hst_piece_part part = methods[i].from; part <= methods[i].to; part++)
            if (has(module, part)) {
                methods[i].finish(module);
                return;
            }
}

static size_t count_tensors(const struct hst_model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->component_count; i++)
        count += model->components[i].tensor_count;
    return count;
}

int hst_adapter_read(struct hst_adapter *adapter, const struct hst_model *model, struct hst_error *err)
{
    adapter->arena = hst_arena_new();
    adapter->modules = calloc(count_tensors(model) + 1, sizeof(struct hst_adapter_module *));
    if (adapter->arena == NULL || adapter->modules == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < model->component_count; i++)
        for (size_t j = 0; j < model->components[i].tensor_count; j++)
            HST_TRY(add_tensor(adapter, model->components[i].tensors[j].tensor, err));
    for (size_t i = 0; i < adapter->count; i++)
        finish(adapter->modules[i]);
    return HST_OK;
}

void hst_adapter_fini(struct hst_adapter *adapter)
{
    hst_map_fini(&adapter->by_name);
    hst_arena_free(adapter->arena);
    free(adapter->modules);
    *adapter = (struct hst_adapter){0};
}
