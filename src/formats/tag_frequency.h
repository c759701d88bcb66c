#ifndef HST_FORMATS_TAG_FREQUENCY_H
#define HST_FORMATS_TAG_FREQUENCY_H
/** @file
 * kohya's ss_tag_frequency: how often each tag stood in the captions of a LoRA's training set. Pure. */
#include "base/error.h"
#include "base/strbuf.h"

/** Add the `most` most frequent tags to `out`, joined by ", "; counts of several datasets are summed up. */
int hst_tag_frequency_top(const char *json, size_t length, size_t most, struct hst_strbuf *out, struct hst_error *err);
#endif
