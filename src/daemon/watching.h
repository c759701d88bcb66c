#ifndef HST_DAEMON_WATCHING_H
#define HST_DAEMON_WATCHING_H
/** @file
 * The settings that say how changes in the folders of models are noticed. */
#include "catalog/catalog.h"
#include "daemon/settings.h"

/** What they say. */
struct hst_watching {
    enum hst_catalog_watching how; /**< as they happen, from time to time, or when asked */
    unsigned rescan_seconds;       /**< from time to time: how often; 0 = never */
    unsigned most;                 /**< folders watched at most; 0 = as many as the kernel allows. $HOIST_WATCH_MOST, for tests of what happens beyond */
};

/** Read them; HST_E_CONFIG names the wrong one. */
int hst_watching_read(const struct hst_settings *settings, struct hst_watching *ret_watching, struct hst_error *err);
#endif
