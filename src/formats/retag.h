#ifndef HST_FORMATS_RETAG_H
#define HST_FORMATS_RETAG_H
/** @file
 * New metadata for a safetensors file: the bytes that come before its tensors, which stay as they are. Pure. */
#include "base/error.h"
#include "base/strbuf.h"

/** A member of __metadata__ that is to be set. */
struct hst_retag_pair {
    const char *key;   /**< its key */
    const char *value; /**< its text; NULL = take it out */
};

/** From a file's header (the JSON alone) make the length and header that replace it, in `out`. It is padded with blanks to the old
 * length modulo 4096, so that the tensors keep their place within a page and file systems can share them. HST_E_LIMIT_EXCEEDED when it
 * gets longer than a header may be. */
int hst_retag_header(const char *header, size_t length, const struct hst_retag_pair *pairs, size_t count, struct hst_strbuf *out, struct hst_error *err);
#endif
