/* What is known of a card. How it is follows from what calls to it return:
 *
 *     ok --- DEVICE_LOST ---> lost: told once, calls fail at once --- retry_ms pass ---> a call is made: lost again (twice as long), or ok
 *     ok --- DEVICE_UNAVAILABLE ---> unavailable --- a call that works ---> ok
 */
#include "backend/cuda/internal.h"
#include "base/checked.h"
#include "os/clock.h"

#include <stdio.h>
#include <string.h>

/* Asking a hoist-device that runs costs next to nothing; to list the cards is to start a process and the driver in it. */
enum { FRESH_MS = 1000, LIST_FRESH_MS = 10000, RETRY_MS = 500, RETRY_MS_MAX = 30000 };

/* ---- how it is ---- */

static int lost_a_moment_ago(const struct hst_cuda *cuda, struct hst_error *err)
{
    if (cuda->state != HST_CUDA_LOST || hst_clock_ns() >= cuda->not_before_ns) return HST_OK;
    if (err != NULL) *err = cuda->why;
    return HST_E_DEVICE_LOST;
}

int hst_cuda_state_enter(struct hst_cuda *cuda, struct hst_error *err)
{
    pthread_mutex_lock(&cuda->lock);
    int status = lost_a_moment_ago(cuda, err);
    pthread_mutex_unlock(&cuda->lock);
    return status;
}

static void tell_lost(void *arg)
{
    struct hst_cuda *cuda = arg;
    pthread_mutex_lock(&cuda->lock);
    struct hst_error why = cuda->why;
    pthread_mutex_unlock(&cuda->lock);
    if (why.status == HST_OK) hst_error_set(&why, HST_E_DEVICE_LOST, "the card was lost for a moment");
    if (cuda->lost != NULL) cuda->lost(cuda->lost_context, &why);
}

/* @return is it news? */
static bool note_lost(struct hst_cuda *cuda, const struct hst_error *why)
{
    bool is_news = cuda->state != HST_CUDA_LOST;
    cuda->retry_ms = is_news ? RETRY_MS : (unsigned)hst_min_u64(2 * cuda->retry_ms, RETRY_MS_MAX);
    cuda->not_before_ns = hst_clock_ns() + cuda->retry_ms * UINT64_C(1000000);
    cuda->state = HST_CUDA_LOST;
    cuda->why = *why;
    return is_news;
}

/* A call that did not work for another reason says nothing of the card. */
static bool note(struct hst_cuda *cuda, int status, const struct hst_error *why)
{
    if (status == HST_E_DEVICE_LOST) return note_lost(cuda, why);
    if (status == HST_E_DEVICE_UNAVAILABLE) {
        if (cuda->state == HST_CUDA_OK) cuda->state = HST_CUDA_UNAVAILABLE;
        cuda->unsure = true;
        cuda->why = *why;
    } else if (status != HST_E_DEVICE_FAILED && status != HST_E_NOMEM) {
        cuda->state = HST_CUDA_OK;
        cuda->why = (struct hst_error){0};
    }
    return false;
}

int hst_cuda_state_note(struct hst_cuda *cuda, int status, const struct hst_error *why)
{
    pthread_mutex_lock(&cuda->lock);
    bool is_news = note(cuda, status, why);
    pthread_mutex_unlock(&cuda->lock);
    if (is_news) (void)hst_exec_post(cuda->exec, tell_lost, cuda);
    return status;
}

/* ---- figures ---- */

static void keep_processes(struct hst_device_figures *figures, const struct hst_gpu_info *info)
{
    figures->process_count = info->process_count;
    figures->named_count = hst_gpu_info_named(info);
    for (unsigned i = 0; i < figures->named_count && i < HST_DEVICE_PROCESSES; i++)
        figures->processes[i] = (struct hst_device_process){.used_bytes = info->processes[i].used_bytes, .pid = (uint32_t)info->processes[i].pid};
}

static void keep(struct hst_cuda *cuda, const struct hst_gpu_info *info)
{
    struct hst_device_figures figures = {.known = info->free_bytes != UINT64_MAX || info->used_bytes != UINT64_MAX, .at_wall_ns = hst_clock_wall_ns(), .free_bytes = info->free_bytes,
                                         .used_bytes = info->used_bytes, .utilization_percent = info->utilization_percent,
                                         .temperature_c = info->temperature_c, .ecc_errors = info->ecc_errors};
    keep_processes(&figures, info);
    pthread_mutex_lock(&cuda->lock);
    figures.own_pids = info->own_pids == 1 || cuda->figures.own_pids; /* only a process that has a context can see it in a container */
    cuda->figures = figures;
    pthread_mutex_unlock(&cuda->lock);
}

