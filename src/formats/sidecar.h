#ifndef HST_FORMATS_SIDECAR_H
#define HST_FORMATS_SIDECAR_H
/** @file
 * What other tools write beside a model: read strictly, bounded, without recursion. Pure; no I/O. */
#include "base/error.h"

/** Who wrote it, and so what is in it. */
enum hst_sidecar_kind {
    HST_SIDECAR_SWARM,        /**< SwarmUI's NAME.swarm.json: ModelSpec keys in one flat object */
    HST_SIDECAR_A1111,        /**< NAME.json of the A1111 and Forge web interfaces */
    HST_SIDECAR_LORA_MANAGER, /**< NAME.metadata.json of ComfyUI's LoRA manager */
    HST_SIDECAR_CM_INFO,      /**< StabilityMatrix's NAME.cm-info.json */
    HST_SIDECAR_CIVITAI,      /**< NAME.civitai.info: a model version as Civitai's API gives it */
    HST_SIDECAR_CARD,         /**< README.md of a Hugging Face folder: the lines between the first two "---" */
    HST_SIDECAR_CONFIG,       /**< config.json or model_index.json of such a folder */
    HST_SIDECAR_TEXT,         /**< NAME.txt: a description in plain words */
    HST_SIDECAR_KINDS,        /**< how many */
};

/** Called for each value that is known to say something, lists joined by ", ". A negative result ends the reading and is its result. */
typedef int (*hst_sidecar_fn)(void *context, const char *key, const char *value);

/** Read one. `key` is spelled as the tool does, with dots between the levels. When it fails, `fn` may have been called before. */
int hst_sidecar_parse(enum hst_sidecar_kind kind, const void *bytes, size_t length, hst_sidecar_fn fn, void *context, struct hst_error *err);
#endif
