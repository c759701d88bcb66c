/* The machine runs short of memory: what nobody holds is given back, a little at a time, until the reserve is there. */
#include "load/pressure.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "load/internal.h"
#include "load/limits.h"
#include "os/meminfo.h"
#include "os/pressure.h"

/* What watches. */
struct hst_pressure_watch {
    struct hst_loader *loader;
    uv_timer_t timer;
    uv_poll_t polls[HST_PRESSURE_TRIGGERS];
    struct hst_pressure_trigger trigger;
    struct hst_shortage last;
    size_t closing;
};

/* The reserve; twice of it while tasks wait for memory all the same. */
static uint64_t wanted_bytes(const struct hst_shortage *now)
{
    uint64_t twice;
    if (!now->is_pressed) return now->reserve_bytes;
    return hst_checked_mul(now->reserve_bytes, 2, &twice) ? twice : UINT64_MAX;
}

static struct hst_shortage look(const struct hst_pressure_watch *watch)
{
    const struct hst_pressure pressure = hst_pressure_read();
    struct hst_shortage now = watch->last;
    now.available_bytes = hst_meminfo_headroom_bytes();
    now.is_known = pressure.known;
    now.some_avg10 = pressure.some_avg10;
    now.full_avg10 = pressure.full_avg10;
    now.is_pressed = pressure.known && pressure.some_avg10 >= HST_PRESSURE_SOME;
    now.is_short = now.available_bytes < wanted_bytes(&now);
    return now;
}

/* Bytes that have been given back and that the kernel has not freed yet are on their way. */
static struct hst_given_back relieve(struct hst_loader *loader, const struct hst_shortage *now)
{
    uint64_t wanted = wanted_bytes(now), coming = hst_cache_draining(loader->config.cache), have = now->available_bytes;
    if (!hst_checked_add(have, coming, &have) || have >= wanted) return (struct hst_given_back){0};
    return hst_giveback_run(loader, wanted - have, HST_GIVEBACK_MOST);
}

static void step(struct hst_pressure_watch *watch)
{
    struct hst_loader *loader = watch->loader;
    const struct hst_loader_listener *listener = &loader->config.listener;
    bool was_short = watch->last.is_short;
    struct hst_shortage now = look(watch);
    struct hst_given_back gone = now.is_short ? relieve(loader, &now) : (struct hst_given_back){0};
    now.given_back_bytes += gone.bytes;
    watch->last = now;
    bool is_news = now.is_short != was_short || gone.components > 0;
    if (is_news && listener->pressure != NULL) listener->pressure(listener->context, &now, &gone);
    uv_timer_set_repeat(&watch->timer, now.is_short ? HST_PRESSURE_SHORT_MS : HST_PRESSURE_LOOK_MS);
    uv_timer_again(&watch->timer);
}

static void on_time(uv_timer_t *timer)
{
    step(timer->data);
}

static void on_told(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0)
        uv_poll_stop(poll); /* its cgroup is gone; the timer looks on */
    else
        step(poll->data);
}

static void listen_to(struct hst_pressure_watch *watch, size_t index)
{
    uv_poll_t *poll = &watch->polls[index];
    uv_poll_init(watch->loader->config.loop, poll, watch->trigger.fds[index]);
    poll->data = watch;
    uv_poll_start(poll, UV_PRIORITIZED, on_told);
    uv_unref((uv_handle_t *)poll);
}

int hst_pressure_watch_new(struct hst_loader *loader, struct hst_pressure_watch **ret_watch, struct hst_error *err)
{
    struct hst_pressure_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) return hst_error_nomem(err);
    watch->loader = loader;
    watch->trigger = hst_pressure_arm(HST_PRESSURE_STALL_MS, HST_PRESSURE_WINDOW_MS);
    watch->last = (struct hst_shortage){.reserve_bytes = loader->config.reserve_bytes, .is_told = watch->trigger.count > 0};
    uv_timer_init(loader->config.loop, &watch->timer);
    watch->timer.data = watch;
    uv_timer_start(&watch->timer, on_time, HST_PRESSURE_LOOK_MS, HST_PRESSURE_LOOK_MS);
    uv_unref((uv_handle_t *)&watch->timer);
    for (size_t i = 0; i < watch->trigger.count; i++)
        listen_to(watch, i);
    *ret_watch = watch;
    return HST_OK;
}

struct hst_shortage hst_pressure_watch_now(const struct hst_pressure_watch *watch)
{
    return look(watch);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_pressure_watch *)handle->data)->closing--;
}

void hst_pressure_watch_free(struct hst_pressure_watch *watch)
{
    if (watch == NULL) return;
    watch->closing = 1 + watch->trigger.count;
    uv_close((uv_handle_t *)&watch->timer, on_closed);
    for (size_t i = 0; i < watch->trigger.count; i++)
        uv_close((uv_handle_t *)&watch->polls[i], on_closed);
    while (watch->closing > 0)
        uv_run(watch->loader->config.loop, UV_RUN_ONCE);
    hst_pressure_disarm(&watch->trigger);
    free(watch);
}
