#ifndef HST_BASE_ERROR_H
#define HST_BASE_ERROR_H
/** @file
 * What went wrong, once: a status of the table, a sentence, and the figures that belong to it.
 * Functions return 0 or a negative enum hst_status and fill `err` (which may be NULL) when they fail. */
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Longest message, with its NUL. */
#define HST_ERROR_TEXT_MAX 512

/** A failure. Plain data: copy it freely. Zero-initialise before use. */
struct hst_error {
    int status;                    /**< negative enum hst_status, or 0 for none */
    char text[HST_ERROR_TEXT_MAX]; /**< one sentence, valid UTF-8, control characters escaped */
    bool has_offset;               /**< is `offset` known? */
    uint64_t offset;               /**< byte of the file where it went wrong */
    uint64_t required_bytes;       /**< memory errors: what was asked for; else 0 */
    uint64_t available_bytes;      /**< memory errors: what is free now */
    uint64_t evictable_bytes;      /**< memory errors: what eviction could free */
};

/** One recommended action. */
struct hst_action {
    const char *action; /**< machine-readable verb */
    const char *text;   /**< a sentence for people */
};

/** A row of api/errors.yaml. */
struct hst_status_info {
    int status;                   /**< negative enum hst_status */
    const char *code;             /**< its name on the wire, snake_case */
    const char *text;             /**< what happened, in general words */
    const char *category;         /**< loading memory compatibility device io format worker request internal */
    const char *severity;         /**< low medium high critical */
    int http;                     /**< HTTP status */
    int exit_code;                /**< exit code of the command line */
    bool recoverable;             /**< may the same request succeed later? */
    size_t action_count;          /**< entries of `actions` */
    struct hst_action actions[4]; /**< recommended actions, most useful first */
};

/** Fill `err` (NULL is fine) with `status` and a printf message; control characters and broken UTF-8 of the result are escaped.
 * @return status, so that `return hst_error_set(...)` reads well */
int hst_error_set(struct hst_error *err, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** As hst_error_set, and says at which byte of the file. @return status */
int hst_error_at(struct hst_error *err, int status, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Fill `err` with HST_E_NOMEM. @return HST_E_NOMEM */
int hst_error_nomem(struct hst_error *err);

/** The table row of a status; that of HST_E_INTERNAL for a code that is not in the table. Never NULL. */
const struct hst_status_info *hst_status_info(int status);

/** The status whose wire code is `code`; HST_E_INTERNAL when there is none. */
int hst_status_from_code(const char *code);

/** Return the status of `expr` from this function if it failed. */
#define HST_TRY(expr)                                                                                                  \
    do {                                                                                                               \
        int hst_try_status_ = (expr);                                                                                  \
        if (hst_try_status_ < 0) return hst_try_status_;                                                               \
    } while (0)
#endif
