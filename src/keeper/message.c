#include "keeper/message.h"

#include "base/checked.h"

int hst_keeper_send(int fd, const struct hst_keeper_frame *frame, const struct hst_seqpacket_parts *rest, int timeout_ms, struct hst_error *err)
{
    struct hst_seqpacket_parts parts = rest != NULL ? *rest : (struct hst_seqpacket_parts){0};
    parts.head = frame;
    parts.head_length = sizeof *frame;
    return hst_seqpacket_send_within(fd, &parts, timeout_ms, err);
}

int hst_keeper_receive(int fd, struct hst_keeper_packet *packet, int timeout_ms, struct hst_error *err)
{
    static const size_t head = sizeof packet->frame;
    packet->files.count = 0;
    int length = hst_seqpacket_receive_within(fd, packet, head + sizeof packet->body, &packet->files, timeout_ms, err);
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
