#include "scanner/reader.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "os/clock.h"
#include "os/helper.h"
#include "os/seqpacket.h"
#include "proto/answer.h"
#include "scanner/limits.h"

#include <endian.h>
#include <signal.h>
#include <string.h>

struct hst_reader {
    struct hst_helper helper; /* pid 0 = ended */
    struct hst_sandbox sandbox;
    unsigned files; /* that it was asked for */
    uint8_t packet[HST_ANSWER_PACKET_BYTES];
};

/* A wait under way. */
struct wait {
    const struct hst_reader_patience *patience;
    uint64_t began_ns;
    uint64_t cpu_ms; /* that the process had used when it was first found silent */
    bool looked;
};

/* It has not said anything for a while: is that still fine? */
static int look(const struct hst_reader *reader, struct wait *wait, struct hst_error *err)
{
    uint64_t cpu_ms = hst_helper_cpu_ms(&reader->helper);
    if (!wait->looked) wait->cpu_ms = cpu_ms;
    wait->looked = true;
    if (atomic_load(wait->patience->stopping)) return hst_error_set(err, HST_E_SHUTTING_DOWN, "the daemon is stopping");
    if (cpu_ms - wait->cpu_ms > wait->patience->cpu_ms)
        return hst_error_set(err, HST_E_PARSER_FAILED, "sandbox: the parser took more than %u ms of processor time", wait->patience->cpu_ms);
    if (hst_clock_ms_since(wait->began_ns) > wait->patience->timeout_ms)
        return hst_error_set(err, HST_E_PARSER_FAILED, "sandbox: no answer came within %u ms", wait->patience->timeout_ms);
    return HST_OK;
}

/* The next packet, into reader->packet. @return its length */
static int next_packet(struct hst_reader *reader, struct wait *wait, struct hst_error *err)
{
    HST_AUTO(hst_seqpacket_fds_close) struct hst_seqpacket_fds fds = {.count = 0};
    int fd = reader->helper.fd, length;
    do
        while (!hst_seqpacket_wait(fd, false, HST_SCANNER_LOOK_MS))
            HST_TRY(look(reader, wait, err));
    while ((length = hst_seqpacket_receive(fd, reader->packet, sizeof reader->packet, &fds, err)) == HST_SEQPACKET_AGAIN);
    return fds.count == 0 ? length : hst_error_set(err, HST_E_PROTOCOL, "it sends file descriptors");
}

/* ---- asking ---- */

static int send_request(const struct hst_reader *reader, struct wait *wait, const struct hst_reader_file *file, struct hst_error *err)
{
    uint8_t request[HST_ANSWER_REQUEST_BYTES];
    struct hst_seqpacket_parts packet = {.head = request, .head_length = sizeof request, .fds = &file->fd, .fd_count = 1};
    int sent;
    hst_answer_put_request(file->size_bytes, request);
    while ((sent = hst_seqpacket_send(reader->helper.fd, &packet, err)) == HST_SEQPACKET_AGAIN)
        if (!hst_seqpacket_wait(reader->helper.fd, true, HST_SCANNER_LOOK_MS)) HST_TRY(look(reader, wait, err));
    return sent < 0 ? sent : HST_OK;
}

/* The packets after the first, into `answer`, which has room for all that may come. */
static int receive_rest(struct hst_reader *reader, struct wait *wait, uint64_t left, struct hst_strbuf *answer, struct hst_error *err)
{
    while (left > 0) {
        int length = next_packet(reader, wait, err);
        HST_TRY(length);
        if ((uint64_t)length != hst_min_u64(left, sizeof reader->packet)) return hst_error_set(err, HST_E_PROTOCOL, "a packet has the wrong length");
        hst_strbuf_append(answer, reader->packet, (size_t)length);
        if (!hst_strbuf_ok(answer)) return hst_error_nomem(err);
        left -= (uint64_t)length;
    }
    return HST_OK;
}

static int read_long(struct hst_reader *reader, struct wait *wait, uint64_t length, size_t here, struct hst_strbuf *answer, struct hst_error *err)
{
    hst_strbuf_append(answer, reader->packet + sizeof length, here);
    if (!hst_strbuf_ok(answer)) return hst_error_nomem(err);
    return receive_rest(reader, wait, length - here, answer, err);
}

