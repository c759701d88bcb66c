#ifndef HST_REWRITE_SHEET_H
#define HST_REWRITE_SHEET_H
/** @file
 * What a safetensors file will hold: each tensor, where it comes from, what becomes of it, where it goes. Pure. */
#include "base/strbuf.h"
#include "convert/rules.h"
#include "model/model.h"

/** A tensor of the new file. */
struct hst_sheet_row {
    const struct hst_tensor *tensor; /**< as it is; borrowed from the model */
    uint32_t file;                   /**< index into the model's files */
    struct hst_convert_choice choice; /**< what becomes of it */
    uint64_t offset;                 /**< of its data in the new file, behind the header */
    uint64_t size_bytes;             /**< of its data then */
};
/** All of them, in the order of the new file: that of the safetensors library. */
struct hst_sheet {
    struct hst_sheet_row *rows; /**< owned */
    size_t count;               /**< of rows */
    uint64_t data_bytes;        /**< behind the header */
    uint64_t source_bytes;      /**< to read for it */
};
/** What is wished. */
struct hst_sheet_wish {
    const struct hst_model *model; /**< its tables are there: every component that is taken is held */
    const bool *taken;             /**< one a component; NULL = all, and the tensors that belong to none */
    enum hst_dtype dtype;          /**< as in struct hst_convert_wish */
    enum hst_convert_level level;  /**< as in struct hst_convert_wish */
};
/** A pair of the new file's metadata. */
struct hst_sheet_word {
    const char *key;   /**< its key */
    const char *value; /**< its text */
};

/** Make it; the result is owned by the caller (hst_sheet_fini). HST_E_INCOMPATIBLE: a type that safetensors has not, two tensors of one name, components of a
 * folder that no file holds together, weights that do not lie in their file as in memory. */
int hst_sheet_make(const struct hst_sheet_wish *wish, struct hst_sheet *ret_sheet, struct hst_error *err);
/** The new file's length and header into `out`, with the metadata of the model's first file, when that is a safetensors file, and `words`, which win; hashes
 * of the old tensors are left out. HST_E_LIMIT_EXCEEDED when it is longer than a header may be. */
int hst_sheet_head(const struct hst_sheet *sheet, const struct hst_model *model, const struct hst_sheet_word *words, size_t word_count, struct hst_strbuf *out, struct hst_error *err);
/** Free what it holds. */
void hst_sheet_fini(struct hst_sheet *sheet);
#endif
