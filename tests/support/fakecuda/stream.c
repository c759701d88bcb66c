/* Streams, events, copies. A stream is a thread that does its work in order, and later than it was asked: whoever uses a buffer again before the copy from it was
 * done gets what he deserves. Pageable memory is copied before the call returns, as the driver does. The default stream (NULL) is one like any other here: it
 * orders nothing but itself. */
#include "fake.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum kind { TO_DEVICE, TO_HOST, ON_DEVICE, RECORD, WAIT_EVENT, KERNEL };

struct event {
    struct event *next;
    unsigned card;
    unsigned flags;
    unsigned references; /* the handle, and work that waits for it */
    uint64_t recorded;   /* how often it was asked for */
    uint64_t reached;    /* which of these was reached last */
    int64_t at_ns;       /* when */
    bool is_destroyed;
};

struct work {
    struct work *next;
    enum kind kind;
    struct fake_fate fate;
    int64_t due_ns; /* not before */
    uint64_t to, from, bytes;
    struct event *event;
    uint64_t record; /* which one of the event */
    const struct fake_ptx_function *function;
    unsigned grid[3], block[3], shared_bytes;
    void *parameters; /* owned */
};

struct fake_stream {
    struct fake_stream *next;
    struct fake_context *context;
    struct work *first, *last; /* the first one is being done */
    bool has_thread;
    bool is_closing; /* the handle is gone: it ends when its work is done */
    bool is_dead;    /* so is its context: what is left is dropped */
};

static struct fake_stream *streams;
static struct event *events;
static _Thread_local unsigned working_for;

