/* The n-th allocation or system call fails: what was there before is there, what failed is not, nothing leaks. */
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "faults.h"
#include "keeper/items.h"
#include "keeper/link.h"
#include "os/process.h"
#include "fds.h"

#include <signal.h>
#include <stdio.h>

enum { MIB = 1 << 20, MOST = 200 };

static int file_of(off_t size_bytes)
{
    int fd = (int)__real_memfd_create("weights", MFD_CLOEXEC);
    assert_int_equal(__real_ftruncate64(fd, size_bytes), 0);
    return fd;
}

/* One of these, with the next fault; what it could not do leaves no trace. */
static bool put_file(struct hst_items *items)
{
    HST_AUTO(hst_kept_fini) struct hst_kept given = {.id = 1, .fds = {file_of(MIB)}, .fd_count = 1};
    return hst_items_put(items, &given, NULL) == 0;
}

static bool lock_two(struct hst_items *items)
{
    bool locked = false;
    for (uint64_t i = 0; i < 2; i++)
        if (hst_items_lock(items, 1, &(struct hst_keeper_range){i * 8192, 4096}, &locked, NULL) < 0 || !locked) return false;
    return true;
}

static bool cut(struct hst_items *items)
{
    bool locked;
    return hst_items_lock(items, 1, &(struct hst_keeper_range){0, MIB}, &locked, NULL) == 0 && locked &&
           hst_items_unlock(items, 1, &(struct hst_keeper_range){MIB / 2, 4096}, NULL) == 0;
}

/* @return did a fault happen? */
static bool run_items(enum fault_kind kind, int at)
{
    int before = count_fds();
    struct hst_items items;
    hst_items_init(&items);
    faults_begin(kind, at);
    bool good = put_file(&items) && lock_two(&items) && cut(&items);
    bool failed = faults_end();
    assert_true(good || failed); /* huge pages, for one, are a wish */
    assert_int_equal(count_fds(), before + (int)items.by_id.count);
    assert_true(put_file(&items) && lock_two(&items) && cut(&items)); /* what failed once goes the second time */
    hst_items_fini(&items);
    assert_int_equal(count_fds(), before);
    return failed;
}

static void items_stay_whole(void **state)
{
    (void)state;
    for (int kind = FAULT_ALLOCATION; kind <= FAULT_CALL; kind++) {
        int at = 1;
        while (run_items((enum fault_kind)kind, at) && at < MOST)
            at++;
        assert_true(at > 2 && at < MOST);
    }
}

static bool want(void *context, struct hst_keeper_item *item)
{
    ++*(int *)context;
    return item->blob_bytes == 60000;
}

/* Open, put an item with a long blob, read it back. */
static bool use_link(const struct hst_keeper_config *config, const void *blob, struct hst_keeper **ret_keeper)
{
    HST_AUTO(hst_closep) int fd = file_of(MIB);
    int seen = 0;
    bool locked = false;
    if (hst_keeper_open(config, ret_keeper, NULL) < 0) return false;
    struct hst_keeper_item item = {.id = hst_keeper_new_id(*ret_keeper), .fds = {fd}, .fd_count = 1, .blob = blob, .blob_bytes = 60000};
    return hst_keeper_put(*ret_keeper, &item, NULL) == 0 && hst_keeper_lock(*ret_keeper, item.id, &(struct hst_keeper_range){0, MIB}, &locked, NULL) == 0 &&
           hst_keeper_adopt(*ret_keeper, want, &seen, NULL, NULL) == 0 && seen == 1 && hst_keeper_drop(*ret_keeper, item.id, NULL, NULL) == 0;
}

static bool run_link(const struct hst_keeper_config *config, enum fault_kind kind, int at)
{
    static const char blob[60000];
    struct hst_keeper *keeper = NULL;
    int before = count_fds();
    faults_begin(kind, at);
    bool good = use_link(config, blob, &keeper);
    bool failed = faults_end();
    assert_true(good || failed);
    hst_keeper_free(keeper);
    hst_keeper_dismiss(config->socket, NULL);
    assert_int_equal(count_fds(), before);
    return failed;
}

static void the_connection_stays_whole(void **state)
{
    char folder[] = "/tmp/hoist-keeper-XXXXXX", socket[64], here[1024], program[1200];
    uv_loop_t loop;
    (void)state;
    uv_loop_init(&loop);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(hst_process_program_folder(here, sizeof here, NULL), 0);
    snprintf(socket, sizeof socket, "%s/keeper.sock", folder);
    snprintf(program, sizeof program, "%s/../hoist-keeper", here);
    const struct hst_keeper_config config = {&loop, socket, program, 1};
    for (int kind = FAULT_ALLOCATION; kind <= FAULT_CALL; kind++) {
        int at = 1;
        while (run_link(&config, (enum fault_kind)kind, at) && at < MOST)
            at++;
        assert_true(at > 2 && at < MOST);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
    unlink(socket);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(items_stay_whole), cmocka_unit_test(the_connection_stays_whole)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
