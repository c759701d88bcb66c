#include "identify/lora.h"

#include "base/checked.h"
#include "identify/tables.h"
#include "formats/limits.h"

#include <stdlib.h>
#include <string.h>

static int find_module(struct hst_lora *lora, const char *name, size_t length, struct hst_lora_module **ret_module, struct hst_error *err)
{
    struct hst_lora_module *module = hst_map_get(&lora->modules, name, length);
    if (module == NULL) {
        module = hst_arena_alloc(lora->arena, sizeof *module);
        char *copy = module != NULL ? hst_arena_text(lora->arena, name, length) : NULL;
        if (copy == NULL || hst_map_put(&lora->modules, copy, length, module) < 0) return hst_error_nomem(err);
        module->name = copy;
    }
    *ret_module = module;
    return HST_OK;
}

/* What a file is called by: the first way of writing, and the most special algorithm that it shows. */
static void note_kind(struct hst_lora *lora, const struct hst_piece *piece)
{
    if (lora->format == NULL) lora->format = piece->format;
    bool plain = lora->algorithm == NULL || strcmp(lora->algorithm, "lora") == 0;
    if (plain && piece->algorithm != NULL) lora->algorithm = piece->algorithm;
}

static void note_rank(struct hst_lora *lora, const struct hst_tensor *tensor)
{
    uint64_t rank = tensor->rank > 0 ? tensor->shape[0] : 0;
    if (rank == 0) return;
    lora->rank_min = lora->rank_min == 0 ? rank : hst_min_u64(lora->rank_min, rank);
    lora->rank_max = hst_max_u64(lora->rank_max, rank);
}

static int add_tensor(struct hst_lora *lora, const struct hst_tensor *tensor, struct hst_error *err)
{
    const struct hst_piece *piece = hst_piece_of(tensor->name);
    struct hst_lora_module *module;
    if (piece == NULL) return HST_OK;
    if (piece->algorithm != NULL && (piece->part == HST_PIECE_NOTE || hst_piece_tells(piece, tensor->name))) note_kind(lora, piece);
    if (piece->part == HST_PIECE_NOTE || !hst_piece_tells(piece, tensor->name)) return HST_OK;
    HST_TRY(find_module(lora, tensor->name, strlen(tensor->name) - piece->length, &module, err));
    module->parts[piece->part] = tensor;
    if (piece->part == HST_PIECE_DOWN || piece->part == HST_PIECE_HADA_W1_B) note_rank(lora, tensor);
    return HST_OK;
}

static uint64_t size(const struct hst_lora_module *module, enum hst_piece_part part, uint32_t dim)
{
    const struct hst_tensor *tensor = module->parts[part];
    return tensor != NULL && dim < tensor->rank ? tensor->shape[dim] : 0;
}

/* A Kronecker factor, whole or as a product of two. */
static uint64_t factor(const struct hst_lora_module *module, enum hst_piece_part whole, enum hst_piece_part half, uint32_t dim)
{
    uint64_t known = size(module, whole, dim);
    return known != 0 ? known : size(module, half, dim);
}

/* out (dim 0) or in (dim 1) of the layer that the module adapts; 0 = it does not say. */
static uint64_t layer_size(const struct hst_lora_module *module, uint32_t dim)
{
    static const enum hst_piece_part plain[2][3] = {{HST_PIECE_UP, HST_PIECE_HADA_W1_A, HST_PIECE_FULL}, {HST_PIECE_DOWN, HST_PIECE_HADA_W1_B, HST_PIECE_FULL}};
    static const enum hst_piece_part halves[2][2] = {{HST_PIECE_LOKR_W1_A, HST_PIECE_LOKR_W2_A}, {HST_PIECE_LOKR_W1_B, HST_PIECE_LOKR_W2_B}};
    uint64_t known = 0, product;
    for (size_t i = 0; known == 0 && i < 3; i++)
        known = size(module, plain[dim][i], dim);
    if (known != 0) return known;
    return hst_checked_mul(factor(module, HST_PIECE_LOKR_W1, halves[dim][0], dim), factor(module, HST_PIECE_LOKR_W2, halves[dim][1], dim), &product) ? product : 0;
}

/* What follows the prefix; the text itself when it has another one. */
static const char *after(const char *text, const char *prefix)
{
    const char *at = text;
    while (*prefix != '\0' && *at == *prefix) {
        at++;
        prefix++;
    }
    return *prefix == '\0' ? at : text;
}

static const char *strip(const char *name)
{
    for (size_t i = 0; i < hst_table_lora_prefix_count; i++) {
        const char *rest = after(name, hst_table_lora_prefixes[i]);
        if (rest == name) continue;
        name = rest;
        i = (size_t)-1; /* again from the first */
    }
    return name;
}

/* "single_blocks.12.linear1" -> "single_blocks_#_linear1", and 12. @return bytes of the name without its NUL */
static size_t collapse(const char *name, char out[HST_NAME_MAX + 1], uint64_t index[HST_LORA_NUMBERS], size_t *ret_numbers)
{
    size_t at = 0, numbers = 0;
    while (*name != '\0') {
        size_t token = strcspn(name, "._"), digits = strspn(name, "0123456789");
        bool number = token > 0 && digits == token;
        if (number && numbers < HST_LORA_NUMBERS) index[numbers++] = strtoull(name, NULL, 10);
        memcpy(out + at, number ? "#" : name, number ? 1 : token);
        at += number ? 1 : token;
        name += token;
        if (*name != '\0') out[at++] = '_';
        name += *name != '\0';
    }
    out[at] = '\0';
    *ret_numbers = numbers;
    return at;
}