unsigned fake_stream_card(void)
{
    return working_for;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void wait_until(int64_t at_ns)
{
    struct timespec at = {.tv_sec = at_ns / 1000000000ll, .tv_nsec = at_ns % 1000000000ll};
    pthread_cond_timedwait(&fake_changed, &fake_lock, &at);
}

static void wait_for_change(void)
{
    pthread_cond_wait(&fake_changed, &fake_lock);
}

/* --- doing it --- */

/* Bytes between a piece of a card's memory and the host, by file operations: a bad address of the host is EFAULT and no SIGSEGV. */
static bool move(const struct fake_piece *piece, void *host, bool to_device)
{
    for (uint64_t done = 0; done < piece->bytes;) {
        char *there = (char *)host + done;
        off_t at = (off_t)(piece->offset + done);
        ssize_t count = to_device ? pwrite(piece->fd, there, piece->bytes - done, at) : pread(piece->fd, there, piece->bytes - done, at);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        done += (uint64_t)count;
    }
    return true;
}

static int copy_host(unsigned card, uint64_t device, void *host, uint64_t bytes, bool to_device)
{
    for (uint64_t done = 0; done < bytes;) {
        struct fake_piece piece;
        pthread_mutex_lock(&fake_lock);
        bool is_there = fake_piece_find(card, device + done, bytes - done, to_device, &piece);
        pthread_mutex_unlock(&fake_lock);
        if (!is_there) return HST_CU_ILLEGAL_ADDRESS;
        bool is_moved = move(&piece, (char *)host + done, to_device);
        fake_piece_end(&piece);
        if (!is_moved) return HST_CU_ILLEGAL_ADDRESS;
        done += piece.bytes;
    }
    return HST_CU_SUCCESS;
}

static int copy_device(unsigned card, uint64_t to, uint64_t from, uint64_t bytes)
{
    uint64_t room = 1u << 20;
    char *buffer = malloc(room);
    int result = buffer != NULL ? HST_CU_SUCCESS : HST_CU_UNKNOWN;
    for (uint64_t done = 0; done < bytes && result == HST_CU_SUCCESS; done += room) {
        uint64_t part = bytes - done < room ? bytes - done : room;
        result = copy_host(card, from + done, buffer, part, false);
        if (result == HST_CU_SUCCESS) result = copy_host(card, to + done, buffer, part, true);
    }
    free(buffer);
    return result;
}

static int run(const struct work *work, unsigned card)
{
    if (work->fate.late_result != 0) return work->fate.late_result;
    if (work->kind == TO_DEVICE) return copy_host(card, work->to, (void *)(uintptr_t)work->from, work->bytes, true);
    if (work->kind == TO_HOST) return copy_host(card, work->from, (void *)(uintptr_t)work->to, work->bytes, false);
    if (work->kind == ON_DEVICE) return copy_device(card, work->to, work->from, work->bytes);
    if (work->kind == KERNEL) return fake_ptx_launch(work->function, work->grid, work->block, work->shared_bytes, work->parameters);
    return HST_CU_SUCCESS;
}

/* Wait until the work may begin. Holding fake_lock. */
static void await_turn(const struct fake_stream *stream, const struct work *work)
{
    while (!stream->is_dead && now_ns() < work->due_ns)
        wait_until(work->due_ns);
    while (!stream->is_dead && (work->fate.is_stalled || (work->kind == WAIT_EVENT && work->event->reached < work->record)))
        wait_for_change();
}

static void unref_event(struct event *event)
{
    if (event == NULL || --event->references > 0) return;
    struct event **link = &events;
    while (*link != event)
        link = &(*link)->next;
    *link = event->next;
    free(event);
}

static void finish(struct fake_stream *stream, struct work *work)
{
    if (work->kind == RECORD) {
        if (work->event->reached < work->record) work->event->reached = work->record;
        work->event->at_ns = now_ns();
    }
    stream->first = work->next;
    if (stream->first == NULL) stream->last = NULL;
    unref_event(work->event);
    free(work->parameters);
    free(work);
    pthread_cond_broadcast(&fake_changed);
}

/* Do the first piece of work. Holding fake_lock, which is let go meanwhile. Nothing is done any more on a card that failed. */
static void do_first(struct fake_stream *stream)
{
    struct work *work = stream->first;
    await_turn(stream, work);
    bool is_wanted = !stream->is_dead;
    pthread_mutex_unlock(&fake_lock);
    if (is_wanted && fake_failure(working_for) == HST_CU_SUCCESS) {
        int result = run(work, working_for);
        if (result != HST_CU_SUCCESS) fake_fail(working_for, result);
    }
    pthread_mutex_lock(&fake_lock);
    finish(stream, work);
}

static void unlink_stream(struct fake_stream *stream)
{
    struct fake_stream **link = &streams;
    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    free(stream);
    pthread_cond_broadcast(&fake_changed);
}

static void *work_for(void *argument)
{
    struct fake_stream *stream = argument;
    working_for = stream->context->card;
    pthread_mutex_lock(&fake_lock);
    while (stream->first != NULL || !stream->is_closing) {
        if (stream->first != NULL) do_first(stream);
        else wait_for_change();
    }
    unlink_stream(stream);
    pthread_mutex_unlock(&fake_lock);
    return NULL;
}

/* Signals are for the threads of the program. */
static bool start_thread(struct fake_stream *stream)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    stream->has_thread = pthread_create(&thread, NULL, work_for, stream) == 0;
    if (stream->has_thread) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return stream->has_thread;
}

/* --- queueing it --- */

static struct fake_stream *new_stream(struct fake_context *context)
{
    struct fake_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) return NULL;
    stream->context = context;
    stream->next = streams;
    streams = stream;
    return stream;
}

/* NULL, and the handles that mean the same, stand for the default stream of the context. */
static struct fake_stream *find_stream(struct fake_context *context, void *handle)
{
    bool is_default = (uintptr_t)handle <= 2;
    if (is_default && context != NULL && context->default_stream == NULL) context->default_stream = new_stream(context);
    struct fake_stream *wanted = is_default ? (context != NULL ? context->default_stream : NULL) : handle;
    struct fake_stream *stream = streams;
    while (stream != NULL && (stream != wanted || stream->is_closing))
        stream = stream->next;
    return stream;
}

/* Work begins this much after it was queued: FAKECUDA_LATENCY_US, else 200. */
static int64_t latency_ns(void)
{
    return (int64_t)fake_size("FAKECUDA_LATENCY_US", 200) * 1000;
}

