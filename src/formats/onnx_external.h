#ifndef HST_FORMATS_ONNX_EXTERNAL_H
#define HST_FORMATS_ONNX_EXTERNAL_H
/** @file
 * External data of ONNX: what a tensor says about the file that its bytes lie in, and the tables of tensors of those files. Nothing is opened;
 * paths that lead out of the model's folder are refused for how they are written, whether or not anything is there. */
#include "formats/builder.h"
#include "formats/limits.h"

/** Digits of a SHA-1. */
#define HST_ONNX_SHA1_DIGITS 40u

/** Where the bytes of a tensor lie. */
struct hst_onnx_place {
    unsigned seen;                 /**< private: keys that were there */
    uint64_t offset;               /**< first byte; 0 when it is not said */
    uint64_t length;               /**< bytes; see has_length */
    bool has_length;               /**< else to the end of the file */
    char location[HST_ONNX_LOCATION_MAX + 1]; /**< path of the file, as in struct hst_external; "" while it is not said */
    char sha1[HST_ONNX_SHA1_DIGITS + 1]; /**< of the file, in lower case; "" when it is not said */
};

/** A file that tensors lie in. */
struct hst_onnx_external {
    struct hst_builder builder; /**< the tensors in it */
    char *location;             /**< owned */
    char sha1[HST_ONNX_SHA1_DIGITS + 1]; /**< as in struct hst_onnx_place */
    uint64_t least_bytes;       /**< as in struct hst_external */
    bool exact;                 /**< as in struct hst_external */
};

/** All of a model. Zero-initialise; free with hst_onnx_externals_fini. */
struct hst_onnx_externals {
    struct hst_onnx_external **files; /**< owned, `count` of them */
    size_t count;                     /**< of files */
    struct hst_map by_location;       /**< files */
};

/** Nothing is said yet. */
void hst_onnx_place_clear(struct hst_onnx_place *place);
/** Take a pair of a tensor's external_data: location, offset, length or checksum; other keys mean nothing. `at` is the byte to name when it is
 * refused. HST_E_INVALID_FILE */
int hst_onnx_place_set(struct hst_onnx_place *place, const char *key, const char *value, uint64_t at, struct hst_error *err);
/** The file of this place, which may be a new one. HST_E_INVALID_FILE, HST_E_LIMIT_EXCEEDED (too many files) */
int hst_onnx_externals_find(struct hst_onnx_externals *externals, const struct hst_onnx_place *place, uint64_t at, struct hst_onnx_external **ret_file,
                            struct hst_error *err);
/** Give a tensor that was added to file->builder its place in it. HST_E_INVALID_FILE when its length is another, or two tensors disagree on where
 * the file ends. */
int hst_onnx_external_place(struct hst_onnx_external *file, const struct hst_onnx_place *place, struct hst_tensor *tensor, uint64_t at, struct hst_error *err);
/** Hand the tables over to that of the model. */
int hst_onnx_externals_finish(struct hst_onnx_externals *externals, struct hst_tensor_table *table, struct hst_error *err);
/** Free whatever is left. */
void hst_onnx_externals_fini(struct hst_onnx_externals *externals);
#endif
