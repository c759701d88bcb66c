/* Who asks has a channel to himself, from the pool or new; the lock is held to take one, to put one back, and while a process is started or buried. */
#include "gpu/link.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "os/clock.h"
#include "os/helper.h"
#include "os/memfd.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* A socket that a thread of the process serves. */
struct channel {
    struct channel *next; /* that rests */
    int fd;
    uint64_t generation; /* of the process */
    uint64_t sequence;   /* of the latest call */
    bool greeted;        /* HELLO has come */
};

/* How a process ended. */
struct ending {
    uint64_t generation;
    int exit_code;
    int signal_number; /* 0 = by itself */
};

struct hst_gpu_link {
    char *program;
    char uuid[64];
    char idle[16];
    int limit_ms;
    _Atomic(uint64_t) xid;    /* the last that was told */
    pthread_mutex_t lock;     /* guards the rest */
    struct hst_helper helper; /* pid 0 = none */
    uint64_t generation;      /* of helper: a number for every process */
    bool proved;              /* it has given a result */
    struct channel *resting;
    struct ending ending;   /* of the one before */
    unsigned failures;      /* processes that ended unproved, one after the other */
    unsigned retry_ms;      /* how long the next start waits after another */
    uint64_t not_before_ns; /* when that is */
};

/* A call: what is sent, and what came of it. */
struct call {
    uint32_t verb;
    const struct hst_gpu_memory *memory;   /* segments; fds NULL = none yet */
    const struct hst_gpu_reading *reading; /* NULL = none */
    int sheet;                             /* what has no fixed length of these */
    struct hst_gpu_frame result;
    struct hst_gpu_files files; /* of the result */
    bool broken;                /* there is no result: the channel is of no use any more */
    bool hangs;                 /* because nothing was heard */
};

const char *const *hst_gpu_link_environment(void)
{
    static const char *const beginnings[] = {"HOIST_CUDA_DRIVER=", "CUDA_", "NVIDIA_", "LD_LIBRARY_PATH=", "FAKECUDA_", NULL};
    return beginnings;
}

/* ---- processes; with the lock ---- */

static void free_channel(struct channel *channel)
{
    hst_closep(&channel->fd);
    free(channel);
}

static void free_resting(struct hst_gpu_link *link)
{
    for (struct channel *channel; (channel = link->resting) != NULL; free_channel(channel))
        link->resting = channel->next;
}

/* One that ended without a result is a failure; of many, the next waits. */
static void note_failure(struct hst_gpu_link *link)
{
    if (++link->failures < HST_GPU_FREE_FAILURES) return;
    link->retry_ms = link->failures == HST_GPU_FREE_FAILURES ? HST_GPU_RETRY_MS : (unsigned)hst_min_u64(2 * link->retry_ms, HST_GPU_RETRY_MS_MAX);
    link->not_before_ns = hst_clock_ns() + link->retry_ms * UINT64_C(1000000);
}

/* End the process, unless it has ended, and learn how. One that went because nobody had work for it is no failure. */
static void bury(struct hst_gpu_link *link, bool hangs)
{
    free_resting(link);
    int signal_number = hangs ? hst_helper_kill(&link->helper) : hst_helper_reap(&link->helper);
    link->ending = (struct ending){link->generation, link->helper.exit_code, signal_number};
    bool is_peaceful = signal_number == 0 && link->helper.exit_code == 0;
    if (!link->proved && !is_peaceful) note_failure(link);
    link->helper = (struct hst_helper){.fd = -1};
}

/* It says nothing on its first socket: what can be read there is its end. */
static void look(struct hst_gpu_link *link)
{
    if (link->helper.pid > 0 && hst_seqpacket_wait(link->helper.fd, false, 0)) bury(link, false);
}

static int may_start(const struct hst_gpu_link *link, struct hst_error *err)
{
    uint64_t now = hst_clock_ns();
    if (now >= link->not_before_ns) return HST_OK;
    return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device has ended %u times without a result: the next start is in %llu ms", link->failures,
                         (unsigned long long)((link->not_before_ns - now) / 1000000));
}

