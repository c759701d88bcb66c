#ifndef HST_STORE_DB_NOTES_H
#define HST_STORE_DB_NOTES_H
/** @file
 * Small things that are learned while hoistd runs, over a restart: texts under an area and a key, such as what is known of the use of a model. What the
 * texts mean is the business of whoever writes them. */
#include "store/db.h"

/** A note. Texts are borrowed. */
struct hst_db_note {
    const char *area;  /**< whose: "use", "resident", ... */
    const char *key;   /**< unique in its area */
    const char *value; /**< NULL = there shall be none */
};

/** Called for each note; a negative result ends the reading and is its result. */
typedef int (*hst_db_note_fn)(void *context, const struct hst_db_note *note);

/** Read every note of an area in order of key. */
int hst_db_each_note(struct hst_db *db, const char *area, hst_db_note_fn fn, void *context, struct hst_error *err);
/** Write notes, and take out those without a value, each in one transaction. Any thread. */
int hst_db_put_notes(struct hst_db *db, const struct hst_db_note *notes, size_t count, struct hst_error *err);
#endif
