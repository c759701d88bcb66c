#ifndef HST_SERVICE_EVENTS_H
#define HST_SERVICE_EVENTS_H
/** @file
 * What happened lately, and who is told. */
#include "base/list.h"
#include "service/limits.h"
#include "service/service.h"

/** A kept event. */
struct hst_kept_event {
    uint64_t id; /**< 0 = none yet */
    char *name;  /**< owned */
    char *data;  /**< owned */
};
/** The log. Zero-initialise the ring, call hst_events_init. */
struct hst_events {
    struct hst_kept_event ring[HST_EVENTS_KEPT]; /**< event N is at N % HST_EVENTS_KEPT */
    uint64_t last_id;             /**< of the newest */
    struct hst_list subscriptions; /**< who is told */
    size_t subscription_count;    /**< of subscriptions */
    uint64_t next_subscription;   /**< 1, 2, ... */
};
/** Make it. */
void hst_events_init(struct hst_events *events);
/** Free what it holds; subscribers are told nothing. */
void hst_events_fini(struct hst_events *events);
#endif
