#ifndef HST_FORMATS_GGUF_H
#define HST_FORMATS_GGUF_H
/** @file
 * GGUF, versions 2 and 3, little-endian: metadata, tensor descriptions, data. Shapes are turned round, so that the innermost dimension comes last as
 * in every other format. Metadata is kept where it is a number or a text of moderate length; arrays (vocabularies) are walked over. */
#include "formats/format.h"

/** The format. */
extern const struct hst_format hst_gguf_format;
#endif
