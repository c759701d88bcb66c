#ifndef HST_CACHE_READING_H
#define HST_CACHE_READING_H
/** @file
 * How the tier reads what is not in memory into memory of its own: past the page cache with io_uring, the same by one call after the other
 * on its threads, or through the page cache, whichever of these the kernel and the file system let it have, in this order. */
#include "os/rings.h"

/** The ways of reading. */
struct hst_reading {
    struct hst_rings *rings; /**< io_uring; NULL = there is none */
    bool past;               /**< may files be read past the page cache? */
    char why_not[160];       /**< why there is no io_uring; "" = there is */
};

/** Get ready for so many threads. `force` NULL = the best there is; "threads" = without io_uring, "buffered" = through the page cache (tests).
 * HST_E_CONFIG for another word; a kernel without io_uring is no error. */
int hst_reading_init(struct hst_reading *reading, const char *force, unsigned threads, struct hst_error *err);
/** Free what it has; harmless on an empty one. */
void hst_reading_fini(struct hst_reading *reading);
/** How it reads a file that lets itself be read past the page cache (`direct`), or does not: "io_uring", "threads", "buffered". */
const char *hst_reading_method(const struct hst_reading *reading, bool direct);
#endif
