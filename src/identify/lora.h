#ifndef HST_IDENTIFY_LORA_H
#define HST_IDENTIFY_LORA_H
/** @file
 * LoRA and its kin (LoHa, LoKr, DoRA, whole differences ...): which layers a file adapts, however its writer names them. The layers are a
 * subject of rules by names such as "double_blocks_#_img_attn_qkv". */
#include "base/map.h"
#include "identify/keys.h"
#include "model/pieces.h"
#include "formats/arena.h"

/** Numbers in a layer's name that are kept. */
#define HST_LORA_NUMBERS 4

/** A layer that is adapted. */
struct hst_lora_module {
    const char *name;                                  /**< as in the file, without the ending */
    const struct hst_tensor *parts[HST_PIECE_NOTE];    /**< its tensors by part; NULL = it has none */
};
/** Layers of the same name and size but for the numbers in it. */
struct hst_lora_layer {
    const char *name;                 /**< dots as underscores, numbers as # */
    uint64_t shape[2];                /**< out, in; 0 = not known */
    uint64_t index[HST_LORA_NUMBERS]; /**< the largest numbers */
    size_t index_count;               /**< of index */
};
/** An adapter. Free with hst_lora_fini. */
struct hst_lora {
    struct hst_arena *arena;          /**< owns modules and layers */
    struct hst_map modules;           /**< by name */
    struct hst_map by_layer;          /**< layers by name and shape */
    struct hst_lora_layer **layers;   /**< owned array */
    size_t layer_count;               /**< of layers */
    const char *format;               /**< kohya peft diffusers xlabs lycoris; static, or NULL */
    const char *algorithm;            /**< lora loha lokr dora ...; static, or NULL */
    uint64_t rank_min;                /**< smallest rank; 0 = none is known */
    uint64_t rank_max;                /**< largest rank */
    char name[HST_NAME_MAX + 1 + 2 * sizeof(uint64_t)]; /**< of a layer, and behind it its shape: while it is looked for */
};

/** Take the tensors apart. An adapter without modules is none. */
int hst_lora_read(const struct hst_keys *keys, struct hst_lora *ret_lora, struct hst_error *err);
/** A module with only half of a pair, or NULL. */
const struct hst_lora_module *hst_lora_dangling(const struct hst_lora *lora);
/** The layers as a subject of rules; borrows it. */
struct hst_rule_subject hst_lora_subject(const struct hst_lora *lora);
/** Free what it holds. */
void hst_lora_fini(struct hst_lora *lora);
#endif