static int start(struct hst_gpu_link *link, struct hst_error *err)
{
    const char *const arguments[] = {"serve", link->uuid, link->idle, NULL};
    const struct hst_helper_command command = {link->program, arguments, hst_gpu_link_environment(), 0};
    struct hst_error why = {0};
    HST_TRY(may_start(link, err));
    if (hst_helper_start_as(&command, &link->helper, &why) < 0) {
        note_failure(link);
        return hst_error_set(err, HST_E_DEVICE_FAILED, "%.400s", why.text);
    }
    link->generation++;
    link->proved = false;
    return HST_OK;
}

/* ---- channels; with the lock ---- */

static int open_channel(struct hst_gpu_link *link, struct channel **ret_channel, struct hst_error *err)
{
    int ends[2];
    struct channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) return hst_error_nomem(err);
    int status = hst_seqpacket_pair(ends, err);
    if (status < 0) {
        free(channel);
        return status;
    }
    *channel = (struct channel){.fd = ends[0], .generation = link->generation};
    *ret_channel = channel;
    (void)hst_gpu_send_channel(link->helper.fd, ends[1], link->limit_ms, NULL); /* one that is not taken ends, as the process has */
    close(ends[1]);
    return HST_OK;
}

static int take_locked(struct hst_gpu_link *link, struct channel **ret_channel, struct hst_error *err)
{
    look(link);
    if (link->helper.pid <= 0) HST_TRY(start(link, err));
    if (link->resting == NULL) return open_channel(link, ret_channel, err);
    *ret_channel = link->resting;
    link->resting = link->resting->next;
    return HST_OK;
}

static int take(struct hst_gpu_link *link, struct channel **ret_channel, struct hst_error *err)
{
    pthread_mutex_lock(&link->lock);
    int status = take_locked(link, ret_channel, err);
    pthread_mutex_unlock(&link->lock);
    return status;
}

/* After a result. When that says that the process ends, it is not asked again, and has ended when this returns. */
static void put_back(struct hst_gpu_link *link, struct channel *channel, bool ends)
{
    pthread_mutex_lock(&link->lock);
    bool is_current = channel->generation == link->generation && link->helper.pid > 0;
    if (is_current) {
        link->proved = true;
        link->failures = 0;
        channel->next = link->resting;
        link->resting = channel;
    }
    if (is_current && ends) bury(link, false);
    pthread_mutex_unlock(&link->lock);
    if (!is_current) free_channel(channel);
}

/* There was none: the process is of no use any more, and is ended for everybody. */
static struct ending give_up(struct hst_gpu_link *link, struct channel *channel, bool hangs)
{
    pthread_mutex_lock(&link->lock);
    if (channel->generation == link->generation && link->helper.pid > 0) bury(link, hangs);
    struct ending ending = link->ending;
    pthread_mutex_unlock(&link->lock);
    if (ending.generation != channel->generation) ending = (struct ending){.signal_number = SIGKILL};
    free_channel(channel);
    return ending;
}

/* ---- a call ---- */

static uint32_t count_segments(const struct call *call)
{
    return call->memory != NULL ? (uint32_t)call->memory->count : 0;
}

static int make_sheet(const struct call *call, struct hst_error *err)
{
    size_t sizes = count_segments(call) * sizeof(uint64_t);
    size_t extents = call->reading != NULL ? call->reading->extent_count * sizeof(struct hst_gpu_extent) : 0;
    HST_AUTO(hst_freep) char *bytes = malloc(sizes + extents + 1);
    if (bytes == NULL) return hst_error_nomem(err);
    if (sizes > 0) memcpy(bytes, call->memory->sizes, sizes);
    if (extents > 0) memcpy(bytes + sizes, call->reading->extents, extents);
    return hst_memfd_from_bytes("hoist-sheet", bytes, sizes + extents, err);
}

