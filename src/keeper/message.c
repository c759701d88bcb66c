#include "keeper/message.h"

#include "base/checked.h"
#include "os/clock.h"

#include <limits.h>

/* Milliseconds until then, for poll(2). */
static int left_until(uint64_t deadline_ns)
{
    uint64_t now = hst_clock_ns();
    return deadline_ns == UINT64_MAX ? -1 : deadline_ns <= now ? 0 : (int)hst_min_u64((deadline_ns - now) / 1000000 + 1, INT_MAX);
}

static uint64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : hst_clock_ns() + (uint64_t)timeout_ms * 1000000;
}

static int late(struct hst_error *err)
{
    return hst_error_set(err, HST_E_CANCELLED, "nothing was heard in time");
}

int hst_keeper_send(int fd, const struct hst_keeper_frame *frame, const struct hst_seqpacket_parts *rest, int timeout_ms, struct hst_error *err)
{
    struct hst_seqpacket_parts parts = rest != NULL ? *rest : (struct hst_seqpacket_parts){0};
    uint64_t deadline = deadline_of(timeout_ms);
    int sent;
    parts.head = frame;
    parts.head_length = sizeof *frame;
    while ((sent = hst_seqpacket_send(fd, &parts, err)) == HST_SEQPACKET_AGAIN)
        if (!hst_seqpacket_wait(fd, true, left_until(deadline))) return late(err);
    return sent < 0 ? sent : HST_OK;
}

int hst_keeper_receive(int fd, struct hst_keeper_packet *packet, int timeout_ms, struct hst_error *err)
{
    static const size_t head = sizeof packet->frame;
    uint64_t deadline = deadline_of(timeout_ms);
    int length;
    packet->files.count = 0;
    while ((length = hst_seqpacket_receive(fd, packet, head + sizeof packet->body, &packet->files, err)) == HST_SEQPACKET_AGAIN)
        if (!hst_seqpacket_wait(fd, false, left_until(deadline))) return late(err);
    HST_TRY(length);
    packet->body_bytes = (size_t)length - hst_min_u64((uint64_t)length, head);
    if ((size_t)length >= head) return HST_OK;
    hst_seqpacket_fds_close(&packet->files);
    packet->frame = (struct hst_keeper_frame){0};
    return hst_error_set(err, HST_E_PROTOCOL, "a packet of %d bytes says nothing", length);
}

bool hst_keeper_understands(const struct hst_keeper_frame *hello)
{
    return hello->verb == HST_KEEPER_HELLO && hello->kind == HST_KEEPER_MAGIC && hello->offset >> 32 == HST_KEEPER_MAJOR;
}

struct hst_keeper_frame hst_keeper_hello(uint64_t size_bytes)
{
    return (struct hst_keeper_frame){.verb = HST_KEEPER_HELLO, .kind = HST_KEEPER_MAGIC, .offset = (uint64_t)HST_KEEPER_MAJOR << 32 | HST_KEEPER_MINOR, .size_bytes = size_bytes};
}
