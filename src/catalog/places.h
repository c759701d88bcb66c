#ifndef HST_CATALOG_PLACES_H
#define HST_CATALOG_PLACES_H
/** @file
 * Folders to look at, each once, whichever way leads there. Several threads take from it. Folders that only links lead to come last, in order
 * of their paths, so that who owns a folder does not depend on which thread was first. */
#include "os/folder.h"

/** A folder. */
struct hst_place {
    struct hst_folder_id id; /**< what it is */
    struct hst_place *next;  /**< private */
    char path[];             /**< where it is */
};

/** The folders. */
struct hst_places;

/** Make it, for so many folders at most; owned by the caller: hst_places_free. */
int hst_places_new(size_t most, struct hst_places **ret_places, struct hst_error *err);
/** Look at this folder too, unless it was or will be looked at; one that is not there is fine. HST_E_LIMIT_EXCEEDED when they are too many. */
int hst_places_add(struct hst_places *places, const char *path, bool by_link, struct hst_error *err);
/** The next folder, when there is one: waits for those that are being looked at, since they may add some. hst_places_done gives it back.
 * @return NULL when there is nothing left, or hst_places_halt was called */
struct hst_place *hst_places_next(struct hst_places *places);
/** It was looked at; `again`: it was not, and somebody has to. */
void hst_places_done(struct hst_places *places, struct hst_place *place, bool again);
/** Give out nothing any more (true), or again (false). */
void hst_places_halt(struct hst_places *places, bool halt);
/** What went wrong when links were followed (status 0: nothing). Ask when hst_places_next gave NULL. */
const struct hst_error *hst_places_error(const struct hst_places *places);
/** Free. NULL is fine. */
void hst_places_free(struct hst_places *places);
#endif