static int queue(struct fake_stream *stream, const struct work *template)
{
    struct work *work = malloc(sizeof(*work));
    if (work == NULL || (!stream->has_thread && !start_thread(stream))) {
        free(work);
        return HST_CU_OUT_OF_MEMORY;
    }
    *work = *template;
    work->next = NULL;
    work->due_ns = now_ns() + latency_ns() + (int64_t)work->fate.slow_ms * 1000000;
    if (work->event != NULL) work->event->references++;
    if (stream->last != NULL) stream->last->next = work;
    else stream->first = work;
    stream->last = work;
    pthread_cond_broadcast(&fake_changed);
    return HST_CU_SUCCESS;
}

/* Streams of the current context, and none of another one. Holding fake_lock. */
static int queue_here(void *handle, const struct work *template, struct fake_stream **ret_stream)
{
    struct fake_context *context = fake_current();
    struct fake_stream *stream = find_stream(context, handle);
    if (stream == NULL || stream->context != context) return HST_CU_INVALID_HANDLE;
    *ret_stream = stream;
    return queue(stream, template);
}

static void wait_idle(const struct fake_stream *stream)
{
    for (bool is_there = true; is_there;) {
        const struct fake_stream *each = streams;
        while (each != NULL && each != stream)
            each = each->next;
        is_there = each != NULL && each->first != NULL;
        if (is_there) wait_for_change();
    }
}

static bool is_busy(const struct fake_context *context)
{
    for (const struct fake_stream *stream = streams; stream != NULL; stream = stream->next)
        if (stream->context == context && stream->first != NULL) return true;
    return false;
}

void fake_streams_wait(struct fake_context *context)
{
    while (is_busy(context))
        wait_for_change();
}

static void close_stream(struct fake_stream *stream)
{
    stream->is_closing = true;
    if (!stream->has_thread) unlink_stream(stream);
    pthread_cond_broadcast(&fake_changed);
}

void fake_streams_end(struct fake_context *context)
{
    context->default_stream = NULL;
    for (struct fake_stream *stream = streams, *next; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->context != context) continue;
        stream->is_dead = true;
        if (!stream->is_closing) close_stream(stream);
    }
    pthread_cond_broadcast(&fake_changed);
    fake_streams_wait(context);
}

int fake_stream_launch(struct fake_context *context, void *stream, const struct fake_fate *fate, const struct fake_ptx_function *function, const unsigned grid[3],
                       const unsigned block[3], unsigned shared_bytes, void *parameters)
{
    (void)context;
    struct fake_stream *queued = NULL;
    struct work work = {.kind = KERNEL, .fate = *fate, .function = function, .shared_bytes = shared_bytes, .parameters = parameters};
    memcpy(work.grid, grid, sizeof(work.grid));
    memcpy(work.block, block, sizeof(work.block));
    return queue_here(stream, &work, &queued);
}

/* --- the API: copies --- */

/* Copies name addresses that are there now; a failure is that of the context. `host` is what pageable memory is copied from, or to, before this returns. */
static int copy(struct work *work, void *handle, const void *host)
{
    unsigned card = fake_current()->card;
    struct fake_stream *stream = NULL;
    bool is_usable = (work->kind == TO_HOST || fake_range_usable(card, work->to, work->bytes, true)) &&
                     (work->kind == TO_DEVICE || fake_range_usable(card, work->from, work->bytes, false));
    if (!is_usable) return fake_fail(card, HST_CU_ILLEGAL_ADDRESS);
    int result = queue_here(handle, work, &stream);
    bool is_pageable = host != NULL && !fake_host_is_pinned(host, work->bytes);
    if (result == HST_CU_SUCCESS && is_pageable) wait_idle(stream);
    return result;
}

static int copy_locked(struct work *work, void *handle, const void *host)
{
    if (work->bytes == 0) return HST_CU_SUCCESS;
    unsigned card = fake_current()->card;
    pthread_mutex_lock(&fake_lock);
    int result = copy(work, handle, host);
    pthread_mutex_unlock(&fake_lock);
    return result != HST_CU_SUCCESS ? result : fake_failure(card);
}

