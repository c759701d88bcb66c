#ifndef HST_FORMATS_SAFETENSORS_H
#define HST_FORMATS_SAFETENSORS_H
/** @file
 * safetensors: u64 little-endian N, N bytes of JSON, data. Strict where the reference implementation is lax (duplicate names,
 * NUL in names, rank), because two readers must never see different tensors in one file. */
#include "formats/format.h"

/** The format; the example to copy for a new one. */
extern const struct hst_format hst_safetensors_format;
#endif
