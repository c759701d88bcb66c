#ifndef HST_CATALOG_HASHER_H
#define HST_CATALOG_HASHER_H
/** @file
 * Hashing the files of the catalog in the background: on threads that run when nobody else wants to, a slice of a file at a time, and not
 * while a scan runs or a load is under way. Loop thread only.
 *
 *     none --> slice, slice, slice ... --> hashes          a slice ends early when a scan or a load begins; the file stays open
 *                '--- paused ---'     '--> failed          and its digest is kept, so that it goes on where it was
 */
#include "catalog/catalog.h"

/** The hasher. */
struct hst_hasher;

/** Make it. *ret_hasher owned by the catalog. */
int hst_hasher_new(struct hst_catalog *catalog, struct hst_hasher **ret_hasher, struct hst_error *err);
/** Begin, pause or go on: a scan has begun or the catalog stops, or neither is so any more. NULL is fine. */
void hst_hasher_update(struct hst_hasher *hasher);
/** A scan has ended: look at every file again. NULL is fine. */
void hst_hasher_restart(struct hst_hasher *hasher);
/** End its threads; jobs on the catalog's own executor may still come back. NULL is fine. */
void hst_hasher_stop(struct hst_hasher *hasher);
/** Free, once both executors have ended. NULL is fine. */
void hst_hasher_free(struct hst_hasher *hasher);
#endif