/* Everything that belongs to it, and then the verb. */
static int send_call(const struct hst_gpu_link *link, const struct channel *channel, const struct call *call, struct hst_error *err)
{
    const struct hst_gpu_memory *memory = call->memory;
    const struct hst_gpu_reading *reading = call->reading;
    struct hst_gpu_frame frame = {.sequence = channel->sequence, .segments = count_segments(call)};
    if (memory != NULL && memory->fds != NULL) HST_TRY(hst_gpu_send_files(channel->fd, memory->fds, memory->count, channel->sequence, link->limit_ms, err));
    if (reading != NULL) {
        HST_TRY(hst_gpu_send_files(channel->fd, reading->sources, reading->source_count, channel->sequence, link->limit_ms, err));
        frame.sources = (uint32_t)reading->source_count;
        frame.extents = reading->extent_count;
    }
    HST_TRY(hst_gpu_send_files(channel->fd, &call->sheet, 1, channel->sequence, link->limit_ms, err));
    return hst_gpu_send(channel->fd, call->verb, &frame, link->limit_ms, err);
}

/* Waiting for a result. */
struct wait {
    uint64_t heard_ns; /* the latest sign of life */
    uint64_t done_bytes;
    bool cancelled; /* and it was told */
};

static bool wants_cancel(const struct call *call, const struct wait *wait)
{
    return call->reading != NULL && call->reading->cancel != NULL && !wait->cancelled && *call->reading->cancel;
}

/* Is it wanted still, and does it live? */
static int look_after(const struct hst_gpu_link *link, const struct channel *channel, struct call *call, struct wait *wait, struct hst_error *err)
{
    if (wants_cancel(call, wait)) {
        struct hst_gpu_frame frame = {.sequence = channel->sequence};
        wait->cancelled = true;
        return hst_gpu_send(channel->fd, HST_GPU_CANCEL, &frame, link->limit_ms, err);
    }
    if (hst_clock_ms_since(wait->heard_ns) < link->limit_ms) return HST_OK;
    call->hangs = true;
    return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device does not answer: no sign of life for %d ms", link->limit_ms);
}

/* Bytes that arrive are a sign of life, a message that says that none did is none. */
static void note_progress(const struct call *call, struct wait *wait, const struct hst_gpu_frame *frame)
{
    if (frame->done_bytes > wait->done_bytes || frame->waiting) wait->heard_ns = hst_clock_ns();
    wait->done_bytes = hst_max_u64(wait->done_bytes, frame->done_bytes);
    if (call->reading != NULL && call->reading->done_bytes != NULL) *call->reading->done_bytes = frame->done_bytes;
}

/* @return 1 when it was the result */
static int take_packet(struct channel *channel, struct call *call, struct wait *wait, struct hst_gpu_packet *packet, struct hst_error *err)
{
    const struct hst_gpu_frame *frame = &packet->frame;
    if (frame->verb == HST_GPU_HELLO && !channel->greeted) {
        channel->greeted = true;
        return HST_OK;
    }
    if (!channel->greeted || frame->sequence != channel->sequence) return hst_error_set(err, HST_E_PROTOCOL, "hoist-device answers what was not asked");
    if (frame->verb == HST_GPU_FILES) return hst_gpu_files_add(&call->files, packet, HST_GPU_SEGMENTS_MAX, err);
    if (frame->verb == HST_GPU_PROGRESS) {
        note_progress(call, wait, frame);
        return HST_OK;
    }
    call->result = *frame;
    return frame->verb == HST_GPU_RESULT ? 1 : hst_error_set(err, HST_E_PROTOCOL, "hoist-device says what is no answer");
}

/* @return 1 when it was the result, 0 also when nothing came for a moment */
static int receive_packet(struct channel *channel, struct call *call, struct wait *wait, struct hst_error *err)
{
    struct hst_gpu_packet packet;
    int status = hst_gpu_receive(channel->fd, &packet, HST_GPU_LOOK_MS, NULL);
    if (status == HST_E_CANCELLED) return HST_OK;
    HST_TRY(status);
    status = take_packet(channel, call, wait, &packet, err);
    hst_seqpacket_fds_close(&packet.files);
    return status;
}

static int receive_result(const struct hst_gpu_link *link, struct channel *channel, struct call *call, struct hst_error *err)
{
    struct wait wait = {.heard_ns = hst_clock_ns()};
    int status;
    while ((status = receive_packet(channel, call, &wait, err)) == HST_OK)
        HST_TRY(look_after(link, channel, call, &wait, err));
    return status < 0 ? status : HST_OK;
}

