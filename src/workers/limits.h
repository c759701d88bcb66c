#ifndef HST_WORKERS_LIMITS_H
#define HST_WORKERS_LIMITS_H
/** @file
 * Limits of the workers, each with its reason. */

/** Longest line a worker may write, in bytes: an answer of 1,000 embeddings of 1,024 numbers has about 20 MiB. */
#define HST_WORKER_LINE_MAX (64u << 20)
/** Calls that may wait for one worker; more is refused as busy, so that a slow worker cannot fill the daemon's memory. */
#define HST_WORKER_QUEUE_MAX 64u
/** Bytes of a worker's stderr that are kept to explain why it died. */
#define HST_WORKER_STDERR_MAX 4096u
/** Time a worker has to say that it is ready: importing torch from a cold disk takes tens of seconds. */
#define HST_WORKER_START_MS 120000u
/** Time a call has once the worker took it, unless the caller says otherwise. */
#define HST_WORKER_CALL_MS 120000u
/** Longest time a caller may ask for. */
#define HST_WORKER_CALL_MAX_MS 3600000u
/** An idle worker is asked for a sign of life this often, ... */
#define HST_WORKER_PING_MS 30000u
/** ... and must give it within this time. */
#define HST_WORKER_PONG_MS 10000u
/** Between SIGTERM and SIGKILL. */
#define HST_WORKER_STOP_MS 2000u
/** Between a worker's exit and the end of reading what it wrote before, when something else keeps its pipe open. */
#define HST_WORKER_DRAIN_MS 100u
/** First delay before a restart; doubles with each failure in a row. */
#define HST_WORKER_BACKOFF_MIN_MS 250u
/** Longest delay before a restart. */
#define HST_WORKER_BACKOFF_MAX_MS 30000u
/** So many failures in a row open the circuit breaker: no restarts by themselves any more. */
#define HST_WORKER_BREAKER_FAILURES 5u
/** While the breaker is open calls fail at once; after this time the next call tries again. */
#define HST_WORKER_BREAKER_MS 30000u
#endif
