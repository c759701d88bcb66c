/* Scans that nobody asks for: soon after something changed, and from time to time where changes are not told. Changes are counted, not kept: a
 * scan compares everything with everything anyhow, so that nothing is lost when some were missed. */
#include "base/cleanup.h"
#include "catalog/internal.h"
#include "catalog/limits.h"
#include "catalog/listing.h"
#include "os/clock.h"
#include "os/watch.h"

struct hst_watcher {
    struct hst_catalog *catalog;
    struct hst_watch *watch; /* or NULL: only from time to time */
    struct hst_error why;    /* ... because */
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles;        /* not yet closed */
    bool changed;            /* since the last scan began */
    uint64_t first_ns;       /* when the first of these changes was */
    uint64_t rested_ns;      /* no scan before */
    unsigned failures;       /* scans in a row that could not read a file */
};

static void on_timer(uv_timer_t *timer)
{
    struct hst_watcher *watcher = timer->data;
    (void)!hst_scan_patiently(watcher->catalog, NULL); /* busy: the end of that scan plans the next */
}

static void plan(struct hst_watcher *watcher, uint64_t ms)
{
    uv_timer_start(&watcher->timer, on_timer, ms, 0);
}

static uint64_t ms_until(uint64_t then_ns, uint64_t now_ns)
{
    return then_ns > now_ns ? (then_ns - now_ns) / 1000000 : 0;
}

/* When nothing more has happened for a while - but not for ever - and the last scan is far enough away. */
static void plan_after_change(struct hst_watcher *watcher)
{
    uint64_t now = hst_clock_ns();
    uint64_t quiet = HST_WATCH_QUIET_MS, longest = ms_until(watcher->first_ns + HST_WATCH_LONGEST_MS * UINT64_C(1000000), now);
    uint64_t rest = ms_until(watcher->rested_ns, now);
    uint64_t wait = quiet < longest ? quiet : longest;
    plan(watcher, wait > rest ? wait : rest);
}

/* A disk or a server that fails may soon be well again, or stay as it is: each wait is twice as long as the one before. */
static void plan_after_failure(struct hst_watcher *watcher)
{
    unsigned doublings = watcher->failures < HST_WATCH_DOUBLINGS ? watcher->failures : HST_WATCH_DOUBLINGS;
    plan(watcher, UINT64_C(1) * HST_WATCH_LONGEST_MS << doublings);
}

static void on_change(void *context, const char *name, bool is_folder)
{
    struct hst_watcher *watcher = context;
    bool concerns = name == NULL || (is_folder && name[0] != '.') || hst_listing_concerns(name);
    if (!concerns) return;
    if (!watcher->changed) watcher->first_ns = hst_clock_ns();
    watcher->changed = true;
}

static void on_news(uv_poll_t *poll, int status, int events)
{
    struct hst_watcher *watcher = poll->data;
    (void)status;
    (void)events;
    hst_watch_read(watcher->watch, on_change, watcher);
    if (watcher->changed && watcher->catalog->scan.phase == HST_SCAN_NONE) plan_after_change(watcher);
}

void hst_watcher_scan_begins(struct hst_watcher *watcher)
{
    if (watcher == NULL) return;
    if (watcher->watch != NULL) hst_watch_read(watcher->watch, NULL, NULL);
    watcher->changed = false;
    uv_timer_stop(&watcher->timer);
}

/* A first time, or for another reason: whoever wants to know is told. */
static void report(struct hst_catalog *catalog, const struct hst_error *of_walk)
{
    const struct hst_error *unwatched = catalog->watcher->watch != NULL ? of_walk : &catalog->watcher->why;
    struct hst_scan_status *status = &catalog->scan.status;
    bool was_watching = status->watching;
    status->watching = catalog->watcher->watch != NULL && unwatched->status == HST_OK;
    status->unwatched = *unwatched;
    bool is_news = !status->watching && (was_watching || catalog->scan.number == 1);
    if (is_news && unwatched->status < 0 && catalog->config.unwatched != NULL) catalog->config.unwatched(catalog->config.listener.context, unwatched);
}

void hst_watcher_scan_ended(struct hst_watcher *watcher, const struct hst_error *unwatched)
{
    if (watcher == NULL) return;
    struct hst_catalog *catalog = watcher->catalog;
    const struct hst_scan_status *status = &catalog->scan.status;
    report(catalog, unwatched);
    watcher->rested_ns = hst_clock_ns() + (uint64_t)(status->duration_ms * 1e6) * HST_WATCH_REST;
    if (watcher->changed)
        plan_after_change(watcher);
    else if (catalog->scan.unsettled)
        plan(watcher, HST_WATCH_LONGEST_MS);
    else if (!status->watching && catalog->config.rescan_seconds > 0)
        plan(watcher, catalog->config.rescan_seconds * UINT64_C(1000));
    else if (catalog->scan.unreadable)
        plan_after_failure(watcher);
    watcher->failures = catalog->scan.unreadable ? watcher->failures + 1 : 0;
}

struct hst_watch *hst_watcher_watch(const struct hst_watcher *watcher)
{
    return watcher != NULL ? watcher->watch : NULL;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_watcher *)handle->data)->handles--;
}

void hst_watcher_free(struct hst_watcher *watcher)
{
    if (watcher == NULL) return;
    uv_loop_t *loop = watcher->catalog->config.loop;
    if (watcher->watch != NULL) uv_close((uv_handle_t *)&watcher->poll, on_closed);
    uv_close((uv_handle_t *)&watcher->timer, on_closed);
    while (watcher->handles > 0)
        uv_run(loop, UV_RUN_ONCE);
    hst_watch_free(watcher->watch);
    free(watcher);
}

/* Neither handle keeps the loop alive. */
static int start_watch(struct hst_watcher *watcher, uv_loop_t *loop, struct hst_error *err)
{
    HST_TRY(hst_watch_new(watcher->catalog->config.watch_most, &watcher->watch, err));
    if (uv_poll_init(loop, &watcher->poll, hst_watch_fd(watcher->watch)) < 0) {
        hst_watch_free(watcher->watch);
        watcher->watch = NULL;
        return hst_error_set(err, HST_E_INTERNAL, "cannot poll for changes");
    }
    watcher->poll.data = watcher;
    watcher->handles++;
    uv_poll_start(&watcher->poll, UV_READABLE, on_news);
    uv_unref((uv_handle_t *)&watcher->poll);
    return HST_OK;
}

int hst_watcher_new(struct hst_catalog *catalog, struct hst_watcher **ret_watcher, struct hst_error *err)
{
    uv_loop_t *loop = catalog->config.loop;
    struct hst_watcher *watcher = calloc(1, sizeof *watcher);
    if (watcher == NULL) return hst_error_nomem(err);
    watcher->catalog = catalog;
    uv_timer_init(loop, &watcher->timer);
    watcher->timer.data = watcher;
    watcher->handles = 1;
    uv_unref((uv_handle_t *)&watcher->timer);
    if (catalog->config.watch == HST_CATALOG_WATCH && start_watch(watcher, loop, &watcher->why) < 0) watcher->watch = NULL;
    *ret_watcher = watcher;
    return HST_OK;
}
