#ifndef HST_DAEMON_KEEPING_H
#define HST_DAEMON_KEEPING_H
/** @file
 * Which process keeps the memory when this one is gone: hoist-keeper, unless the settings say otherwise or it cannot run (docs/decisions/0020). */
#include "cache/inherit.h"
#include "daemon/settings.h"
#include "keeper/link.h"

/** Reach the keeper of this state folder (its lock is held), or start one. *ret_keeper = NULL when the settings want none, and then one that runs is told to free
 * everything; or when it cannot run, which is logged: hoistd goes on without. */
void hst_keeping_begin(const struct hst_settings *settings, const char *state, uv_loop_t *loop, struct hst_keeper **ret_keeper);
/** Log what the RAM tier, which is new, has taken over. */
void hst_keeping_report(const struct hst_cache *cache);
/** `hoistd --free-kept`: free what a hoistd that was killed left behind. @return exit code */
int hst_keeping_free_kept(const struct hst_settings *settings);
#endif
