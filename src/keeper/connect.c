/* The life of the connection:
 *
 *     connected --- its end is seen ---> closed, `lost` --- timer ---> redial (thread) --- it answers ---> connected, `fresh`
 *                                                   ^--- twice the time ---' none does
 */
#include "base/cleanup.h"
#include "keeper/internal.h"
#include "os/clock.h"
#include "os/helper.h"

#include <string.h>

static void on_closed(uv_handle_t *handle)
{
    struct hst_keeper *keeper = handle->data;
    keeper->open_handles--;
}

/* Nobody asks any more; who is at it is waited for. Then the descriptor is ours. */
static void take_back(struct hst_keeper *keeper)
{
    uv_mutex_lock(&keeper->lock);
    keeper->connected = false;
    while (keeper->taken)
        uv_cond_wait(&keeper->turn_free, &keeper->lock);
    uv_mutex_unlock(&keeper->lock);
}

static void reap(struct hst_keeper *keeper)
{
    struct hst_helper helper = {.pid = keeper->dialled.child, .fd = -1};
    hst_closep(&keeper->dialled.fd);
    hst_helper_reap(&helper);
    keeper->dialled.child = 0;
}

static void schedule(struct hst_keeper *keeper);

/* The end is seen by those who ask, too: they do not wait for it. */
static void on_end(uv_poll_t *watch, int status, int events)
{
    struct hst_keeper *keeper = watch->data;
    struct hst_error why = {0};
    (void)status, (void)events;
    uv_close((uv_handle_t *)watch, on_closed);
    take_back(keeper);
    reap(keeper);
    hst_error_set(&why, HST_E_UNREACHABLE, "hoist-keeper (%d) has ended", (int)keeper->dialled.pid);
    if (keeper->listener.lost != NULL) keeper->listener.lost(keeper->listener.context, &why);
    schedule(keeper);
}

static void use(struct hst_keeper *keeper, const struct hst_dialled *dialled)
{
    uv_mutex_lock(&keeper->lock);
    keeper->dialled = *dialled;
    keeper->unanswered = 0;
    keeper->connected = true;
    keeper->starts += dialled->child != 0;
    uv_mutex_unlock(&keeper->lock);
    keeper->connected_ns = hst_clock_ns();
    if (keeper->last_id < dialled->highest_item) keeper->last_id = dialled->highest_item;
    uv_poll_init(keeper->loop, &keeper->watch, dialled->fd);
    keeper->watch.data = keeper;
    keeper->open_handles++;
    uv_poll_start(&keeper->watch, UV_DISCONNECT, on_end);
    uv_unref((uv_handle_t *)&keeper->watch);
}

static void work_redial(void *arg)
{
    struct hst_keeper *keeper = arg;
    keeper->redial_status = hst_dial(keeper->socket, keeper->program, keeper->wait_seconds, &keeper->redialled, NULL);
}

static void done_redial(void *arg)
{
    struct hst_keeper *keeper = arg;
    if (keeper->redial_status < 0) {
        schedule(keeper);
        return;
    }
    use(keeper, &keeper->redialled);
    if (keeper->listener.fresh != NULL && !keeper->left) keeper->listener.fresh(keeper->listener.context);
}

static void on_timer(uv_timer_t *timer)
{
    struct hst_keeper *keeper = timer->data;
    if (hst_exec_submit(keeper->exec, work_redial, done_redial, keeper) < 0) schedule(keeper);
}

/* One that lived long is replaced soon. */
static void schedule(struct hst_keeper *keeper)
{
    if (keeper->left || keeper->freeing) return;
    if (hst_clock_ms_since(keeper->connected_ns) > HST_KEEPER_RETRY_MS_MAX) keeper->retry_ms = HST_KEEPER_RETRY_MS;
    uv_timer_start(&keeper->timer, on_timer, keeper->retry_ms, 0);
    if (keeper->retry_ms < HST_KEEPER_RETRY_MS_MAX) keeper->retry_ms *= 2;
}

void hst_keeper_leave(struct hst_keeper *keeper)
{
    if (keeper == NULL) return;
    uv_mutex_lock(&keeper->lock);
    keeper->left = true;
    uv_mutex_unlock(&keeper->lock);
    uv_timer_stop(&keeper->timer);
}

static void free_parts(struct hst_keeper *keeper)
{
    uv_cond_destroy(&keeper->turn_free);
    uv_mutex_destroy(&keeper->lock);
    free(keeper->socket);
    free(keeper->program);
    free(keeper);
}

/* Everything but the connection and the thread. */
static struct hst_keeper *make(const struct hst_keeper_config *config)
{
    struct hst_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) return NULL;
    keeper->loop = config->loop;
    keeper->socket = strdup(config->socket);
    keeper->program = strdup(config->program);
    keeper->wait_seconds = config->wait_seconds > 0 ? config->wait_seconds : HST_KEEPER_WAIT_SECONDS;
    keeper->retry_ms = HST_KEEPER_RETRY_MS;
    keeper->dialled.fd = -1;
    uv_mutex_init(&keeper->lock);
    uv_cond_init(&keeper->turn_free);
    if (keeper->socket != NULL && keeper->program != NULL) return keeper;
    free_parts(keeper);
    return NULL;
}

static int start(struct hst_keeper *keeper, struct hst_error *err)
{
    struct hst_dialled dialled;
    HST_TRY(hst_exec_new(keeper->loop, "keeper", 1, &keeper->exec, err));
    int status = hst_dial(keeper->socket, keeper->program, keeper->wait_seconds, &dialled, err);
    if (status < 0) {
        hst_exec_free(keeper->exec);
        return status;
    }
    keeper->found_items = dialled.items;
    uv_timer_init(keeper->loop, &keeper->timer);
    keeper->timer.data = keeper;
    uv_unref((uv_handle_t *)&keeper->timer);
    keeper->open_handles = 1;
    use(keeper, &dialled);
    return HST_OK;
}

int hst_keeper_open(const struct hst_keeper_config *config, struct hst_keeper **ret_keeper, struct hst_error *err)
{
    struct hst_keeper *keeper = make(config);
    if (keeper == NULL) return hst_error_nomem(err);
    int status = start(keeper, err);
    if (status < 0)
        free_parts(keeper);
    else
        *ret_keeper = keeper;
    return status;
}

void hst_keeper_listen(struct hst_keeper *keeper, const struct hst_keeper_listener *listener)
{
    if (keeper != NULL) keeper->listener = *listener;
}

/* One that does not end is left behind: it ends by itself when nobody comes. */
static void hang_up(struct hst_keeper *keeper)
{
    if (!keeper->connected) return;
    uv_close((uv_handle_t *)&keeper->watch, on_closed);
    take_back(keeper);
    if (!keeper->left && hst_dial_goodbye(keeper->dialled.fd, NULL) == HST_OK)
        reap(keeper);
    else
        hst_closep(&keeper->dialled.fd);
}

void hst_keeper_free(struct hst_keeper *keeper)
{
    if (keeper == NULL) return;
    keeper->listener = (struct hst_keeper_listener){0};
    keeper->freeing = true;
    uv_timer_stop(&keeper->timer);
    hst_exec_free(keeper->exec);
    hang_up(keeper);
    uv_close((uv_handle_t *)&keeper->timer, on_closed);
    while (keeper->open_handles > 0)
        uv_run(keeper->loop, UV_RUN_ONCE);
    free_parts(keeper);
}

int hst_keeper_dismiss(const char *socket, struct hst_error *err)
{
    return hst_dial_dismiss(socket, err);
}
