/* hoistd's side and the real hoist-keeper: what is put comes back, whoever dies. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "keeper/dial.h"
#include "keeper/link.h"
#include "os/clock.h"
#include "os/process.h"
#include "fds.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB (1ull << 20)

/* A state folder, and the connection of a hoistd that uses it. */
struct scene {
    uv_loop_t loop;
    char folder[64], socket[96], program[1200];
    uv_timer_t alive; /* the loop has something to wait for, as that of hoistd */
    struct hst_keeper *keeper;
    int fresh, lost, dropped;
    int fds_before;
};

static void on_lost(void *context, const struct hst_error *why)
{
    assert_int_equal(why->status, HST_E_UNREACHABLE);
    ((struct scene *)context)->lost++;
}

static void on_fresh(void *context)
{
    ((struct scene *)context)->fresh++;
}

static void on_dropped(void *context)
{
    ((struct scene *)context)->dropped++;
}

static void open_link(struct scene *scene, unsigned wait_seconds)
{
    struct hst_error err = {0};
    const struct hst_keeper_config config = {&scene->loop, scene->socket, scene->program, wait_seconds};
    if (hst_keeper_open(&config, &scene->keeper, &err) < 0) fail_msg("%s", err.text);
    hst_keeper_listen(scene->keeper, &(struct hst_keeper_listener){on_lost, on_fresh, scene});
}

/* As a hoistd that is killed, as far as a keeper sees it; another comes. */
static void come_again(struct scene *scene)
{
    hst_keeper_leave(scene->keeper);
    hst_keeper_free(scene->keeper);
    open_link(scene, 5);
}

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static int start(void **state)
{
    static struct scene scene;
    char folder[1024];
    scene = (struct scene){.folder = "/tmp/hoist-keeper-XXXXXX"};
    scene.fds_before = count_fds();
    uv_loop_init(&scene.loop);
    uv_timer_init(&scene.loop, &scene.alive);
    uv_timer_start(&scene.alive, on_alive, 1000, 1000);
    assert_non_null(mkdtemp(scene.folder));
    assert_int_equal(hst_process_program_folder(folder, sizeof folder, NULL), 0);
    snprintf(scene.socket, sizeof scene.socket, "%s/keeper.sock", scene.folder);
    snprintf(scene.program, sizeof scene.program, "%s/../hoist-keeper", folder);
    open_link(&scene, 5);
    *state = &scene;
    return 0;
}

static bool is_alive(int pid)
{
    char path[40], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    HST_AUTO(hst_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) return false;
    return strstr(text, ") Z") == NULL && strstr(text, "(hoist-keeper)") != NULL;
}

static int end(void **state)
{
    struct scene *scene = *state;
    int pid = hst_keeper_status(scene->keeper).pid;
    hst_keeper_free(scene->keeper);
    for (int i = 0; i < 100 && is_alive(pid); i++)
        poll(NULL, 0, 10);
    assert_false(is_alive(pid));
    uv_close((uv_handle_t *)&scene->alive, NULL);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&scene->loop), 0);
    assert_int_equal(count_fds(), scene->fds_before);
    unlink(scene->socket);
    assert_int_equal(rmdir(scene->folder), 0);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    return 0;
}

