#ifndef HST_IDENTIFY_KEYS_H
#define HST_IDENTIFY_KEYS_H
/** @file
 * The tensors of a model by name, as a subject of rules: with the main model's prefix taken off, so that a rule is written once for every
 * way of naming. */
#include "base/map.h"
#include "identify/rules.h"
#include "formats/limits.h"
#include "formats/tensors.h"

/** A look-up over the tensors of one or more tables; all borrowed. Zero-initialise; free with hst_keys_fini. */
struct hst_keys {
    struct hst_map by_name;            /**< whole name -> tensor */
    const struct hst_tensor **tensors; /**< owned array of all */
    size_t count;                      /**< tensors */
    size_t room;                       /**< of tensors */
    bool initials[256];                /**< first bytes of the names */
    bool integers;                     /**< are some of them of types that packers use? */
    const char *prefix;                /**< what is taken off, e.g. "model.diffusion_model."; "" for none */
    size_t prefix_length;              /**< of prefix */
    char name[HST_NAME_MAX + 1];       /**< prefix, and behind it the name that is looked for */
    bool bare;                         /**< are names without the prefix found, too? */
};

/** Add the tensors of a table. */
int hst_keys_add(struct hst_keys *keys, const struct hst_tensor_table *table, struct hst_error *err);
/** Take off the prefix, of these, under which most tensors are, if there are enough of them. Ended by NULL. */
void hst_keys_choose_prefix(struct hst_keys *keys, const char *const *prefixes, size_t count);
/** Take this prefix off. @return false when no tensor has it */
bool hst_keys_set_prefix(struct hst_keys *keys, const char *prefix);
/** The tensor of this name without prefix, or NULL. */
const struct hst_tensor *hst_keys_find(struct hst_keys *keys, const char *name);
/** The first tensor whose whole name ends so, or NULL. */
const struct hst_tensor *hst_keys_ending(const struct hst_keys *keys, const char *suffix);
/** The keys as a subject of rules; borrows them. One thread at a time. */
struct hst_rule_subject hst_keys_subject(struct hst_keys *keys);
/** Free what it holds. */
void hst_keys_fini(struct hst_keys *keys);
#endif
