#ifndef HST_CATALOG_STATED_H
#define HST_CATALOG_STATED_H
/** @file
 * Hashes that a model states of itself: in the metadata of its files, or by the name that Hugging Face's cache keeps a file under.
 * (kohya's sshs_legacy_hash is none of them: it covers a header that the file does not have.) */
#include "model/model.h"

/** Hex digits of a SHA-256. */
#define HST_STATED_DIGITS 64u

/** A hash that is stated, and what it should be. */
struct hst_stated {
    const char *where;                  /**< who states it: "modelspec.hash_sha256", "sshs_model_hash", "name of the blob"; static */
    uint32_t file;                      /**< index into the model's files */
    bool of_tensors;                    /**< of what follows the header; else of the whole file */
    char stated[HST_STATED_DIGITS + 1]; /**< lower-case hex */
    char found[HST_STATED_DIGITS + 1];  /**< likewise; "" until it was computed */
};

/** Collect them; the tables of the model are there. *ret_list owned by the caller, NULL for none. */
int hst_stated_collect(const struct hst_model *model, struct hst_stated **ret_list, size_t *ret_count, struct hst_error *err);
/** Was it computed, and is it what it should be? */
bool hst_stated_agrees(const struct hst_stated *stated);
#endif
