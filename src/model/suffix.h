#ifndef HST_MODEL_SUFFIX_H
#define HST_MODEL_SUFFIX_H
/** @file
 * Suffixes of files that may be models. Only what is looked at depends on them; what a file is, its content decides. */
#include <stdbool.h>

/** A suffix. */
struct hst_suffix {
    const char *text; /**< with its dot */
    const char *format; /**< that files with it usually are of */
    bool vague;       /**< other things have it, too: a file that is no model is none of ours */
};

/** The suffix that the name ends in (any case, something before it), or NULL. */
const struct hst_suffix *hst_suffix_of(const char *name);
#endif
