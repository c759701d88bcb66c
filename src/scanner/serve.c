#include "scanner/serve.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "os/file.h"
#include "os/seqpacket.h"

#include <endian.h>
#include <string.h>

static int read_fd(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    return hst_file_read_at(*(int *)context, offset, buffer, length, err);
}

static int send_packet(int fd, const void *bytes, size_t length)
{
    struct hst_seqpacket_parts packet = {.head = bytes, .head_length = length};
    int sent;
    while ((sent = hst_seqpacket_send(fd, &packet, NULL)) == HST_SEQPACKET_AGAIN)
        hst_seqpacket_wait(fd, true, -1);
    return sent < 0 ? sent : HST_OK;
}

static int send_all(int fd, const struct hst_strbuf *out)
{
    for (size_t at = 0; at < out->length; at += HST_ANSWER_PACKET_BYTES)
        HST_TRY(send_packet(fd, out->text + at, (size_t)hst_min_u64(out->length - at, HST_ANSWER_PACKET_BYTES)));
    return HST_OK;
}

/* The answer after its length, which is known at the end. */
static void write_answer(struct hst_strbuf *out, int status, const struct hst_error *why, const struct hst_format *format,
                         const struct hst_tensor_table *table)
{
    uint64_t length = 0;
    hst_strbuf_append(out, &length, sizeof length);
    hst_answer_put(out, status, why, format, table);
    if (!hst_strbuf_ok(out)) return;
    length = htole64(out->length - sizeof length);
    memcpy(out->text, &length, sizeof length);
}

/* An error in the place of an answer that cannot be given. */
static void rewrite_answer(struct hst_strbuf *out, int status, const char *text)
{
    struct hst_error why = {0};
    hst_error_set(&why, status, "%s", text);
    hst_strbuf_fini(out);
    write_answer(out, status, &why, NULL, NULL);
}

static void parse(int file, uint64_t size_bytes, struct hst_strbuf *out)
{
    const struct hst_format *format = NULL;
    struct hst_tensor_table *table = NULL;
    struct hst_error why = {0};
    struct hst_source source = {size_bytes, read_fd, &file};
    int status = hst_format_parse(&source, &format, &table, &why);
    write_answer(out, status, &why, format, table);
    hst_tensor_table_free(table);
    if (!hst_strbuf_ok(out)) rewrite_answer(out, HST_E_NOMEM, "the process is out of memory");
    if (out->length > hst_answer_limit(size_bytes)) rewrite_answer(out, HST_E_LIMIT_EXCEEDED, "limit: the table of its tensors is longer than a table may be");
}

/* One file. HST_E_UNREACHABLE when there are no more. */
static int serve_one(int fd)
{
    HST_AUTO(hst_seqpacket_fds_close) struct hst_seqpacket_fds files = {.count = 0};
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf out = {0};
    uint8_t packet[HST_ANSWER_REQUEST_BYTES];
    uint64_t size_bytes;
    int length;
    do hst_seqpacket_wait(fd, false, -1);
    while ((length = hst_seqpacket_receive(fd, packet, sizeof packet, &files, NULL)) == HST_SEQPACKET_AGAIN);
    HST_TRY(length);
    HST_TRY(hst_answer_read_request(packet, (size_t)length, &size_bytes, NULL));
    if (files.count != 1) return HST_E_PROTOCOL;
    parse(files.fds[0], size_bytes, &out);
    return hst_strbuf_ok(&out) ? send_all(fd, &out) : HST_E_NOMEM;
}

static int greet(int fd, const struct hst_answer_hello *hello)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf out = {0};
    hst_answer_put_hello(&out, hello);
    return hst_strbuf_ok(&out) ? send_all(fd, &out) : HST_E_NOMEM;
}

int hst_serve_run(int fd, const struct hst_answer_hello *hello)
{
    HST_TRY(greet(fd, hello));
    int status;
    while ((status = serve_one(fd)) == HST_OK)
        continue;
    return status == HST_E_UNREACHABLE ? HST_OK : status;
}
