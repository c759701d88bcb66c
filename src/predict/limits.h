#ifndef HST_PREDICT_LIMITS_H
#define HST_PREDICT_LIMITS_H
/** @file
 * Limits and constants of prediction, each with its reason. Those marked "tuned" were found with the tuning seeds of bench/prediction.c. */

/** Bytes of a key with its NUL: a model id, some roles and a precision. */
#define HST_PATTERN_KEY_MAX 256u
/** Keys that are remembered, the least used going first: more than anybody loads by hand, and 300 KiB at most. */
#define HST_PATTERNS_MAX 512u
/** What may follow a key: as much as a base has adapters in use. */
#define HST_PATTERN_AFTER_MAX 16u
/** What is predicted is expected within so long: a sitting at work (tuned). */
#define HST_PREDICT_HORIZON_S 5400.0
/** For so long after a use what follows it is brought in: who has not gone on until then does something else (tuned). */
#define HST_PATTERN_FRESH_S 300.0
/** Part of a count that is left when the same key has come again: some 30 visits count. */
#define HST_PATTERN_VISIT_KEEP 0.97
/** Part of a count that is left after a day of the same kind (working day or weekend): two weeks count. */
#define HST_PATTERN_DAY_KEEP 0.9
/** Times without a use that are added to those seen, so that little is not taken for certain (tuned). */
#define HST_PATTERN_DOUBT 2.0
/** Followed at least so often (with what has faded taken off: twice): once is chance. */
#define HST_PATTERN_LEAST 1.5
/** Before an hour begins it is looked at for so long, so that what it needs is there when it begins. */
#define HST_PREDICT_EARLY_S 600.0
/** At this probability something is brought in (tuned; at 0.5 a second of reading for nothing would weigh as much as one that somebody waits). */
#define HST_PREDICT_PROBABILITY 0.65
/** Predictions that are open at once: beyond that memory was full long before. */
#define HST_LEDGER_OPEN_MAX 64u
/** Predictions that must have come to an end before they are believed or not (tuned). */
#define HST_LEDGER_LEAST 2.0
/** Part of the evidence that is left after each end: some 20 predictions count (tuned). */
#define HST_LEDGER_KEEP 0.95
/** Evidence counts half after so long, weekends included: what was true before the holidays has to prove itself again. */
#define HST_LEDGER_HALF_S (3 * 86400.0)
/** Share of the seconds that were right from which on memory is filled ahead (tuned)... */
#define HST_LEDGER_ON 0.65
/** ... and below which it is not: between the two it stays as it is, so that it does not flap. */
#define HST_LEDGER_OFF 0.55
#endif
