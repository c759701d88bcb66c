#ifndef HST_STORE_DB_CONFIG_H
#define HST_STORE_DB_CONFIG_H
/** @file
 * What the user wishes for models - stay in memory, for how long, before whom, in which precision - over a restart: a row for each model of which
 * something is said. */
#include "store/db.h"

/** A row. What nothing is said of has the value for that. Texts are borrowed. */
struct hst_db_config {
    const char *id;        /**< model id */
    int pin;               /**< 1, 0, or -1 = nothing said */
    int64_t ttl_seconds;   /**< -1 = nothing said */
    int priority;          /**< HST_DB_UNSAID = nothing said */
    const char *precision; /**< NULL = nothing said */
};
/** A priority that nobody can ask for. */
#define HST_DB_UNSAID 127

/** Called for each row; a negative result ends the reading and is its result. */
typedef int (*hst_db_config_fn)(void *context, const struct hst_db_config *row);
/** Read every row. */
int hst_db_each_config(struct hst_db *db, hst_db_config_fn fn, void *context, struct hst_error *err);
/** Write rows in one transaction: all or none. Any thread. */
int hst_db_put_configs(struct hst_db *db, const struct hst_db_config *rows, size_t count, struct hst_error *err);
#endif