static int converse(const struct hst_gpu_link *link, struct channel *channel, struct call *call, struct hst_error *err)
{
    call->broken = true;
    channel->sequence++;
    int status = send_call(link, channel, call, err);
    call->hangs = status == HST_E_CANCELLED;
    if (call->hangs) return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device does not answer: it takes no call for %d ms", link->limit_ms);
    HST_TRY(status);
    HST_TRY(receive_result(link, channel, call, err));
    call->broken = false;
    return hst_gpu_take_error(&call->result, err);
}

/* Why there is no result. @return the status; *ret_again = another process may do better */
static int explain(const struct call *call, const struct ending *ending, int status, bool *ret_again, struct hst_error *err)
{
    *ret_again = !call->hangs;
    if (call->hangs) return status;
    if (ending->signal_number == 0 && ending->exit_code == HST_GPU_EXIT_LOST)
        return hst_error_set(err, HST_E_DEVICE_LOST, "hoist-device has lost the card while it worked");
    if (status == HST_E_PROTOCOL) return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device gives an answer that is none");
    if (ending->signal_number == 0) return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device has ended while it worked (exit code %d)", ending->exit_code);
    return hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device has ended while it worked (%s)", hst_helper_signal_name(ending->signal_number));
}

/* Each process sees what comes in its own time: that it saw nothing is no news. */
static void note_xid(struct hst_gpu_link *link, uint64_t xid)
{
    if (xid != UINT64_MAX && (xid != 0 || atomic_load(&link->xid) == UINT64_MAX)) atomic_store(&link->xid, xid);
}

static int try(struct hst_gpu_link *link, struct call *call, bool *ret_again, struct hst_error *err)
{
    struct channel *channel = NULL;
    *ret_again = false;
    call->broken = call->hangs = false;
    hst_gpu_files_fini(&call->files);
    HST_TRY(take(link, &channel, err));
    int status = converse(link, channel, call, err);
    if (!call->broken) {
        note_xid(link, call->result.info.xid);
        *ret_again = status == HST_E_DEVICE_LOST; /* a fault that stays is of a context, which goes with its process: is it of the card, too? */
        put_back(link, channel, call->result.ends != 0);
        return status;
    }
    bool hangs = call->hangs || status == HST_E_PROTOCOL;
    struct ending ending = give_up(link, channel, hangs);
    return explain(call, &ending, status, ret_again, err);
}

/* Nothing of a call stays in the process, and bytes that were brought in are brought in again. A card is lost when two processes say so. */
static int make_call(struct hst_gpu_link *link, struct call *call, struct hst_error *err)
{
    bool again;
    HST_AUTO(hst_closep) int sheet = make_sheet(call, err);
    HST_TRY(sheet);
    call->sheet = sheet;
    struct hst_error first = {0};
    int status = try(link, call, &again, &first);
    if (again) {
        bool lost = status == HST_E_DEVICE_LOST;
        status = try(link, call, &again, err);
        if (!lost || (status != HST_E_DEVICE_FAILED && status != HST_E_DEVICE_UNAVAILABLE)) return status;
        status = first.status; /* the second did not even get as far as the first */
    }
    if (status < 0 && err != NULL) *err = first;
    return status;
}

/* ---- verbs ---- */

static int check_counts(size_t segments, const struct hst_gpu_reading *reading, struct hst_error *err)
{
    if (segments == 0 || segments > HST_GPU_SEGMENTS_MAX)
        return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: a component of %zu segments on a device, at most %u can be", segments, HST_GPU_SEGMENTS_MAX);
    if (reading == NULL || (reading->source_count <= HST_GPU_SOURCES_MAX && reading->extent_count <= HST_GPU_EXTENTS_MAX)) return HST_OK;
    return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: %zu runs of bytes of %zu files, at most %u of %u can be read at once", reading->extent_count,
                         reading->source_count, HST_GPU_EXTENTS_MAX, HST_GPU_SOURCES_MAX);
}

