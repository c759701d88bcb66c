#include "os/watch.h"

#include "base/cleanup.h"
#include "os/file.h"
#include "os/fstype.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/inotify.h>

/* Files count when they are closed after writing, not with every write. A folder that moves away takes its watch with it. */
enum { CHANGES = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR };

struct hst_watch {
    int fd;
    unsigned most;
};

int hst_watch_new(unsigned most, struct hst_watch **ret_watch, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) return hst_error_nomem(err);
    watch->most = most;
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0) return hst_file_errno(err, errno, "watch", "folders (fs.inotify.max_user_instances)");
    *ret_watch = hst_steal(&watch);
    return HST_OK;
}

static int too_many(struct hst_error *err)
{
    return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: there are more folders than may be watched (fs.inotify.max_user_watches)");
}

int hst_watch_add(struct hst_watch *watch, const char *path, struct hst_error *err)
{
    if (!hst_fstype_tells_changes(path)) return hst_error_set(err, HST_E_INCOMPATIBLE, "%s lies on a file system that does not tell what changes", path);
    int descriptor = inotify_add_watch(watch->fd, path, CHANGES);
    if (descriptor < 0) return errno == ENOSPC ? too_many(err) : hst_file_errno(err, errno, "watch", path);
    if (watch->most == 0 || descriptor <= (int)watch->most) return HST_OK;
    inotify_rm_watch(watch->fd, descriptor);
    return too_many(err);
}

int hst_watch_fd(const struct hst_watch *watch)
{
    return watch->fd;
}

static void tell(const struct hst_watch *watch, const struct inotify_event *event, hst_watch_fn fn, void *context)
{
    if ((event->mask & IN_MOVE_SELF) != 0) inotify_rm_watch(watch->fd, event->wd);
    if ((event->mask & IN_IGNORED) == 0 && fn != NULL) fn(context, event->len > 0 ? event->name : NULL, (event->mask & IN_ISDIR) != 0);
}

void hst_watch_read(struct hst_watch *watch, hst_watch_fn fn, void *context)
{
    alignas(struct inotify_event) char bytes[16384];
    for (ssize_t got; (got = read(watch->fd, bytes, sizeof bytes)) > 0;) {
        const struct inotify_event *event;
        for (const char *at = bytes; at < bytes + got; at += sizeof *event + event->len) {
            event = (const struct inotify_event *)at;
            tell(watch, event, fn, context);
        }
    }
}

void hst_watch_free(struct hst_watch *watch)
{
    if (watch == NULL) return;
    close(watch->fd);
    free(watch);
}