FAKE_API int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream)
{
    FAKE_ENTER("cuMemcpyHtoDAsync", FAKE_NEEDS_CONTEXT)
    if (from == NULL || to == 0) return HST_CU_INVALID_VALUE;
    struct work work = {.kind = TO_DEVICE, .fate = fate, .to = to, .from = (uint64_t)(uintptr_t)from, .bytes = bytes};
    return copy_locked(&work, stream, from);
}

FAKE_API int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream)
{
    FAKE_ENTER("cuMemcpyDtoHAsync", FAKE_NEEDS_CONTEXT)
    if (to == NULL || from == 0) return HST_CU_INVALID_VALUE;
    struct work work = {.kind = TO_HOST, .fate = fate, .to = (uint64_t)(uintptr_t)to, .from = from, .bytes = bytes};
    return copy_locked(&work, stream, to);
}

FAKE_API int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes, void *stream)
{
    FAKE_ENTER("cuMemcpyDtoDAsync", FAKE_NEEDS_CONTEXT)
    if (to == 0 || from == 0) return HST_CU_INVALID_VALUE;
    struct work work = {.kind = ON_DEVICE, .fate = fate, .to = to, .from = from, .bytes = bytes};
    return copy_locked(&work, stream, NULL);
}

/* --- the API: streams --- */

FAKE_API int cuStreamCreate(void **stream, unsigned flags)
{
    FAKE_ENTER("cuStreamCreate", FAKE_NEEDS_CONTEXT)
    if (stream == NULL || flags > HST_CU_STREAM_NON_BLOCKING) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    struct fake_stream *made = new_stream(fake_current());
    pthread_mutex_unlock(&fake_lock);
    if (made == NULL) return HST_CU_OUT_OF_MEMORY;
    *stream = made;
    return HST_CU_SUCCESS;
}

FAKE_API int cuStreamDestroy_v2(void *handle)
{
    FAKE_ENTER("cuStreamDestroy", FAKE_NEEDS_INIT)
    pthread_mutex_lock(&fake_lock);
    struct fake_stream *stream = (uintptr_t)handle > 2 ? find_stream(NULL, handle) : NULL;
    if (stream != NULL) close_stream(stream);
    pthread_mutex_unlock(&fake_lock);
    return stream != NULL ? HST_CU_SUCCESS : HST_CU_INVALID_HANDLE;
}

/* Find the stream, wait for it unless this is a question, and say how its card is. */
static int look_at_stream(void *handle, bool is_question)
{
    pthread_mutex_lock(&fake_lock);
    struct fake_stream *stream = find_stream(fake_current(), handle);
    unsigned card = stream != NULL ? stream->context->card : 0;
    if (stream != NULL && !is_question) wait_idle(stream);
    bool is_working = stream != NULL && is_question && stream->first != NULL;
    pthread_mutex_unlock(&fake_lock);
    if (stream == NULL) return HST_CU_INVALID_HANDLE;
    int failure = fake_failure(card);
    return failure != HST_CU_SUCCESS ? failure : is_working ? HST_CU_NOT_READY : HST_CU_SUCCESS;
}

FAKE_API int cuStreamSynchronize(void *stream)
{
    FAKE_ENTER("cuStreamSynchronize", FAKE_NEEDS_INIT)
    return look_at_stream(stream, false);
}

FAKE_API int cuStreamQuery(void *stream)
{
    FAKE_ENTER("cuStreamQuery", FAKE_NEEDS_INIT)
    return look_at_stream(stream, true);
}

/* --- the API: events --- */

static struct event *find_event(const void *handle)
{
    struct event *event = events;
    while (event != NULL && (event != handle || event->is_destroyed))
        event = event->next;
    return event;
}

static int queue_event(void *stream, void *handle, enum kind kind, const struct fake_fate *fate)
{
    struct fake_stream *queued = NULL;
    struct event *event = find_event(handle);
    if (event == NULL) return HST_CU_INVALID_HANDLE;
    struct work work = {.kind = kind, .fate = *fate, .event = event, .record = event->recorded + (kind == RECORD)};
    int result = queue_here(stream, &work, &queued);
    if (result == HST_CU_SUCCESS && kind == RECORD) event->recorded++;
    return result;
}

