#ifndef HST_OS_WATCH_H
#define HST_OS_WATCH_H
/** @file
 * Folders watched for changes of their entries (inotify). What was missed is told, too: then anything may have changed. */
#include "base/error.h"

/** Watched folders. */
struct hst_watch;

/** Told for each change on the thread that reads; name NULL = changes were missed, or it is the folder itself that changed. */
typedef void (*hst_watch_fn)(void *context, const char *name, bool is_folder);

/** Begin; `most` folders at most, 0 = as many as the kernel allows. Owned by the caller: hst_watch_free. */
int hst_watch_new(unsigned most, struct hst_watch **ret_watch, struct hst_error *err);
/** Watch a folder too; one that is watched already is fine. Any thread. HST_E_LIMIT_EXCEEDED when there are too many; HST_E_INCOMPATIBLE
 * when its file system (network, FUSE) does not tell what others change. */
int hst_watch_add(struct hst_watch *watch, const char *path, struct hst_error *err);
/** Descriptor that is readable when there is news. */
int hst_watch_fd(const struct hst_watch *watch);
/** Read all news that is there; fn may be NULL. */
void hst_watch_read(struct hst_watch *watch, hst_watch_fn fn, void *context);
/** Watch nothing any more. NULL is fine. */
void hst_watch_free(struct hst_watch *watch);
#endif
