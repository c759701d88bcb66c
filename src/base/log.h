#ifndef HST_BASE_LOG_H
#define HST_BASE_LOG_H
/** @file
 * The daemon's log: one line an event on stderr. Only the outer layers (daemon, http, wire, workers, service) log; the
 * library layers return errors. Safe from any thread. */

/** How much matters. */
enum hst_log_level {
    HST_LOG_ERROR, /**< something failed that should not */
    HST_LOG_WARN,  /**< something is odd, and was dealt with */
    HST_LOG_INFO,  /**< what an operator wants to see */
    HST_LOG_DEBUG, /**< what a developer wants to see */
};

/** Show this level and the more severe ones. Default: HST_LOG_INFO. */
void hst_log_set_level(enum hst_log_level level);
/** The level of a name (error warn info debug), or -1. */
int hst_log_level_parse(const char *name);
/** Write one line: time, level, topic, message. Control characters of the message are escaped. */
void hst_log(enum hst_log_level level, const char *topic, const char *format, ...) __attribute__((format(printf, 3, 4)));
#endif
