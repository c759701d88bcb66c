#ifndef HST_RELATE_TARGETS_H
#define HST_RELATE_TARGETS_H
/** @file
 * The weights of a base that an adapter could adapt, by the one name of their module, whoever named them. A weight that one side keeps
 * fused (q, k and v in one) and the other in slices is found both ways. */
#include "base/error.h"
#include "base/map.h"
#include "model/model.h"
#include "model/modules.h"

struct hst_arena;

/** A weight of the base. */
struct hst_target {
    const char *key;   /**< its name in the file; NULL for several that are taken as one */
    uint64_t out;      /**< rows */
    uint64_t in;       /**< columns; 0 = it is a vector */
    uint64_t in_flat;  /**< columns times a convolution's window */
    bool known;        /**< false: it is packed, and its true shape stands elsewhere */
    bool touched;      /**< an adapter was matched with it */
    enum hst_side side; /**< of which part */
};

/** The weights. Zero-initialise; free with hst_targets_fini. */
struct hst_targets {
    struct hst_arena *arena;          /**< owns keys and targets */
    struct hst_map by_name;           /**< "side name#slice" -> target */
    struct hst_naming naming;         /**< how the base names things */
    bool sides[HST_SIDE_COUNT];       /**< does the base have this part? */
};

/** Collect the weights of a base: its main component and its text encoders. */
int hst_targets_read(struct hst_targets *targets, const struct hst_model *base, struct hst_error *err);
/** Does the base have this part at all? */
bool hst_targets_has_side(const struct hst_targets *targets, enum hst_side side, const char *name);
/** The weight of the module that an adapter calls `name` (bare); *ret_target has the shape that the adapter must have. Marks it touched. */
bool hst_targets_find(struct hst_targets *targets, enum hst_side side, const char *name, struct hst_target *ret_target);
/** Count the matrices of a part: *ret_touched of them were found. */
size_t hst_targets_count(const struct hst_targets *targets, enum hst_side side, size_t *ret_touched);
/** Free what it holds. */
void hst_targets_fini(struct hst_targets *targets);
#endif