int hst_gpu_link_allocate(struct hst_gpu_link *link, const uint64_t *sizes, size_t count, int *ret_fds, struct hst_error *err)
{
    struct call call = {.verb = HST_GPU_ALLOCATE, .memory = &(struct hst_gpu_memory){NULL, sizes, count}};
    HST_TRY(check_counts(count, NULL, err));
    int status = make_call(link, &call, err);
    if (status == HST_OK && call.files.count != count) status = hst_error_set(err, HST_E_DEVICE_FAILED, "hoist-device has made %zu of %zu segments", call.files.count, count);
    if (status == HST_OK) {
        memcpy(ret_fds, call.files.fds, count * sizeof *ret_fds);
        call.files.count = 0;
    }
    hst_gpu_files_fini(&call.files);
    return status;
}

/* One that gives no files back. */
static int call_plain(struct hst_gpu_link *link, struct call *call, struct hst_error *err)
{
    if (call->memory != NULL) HST_TRY(check_counts(call->memory->count, call->reading, err));
    int status = make_call(link, call, err);
    hst_gpu_files_fini(&call->files);
    return status;
}

int hst_gpu_link_fill(struct hst_gpu_link *link, const struct hst_gpu_memory *memory, const struct hst_gpu_reading *reading, struct hst_error *err)
{
    struct call call = {.verb = HST_GPU_FILL, .memory = memory, .reading = reading};
    HST_TRY(call_plain(link, &call, err));
    if (reading->done_bytes != NULL) *reading->done_bytes = call.result.done_bytes;
    return HST_OK;
}

int hst_gpu_link_compare(struct hst_gpu_link *link, const struct hst_gpu_memory *memory, const struct hst_gpu_reading *reading, bool *ret_equal,
                         struct hst_error *err)
{
    struct call call = {.verb = HST_GPU_COMPARE, .memory = memory, .reading = reading};
    HST_TRY(call_plain(link, &call, err));
    *ret_equal = call.result.equal == 1;
    return HST_OK;
}

int hst_gpu_link_check(struct hst_gpu_link *link, const struct hst_gpu_memory *memory, struct hst_error *err)
{
    return call_plain(link, &(struct call){.verb = HST_GPU_CHECK, .memory = memory}, err);
}

int hst_gpu_link_info(struct hst_gpu_link *link, struct hst_gpu_info *ret_info, struct hst_error *err)
{
    struct call call = {.verb = HST_GPU_INFO};
    HST_TRY(call_plain(link, &call, err));
    *ret_info = call.result.info;
    return HST_OK;
}

/* ---- the link ---- */

uint64_t hst_gpu_link_xid(const struct hst_gpu_link *link)
{
    return atomic_load(&link->xid);
}

int hst_gpu_link_pid(struct hst_gpu_link *link)
{
    pthread_mutex_lock(&link->lock);
    look(link);
    int pid = link->helper.pid;
    pthread_mutex_unlock(&link->lock);
    return pid;
}

bool hst_gpu_link_is_running(struct hst_gpu_link *link)
{
    return hst_gpu_link_pid(link) > 0;
}

int hst_gpu_link_new(const struct hst_gpu_link_config *config, struct hst_gpu_link **ret_link, struct hst_error *err)
{
    struct hst_gpu_link *link = calloc(1, sizeof *link);
    if (link == NULL) return hst_error_nomem(err);
    link->program = strdup(config->program);
    if (link->program == NULL) {
        free(link);
        return hst_error_nomem(err);
    }
    link->helper = (struct hst_helper){.fd = -1};
    link->xid = UINT64_MAX;
    link->limit_ms = (int)hst_min_u64(config->limit_ms > 0 ? config->limit_ms : HST_GPU_LIMIT_MS, INT32_MAX);
    snprintf(link->uuid, sizeof link->uuid, "%s", config->uuid);
    snprintf(link->idle, sizeof link->idle, "%u", config->idle_seconds > 0 ? config->idle_seconds : HST_GPU_IDLE_SECONDS);
    pthread_mutex_init(&link->lock, NULL);
    *ret_link = link;
    return HST_OK;
}

void hst_gpu_link_free(struct hst_gpu_link *link)
{
    if (link == NULL) return;
    free_resting(link);
    hst_helper_reap(&link->helper);
    pthread_mutex_destroy(&link->lock);
    free(link->program);
    free(link);
}
