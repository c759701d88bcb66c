#ifndef HST_MODEL_SLUG_H
#define HST_MODEL_SLUG_H
/** @file
 * Model ids: what is left of a name when only [a-z0-9._-] may stand in it. */
#include <stddef.h>

/** Longest id. */
#define HST_SLUG_MAX 128u

/** Make the id of a name: lower case, runs of anything else become one '-', the first is a letter or digit; "model" when nothing is left. */
void hst_slug_make(const char *name, char out[HST_SLUG_MAX + 1]);
/** The n-th way to write an id that is taken: "id-2", "id-3", ...; cut so that it fits. */
void hst_slug_number(const char *slug, unsigned number, char out[HST_SLUG_MAX + 1]);
#endif
