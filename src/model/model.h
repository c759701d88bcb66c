#ifndef HST_MODEL_MODEL_H
#define HST_MODEL_MODEL_H
/** @file
 * A model as the catalog knows it: immutable, counted by reference. A changed file makes a new struct hst_model with a higher
 * generation; whoever holds the old one keeps it whole. Loop thread only, except that scan threads build new ones.
 *
 * All but the tensors stays in memory. Tables of tensors are there while somebody holds a component of theirs (layout.h): 10,000
 * models of 2,000 tensors would fill gigabytes with what nobody asks for. */
#include "model/interface.h"
#include "model/metadata.h"
#include "formats/tensors.h"
#include "os/file.h"
#include "os/fstype.h"

/** May it be loaded? */
enum hst_model_state {
    HST_MODEL_OK,      /**< yes */
    HST_MODEL_INVALID, /**< malformed; see problem */
    HST_MODEL_UNSAFE,  /**< would run code; never loadable */
    HST_MODEL_MISSING, /**< its file or root is gone; the record stays */
};

/** Tensors of a file that follow each other in its table and belong to the same component. */
struct hst_tensor_run {
    uint16_t component; /**< index into the model's components; HST_NO_COMPONENT = they belong to none */
    uint16_t count;     /**< tensors; a longer run is several */
};
/** The component of tensors that belong to none. */
#define HST_NO_COMPONENT UINT16_MAX

/** Bytes of the hash by which equal tensors are found: XXH3-128, keyed (hashing/hash.h). */
#define HST_TENSOR_HASH_BYTES 16u

/** A file of a model. */
struct hst_model_file {
    char *path;                     /**< absolute */
    struct hst_file_id id;          /**< as it was when parsed */
    bool raw;                       /**< tensors lie in it as in memory */
    enum hst_fstype fstype;         /**< what it lies on */
    uint8_t *hashes;                /**< HST_TENSOR_HASH_BYTES for each tensor of the table, zeros = not known; owned; NULL = none is known */
    struct hst_tensor_table *table; /**< owned; NULL while no component that lies in it is held */
    struct hst_tensor_run *runs;    /**< what the table is made of; owned */
    size_t run_count;               /**< of runs */
    unsigned holders;               /**< components that lie in it and are held */
    uint32_t header;                /**< index of the file that describes its tensors: its own, but for external data of ONNX, which comes right after it */
    char *sha1;                     /**< 40 hexadecimal digits that its SHA-1 should have, as its header says; NULL = it says nothing; owned */
};

/** A tensor of a component. */
struct hst_component_tensor {
    uint32_t file;                   /**< index into the model's files */
    const struct hst_tensor *tensor; /**< borrowed from that file's table; tensor->name is the key in the file */
};

/** Tensors of one element type. */
struct hst_component_dtype {
    enum hst_dtype dtype; /**< the type */
    size_t tensor_count;  /**< tensors of it */
    uint64_t elements;    /**< sum of theirs */
    uint64_t size_bytes;  /**< sum of theirs */
};

/** A component: what is cached, loaded, shared and evicted as one. */
struct hst_component {
    char *id;                              /**< "MODEL:ROLE" */
    char *role;                            /**< "unet", "vae", "text_encoder", "lora", ... */
    struct hst_model *model;               /**< borrowed: it owns this component */
    struct hst_component_tensor *tensors;  /**< owned array, ordered by (file, offset); NULL while it is not held (layout.h) */
    size_t tensor_count;                   /**< tensors it has, held or not */
    unsigned holders;                      /**< who needs the tensors: jobs and residencies */
    uint64_t ram_bytes;                    /**< what its tensors take in RAM, rounded to pages */
    struct hst_component_dtype *dtypes;    /**< its tensors by element type, in order of the table of types; owned */
    size_t dtype_count;                    /**< of dtypes */
    uint64_t size_bytes;                   /**< sum of the tensors' bytes */
    uint64_t parameters;                   /**< sum of the tensors' elements */
    const char *precision;                 /**< of most bytes: fp32 fp16 bf16 fp8 ...; "mixed" below 90%; static */
    struct hst_interface interface;        /**< sizes by which it meets other components */
    char **depends_on;                     /**< roles of the same model that must be loaded before it; owned */
    size_t depends_on_count;               /**< of depends_on */
};

