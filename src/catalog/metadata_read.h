#ifndef HST_CATALOG_METADATA_READ_H
#define HST_CATALOG_METADATA_READ_H
/** @file
 * Everything that is said about a model, read from the disk once more, with the long values that the catalog does not keep; or the
 * image that shows it. Loop thread only; the disk is used on the executor. */
#include "catalog/catalog.h"

/** What was read. Borrowed during the callback. */
struct hst_metadata_read {
    struct hst_metadata_list list; /**< all that is said */
    char *image;                   /**< bytes of the preview, or NULL when they were not asked for */
    size_t image_length;           /**< of image */
};

/** Called once on the loop thread: with what was read, or NULL and the error. */
typedef void (*hst_metadata_read_fn)(void *context, const struct hst_metadata_read *found, const struct hst_error *err);

/** Read. With `image`, only the preview: HST_E_FILE_MISSING when there is none, HST_E_INVALID_FILE when it is no PNG, JPEG or WebP. */
int hst_metadata_read_begin(struct hst_catalog *catalog, const char *id, bool image, hst_metadata_read_fn done, void *context, struct hst_error *err);
#endif