/* The layer of the name in lora->name and this shape, made if it is new. */
static int find_layer(struct hst_lora *lora, size_t length, const uint64_t shape[2], struct hst_lora_layer **ret_layer, struct hst_error *err)
{
    size_t whole = length + 1 + 2 * sizeof(uint64_t);
    memcpy(lora->name + length + 1, shape, 2 * sizeof(uint64_t));
    *ret_layer = hst_map_get(&lora->by_layer, lora->name, whole);
    if (*ret_layer != NULL) return HST_OK;
    struct hst_lora_layer *layer = hst_arena_alloc(lora->arena, sizeof *layer);
    char *copy = hst_arena_text(lora->arena, lora->name, whole);
    if (layer == NULL || copy == NULL || hst_map_put(&lora->by_layer, copy, whole, layer) < 0) return hst_error_nomem(err);
    *layer = (struct hst_lora_layer){.name = copy, .shape = {shape[0], shape[1]}};
    lora->layers[lora->layer_count++] = layer;
    *ret_layer = layer;
    return HST_OK;
}

static int add_module(struct hst_lora *lora, const struct hst_lora_module *module, struct hst_error *err)
{
    uint64_t index[HST_LORA_NUMBERS], shape[2] = {layer_size(module, 0), layer_size(module, 1)};
    struct hst_lora_layer *layer;
    size_t numbers;
    size_t length = collapse(strip(module->name), lora->name, index, &numbers);
    HST_TRY(find_layer(lora, length, shape, &layer, err));
    for (size_t i = 0; i < numbers; i++)
        layer->index[i] = hst_max_u64(layer->index[i], index[i]);
    layer->index_count = numbers;
    return HST_OK;
}

static int read_all(const struct hst_keys *keys, struct hst_lora *lora, struct hst_error *err)
{
    size_t cursor = 0;
    lora->arena = hst_arena_new();
    if (lora->arena == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < keys->count; i++)
        HST_TRY(add_tensor(lora, keys->tensors[i], err));
    lora->layers = calloc(lora->modules.count + 1, sizeof(struct hst_lora_layer *));
    if (lora->layers == NULL) return hst_error_nomem(err);
    for (const struct hst_lora_module *module; (module = hst_map_next(&lora->modules, &cursor));)
        HST_TRY(add_module(lora, module, err));
    return HST_OK;
}

int hst_lora_read(const struct hst_keys *keys, struct hst_lora *ret_lora, struct hst_error *err)
{
    struct hst_lora lora = {0};
    int status = read_all(keys, &lora, err);
    if (status < 0)
        hst_lora_fini(&lora);
    else
        *ret_lora = lora;
    return status;
}

const struct hst_lora_module *hst_lora_dangling(const struct hst_lora *lora)
{
    static const enum hst_piece_part pairs[][2] = {{HST_PIECE_DOWN, HST_PIECE_UP}, {HST_PIECE_HADA_W1_A, HST_PIECE_HADA_W1_B}, {HST_PIECE_HADA_W2_A, HST_PIECE_HADA_W2_B},
                                                   {HST_PIECE_LOKR_W1_A, HST_PIECE_LOKR_W1_B}, {HST_PIECE_LOKR_W2_A, HST_PIECE_LOKR_W2_B}};
    const struct hst_lora_module *first = NULL;
    size_t cursor = 0;
    for (const struct hst_lora_module *module; (module = hst_map_next(&lora->modules, &cursor));)
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
            bool whole = (module->parts[pairs[i][0]] == NULL) == (module->parts[pairs[i][1]] == NULL);
            if (!whole && (first == NULL || strcmp(module->name, first->name) < 0)) first = module;
        }
    return first;
}

/* Does the name fit the pattern, in which * stands for anything? */
static bool matches(const char *pattern, const char *name)
{
    const char *star = NULL, *again = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            again = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else {
            if (star == NULL) return false;
            pattern = star + 1;
            name = ++again;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool find(const void *context, const char *name, size_t *cursor, struct hst_rule_seen *ret_seen)
{
    const struct hst_lora *lora = context;
    for (size_t i = *cursor; i < lora->layer_count; i++) {
        const struct hst_lora_layer *layer = lora->layers[i];
        if (!matches(name, layer->name)) continue;
        *cursor = i + 1;
        *ret_seen = (struct hst_rule_seen){.prefix = "", .name = layer->name, .shape = layer->shape, .rank = 2, .index = layer->index, .index_count = layer->index_count};
        return true;
    }
    return false;
}

struct hst_rule_subject hst_lora_subject(const struct hst_lora *lora)
{
    return (struct hst_rule_subject){.context = lora, .count = lora->layer_count, .find = find};
}

void hst_lora_fini(struct hst_lora *lora)
{
    hst_map_fini(&lora->modules);
    hst_map_fini(&lora->by_layer);
    hst_arena_free(lora->arena);
    free(lora->layers);
    *lora = (struct hst_lora){0};
}