static int file_of(uint64_t size_bytes)
{
    int fd = memfd_create("weights", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
    return fd;
}

/* One file of a size, described by these bytes. */
static uint64_t put(struct scene *scene, uint64_t size_bytes, const void *blob, size_t blob_bytes)
{
    struct hst_error err = {0};
    HST_AUTO(hst_closep) int fd = file_of(size_bytes);
    struct hst_keeper_item item = {.id = hst_keeper_new_id(scene->keeper), .kind = 3, .fds = {fd}, .fd_count = 1, .blob = blob, .blob_bytes = blob_bytes};
    if (hst_keeper_put(scene->keeper, &item, &err) < 0) fail_msg("%s", err.text);
    return item.id;
}

/* What an adopter saw. */
struct seen {
    size_t count, unwanted_every;
    struct hst_keeper_item last;
    char blob[64];
    struct hst_keeper_range first_range;
    int fd;
    uint64_t inode;
};

static bool look(void *context, struct hst_keeper_item *item)
{
    struct seen *seen = context;
    struct stat st = {0};
    seen->last = *item;
    if (item->fd_count > 0 && fstat(item->fds[0], &st) == 0) seen->inode = st.st_ino;
    if (item->range_count > 0) seen->first_range = item->ranges[0];
    memcpy(seen->blob, item->blob, item->blob_bytes < sizeof seen->blob ? item->blob_bytes : sizeof seen->blob);
    seen->count++;
    return seen->unwanted_every == 0 || seen->count % seen->unwanted_every != 0;
}

static size_t adopt(struct scene *scene, struct seen *seen)
{
    struct hst_error err = {0};
    size_t count = 0;
    if (hst_keeper_adopt(scene->keeper, look, seen, &count, &err) < 0) fail_msg("%s", err.text);
    return count;
}

static void run_until(struct scene *scene, const int *counter)
{
    uint64_t begin = hst_clock_ns();
    while (*counter == 0 && hst_clock_ms_since(begin) < 10000) {
        uv_run(&scene->loop, UV_RUN_NOWAIT);
        poll(NULL, 0, 1);
    }
    assert_true(*counter > 0);
}

/* What the kernel says a process has locked; -1 where sanitizers make mlock(2) do nothing. */
static long locked_kb(int pid)
{
    char path[40], line[256];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmLck: %ld", &kb) == 1) break;
    fclose(file);
    return kb > 0 ? kb : -1;
}

static void what_was_put_and_locked_is_there_for_the_next_hoistd(void **state)
{
    struct scene *scene = *state;
    struct seen seen = {0};
    bool locked = false;
    struct stat st;
    HST_AUTO(hst_closep) int fd = file_of(200 * MIB);
    struct hst_keeper_item item = {.id = hst_keeper_new_id(scene->keeper), .kind = 9, .fds = {fd}, .fd_count = 1, .blob = "unet", .blob_bytes = 4};
    assert_int_equal(hst_keeper_put(scene->keeper, &item, NULL), 0);
    assert_int_equal(hst_keeper_lock(scene->keeper, item.id, &(struct hst_keeper_range){4096, 150 * MIB}, &locked, NULL), 0);
    assert_true(locked);
    come_again(scene);
    assert_int_equal(hst_keeper_status(scene->keeper).found_items, 1);
    assert_int_equal(hst_keeper_status(scene->keeper).starts, 0);
    assert_int_equal(adopt(scene, &seen), 1);
    fstat(fd, &st);
    assert_int_equal(seen.inode, st.st_ino);
    long kb = locked_kb(hst_keeper_status(scene->keeper).pid);
    assert_true(kb == 150 * 1024 || kb == -1);
    assert_int_equal(seen.last.kind, 9);
    assert_int_equal(seen.last.fd_count, 1);
    assert_int_equal(seen.last.range_count, 1);
    assert_int_equal(seen.first_range.offset, 4096);
    assert_int_equal(seen.first_range.size_bytes, 150 * MIB);
    assert_string_equal(seen.blob, "unet");
    assert_true(hst_keeper_new_id(scene->keeper) > item.id);
}

static void a_long_description_travels_too(void **state)
{
    enum { LONG = 300000 };
    struct scene *scene = *state;
    struct seen seen = {0};
    char *blob = malloc(LONG);
    memset(blob, 'x', LONG);
    put(scene, 4096, blob, LONG);
    put(scene, 4096, blob, HST_KEEPER_BLOB_INLINE);
    put(scene, 4096, blob, HST_KEEPER_BLOB_INLINE + 1);
    put(scene, 4096, "", 0);
    free(blob);
    come_again(scene);
    assert_int_equal(adopt(scene, &seen), 4);
    assert_int_equal(seen.last.blob_bytes, 0);
    assert_int_equal(seen.last.fd_count, 1);
}

static void many_separate_locks_come_back(void **state)
{
    enum { MANY = 5000 };
    struct scene *scene = *state;
    struct seen seen = {0};
    uint64_t id = put(scene, MANY * 8192, "", 0);
    bool locked = false;
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(hst_keeper_lock(scene->keeper, id, &(struct hst_keeper_range){i * 8192, 4096}, &locked, NULL), 0);
    come_again(scene);
    assert_int_equal(adopt(scene, &seen), 1);
    assert_int_equal(seen.last.range_count, MANY);
}

static void what_an_adopter_does_not_want_is_let_go(void **state)
{
    struct scene *scene = *state;
    struct seen seen = {.unwanted_every = 2};
    for (int i = 0; i < 10; i++)
        put(scene, 4096, "x", 1);
    come_again(scene);
    assert_int_equal(adopt(scene, &seen), 5);
    assert_int_equal(seen.count, 10);
    uint64_t id = put(scene, 4096, "y", 1);
    assert_int_equal(hst_keeper_drop(scene->keeper, id, on_dropped, scene), 0);
    run_until(scene, &scene->dropped);
    come_again(scene);
    assert_int_equal(hst_keeper_status(scene->keeper).found_items, 5);
}

static void the_end_of_a_lease_is_seen_by_the_next_hoistd(void **state)
{
    struct scene *scene = *state;
    int ends[2];
    struct seen seen = {0};
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct hst_keeper_item item = {.id = hst_keeper_new_id(scene->keeper), .fds = {ends[0]}, .fd_count = 1};
    assert_int_equal(hst_keeper_put(scene->keeper, &item, NULL), 0);
    close(ends[0]);
    come_again(scene);
    assert_int_equal(write(ends[1], "x", 1), 1); /* no EPIPE: somebody has the other end */
    close(ends[1]);
    assert_int_equal(adopt(scene, &seen), 1);
}

static void another_keeper_takes_the_place_of_one_that_dies(void **state)
{
    struct scene *scene = *state;
    struct hst_error err = {0};
    int pid = hst_keeper_status(scene->keeper).pid;
    uint64_t id = put(scene, 4096, "x", 1);
    kill(pid, SIGKILL);
    run_until(scene, &scene->lost);
    struct hst_keeper_item item = {.id = id};
    assert_int_equal(hst_keeper_put(scene->keeper, &item, &err), HST_E_UNREACHABLE);
    run_until(scene, &scene->fresh);
    struct hst_keeper_status status = hst_keeper_status(scene->keeper);
    assert_true(status.connected && status.pid != pid && status.starts == 2);
    assert_true(put(scene, 4096, "x", 1) > id);
}

static void one_that_does_not_answer_costs_one_wait_and_catches_up(void **state)
{
    struct scene *scene = *state;
    struct hst_error err = {0};
    int pid = hst_keeper_status(scene->keeper).pid;
    struct hst_keeper_item item = {.id = hst_keeper_new_id(scene->keeper)};
    kill(pid, SIGSTOP);
    uint64_t begin = hst_clock_ns();
    assert_int_equal(hst_keeper_put(scene->keeper, &item, &err), HST_E_UNREACHABLE);
    assert_true(hst_clock_ms_since(begin) >= HST_KEEPER_ANSWER_MS - 10);
    begin = hst_clock_ns();
    for (int i = 0; i < 100; i++)
        assert_int_equal(hst_keeper_put(scene->keeper, &item, &err), HST_E_UNREACHABLE);
    assert_true(hst_clock_ms_since(begin) < 500);
    kill(pid, SIGCONT);
    for (int i = 0; i < 1000 && hst_keeper_put(scene->keeper, &item, &err) < 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(hst_keeper_put(scene->keeper, &item, &err), 0);
    assert_int_equal(scene->lost, 0);
}

static void it_ends_when_nobody_comes(void **state)
{
    struct scene *scene = *state;
    put(scene, 4096, "x", 1);
    hst_keeper_leave(scene->keeper);
    hst_keeper_free(scene->keeper);
    open_link(scene, 1);
    int pid = hst_keeper_status(scene->keeper).pid;
    hst_keeper_leave(scene->keeper);
    hst_keeper_free(scene->keeper);
    poll(NULL, 0, 500);
    assert_true(is_alive(pid));
    for (int i = 0; i < 200 && is_alive(pid); i++)
        poll(NULL, 0, 10);
    assert_false(is_alive(pid));
    open_link(scene, 5);
    assert_int_equal(hst_keeper_status(scene->keeper).found_items, 0);
}

static void what_somebody_left_can_be_dismissed(void **state)
{
    struct scene *scene = *state;
    int pid = hst_keeper_status(scene->keeper).pid;
    hst_keeper_leave(scene->keeper);
    hst_keeper_free(scene->keeper);
    assert_int_equal(hst_keeper_dismiss(scene->socket, NULL), 1);
    poll(NULL, 0, 100);
    assert_false(is_alive(pid));
    assert_int_equal(hst_keeper_dismiss(scene->socket, NULL), 0);
    open_link(scene, 5);
}

struct putter {
    struct scene *scene;
    pthread_t thread;
};

static void *put_many(void *arg)
{
    enum { EACH = 100 };
    const struct putter *putter = arg;
    bool locked = true;
    for (int i = 0; i < EACH && locked; i++) {
        uint64_t id = put(putter->scene, 8192, "x", 1);
        assert_int_equal(hst_keeper_lock(putter->scene->keeper, id, &(struct hst_keeper_range){4096, 4096}, &locked, NULL), 0);
    }
    return NULL;
}

static void threads_take_turns(void **state)
{
    struct scene *scene = *state;
    struct putter putters[4];
    struct seen seen = {0};
    for (int i = 0; i < 4; i++) {
        putters[i].scene = scene;
        pthread_create(&putters[i].thread, NULL, put_many, &putters[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(putters[i].thread, NULL);
    assert_int_equal(adopt(scene, &seen), 400);
}

/* ---- packets that hoistd never sends ---- */

static struct hst_keeper_packet *ask_raw(int fd, const void *bytes, size_t length, const int *fds, size_t fd_count)
{
    static struct hst_keeper_packet packet;
    struct hst_seqpacket_parts parts = {.head = bytes, .head_length = length, .fds = fds, .fd_count = fd_count};
    struct hst_error err = {0};
    assert_int_equal(hst_seqpacket_send(fd, &parts, &err), 1);
    if (hst_keeper_receive(fd, &packet, 5000, &err) < 0) fail_msg("%s", err.text);
    hst_seqpacket_fds_close(&packet.files);
    return &packet;
}

static int greeted(struct scene *scene)
{
    struct hst_keeper_frame hello = hst_keeper_hello(5);
    hst_keeper_leave(scene->keeper);
    hst_keeper_free(scene->keeper);
    scene->keeper = NULL;
    int fd = hst_seqpacket_connect(scene->socket, 1000, NULL);
    assert_true(fd >= 0);
    assert_int_equal(ask_raw(fd, &hello, sizeof hello, NULL, 0)->frame.status, 0);
    return fd;
}

static void nonsense_is_refused_and_the_connection_goes_on(void **state)
{
    static uint8_t long_one[60000];
    static const struct hst_keeper_frame wrong[] = {{.verb = 99, .sequence = 1}, {.verb = 0}, {.verb = HST_KEEPER_ITEM}, {.verb = UINT32_MAX},
        {.verb = HST_KEEPER_PUT, .size_bytes = 7}, {.verb = HST_KEEPER_PUT, .flags = HST_KEEPER_BLOB_IN_FILE, .size_bytes = 7},
        {.verb = HST_KEEPER_LOCK, .id = 77, .size_bytes = 4096}, {.verb = HST_KEEPER_UNLOCK, .id = 77, .offset = 1}};
    struct scene *scene = *state;
    HST_AUTO(hst_closep) int fd = greeted(scene);
    int many[64];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_true(ask_raw(fd, &wrong[i], sizeof wrong[i], NULL, 0)->frame.status < 0);
    assert_int_equal(ask_raw(fd, "x", 1, NULL, 0)->frame.status, HST_E_PROTOCOL);
    assert_int_equal(ask_raw(fd, long_one, sizeof long_one, NULL, 0)->frame.status, HST_E_PROTOCOL);
    for (size_t i = 0; i < 64; i++)
        many[i] = STDERR_FILENO;
    struct hst_keeper_frame put_many = {.verb = HST_KEEPER_PUT, .id = 5};
    assert_int_equal(ask_raw(fd, &put_many, sizeof put_many, many, 64)->frame.status, HST_E_PROTOCOL);
    struct hst_keeper_frame list = {.verb = HST_KEEPER_LIST, .sequence = 44};
    struct hst_keeper_packet *answer = ask_raw(fd, &list, sizeof list, NULL, 0);
    assert_true(answer->frame.verb == HST_KEEPER_LIST && answer->frame.sequence == 44 && answer->frame.size_bytes == 0);
    hst_closep(&fd);
    open_link(scene, 5);
}

static void one_of_another_major_version_may_only_say_goodbye(void **state)
{
    struct scene *scene = *state;
    struct hst_keeper_frame hello = hst_keeper_hello(5), list = {.verb = HST_KEEPER_LIST};
    hst_keeper_leave(scene->keeper);
    hst_keeper_free(scene->keeper);
    scene->keeper = NULL;
    HST_AUTO(hst_closep) int fd = hst_seqpacket_connect(scene->socket, 1000, NULL);
    assert_int_equal(ask_raw(fd, &list, sizeof list, NULL, 0)->frame.status, HST_E_PROTOCOL);
    hello.offset += UINT64_C(1) << 32;
    assert_true(hst_keeper_understands(&ask_raw(fd, &hello, sizeof hello, NULL, 0)->frame));
    assert_int_equal(ask_raw(fd, &list, sizeof list, NULL, 0)->frame.status, HST_E_PROTOCOL);
    hello.offset = UINT64_C(1) << 32 | 77;
    assert_int_equal(ask_raw(fd, &hello, sizeof hello, NULL, 0)->frame.status, 0);
    assert_int_equal(ask_raw(fd, &list, sizeof list, NULL, 0)->frame.status, 0);
    assert_int_equal(hst_dial_goodbye(fd, NULL), 0);
    open_link(scene, 5);
    assert_int_equal(hst_keeper_status(scene->keeper).starts, 1);
}

static void without_a_keeper_requests_fail_and_nothing_else(void **state)
{
    struct hst_keeper_item item = {.id = 1};
    int dropped = 0;
    bool locked;
    (void)state;
    assert_int_equal(hst_keeper_put(NULL, &item, NULL), HST_E_UNREACHABLE);
    assert_int_equal(hst_keeper_lock(NULL, 1, &(struct hst_keeper_range){0, 4096}, &locked, NULL), HST_E_UNREACHABLE);
    assert_int_equal(hst_keeper_adopt(NULL, look, NULL, NULL, NULL), HST_E_UNREACHABLE);
    struct scene scene = {.dropped = dropped};
    assert_int_equal(hst_keeper_drop(NULL, 1, on_dropped, &scene), 0);
    assert_int_equal(scene.dropped, 1);
    assert_false(hst_keeper_status(NULL).connected);
    hst_keeper_leave(NULL);
    hst_keeper_free(NULL);
}

static void a_program_that_is_missing_is_an_error(void **state)
{
    struct scene *scene = *state;
    struct hst_keeper *keeper;
    struct hst_error err = {0};
    char socket[120];
    snprintf(socket, sizeof socket, "%s/other.sock", scene->folder);
    const struct hst_keeper_config config = {&scene->loop, socket, "/nonexistent/hoist-keeper", 1};
    assert_int_equal(hst_keeper_open(&config, &keeper, &err), HST_E_WORKER_UNAVAILABLE);
    const struct hst_keeper_config silent = {&scene->loop, socket, "/bin/true", 1};
    assert_int_equal(hst_keeper_open(&silent, &keeper, &err), HST_E_UNREACHABLE);
    unlink(socket);
}

/* 256 MiB that are in memory already, in small pages. */
static void a_large_lock_is_made_in_pieces(void **state)
{
    struct scene *scene = *state;
    const struct hst_keeper_range all = {0, 256 * MIB};
    bool locked = false;
    HST_AUTO(hst_closep) int fd = file_of(all.size_bytes);
    static char zeros[MIB];
    for (uint64_t at = 0; at < all.size_bytes; at += MIB)
        assert_int_equal(pwrite(fd, zeros, MIB, (off_t)at), MIB);
    struct hst_keeper_item item = {.id = hst_keeper_new_id(scene->keeper), .fds = {fd}, .fd_count = 1};
    assert_int_equal(hst_keeper_put(scene->keeper, &item, NULL), 0);
    uint64_t begin = hst_clock_ns();
    assert_int_equal(hst_keeper_lock(scene->keeper, item.id, &all, &locked, NULL), 0);
    double lock_ms = hst_clock_ms_since(begin);
    assert_true(locked);
    begin = hst_clock_ns();
    assert_int_equal(hst_keeper_unlock(scene->keeper, item.id, &all, NULL), 0);
    double unlock_ms = hst_clock_ms_since(begin);
    begin = hst_clock_ns();
    assert_int_equal(hst_keeper_drop(scene->keeper, item.id, on_dropped, scene), 0);
    while (scene->dropped == 0)
        uv_run(&scene->loop, UV_RUN_ONCE);
    print_message("256 MiB of 4 KiB pages: lock %.1f ms, unlock %.1f ms, drop %.1f ms\n", lock_ms, unlock_ms, hst_clock_ms_since(begin));
}

/* How long things take; the limits are generous, the figures are for people. */
static void requests_take_microseconds(void **state)
{
    enum { MANY = 1000 };
    struct scene *scene = *state;
    uint64_t ids[MANY], begin = hst_clock_ns();
    char blob[1000] = "";
    bool locked;
    struct seen seen = {0};
    for (int i = 0; i < MANY; i++)
        ids[i] = put(scene, 65536, blob, sizeof blob);
    double put_ms = hst_clock_ms_since(begin);
    begin = hst_clock_ns();
    for (int i = 0; i < MANY; i++)
        assert_int_equal(hst_keeper_lock(scene->keeper, ids[i], &(struct hst_keeper_range){0, 65536}, &locked, NULL), 0);
    double lock_ms = hst_clock_ms_since(begin);
    begin = hst_clock_ns();
    come_again(scene);
    double come_ms = hst_clock_ms_since(begin);
    begin = hst_clock_ns();
    assert_int_equal(adopt(scene, &seen), MANY);
    double adopt_ms = hst_clock_ms_since(begin);
    begin = hst_clock_ns();
    for (int i = 0; i < MANY; i++)
        assert_int_equal(hst_keeper_drop(scene->keeper, ids[i], i == MANY - 1 ? on_dropped : NULL, scene), 0);
    while (scene->dropped == 0)
        uv_run(&scene->loop, UV_RUN_ONCE);
    print_message("put %.1f us, lock of 64 KiB %.1f us, drop %.1f us; new connection %.2f ms, adopting 1000 items %.2f ms\n", put_ms, lock_ms, hst_clock_ms_since(begin), come_ms, adopt_ms);
    assert_true(put_ms < 1000 && adopt_ms < 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_and_locked_is_there_for_the_next_hoistd), TEST(a_long_description_travels_too), TEST(many_separate_locks_come_back),
        TEST(what_an_adopter_does_not_want_is_let_go), TEST(the_end_of_a_lease_is_seen_by_the_next_hoistd), TEST(another_keeper_takes_the_place_of_one_that_dies),
        TEST(one_that_does_not_answer_costs_one_wait_and_catches_up), TEST(it_ends_when_nobody_comes), TEST(what_somebody_left_can_be_dismissed),
        TEST(threads_take_turns),
        TEST(nonsense_is_refused_and_the_connection_goes_on), TEST(one_of_another_major_version_may_only_say_goodbye),
        cmocka_unit_test(without_a_keeper_requests_fail_and_nothing_else), TEST(a_program_that_is_missing_is_an_error), TEST(a_large_lock_is_made_in_pieces), TEST(requests_take_microseconds)};
    uv_loop_t first; /* libuv opens a pipe for good */
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&first);
    uv_loop_close(&first);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
