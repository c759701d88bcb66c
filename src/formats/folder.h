#ifndef HST_FORMATS_FOLDER_H
#define HST_FORMATS_FOLDER_H
/** @file
 * The small JSON files of model folders, parsed strictly (duplicates, depth and size limited; see limits.h):
 * diffusers' model_index.json, a shard index (*.index.json), and config.json. Pure; no I/O. */
#include "base/error.h"

/** One component of a diffusers pipeline, e.g. "unet": ["diffusers", "UNet2DConditionModel"]. */
struct hst_pipeline_part {
    char *role;       /**< key and subfolder; one path segment, checked */
    char *library;    /**< may be NULL (component switched off) */
    char *class_name; /**< may be NULL */
};
/** model_index.json. */
struct hst_pipeline_index {
    char *class_name;                /**< _class_name, may be NULL */
    struct hst_pipeline_part *parts; /**< owned, `count` of them */
    size_t count;                    /**< parts */
};
/** Parse model_index.json. Role names that are not one plain path segment are HST_E_INVALID_FILE. */
int hst_pipeline_index_parse(const void *json, size_t length, struct hst_pipeline_index *ret_index, struct hst_error *err);
/** Free what it holds. */
void hst_pipeline_index_fini(struct hst_pipeline_index *index);

/** An entry of a shard index. */
struct hst_shard_entry {
    char *tensor;     /**< tensor name */
    uint32_t file;    /**< index into files */
};
/** *.index.json: which tensor is in which file. */
struct hst_shard_index {
    char **files;                    /**< distinct file names, each one plain path segment, checked */
    size_t file_count;               /**< of files */
    struct hst_shard_entry *entries; /**< weight_map */
    size_t count;                    /**< entries */
    uint64_t total_size_bytes;       /**< metadata.total_size, 0 when absent or not a number */
};
/** Parse a shard index. */
int hst_shard_index_parse(const void *json, size_t length, struct hst_shard_index *ret_index, struct hst_error *err);
/** Free what it holds. */
void hst_shard_index_fini(struct hst_shard_index *index);

/** config.json of a transformers or diffusers model: the few fields hoist looks at; absent = NULL or 0. */
struct hst_model_config {
    char *class_name;     /**< _class_name (diffusers) */
    char *architecture;   /**< architectures[0] (transformers) */
    char *model_type;     /**< model_type (transformers) */
    char *scaling_factor; /**< of a VAE's latents (diffusers), as written */
    char *prediction_type; /**< of a scheduler (diffusers) */
    bool has_code;        /**< auto_map or custom code is named: shown, never run */
};
/** Parse config.json. */
int hst_model_config_parse(const void *json, size_t length, struct hst_model_config *ret_config, struct hst_error *err);
/** Free what it holds. */
void hst_model_config_fini(struct hst_model_config *config);
#endif
