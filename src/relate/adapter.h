#ifndef HST_RELATE_ADAPTER_H
#define HST_RELATE_ADAPTER_H
/** @file
 * What a LoRA (LoHa, LoKr, DoRA, OFT, whole differences) adapts: its modules, and the shape of the weight that each one expects.
 * Names and suffixes are data (api/modules.yaml). */
#include "base/error.h"
#include "base/map.h"
#include "model/model.h"
#include "model/modules.h"
#include "model/pieces.h"

struct hst_arena;

/** A size of an adapter's tensor. */
struct hst_adapter_size {
    uint64_t first;  /**< size of dimension 0; 0 = there is no such tensor */
    uint64_t second; /**< size of dimension 1; 0 = it has none */
    uint64_t others; /**< product of all but the first */
};

/** A module that is adapted. */
struct hst_adapter_module {
    const char *name;   /**< bare, as the adapter calls it */
    enum hst_side side; /**< of which part of the base */
    bool dangling;      /**< a half or factor is missing */
    bool known;         /**< its tensors tell the weight's shape */
    uint64_t out;       /**< rows that the weight must have; 0 = any */
    uint64_t in;        /**< columns that it must have; 0 = any */
    uint64_t in_flat;   /**< the same, times a convolution's window */
    struct hst_adapter_size parts[HST_PIECE_SHAPED]; /**< what was found */
};

/** An adapter. Zero-initialise; free with hst_adapter_fini. */
struct hst_adapter {
    struct hst_arena *arena;             /**< owns what follows */
    struct hst_map by_name;              /**< file's name of the module with its prefix -> module */
    struct hst_adapter_module **modules; /**< owned array, in the order of the file */
    size_t count;                        /**< of modules */
    size_t whole;                        /**< tensors that are no part of a module: weights that are replaced */
};

/** Read the modules of every component of an adapter. */
int hst_adapter_read(struct hst_adapter *adapter, const struct hst_model *model, struct hst_error *err);
/** Free what it holds. */
void hst_adapter_fini(struct hst_adapter *adapter);
#endif
