/* The side of hoist-scan, on a thread: it answers files until the socket closes, and takes nothing else. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "model_bytes.h"
#include "os/seqpacket.h"
#include "scanner/serve.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>

struct talk {
    int ours;
    int theirs;
    int status; /* that it ended with */
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct talk *talk = arg;
    talk->status = hst_serve_run(talk->theirs, &(struct hst_answer_hello){15, 7});
    close(talk->theirs);
    return NULL;
}

static int receive(struct talk *talk, uint8_t *packet, size_t size)
{
    struct hst_seqpacket_fds fds;
    assert_true(hst_seqpacket_wait(talk->ours, false, 10000));
    int length = hst_seqpacket_receive(talk->ours, packet, size, &fds, NULL);
    assert_int_equal(fds.count, 0);
    return length;
}

static void begin(struct talk *talk)
{
    uint8_t packet[256];
    struct hst_answer_hello hello;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    *talk = (struct talk){ends[0], ends[1], 1, 0};
    pthread_create(&talk->thread, NULL, serve, talk);
    int length = receive(talk, packet, sizeof packet);
    assert_int_equal(hst_answer_read_hello(packet, (size_t)length, &hello, NULL), 0);
    assert_true(hello.protections == 15 && hello.landlock == 7);
}

static int finish(struct talk *talk)
{
    close(talk->ours);
    pthread_join(talk->thread, NULL);
    return talk->status;
}

static void ask(struct talk *talk, const void *bytes, size_t length, uint64_t claimed)
{
    HST_AUTO(hst_closep) int fd = memfd_create("model", MFD_CLOEXEC);
    uint8_t request[HST_ANSWER_REQUEST_BYTES];
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    hst_answer_put_request(claimed, request);
    struct hst_seqpacket_parts packet = {.head = request, .head_length = sizeof request, .fds = &fd, .fd_count = 1};
    assert_int_equal(hst_seqpacket_send(talk->ours, &packet, NULL), 1);
}

static int answer_to(struct talk *talk, const void *bytes, size_t length, uint64_t claimed)
{
    static uint8_t packet[HST_ANSWER_PACKET_BYTES];
    const struct hst_format *format;
    struct hst_tensor_table *table = NULL;
    uint64_t announced;
    ask(talk, bytes, length, claimed);
    int got = receive(talk, packet, sizeof packet);
    memcpy(&announced, packet, sizeof announced);
    assert_int_equal(announced, got - 8);
    int status = hst_answer_read(packet + 8, announced, claimed, &format, &table, NULL);
    hst_tensor_table_free(table);
    return status;
}

static void each_file_gets_its_answer(void **state)
{
    (void)state;
    static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
    struct model_bytes file = model_bytes_make(header, strlen(header), 4);
    struct talk talk;
    begin(&talk);
    assert_int_equal(answer_to(&talk, file.bytes, file.size, file.size), 0);
    assert_int_equal(answer_to(&talk, "no model", 8, 8), HST_E_UNKNOWN_FORMAT);
    assert_int_equal(answer_to(&talk, file.bytes, file.size, file.size + 100), HST_E_TRUNCATED); /* a size that is not the file's */
    assert_int_equal(answer_to(&talk, "x", 1, 1000), HST_E_TRUNCATED);
    assert_int_equal(answer_to(&talk, file.bytes, file.size, file.size), 0);
    assert_int_equal(finish(&talk), 0);
    free(file.bytes);
}

/* 2,000 tensors of 64 dimensions of 1, two bytes each, are more than their file excuses. */
static void a_table_too_long_for_its_file_is_refused(void **state)
{
    (void)state;
    enum { TENSORS = 600, RANK = 64 };
    char *header = malloc(TENSORS * 256), *at = header + sprintf(header, "{");
    for (int i = 0; i < TENSORS; i++) {
        at += sprintf(at, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[1", i > 0 ? "," : "", i);
        for (int k = 1; k < RANK; k++)
            at += sprintf(at, ",1");
        at += sprintf(at, "],\"data_offsets\":[%d,%d]}", i, i + 1);
    }
    at += sprintf(at, "}");
    struct model_bytes file = model_bytes_make(header, (size_t)(at - header), TENSORS);
    struct talk talk;
    begin(&talk);
    ask(&talk, file.bytes, file.size, file.size);
    assert_true(hst_answer_limit(file.size) > TENSORS * RANK * 8); /* a header excuses it: all of it comes */
    assert_int_equal(receive(&talk, (uint8_t[HST_ANSWER_PACKET_BYTES]){0}, HST_ANSWER_PACKET_BYTES), HST_ANSWER_PACKET_BYTES);
    finish(&talk);
    free(file.bytes);
    free(header);
}

static void what_is_no_request_ends_it(void **state)
{
    (void)state;
    static const char *const bytes[] = {"x", "0123456789abcdef", "0123456789abcdef0"};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        struct talk talk;
        begin(&talk);
        struct hst_seqpacket_parts packet = {.head = bytes[i], .head_length = strlen(bytes[i])};
        assert_int_equal(hst_seqpacket_send(talk.ours, &packet, NULL), 1);
        pthread_join(talk.thread, NULL);
        assert_int_equal(talk.status, HST_E_PROTOCOL);
        close(talk.ours);
    }
}

static void a_request_without_a_file_ends_it(void **state)
{
    (void)state;
    struct talk talk;
    uint8_t request[HST_ANSWER_REQUEST_BYTES];
    begin(&talk);
    hst_answer_put_request(5, request);
    struct hst_seqpacket_parts packet = {.head = request, .head_length = sizeof request};
    assert_int_equal(hst_seqpacket_send(talk.ours, &packet, NULL), 1);
    pthread_join(talk.thread, NULL);
    assert_int_equal(talk.status, HST_E_PROTOCOL);
    close(talk.ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_gets_its_answer),
        cmocka_unit_test(a_table_too_long_for_its_file_is_refused),
        cmocka_unit_test(what_is_no_request_ends_it),
        cmocka_unit_test(a_request_without_a_file_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
