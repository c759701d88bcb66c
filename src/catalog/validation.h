#ifndef HST_CATALOG_VALIDATION_H
#define HST_CATALOG_VALIDATION_H
/** @file
 * Is a model whole and sound? Four checks, each with a sentence. Any thread; a validation belongs to one thread at a time. */
#include "catalog/fullread.h"
#include "catalog/halves.h"

/** The checks, in order. */
enum hst_check_kind {
    HST_CHECK_STRUCTURE,    /**< the files parse: header, offsets, no hole, no overlap */
    HST_CHECK_COMPLETENESS, /**< no shard, part, component or half of a pair is missing */
    HST_CHECK_VALUES,       /**< no NaN, no infinity, no weight of zeros alone (deep) */
    HST_CHECK_HASH,         /**< the hashes that the model states are its own (deep) */
    HST_CHECK_COUNT,        /**< number of checks */
};

/** What came of a check. */
enum hst_check_state {
    HST_CHECK_OK,      /**< as it should be */
    HST_CHECK_WARNING, /**< unusual, but such models are in use */
    HST_CHECK_FAILED,  /**< not usable as it is */
    HST_CHECK_SKIPPED, /**< not looked at; the text says why */
};

/** A check. */
struct hst_check {
    enum hst_check_state state;     /**< see there */
    char text[HST_ERROR_TEXT_MAX];  /**< a sentence */
};

/** A validation. */
struct hst_validation {
    struct hst_model *model;        /**< as its files are now; owned; NULL = they could not be read */
    struct hst_error problem;       /**< why it failed, when structure or completeness did because of what a parser found */
    struct hst_check checks[HST_CHECK_COUNT]; /**< by kind */
    struct hst_names missing_files; /**< parts that are not there */
    struct hst_halves halves;       /**< pairs of an adapter */
    struct hst_fullread reading;    /**< of a deep one */
    bool deep;                      /**< was every byte to be read? */
    double duration_ms;             /**< time it took */
};

/** What is asked for. */
struct hst_validation_wish {
    const char *path;               /**< of the file or folder */
    bool deep;                      /**< read every byte, too: values and hashes */
    const _Atomic(bool) *cancel;    /**< stop soon; NULL = never */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); /**< on the same thread; may be NULL */
    void *context;                  /**< for progress */
};

/** Validate. A model that is not valid, or not there, is a result; an error is what kept us from finding out: HST_E_CANCELLED, HST_E_NOMEM,
 * HST_E_IO, HST_E_FILE_CHANGED (written meanwhile). *ret_validation owned by the caller. */
int hst_validation_run(const struct hst_validation_wish *wish, struct hst_validation **ret_validation, struct hst_error *err);
/** Compare with the model as it was scanned: a file that is another one by now is a warning. @return are they the same files? */
bool hst_validation_compare(struct hst_validation *validation, const struct hst_model *scanned);
/** Did no check fail? */
bool hst_validation_is_valid(const struct hst_validation *validation);
/** Name of a check: structure completeness values hash. */
const char *hst_check_name(enum hst_check_kind kind);
/** Name of a state: ok warning failed skipped. */
const char *hst_check_state_name(enum hst_check_state state);
/** Free it. NULL is fine. */
void hst_validation_free(struct hst_validation *validation);
#endif
