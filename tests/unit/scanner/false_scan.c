/* A hoist-scan that files take over: what a file begins with is what it does instead of an answer. Other files are parsed. */
#include "os/file.h"
#include "os/helper.h"
#include "os/seqpacket.h"
#include "proto/answer.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { FD = HST_HELPER_FD };

static void send_bytes(const void *bytes, size_t length)
{
    struct hst_seqpacket_parts packet = {.head = bytes, .head_length = length};
    while (hst_seqpacket_send(FD, &packet, NULL) == HST_SEQPACKET_AGAIN)
        hst_seqpacket_wait(FD, true, -1);
}

/* An answer of `length` bytes is announced, and `here` bytes of it are sent. */
static void send_answer(uint64_t length, const void *bytes, size_t here)
{
    static uint8_t packet[HST_ANSWER_PACKET_BYTES];
    memcpy(packet, &length, sizeof length);
    memcpy(packet + sizeof length, bytes, here);
    send_bytes(packet, sizeof length + here);
}

static void crash(int file) { (void)file, signal(SIGSEGV, SIG_DFL), raise(SIGSEGV); }
static void get_killed(int file) { (void)file, raise(SIGKILL); }
static void leave(int file) { (void)file, _exit(0); }
static void hang(int file)
{
    (void)file;
    for (;;)
        pause();
}
static void spin(int file)
{
    (void)file;
    for (volatile int i = 0;; i = i + 1)
        continue;
}
static void talk_nonsense(int file) { (void)file, send_answer(5, "\xff\xff\xff\xff\xff", 5); }
static void say_little(int file) { (void)file, send_bytes("x", 1); }
static void promise_too_much(int file) { (void)file, send_answer(UINT64_C(1) << 50, "x", 1); }
static void die_half_way(int file)
{
    static const uint8_t half[HST_ANSWER_PACKET_BYTES - 8];
    (void)file;
    send_answer(sizeof half + 1, half, sizeof half);
    _exit(0);
}
static void dribble(int file)
{
    static const uint8_t half[HST_ANSWER_PACKET_BYTES - 8];
    (void)file;
    send_answer(sizeof half + 100, half, sizeof half);
    send_bytes("x", 1);
}
/* A table with one tensor beyond the end of its file. */
static void send_lie(int file)
{
    static const uint32_t words[] = {1, 0, 1, 0, 0, 1, 5, 1, 1u << 30, 0, 16, 0};
    (void)file;
    struct hst_strbuf out = {0};
    hst_strbuf_append(&out, words, sizeof words);
    hst_strbuf_append(&out, "a", 1);
    send_answer(out.length, out.text, out.length);
}
static void send_files(int file)
{
    const uint64_t length = 4;
    struct hst_seqpacket_parts packet = {.head = &length, .head_length = sizeof length, .body = "abcd", .body_length = 4, .fds = &file, .fd_count = 1};
    hst_seqpacket_send(FD, &packet, NULL);
}
static void say_invalid(void)
{
    static const uint32_t error[] = {0, 30, 0, 0, 0};
    send_answer(sizeof error, error, sizeof error);
}
static void speak_after(int file)
{
    (void)file;
    say_invalid();
    send_bytes("and another thing", 17);
}

/* The next file is the one that suffers. */
static bool taken_over;
static void take_over(int file)
{
    (void)file;
    usleep(200000); /* so that another process has to read what comes meanwhile */
    taken_over = true;
    say_invalid();
}

static const struct {
    const char *word;
    void (*act)(int file);
} acts[] = {{"crash", crash},   {"kill", get_killed}, {"leave", leave},   {"hang", hang},     {"spin", spin},        {"nonsense", talk_nonsense}, {"little", say_little},
            {"promise", promise_too_much}, {"half", die_half_way}, {"dribble", dribble}, {"lie", send_lie}, {"files", send_files}, {"after", speak_after}, {"later", take_over}};

static int read_fd(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    return hst_file_read_at(*(int *)context, offset, buffer, length, err);
}

static void parse(int file, uint64_t size_bytes)
{
    struct hst_source source = {size_bytes, read_fd, &file};
    const struct hst_format *format = NULL;
    struct hst_tensor_table *table = NULL;
    struct hst_error why = {0};
    struct hst_strbuf out = {0};
    int status = hst_format_parse(&source, &format, &table, &why);
    hst_answer_put(&out, status, &why, format, table);
    send_answer(out.length, out.text, out.length);
    hst_tensor_table_free(table);
    hst_strbuf_fini(&out);
}

static void read_one(int file, uint64_t size_bytes)
{
    char head[17] = "";
    if (taken_over) crash(file);
    if (pread(file, head, sizeof head - 1, 0) > 0)
        for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
            if (strncmp(head, acts[i].word, strlen(acts[i].word)) == 0) {
                acts[i].act(file);
                return;
            }
    parse(file, size_bytes);
}

int main(void)
{
    struct hst_strbuf out = {0};
    struct hst_seqpacket_fds files;
    uint8_t packet[HST_ANSWER_REQUEST_BYTES];
    uint64_t size_bytes;
    hst_helper_settle("false-scan");
    hst_answer_put_hello(&out, &(struct hst_answer_hello){0, 0});
    send_bytes(out.text, out.length);
    hst_strbuf_fini(&out);
    for (;;) {
        hst_seqpacket_wait(FD, false, -1);
        int length = hst_seqpacket_receive(FD, packet, sizeof packet, &files, NULL);
        if (length < 0) return 0;
        if (length == 0 || hst_answer_read_request(packet, (size_t)length, &size_bytes, NULL) < 0 || files.count != 1) continue;
        read_one(files.fds[0], size_bytes);
        hst_seqpacket_fds_close(&files);
    }
}