static int converse(struct hst_reader *reader, struct wait *wait, struct hst_reader_file *file, struct hst_error *err)
{
    HST_AUTO(hst_strbuf_fini) struct hst_strbuf answer = {0};
    uint64_t length = 0;
    HST_TRY(send_request(reader, wait, file, err));
    int first = next_packet(reader, wait, err);
    HST_TRY(first);
    if ((size_t)first >= sizeof length) memcpy(&length, reader->packet, sizeof length);
    length = le64toh(length);
    if (length == 0 || length > hst_answer_limit(file->size_bytes)) return hst_error_set(err, HST_E_PROTOCOL, "an answer has no length that can be");
    if ((uint64_t)first != hst_min_u64(length + sizeof length, sizeof reader->packet)) return hst_error_set(err, HST_E_PROTOCOL, "a packet has the wrong length");
    size_t here = (size_t)first - sizeof length;
    if (here == length) return hst_answer_read(reader->packet + sizeof length, here, file->size_bytes, &file->format, &file->table, err);
    HST_TRY(read_long(reader, wait, length, here, &answer, err));
    return hst_answer_read(answer.text, answer.length, file->size_bytes, &file->format, &file->table, err);
}

/* The process is gone: what of? */
static int explain_end(int signal_number, struct hst_error *err)
{
    if (signal_number == SIGKILL) return hst_error_set(err, HST_E_UNREACHABLE, "sandbox: the parser's process was killed");
    if (signal_number == 0) return hst_error_set(err, HST_E_PARSER_FAILED, "sandbox: the parser ended without an answer");
    return hst_error_set(err, HST_E_PARSER_FAILED, "sandbox: the parser crashed (signal %d, %s)", signal_number, hst_helper_signal_name(signal_number));
}

static int call_nonsense(struct hst_error *err)
{
    char what[HST_ERROR_TEXT_MAX];
    if (err != NULL) memcpy(what, err->text, sizeof what);
    return err != NULL ? hst_error_set(err, HST_E_PARSER_FAILED, "sandbox: the parser's answer is none: %.400s", what) : HST_E_PARSER_FAILED;
}

int hst_reader_ask(struct hst_reader *reader, const struct hst_reader_patience *patience, struct hst_reader_file *file, struct hst_error *err)
{
    static const int broken[] = {HST_E_UNREACHABLE, HST_E_PROTOCOL, HST_E_PARSER_FAILED, HST_E_SHUTTING_DOWN, HST_E_NOMEM};
    struct wait wait = {.patience = patience, .began_ns = hst_clock_ns()};
    reader->files++;
    int status = converse(reader, &wait, file, err);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        if (status != broken[i]) continue;
        int signal_number = hst_helper_kill(&reader->helper);
        if (status == HST_E_UNREACHABLE) return explain_end(signal_number, err);
        return status == HST_E_PROTOCOL ? call_nonsense(err) : status;
    }
    return status;
}

/* ---- starting and ending ---- */

static int greet(struct hst_reader *reader, const char *program, const struct hst_reader_patience *patience, struct hst_error *err)
{
    struct hst_reader_patience start = {HST_SCANNER_START_MS, HST_SCANNER_START_MS, patience->stopping};
    struct wait wait = {.patience = &start, .began_ns = hst_clock_ns()};
    struct hst_error why = {0};
    struct hst_answer_hello hello;
    int status = next_packet(reader, &wait, &why);
    if (status >= 0) status = hst_answer_read_hello(reader->packet, (size_t)status, &hello, &why);
    if (status == HST_E_SHUTTING_DOWN) return hst_error_set(err, status, "%s", why.text);
    if (status < 0) return hst_error_set(err, HST_E_WORKER_UNAVAILABLE, "%s does not come up: %.300s", program, why.text);
    reader->sandbox = (struct hst_sandbox){hello.protections, hello.landlock};
    return HST_OK;
}

int hst_reader_start(const char *program, const struct hst_reader_patience *patience, struct hst_reader **ret_reader, struct hst_error *err)
{
    HST_AUTO(hst_reader_freep) struct hst_reader *reader = malloc(sizeof *reader);
    if (reader == NULL) return hst_error_nomem(err);
    reader->helper = (struct hst_helper){0, -1};
    reader->files = 0;
    HST_TRY(hst_helper_start(program, &reader->helper, err));
    HST_TRY(greet(reader, program, patience, err));
    *ret_reader = hst_steal(&reader);
    return HST_OK;
}

struct hst_sandbox hst_reader_sandbox(const struct hst_reader *reader)
{
    return reader->sandbox;
}

/* It speaks only when it is spoken to: what can be read now is its end, or nonsense. */
bool hst_reader_is_good(const struct hst_reader *reader)
{
    return reader->helper.pid > 0 && reader->files < HST_SCANNER_FILES_MAX && !hst_seqpacket_wait(reader->helper.fd, false, 0);
}

void hst_reader_dismiss(struct hst_reader *reader)
{
    hst_helper_dismiss(&reader->helper);
}

void hst_reader_free(struct hst_reader *reader)
{
    if (reader == NULL) return;
    hst_helper_reap(&reader->helper);
    free(reader);
}
