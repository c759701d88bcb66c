#ifndef HST_CATALOG_SUMMARY_H
#define HST_CATALOG_SUMMARY_H
/** @file
 * One answer a question, from everything that is said about a model: which source is asked first is a table. */
#include "model/metadata.h"

/** A question. */
enum hst_field {
    HST_FIELD_TITLE,            /**< what it is called */
    HST_FIELD_DESCRIPTION,      /**< in words */
    HST_FIELD_AUTHOR,           /**< who made it */
    HST_FIELD_DATE,             /**< when */
    HST_FIELD_LICENSE,          /**< under which terms */
    HST_FIELD_TRIGGER_WORDS,    /**< what a prompt should have in it; a list */
    HST_FIELD_RESOLUTION,       /**< of its images */
    HST_FIELD_BASE_MODEL,       /**< what it was made from or for, in its maker's words */
    HST_FIELD_TAGS,             /**< a list */
    HST_FIELD_USAGE_HINT,       /**< how to use it */
    HST_FIELD_PREDICTION_TYPE,  /**< epsilon, v */
    HST_FIELD_MERGED_FROM,      /**< a list */
    HST_FIELD_PREFERRED_WEIGHT, /**< of a LoRA; a number */
    HST_FIELD_NOTES,            /**< of its user */
    HST_FIELDS,                 /**< how many */
};

/** What is answered as. */
enum hst_field_kind {
    HST_FIELD_TEXT,   /**< text */
    HST_FIELD_LIST,   /**< texts, kept joined by ", " */
    HST_FIELD_NUMBER, /**< a number, kept as text */
};

/** A field's description. */
struct hst_field_info {
    const char *name;         /**< on the wire */
    enum hst_field_kind kind; /**< what it is answered as */
    const char *written_as;   /**< key under which hoist writes it into a header or sidecar: that of ModelSpec where there is one */
};

/** The fields by number. */
extern const struct hst_field_info hst_fields_of_metadata[HST_FIELDS];
/** The number of a field of this name, or HST_FIELDS. */
enum hst_field hst_field_find(const char *name);
/** The answer, or NULL when nobody says; *ret_said = who says so, under which key. */
const char *hst_field_answer(const struct hst_metadata_list *list, enum hst_field field, const struct hst_metadata_entry **ret_said);
#endif
