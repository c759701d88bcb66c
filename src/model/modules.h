#ifndef HST_MODEL_MODULES_H
#define HST_MODEL_MODULES_H
/** @file
 * One name for a module, however it is called: by the original code, by diffusers, by kohya's scripts with underscores for dots.
 * The rules are data (api/modules.yaml). Pure; names are foreign and may be anything. */
#include <stdbool.h>
#include <stddef.h>

/** Which part of a model a module belongs to. */
enum hst_side {
    HST_SIDE_MAIN, /**< UNet or transformer */
    HST_SIDE_TE1,  /**< text_encoder */
    HST_SIDE_TE2,  /**< text_encoder_2 */
    HST_SIDE_TE3,  /**< text_encoder_3 */
    HST_SIDE_COUNT, /**< how many */
};

/** How a base names its modules. */
struct hst_naming {
    unsigned dialect; /**< row of api/modules.yaml: dialects; 0 = none of its own */
    unsigned blocks;  /**< ResNet blocks of a UNet's level; 0 = not known yet */
};

/** Longest name that is looked at; what is longer names no module. */
#define HST_MODULE_NAME_MAX 256

/** A module's one name. */
struct hst_module_name {
    char text[HST_MODULE_NAME_MAX]; /**< with underscores */
    const char *slice;              /**< which slice of that module's weight: "q" "k" "v" "qkv" "mlp" "first" "second"; "" = all of it; static */
};

/** The name without the prefix under which a checkpoint keeps the part. Points into `name`. */
const char *hst_modules_bare(const char *name);
/** Learn from the bare name of one of the base's weights. */
void hst_modules_learn(struct hst_naming *naming, const char *bare);
/** The one name of a module called `name` (bare, with dots or underscores). False when it is too long to be one. */
bool hst_modules_name(const struct hst_naming *naming, const char *name, struct hst_module_name *ret_name);
#endif
