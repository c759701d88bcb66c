#ifndef HST_MODEL_OVERRIDE_H
#define HST_MODEL_OVERRIDE_H
/** @file
 * What the user said of a model: its type, family or variant against what hoist found, or words about it. It is the most trusted
 * source, and stays over restarts, moves and changes of the file. */
#include "model/draft.h"

/** A thing said. */
struct hst_override {
    char *key;   /**< "type", "family", "variant", or a field of summary.h; owned */
    char *value; /**< owned; NULL = taken back */
};
/** All that the user said of one model. Zero-initialise; free with hst_override_fini. */
struct hst_override_list {
    struct hst_override *items; /**< owned */
    size_t count;               /**< of items */
};

/** Say it (NULL takes it back), in place of what was said before. */
int hst_override_set(struct hst_override_list *list, const char *key, const char *value, struct hst_error *err);
/** What was said, or NULL. */
const char *hst_override_get(const struct hst_override_list *list, const char *key);
/** Say all of it in another list, too. */
int hst_override_copy(const struct hst_override_list *from, struct hst_override_list *to, struct hst_error *err);
/** Add it to what is said about a model in words. */
int hst_override_words(const struct hst_override_list *list, struct hst_metadata_list *words, struct hst_error *err);
/** Have the last word after a model was judged. */
int hst_override_apply(const struct hst_override_list *list, struct hst_model *model, struct hst_error *err);
/** Free what it holds. */
void hst_override_fini(struct hst_override_list *list);
#endif
