#ifndef HST_MODEL_REREAD_H
#define HST_MODEL_REREAD_H
/** @file
 * Reading the tables of a model's files again, off the loop thread: made on the loop thread, run on another, and taken by layout.h. */
#include "model/model.h"

/** What is to be read, and what was. */
struct hst_reread {
    struct hst_model *model;           /**< referenced */
    bool *checked;                     /**< one a file: see that it is still the same */
    bool *wanted;                      /**< one a file: and read its table */
    struct hst_tensor_table **tables;  /**< one a file; owned */
};

/** Nothing of this model's files yet. *ret_reread owned by the caller: hst_reread_free. */
int hst_reread_new(struct hst_model *model, struct hst_reread **ret_reread, struct hst_error *err);
/** Ask for the files of a component: that they are still the same, and unless somebody holds it, for their tables. Loop thread. */
void hst_reread_want(struct hst_reread *reread, const struct hst_component *component);
/** Read what was asked for. HST_E_FILE_CHANGED when a file is another one by now. Any thread. */
int hst_reread_run(struct hst_reread *reread, struct hst_error *err);
/** Free it, and the tables that nobody took. Loop thread; NULL is fine. */
void hst_reread_free(struct hst_reread *reread);
/** Open a file of a model, if it is still the one that was scanned. @return fd >= 0, owned by the caller; HST_E_FILE_CHANGED and what
 * hst_file_open gives. Any thread. */
int hst_reread_open(const struct hst_model_file *file, struct hst_error *err);
/** Is it still that file, after it was read through this fd? HST_E_FILE_CHANGED. Any thread. */
int hst_reread_check(const struct hst_model_file *file, int fd, struct hst_error *err);
#endif
