#ifndef HST_CATALOG_NAMES_H
#define HST_CATALOG_NAMES_H
/** @file
 * The first few of many names, and how many there were. */
#include "base/error.h"

/** Names. Zero-initialise; free with hst_names_fini. */
struct hst_names {
    char **texts;   /**< the first HST_NAMES_KEPT (limits.h); owned */
    size_t kept;    /**< of texts */
    uint64_t count; /**< of all that were added */
};

/** Add one (copied while there is room for it). */
int hst_names_add(struct hst_names *names, const char *text, struct hst_error *err);
/** Free what it holds. */
void hst_names_fini(struct hst_names *names);
#endif
