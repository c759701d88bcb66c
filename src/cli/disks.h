#ifndef HST_CLI_DISKS_H
#define HST_CLI_DISKS_H
/** @file
 * What hoist doctor says about reading and about memory: how each folder of models is read and why, and which pages copies lie in. */
#include <jansson.h>
#include <stdbool.h>

/** A row of the examination: `advice` NULL = all is well. */
void hst_examine(json_t *checks, const char *name, const char *found, const char *advice);
/** How what is not in memory is read, and each folder of models (`scan`: GET /api/model/scan) by `cache` (GET /api/model/cache). */
void hst_disks_examine(json_t *checks, const json_t *cache, const json_t *scan);
/** Which pages copies lie in, as measured, and what would make better ones. */
void hst_pages_examine(json_t *checks, const json_t *cache);
#endif
