#ifndef HST_REWRITE_REWRITE_H
#define HST_REWRITE_REWRITE_H
/** @file
 * A model, or some of its components, written into another file in another precision. The new file is there whole or not at all; the model's own
 * files are only read. Memory does not grow with the model. Any thread, while the components that are taken are held. */
#include "rewrite/limits.h"
#include "rewrite/sheet.h"

/** What is to be done. Borrowed during hst_rewrite_run. */
struct hst_rewrite {
    struct hst_sheet_wish wish; /**< of what model, what becomes of it */
    const char *output;         /**< absolute path of the new file */
    bool overwrite;             /**< may it take another file's place? Never that of the model's own */
    const char *const *folders; /**< it must lie in one of these or below, links followed; NULL = anywhere */
    size_t folder_count;        /**< of folders */
    const _Atomic(bool) *cancel; /**< stop soon */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); /**< bytes read; called often */
    void *context;              /**< for progress */
};

/** Tensors to which the same happened. */
struct hst_rewrite_change {
    enum hst_dtype from; /**< as they were */
    enum hst_dtype to;   /**< as they are; the same when they stayed */
    const char *why;     /**< as in struct hst_convert_choice */
    size_t tensors;      /**< how many */
    uint64_t size_bytes; /**< as they are */
};

/** What was done. */
struct hst_rewritten {
    uint64_t size_bytes;   /**< of the new file */
    uint64_t source_bytes; /**< of tensors that were read */
    size_t tensors;        /**< in it */
    size_t converted;      /**< of them, those of another type than before */
    struct hst_rewrite_change changes[HST_REWRITE_CHANGES_MAX]; /**< what happened to them */
    size_t change_count;   /**< of changes */
};

/** Write it. HST_E_INVALID_ARGUMENT (the path), HST_E_FORBIDDEN (outside of the folders), HST_E_EXISTS, HST_E_NO_SPACE, HST_E_PERMISSION, HST_E_FILE_CHANGED (of the
 * model), HST_E_CANCELLED, what hst_sheet_make gives: nothing is left of it then. */
int hst_rewrite_run(const struct hst_rewrite *rewrite, struct hst_rewritten *ret_done, struct hst_error *err);
#endif
