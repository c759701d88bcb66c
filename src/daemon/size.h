#ifndef HST_DAEMON_SIZE_H
#define HST_DAEMON_SIZE_H
/** @file
 * Sizes as people write them: 512M, 24G, 80%, auto. */
#include "base/error.h"

/** Bytes of `text`: digits with K M G T (1024-based, an optional B or iB after), N% of `whole_bytes`, or `auto` = 60% of it.
 * HST_E_CONFIG for anything else, for 0 and for more than 100%. */
int hst_size_parse(const char *text, uint64_t whole_bytes, uint64_t *ret_bytes, struct hst_error *err);
#endif
