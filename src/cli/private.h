#ifndef HST_CLI_PRIVATE_H
#define HST_CLI_PRIVATE_H
/** @file
 * What a process has of weights for itself alone: pages of its mappings that it has written to (proc(5), smaps). */
#include <jansson.h>

/** Add `private_bytes` to every holder of these components; processes that may not be looked into get none. */
void hst_private_add(json_t *components);
#endif