/** Why hoist says what it says. */
struct hst_verdict {
    double confidence;  /**< 0 to 1; 1 = decided by tensors alone */
    char **evidence;    /**< sentences: keys and shapes that decided; owned */
    size_t evidence_count; /**< of evidence */
    char *runner_up;    /**< next best family, or NULL */
    char **needs_hint;  /**< what would settle an open question; owned */
    size_t needs_hint_count; /**< of needs_hint */
};

/** Who says something about a model besides its tensors; the most trusted first. */
enum hst_hint_source {
    HST_HINT_USER,    /**< the user, through hoist */
    HST_HINT_HEADER,  /**< metadata inside the file: modelspec.*, ss_*, general.* */
    HST_HINT_SIDECAR, /**< a file beside it that another tool wrote */
    HST_HINT_FOLDER,  /**< the folder it lies in: models/Lora */
    HST_HINT_NAME,    /**< its own name */
};

/** One thing said, under the key that its source uses. */
struct hst_hint {
    enum hst_hint_source source; /**< who says so */
    char *key;                   /**< "modelspec.architecture", "ss_base_model_version", "baseModel" ...; owned */
    char *value;                 /**< owned */
};

/** A model: a file or folder that a user would name. */
struct hst_model {
    unsigned refs;            /**< see hst_model_ref */
    char *id;                 /**< slug, stable */
    char *name;               /**< file name without suffix, or folder name */
    char *type;               /**< contract section 3: checkpoint lora vae llm ... */
    char *family;             /**< or NULL */
    char *variant;            /**< or NULL */
    char *format;             /**< safetensors, diffusers, transformers ... */
    char *path;               /**< absolute */
    const char *main_role;    /**< of its main component, when a rule knew it; static, or NULL */
    const char *storage;      /**< how its weights are packed: nf4, fp8_scaled ...; static; NULL = plain numbers */
    uint64_t size_bytes;      /**< of its files */
    uint64_t parameters;      /**< of its components */
    const char *precision;    /**< as in hst_component; NULL without tensors */
    uint64_t generation;      /**< 1, 2, ... for changed content under the same id */
    enum hst_model_state state; /**< may it be loaded? */
    struct hst_error problem; /**< status 0 unless invalid, unsafe or missing */
    char **warnings;          /**< what is odd about its files and does no harm: "word: a sentence"; owned */
    size_t warning_count;     /**< of warnings */
    struct hst_verdict verdict; /**< why */
    struct hst_hint *hints;   /**< what is said about it; owned */
    size_t hint_count;        /**< of hints */
    struct hst_metadata_list metadata; /**< what is said about it in words */
    struct hst_model_file *files; /**< owned */
    size_t file_count;        /**< of files */
    struct hst_component *components; /**< owned */
    size_t component_count;   /**< of components */
};

/** Name of a state as in the contract: ok invalid unsafe missing. */
const char *hst_model_state_name(enum hst_model_state state);
/** Keep it. @return model */
struct hst_model *hst_model_ref(struct hst_model *model);
/** Let go; the last one frees. NULL is fine. */
void hst_model_unref(struct hst_model *model);
/** Cleanup for HST_AUTO. */
static inline void hst_model_unrefp(struct hst_model **model)
{
    hst_model_unref(*model);
}
/** Has it external data, in files that only its own files name? */
bool hst_model_has_externals(const struct hst_model *model);
/** Are all its files the same, as far as the file system tells? */
bool hst_model_has_same_files(const struct hst_model *model, const struct hst_model *before);
/** Is it the same as before: its state, and all its files as far as the file system tells? */
bool hst_model_is_same(const struct hst_model *model, const struct hst_model *before);
/** The component of this role, or NULL. */
struct hst_component *hst_model_component(const struct hst_model *model, const char *role);
#endif
