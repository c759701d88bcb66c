/* The life of the process:
 *
 *     serving --- its first socket is closed ---> the end
 *        |  '---- no call for idle_seconds ---> the end
 *        '------- a call loses the card, or leaves the process with what it cannot give back: its result is sent ---> the end
 */
#include "gpu/serve.h"

#include "base/cleanup.h"
#include "gpu/calls.h"
#include "os/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* What all threads share. */
struct server {
    struct hst_gpu_context context;
    struct hst_gpu_lanes lanes;
    _Atomic(unsigned) channels;
    _Atomic(unsigned) calls;    /* under way */
    _Atomic(uint64_t) ended_ns; /* when the last one ended */
};

/* A channel, and the thread that serves it. */
struct channel {
    struct server *server;
    int fd;
};

/* ---- a channel ---- */

static void reset(struct hst_gpu_call *call)
{
    hst_gpu_files_fini(&call->files);
    hst_gpu_files_fini(&call->made);
    free(call->sheet);
    call->sheet = NULL;
}

/* The next call, with all its files. HST_E_UNREACHABLE, HST_E_PROTOCOL */
static int receive_call(struct hst_gpu_call *call)
{
    struct hst_gpu_packet packet;
    for (;;) {
        HST_TRY(hst_gpu_receive(call->channel, &packet, -1, NULL));
        int status = packet.frame.verb == HST_GPU_FILES ? hst_gpu_files_add(&call->files, &packet, HST_GPU_SEGMENTS_MAX + HST_GPU_SOURCES_MAX + 1, NULL) : HST_OK;
        hst_seqpacket_fds_close(&packet.files);
        HST_TRY(status);
        if (packet.frame.verb == HST_GPU_FILES || packet.frame.verb == HST_GPU_CANCEL) continue; /* of a call that has ended meanwhile */
        call->asked = packet.frame;
        return HST_OK;
    }
}

/* Whoever has the result finds that nothing of it is held here any more: what he gives back then is free at once. */
static int answer(struct hst_gpu_call *call)
{
    HST_TRY(hst_gpu_send_files(call->channel, call->made.fds, call->made.count, call->asked.sequence, -1, NULL));
    reset(call);
    return hst_gpu_send(call->channel, HST_GPU_RESULT, &call->result, -1, NULL);
}

static int serve_call(struct server *server, struct hst_gpu_call *call)
{
    struct hst_error why = {0};
    int status = receive_call(call);
    if (status == HST_OK) {
        server->calls++;
        int worked = hst_gpu_call_run(call, &why);
        status = answer(call);
        if (call->result.ends) _exit(worked == HST_E_DEVICE_LOST ? HST_GPU_EXIT_LOST : 0); /* another process begins anew */
        if (call->asked.verb != HST_GPU_INFO) server->ended_ns = hst_clock_ns(); /* being looked at is no work: the context goes when nothing else is asked */
        server->calls--;
    }
    reset(call);
    return status;
}

static void *channel_main(void *arg)
{
    struct channel channel = *(struct channel *)arg;
    struct server *server = channel.server;
    struct hst_gpu_call call = {.context = &server->context, .lanes = &server->lanes, .channel = channel.fd};
    struct hst_gpu_frame hello = {0};
    free(arg);
    int status = hst_gpu_send(channel.fd, HST_GPU_HELLO, &hello, -1, NULL);
    while (status == HST_OK)
        status = serve_call(server, &call);
    hst_closep(&channel.fd);
    server->channels--;
    return NULL;
}

/* One for which there is no thread ends at once: whoever calls sees that. */
static void start_channel(struct server *server, int fd)
{
    pthread_t thread;
    struct channel *channel = server->channels < HST_GPU_CHANNELS_MAX ? malloc(sizeof *channel) : NULL;
    if (channel != NULL) {
        *channel = (struct channel){server, fd};
        server->channels++;
        if (pthread_create(&thread, NULL, channel_main, channel) == 0) {
            pthread_detach(thread);
            return;
        }
        server->channels--;
    }
    free(channel);
    hst_closep(&fd);
}

/* ---- the first socket ---- */

/* Milliseconds until it has been idle for long enough. */
static int idle_ms_left(const struct server *server, unsigned idle_seconds)
{
    double left = idle_seconds * 1000.0 - hst_clock_ms_since(server->ended_ns);
    if (server->calls > 0) return (int)idle_seconds * 1000;
    return left > 0 ? (int)left + 1 : 0;
}

/* HST_E_UNREACHABLE, HST_E_PROTOCOL: there is no more to come. */
static int receive_channel(struct server *server, int fd)
{
    struct hst_gpu_packet packet;
    int status = hst_gpu_receive(fd, &packet, 0, NULL);
    if (status == HST_E_CANCELLED) return HST_OK; /* nothing after all */
    HST_TRY(status);
    if (packet.frame.verb != HST_GPU_CHANNEL || packet.files.count != 1) return HST_E_PROTOCOL;
    start_channel(server, packet.files.fds[0]);
    return HST_OK;
}

int hst_gpu_serve(int fd, const char *uuid, unsigned idle_seconds)
{
    static struct server server; /* threads use it until the process ends */
    server.context.uuid = uuid;
    server.ended_ns = hst_clock_ns();
    pthread_mutex_init(&server.context.lock, NULL);
    pthread_mutex_init(&server.lanes.lock, NULL);
    for (int left; (left = idle_ms_left(&server, idle_seconds)) > 0;)
        if (hst_seqpacket_wait(fd, false, left) && receive_channel(&server, fd) < 0) return 0;
    return 0;
}