static int ask_list(struct hst_cuda *cuda, struct hst_gpu_info *ret_info, struct hst_error *err)
{
    struct hst_gpu_card cards[HST_CUDA_CARDS_MAX];
    size_t count = 0;
    char why[256];
    HST_TRY(hst_cuda_cards_ask(cuda->program, cards, &count, why, err));
    for (size_t i = 0; i < count; i++)
        if (strcmp(cards[i].uuid, cuda->card.uuid) == 0) {
            *ret_info = cards[i].info;
            return HST_OK;
        }
    return hst_error_set(err, HST_E_DEVICE_UNAVAILABLE, "%s", count == 0 && why[0] != '\0' ? why : "the driver knows this card no more");
}

/* @return was it listed a moment ago, and all was well? */
static bool is_listed(const struct hst_cuda *cuda)
{
    return cuda->state == HST_CUDA_OK && cuda->listed_ns != 0 && hst_clock_ms_since(cuda->listed_ns) < LIST_FRESH_MS;
}

/* Is there something to be asked? Then *ret_list says whom. */
static bool wants_asking(struct hst_cuda *cuda, bool *ret_list)
{
    *ret_list = !hst_gpu_link_is_running(cuda->link);
    pthread_mutex_lock(&cuda->lock);
    bool wants = lost_a_moment_ago(cuda, NULL) == HST_OK && !(*ret_list && is_listed(cuda));
    pthread_mutex_unlock(&cuda->lock);
    if (wants && *ret_list) cuda->listed_ns = hst_clock_ns();
    return wants;
}

/* @return was there doubt, until now? */
static bool end_doubt(struct hst_cuda *cuda)
{
    pthread_mutex_lock(&cuda->lock);
    bool was_unsure = cuda->unsure;
    cuda->unsure = false;
    pthread_mutex_unlock(&cuda->lock);
    return was_unsure;
}

/* On the thread. A card that was away may have come back without what was on it. */
static void ask(void *arg)
{
    struct hst_cuda *cuda = arg;
    struct hst_gpu_info info;
    struct hst_error why = {0};
    bool list;
    if (!wants_asking(cuda, &list)) return;
    int status = list ? ask_list(cuda, &info, &why) : hst_gpu_link_info(cuda->link, &info, &why);
    hst_cuda_state_note(cuda, status, &why);
    if (status < 0) return;
    keep(cuda, &info);
    if (end_doubt(cuda)) hst_cuda_memory_check_any(cuda);
}

static void asked(void *arg)
{
    struct hst_cuda *cuda = arg;
    cuda->asking = false;
    pthread_mutex_lock(&cuda->lock);
    cuda->asked_ns = hst_clock_ns();
    pthread_mutex_unlock(&cuda->lock);
}

static void figures(void *backend, struct hst_device_figures *ret_figures)
{
    static const char *const names[] = {[HST_CUDA_OK] = "ok", [HST_CUDA_LOST] = "lost", [HST_CUDA_UNAVAILABLE] = "unavailable"};
    struct hst_cuda *cuda = backend;
    pthread_mutex_lock(&cuda->lock);
    *ret_figures = cuda->figures;
    snprintf(ret_figures->state, sizeof ret_figures->state, "%s", names[cuda->state]);
    snprintf(ret_figures->why, sizeof ret_figures->why, "%.159s", cuda->why.text);
    bool is_old = cuda->asked_ns == 0 || hst_clock_ms_since(cuda->asked_ns) > FRESH_MS;
    pthread_mutex_unlock(&cuda->lock);
    ret_figures->xid = hst_gpu_link_xid(cuda->link);
    if (is_old && !cuda->asking) cuda->asking = hst_exec_submit(cuda->exec, ask, asked, cuda) == HST_OK;
}

static void watch(void *backend, void (*lost)(void *context, const struct hst_error *why), void *context)
{
    struct hst_cuda *cuda = backend;
    cuda->lost = lost;
    cuda->lost_context = context;
}

void hst_cuda_figures_set_ops(struct hst_device_ops *ops)
{
    ops->figures = figures;
    ops->watch = watch;
}
