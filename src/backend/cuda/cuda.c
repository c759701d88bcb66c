#include "backend/cuda/internal.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

/* One that ended without work is buried so soon. */
enum { LOOK_MS = 3000 };

static uint64_t total_bytes(void *backend)
{
    return ((const struct hst_cuda *)backend)->card.total_bytes;
}

static void look_work(void *arg)
{
    (void)hst_gpu_link_is_running(((struct hst_cuda *)arg)->link);
}

static void look_done(void *arg)
{
    (void)arg;
}

static void on_look(uv_timer_t *timer)
{
    struct hst_cuda *cuda = timer->data;
    (void)hst_exec_submit(cuda->exec, look_work, look_done, cuda);
}

static void watch_helper(struct hst_cuda *cuda, uv_loop_t *loop)
{
    uv_timer_init(loop, &cuda->look);
    cuda->look.data = cuda;
    cuda->looking = true;
    uv_timer_start(&cuda->look, on_look, LOOK_MS, LOOK_MS);
    uv_unref((uv_handle_t *)&cuda->look);
}

static void on_closed(uv_handle_t *handle)
{
    ((struct hst_cuda *)handle->data)->looking = false;
}

/* Whatever is half made. */
static void close_backend(void *backend)
{
    struct hst_cuda *cuda = backend;
    if (cuda->looking) uv_close((uv_handle_t *)&cuda->look, on_closed);
    while (cuda->looking)
        uv_run(cuda->look.loop, UV_RUN_ONCE);
    hst_exec_free(cuda->exec);
    hst_gpu_link_free(cuda->link);
    pthread_mutex_destroy(&cuda->lock);
    free(cuda->program);
    free(cuda);
}

static int connect_parts(struct hst_cuda *cuda, const struct hst_cuda_config *config, struct hst_error *err)
{
    const struct hst_gpu_link_config link = {config->program, cuda->card.uuid, config->idle_seconds, config->limit_ms};
    if (cuda->program == NULL) return hst_error_nomem(err);
    HST_TRY(hst_gpu_link_new(&link, &cuda->link, err));
    HST_TRY(hst_exec_new(config->loop, "device", 1, &cuda->exec, err));
    watch_helper(cuda, config->loop);
    return HST_OK;
}

static int make(const struct hst_cuda_config *config, const struct hst_cuda_card *card, struct hst_cuda **ret_cuda, struct hst_error *err)
{
    struct hst_cuda *cuda = calloc(1, sizeof *cuda);
    if (cuda == NULL) return hst_error_nomem(err);
    cuda->ops = (struct hst_device_ops){.kind = "cuda", .converts = true, .granularity = card->granularity, .total_bytes = total_bytes, .close = close_backend};
    hst_cuda_memory_set_ops(&cuda->ops);
    hst_cuda_figures_set_ops(&cuda->ops);
    cuda->card = *card;
    cuda->program = strdup(config->program);
    pthread_mutex_init(&cuda->lock, NULL);
    int status = connect_parts(cuda, config, err);
    if (status < 0)
        close_backend(cuda);
    else
        *ret_cuda = cuda;
    return status;
}

int hst_cuda_open(const struct hst_cuda_config *config, const struct hst_cuda_card *card, uint64_t budget_bytes, struct hst_device **ret_device,
                  struct hst_error *err)
{
    struct hst_cuda *cuda = NULL;
    char id[32];
    if (!card->usable)
        return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "memory of card %u (%s) cannot be shared between processes: its driver has no virtual memory management",
                             card->ordinal, card->name);
    HST_TRY(make(config, card, &cuda, err));
    snprintf(id, sizeof id, "cuda:%u", card->ordinal);
    HST_TRY(hst_device_new(id, card->name, &cuda->ops, cuda, budget_bytes, ret_device, err));
    snprintf((*ret_device)->uuid, sizeof (*ret_device)->uuid, "%s", card->uuid);
    return HST_OK;
}
