#ifndef HST_CATALOG_ANNOTATE_H
#define HST_CATALOG_ANNOTATE_H
/** @file
 * Writing what is said about a model: into its sidecar, its header, or the catalog alone. Weights are never touched: a new header makes
 * a new file that takes the old one's place at once, so whoever holds the old one keeps it whole, and the catalog sees a new generation
 * of equal tensors. Loop thread only; the disk is used on the executor. */
#include "catalog/catalog.h"
#include "model/override.h"

/** Where words are written. */
enum hst_annotate_target {
    HST_ANNOTATE_SIDECAR, /**< NAME.swarm.json, or hoist.swarm.json inside a folder; what others wrote there stays */
    HST_ANNOTATE_HEADER,  /**< a safetensors file's own metadata */
};

/** What is to be written. */
struct hst_annotation {
    enum hst_annotate_target target;  /**< of words */
    struct hst_override_list words;   /**< by the keys they are written under; a NULL value takes one out */
    struct hst_override_list said;    /**< for the catalog alone: type, family, variant, fields */
};

/** Called once on the loop thread. `err` is NULL when all is written and the model is published anew; HST_E_SHUTTING_DOWN when the
 * catalog is freed first. */
typedef void (*hst_annotate_fn)(void *context, const struct hst_error *err);

/** Write. The lists are taken over (emptied) in any case. HST_E_MODEL_NOT_FOUND; HST_E_BUSY while another annotation of the model runs;
 * HST_E_INCOMPATIBLE when it has no header that can be written. Then `done` is not called. It is told of HST_E_PERMISSION,
 * HST_E_NO_SPACE, HST_E_FILE_CHANGED, HST_E_INVALID_FILE (the sidecar is no JSON object) ...; nothing is changed then. */
int hst_annotate(struct hst_catalog *catalog, const char *id, struct hst_annotation *annotation, hst_annotate_fn done, void *context,
                 struct hst_error *err);
#endif