FAKE_API int cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    FAKE_ENTER("cuStreamWaitEvent", FAKE_NEEDS_CONTEXT)
    if (flags > 1) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    int result = queue_event(stream, event, WAIT_EVENT, &fate);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

FAKE_API int cuEventCreate(void **event, unsigned flags)
{
    FAKE_ENTER("cuEventCreate", FAKE_NEEDS_CONTEXT)
    if (event == NULL || flags > 7) return HST_CU_INVALID_VALUE;
    struct event *made = calloc(1, sizeof(*made));
    if (made == NULL) return HST_CU_OUT_OF_MEMORY;
    pthread_mutex_lock(&fake_lock);
    *made = (struct event){.next = events, .card = fake_current()->card, .flags = flags, .references = 1};
    events = made;
    pthread_mutex_unlock(&fake_lock);
    *event = made;
    return HST_CU_SUCCESS;
}

FAKE_API int cuEventDestroy_v2(void *handle)
{
    FAKE_ENTER("cuEventDestroy", FAKE_NEEDS_INIT)
    pthread_mutex_lock(&fake_lock);
    struct event *event = find_event(handle);
    if (event != NULL) {
        event->is_destroyed = true;
        unref_event(event);
    }
    pthread_mutex_unlock(&fake_lock);
    return event != NULL ? HST_CU_SUCCESS : HST_CU_INVALID_HANDLE;
}

FAKE_API int cuEventRecord(void *event, void *stream)
{
    FAKE_ENTER("cuEventRecord", FAKE_NEEDS_CONTEXT)
    pthread_mutex_lock(&fake_lock);
    int result = queue_event(stream, event, RECORD, &fate);
    pthread_mutex_unlock(&fake_lock);
    return result;
}

/* Has it been reached? Waits for what was recorded by now unless this is a question. */
static int look_at_event(void *handle, bool is_question)
{
    pthread_mutex_lock(&fake_lock);
    struct event *event = find_event(handle);
    unsigned card = event != NULL ? event->card : 0;
    uint64_t wanted = event != NULL ? event->recorded : 0;
    if (event != NULL) event->references++;
    while (event != NULL && !is_question && event->reached < wanted)
        wait_for_change();
    bool is_reached = event == NULL || event->reached >= wanted;
    if (event != NULL) unref_event(event);
    pthread_mutex_unlock(&fake_lock);
    if (event == NULL) return HST_CU_INVALID_HANDLE;
    int failure = fake_failure(card);
    return failure != HST_CU_SUCCESS ? failure : is_reached ? HST_CU_SUCCESS : HST_CU_NOT_READY;
}

FAKE_API int cuEventQuery(void *event)
{
    FAKE_ENTER("cuEventQuery", FAKE_NEEDS_INIT)
    return look_at_event(event, true);
}

FAKE_API int cuEventSynchronize(void *event)
{
    FAKE_ENTER("cuEventSynchronize", FAKE_NEEDS_INIT)
    return look_at_event(event, false);
}

static int elapsed(float *ms, const struct event *begin, const struct event *end)
{
    if (begin == NULL || end == NULL || ((begin->flags | end->flags) & HST_CU_EVENT_DISABLE_TIMING) || begin->recorded == 0 || end->recorded == 0)
        return HST_CU_INVALID_HANDLE;
    if (begin->reached < begin->recorded || end->reached < end->recorded) return HST_CU_NOT_READY;
    *ms = (float)((double)(end->at_ns - begin->at_ns) / 1e6);
    return HST_CU_SUCCESS;
}

FAKE_API int cuEventElapsedTime(float *ms, void *begin, void *end)
{
    FAKE_ENTER("cuEventElapsedTime", FAKE_NEEDS_INIT)
    if (ms == NULL) return HST_CU_INVALID_VALUE;
    pthread_mutex_lock(&fake_lock);
    int result = elapsed(ms, find_event(begin), find_event(end));
    pthread_mutex_unlock(&fake_lock);
    return result;
}
