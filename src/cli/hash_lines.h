#ifndef HST_CLI_HASH_LINES_H
#define HST_CLI_HASH_LINES_H
/** @file
 * The hashes of a model, for people. */
#include <jansson.h>

/** Print what is known of a model's hashes, how far hashing is, and its duplicates. */
void hst_hash_lines_print(const json_t *model);
#endif
