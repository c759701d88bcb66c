#ifndef HST_PREDICT_LEDGER_H
#define HST_PREDICT_LEDGER_H
/** @file
 * What was predicted and what came of it, and whether it is worth going on.
 *
 *     learning --- HST_LEDGER_LEAST predictions have ended, most seconds were right ---> on
 *        '---------------------------------------------, most seconds were wrong ------> off       on <---> off by the same rule
 *     on, off --- no prediction has ended for long: the evidence has faded ---> learning
 *
 * A prediction is entered when it would bring something in. While it is on, that is done (`loads`); else it is entered on paper, so that the
 * evidence goes on. It is right when the key is used in time, and wrong when it is not; what was brought in and gone again before it was used was
 * read for nothing as well. Evidence is weighed in seconds of loading and fades. Pure; times are seconds since 1970. */
#include "base/error.h"
#include "predict/limits.h"

/** Is something brought in? */
enum hst_ledger_state {
    HST_LEDGER_LEARNING, /**< not yet: too few predictions have ended */
    HST_LEDGER_IS_ON,    /**< yes */
    HST_LEDGER_IS_OFF,   /**< no: too many were wrong; they go on on paper */
};

/** A prediction whose end is not known. */
struct hst_ledger_open {
    char key[HST_PATTERN_KEY_MAX]; /**< of what */
    double since_s;       /**< when it was made */
    double load_s;        /**< seconds it takes to bring it in: expected, later measured */
    uint64_t bytes;       /**< it brought in */
    bool loads;           /**< it is brought in; else on paper */
};

/** The sums. */
struct hst_ledger_score {
    uint64_t made;         /**< predictions entered */
    uint64_t loaded;       /**< of them, brought in */
    uint64_t hits;         /**< used in time */
    uint64_t misses;       /**< not used in time */
    uint64_t needed;       /**< uses that had to load, or would have had to without a prediction */
    uint64_t foreseen;     /**< of them, predicted */
    double saved_s;        /**< seconds of loading that nobody waited for */
    double wasted_s;       /**< seconds of loading for nothing */
    uint64_t saved_bytes;  /**< brought in ahead and used */
    uint64_t wasted_bytes; /**< brought in for nothing, in part or whole */
    double recent_right;   /**< the evidence: seconds, faded */
    double recent_wrong;   /**< see recent_right */
    double recent;         /**< predictions it is of, faded */
    double recent_until_s; /**< when the evidence was looked at last */
    uint64_t switches;     /**< how often the state changed */
};

/** The ledger. Zero-initialise. */
struct hst_ledger {
    enum hst_ledger_state state;    /**< see above */
    struct hst_ledger_score score;  /**< since it was begun */
    struct hst_ledger_open open[HST_LEDGER_OPEN_MAX]; /**< in no order */
    size_t open_count;              /**< of open */
};

/** Name of a state: learning on off. */
const char *hst_ledger_state_name(enum hst_ledger_state state);
/** The state of this name; learning for any other. */
enum hst_ledger_state hst_ledger_state_of(const char *name);
/** The open prediction of a key, or NULL. */
struct hst_ledger_open *hst_ledger_find(struct hst_ledger *ledger, const char *key);
/** Enter a prediction of something that is not there. @return is it to be brought in? Then hst_ledger_loaded or hst_ledger_gave_up follows. False
 * also when it is open already or there are too many. */
bool hst_ledger_enter(struct hst_ledger *ledger, const char *key, double now_s, double load_s);
/** It was brought in. */
void hst_ledger_loaded(struct hst_ledger *ledger, const char *key, double load_s, uint64_t bytes);
/** Bringing it in was given up after so much; the prediction goes on on paper. */
void hst_ledger_gave_up(struct hst_ledger *ledger, const char *key, double load_s, uint64_t bytes);
/** It was used: was it all there (`waited_s` 0), or how long did bringing it in take? Ends its prediction. */
void hst_ledger_use(struct hst_ledger *ledger, const char *key, double now_s, double waited_s);
/** End the predictions whose time is over. */
void hst_ledger_expire(struct hst_ledger *ledger, double now_s);
/** Share of the ended predictions that were right; negative = none has ended. */
double hst_ledger_precision(const struct hst_ledger *ledger);
/** Share of the uses that need loading that were predicted; negative = there was none. */
double hst_ledger_recall(const struct hst_ledger *ledger);
#endif
