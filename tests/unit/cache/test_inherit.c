/* What the hoistd before left is read by one who believes nothing: every number of every text is changed to others, texts are cut, items are left out. What becomes
 * a residency has the bytes of its file, or if somebody took the trouble to make the checksum right, bytes that are charged; and all of it is given back. */
#include "tier.h"

#include "base/cleanup.h"
#include "cache/drain.h"
#include "cache/keep.h"
#include "load/internal.h"
#include "os/process.h"
#include "fds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ITEMS = 16 };

/* An item as it was left. */
struct left {
    struct hst_keeper_item item;
    char *blob;
};

static struct world {
    struct tier tier;
    struct hst_keeper *keeper;
    struct hst_model *model;
    struct left items[ITEMS];
    size_t count;
    char socket[96], program[1200];
    int pipe_fd; /* a client's */
    size_t attached, refused;
    bool forged; /* the checksum is right */
} world;

static void open_keeper(void)
{
    assert_int_equal(hst_keeper_open(&(struct hst_keeper_config){&world.tier.loop, world.socket, world.program, 20}, &world.keeper, NULL), 0);
}

static void leave_keeper(void)
{
    hst_keeper_leave(world.keeper);
    hst_keeper_free(world.keeper);
    world.keeper = NULL;
}

static void begin_tier(const char *backing)
{
    struct tier *tier = &world.tier;
    open_keeper();
    struct hst_cache_config cache = {.loop = &tier->loop, .budget_bytes = 64 * MIB, .threads = 1, .keeper = world.keeper, .force_backing = backing};
    assert_int_equal(hst_cache_new(&cache, &tier->cache, NULL), 0);
    struct hst_loader_config loader = {.loop = &tier->loop, .cache = tier->cache, .devices = &tier->device, .device_count = 1};
    assert_int_equal(hst_loader_new(&loader, &tier->loader, NULL), 0);
}

static void end_tier(void)
{
    hst_loader_free(world.tier.loader);
    hst_cache_free(world.tier.cache);
    leave_keeper();
}

static bool copy_item(void *context, struct hst_keeper_item *item)
{
    struct left *left = &world.items[world.count++];
    (void)context;
    assert_true(world.count <= ITEMS);
    *left = (struct left){*item, malloc(item->blob_bytes + 1)};
    memcpy(left->blob, item->blob, item->blob_bytes);
    left->item.ranges = NULL;
    for (size_t i = 0; i < item->fd_count; i++)
        left->item.fds[i] = hst_steal_fd(&item->fds[i]);
    return true;
}

/* A model is loaded, twice, and leased; then hoistd ends, and what it left is taken out of the keeper's hands. */
static void begin(const char *backing)
{
    struct tier *tier = &world.tier;
    char here[1024];
    world = (struct world){.tier.folder = "/tmp/hoist-test-XXXXXX"};
    assert_non_null(mkdtemp(tier->folder));
    assert_int_equal(hst_process_program_folder(here, sizeof here, NULL), 0);
    snprintf(world.socket, sizeof world.socket, "%s/keeper.sock", tier->folder);
    snprintf(world.program, sizeof world.program, "%s/../hoist-keeper", here);
    uv_loop_init(&tier->loop);
    assert_int_equal(hst_host_open(0, 64 * MIB, &tier->device, NULL), 0);
    world.model = tier_model(tier, "kept", 300000);
    begin_tier(backing);
    tier_start(tier, &(struct hst_load_request){.model = world.model});
    tier_wait(tier, 1);
    struct hst_residency *held = hst_cache_find(tier->cache, &world.model->components[0]);
    uint64_t lease;
    assert_int_equal(hst_cache_lease(tier->cache, &held, 1, 1, "test", "host:0", &lease, &world.pipe_fd, NULL), 0);
    hst_drain_finish(tier->cache);
    hst_keeper_leave(world.keeper);
    end_tier();
    open_keeper();
    assert_int_equal(hst_keeper_adopt(world.keeper, copy_item, NULL, NULL, NULL), 0);
    hst_keeper_free(world.keeper);
    assert_true(world.count >= 6);
}

static void end(void)
{
    char command[128];
    struct tier *tier = &world.tier;
    open_keeper();
    hst_keeper_free(world.keeper);
    close(world.pipe_fd);
    for (size_t i = 0; i < world.count; i++) {
        for (size_t j = 0; j < world.items[i].item.fd_count; j++)
            close(world.items[i].item.fds[j]);
        free(world.items[i].blob);
    }
    hst_device_free(tier->device);
    hst_model_unref(world.model);
    uv_run(&tier->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&tier->loop), 0);
    snprintf(command, sizeof command, "rm -r %s", tier->folder);
    assert_int_equal(system(command), 0);
}

/* ---- what is found ---- */

static void check_tensor(const struct hst_residency *held, size_t index)
{
    const struct hst_component_tensor *row = &held->component->tensors[index];
    const struct hst_placement *place = &held->placements[index];
    const struct hst_segment *segment = &held->segments[place->segment];
    char *wanted = malloc(row->tensor->size_bytes);
    assert_true(place->segment < held->segment_count && place->offset + row->tensor->size_bytes <= segment->size_bytes);
    HST_AUTO(hst_closep) int fd = hst_file_open(held->component->model->files[row->file].path, &(struct hst_file_id){0}, NULL);
    assert_int_equal(hst_file_read_at(fd, row->tensor->offset, wanted, row->tensor->size_bytes, NULL), 0);
    char *map = mmap(NULL, segment->size_bytes, PROT_READ, MAP_SHARED, segment->fd, (off_t)segment->offset);
    assert_ptr_not_equal(map, MAP_FAILED);
    if (!world.forged) assert_memory_equal(map + place->offset, wanted, row->tensor->size_bytes);
    munmap(map, segment->size_bytes);
    free(wanted);
}

static void check_all(void)
{
    struct hst_cache *cache = world.tier.cache;
    size_t cursor = 0;
    for (struct hst_residency *held; (held = hst_cache_next(cache, &cursor));)
        for (size_t i = 0; i < held->component->tensor_count; i++)
            check_tensor(held, i);
    assert_true(hst_cache_stats(cache).used_bytes <= 64 * MIB);
    world.attached += cache->by_key.count;
    world.refused += cache->by_key.count < 2;
    hst_lease_end_all(cache);
    while (cache->by_key.count > 0)
        assert_int_equal(hst_cache_evict(cache, &cache->sorted[0]->view, NULL, NULL), 0);
    hst_drain_finish(cache);
    assert_int_equal(hst_cache_stats(cache).used_bytes, 0);
    assert_true(hst_list_empty(&cache->regions));
}

/* Put what was left, and begin again with it. */
static void take_over(const char *backing)
{
    open_keeper();
    for (size_t i = 0; i < world.count; i++)
        if (world.items[i].item.id > 0) assert_int_equal(hst_keeper_put(world.keeper, &world.items[i].item, NULL), 0);
    leave_keeper();
    begin_tier(backing);
    hst_loader_inherit(world.tier.loader, world.model);
    hst_loader_inherit_end(world.tier.loader);
    hst_inherit_drain(world.tier.loader);
    check_all();
    end_tier();
}

/* With a number of a text changed. */
static void change(const char *backing, struct left *left, size_t at, uint64_t value)
{
    HST_AUTO(hst_freep) char *changed = malloc(left->item.blob_bytes);
    memcpy(changed, left->blob, left->item.blob_bytes);
    memcpy(changed + at, &value, sizeof value);
    uint64_t sum = hst_record_checksum(changed, left->item.blob_bytes - sizeof sum);
    if (world.forged) memcpy(changed + left->item.blob_bytes - sizeof sum, &sum, sizeof sum);
    left->item.blob = changed;
    take_over(backing);
    left->item.blob = left->blob;
}

static void change_everything(const char *backing, struct left *left)
{
    size_t step = getenv("HOIST_SANITIZED") != NULL ? 40 : 8; /* every fifth is enough for what is ten times as slow */
    for (size_t at = 0; at + 8 <= left->item.blob_bytes; at += step) {
        uint64_t is;
        memcpy(&is, left->blob + at, sizeof is);
        const uint64_t values[] = {0, is + 1, is ^ 4096, UINT64_MAX, UINT64_MAX - 4095, UINT64_C(1) << 61};
        change(backing, left, at, is ^ 4096);
        world.forged = true;
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
            change(backing, left, at, values[i]);
        world.forged = false;
    }
}

static void cut(const char *backing, struct left *left)
{
    size_t whole = left->item.blob_bytes;
    for (left->item.blob_bytes = 0; left->item.blob_bytes < whole; left->item.blob_bytes += 1 + whole / 40)
        take_over(backing);
    left->item.blob_bytes = whole;
}

/* Without it, of another kind, and with another one's files. */
static void confuse(const char *backing, struct left *left)
{
    const struct hst_keeper_item was = left->item;
    left->item.id = 0;
    take_over(backing);
    left->item = was;
    for (left->item.kind = 0; left->item.kind < 8; left->item.kind++)
        take_over(backing);
    left->item = was;
    for (size_t i = 0; i < world.count; i++) {
        memcpy(left->item.fds, world.items[i].item.fds, sizeof was.fds);
        left->item.fd_count = world.items[i].item.fd_count;
        take_over(backing);
    }
    left->item = was;
}

static void run(const char *backing)
{
    int before = count_fds();
    begin(backing);
    for (size_t i = 0; i < world.count; i++)
        world.items[i].item.blob = world.items[i].blob;
    take_over(backing);
    assert_int_equal(world.attached, 2);
    for (size_t i = 0; i < world.count; i++) {
        change_everything(backing, &world.items[i]);
        cut(backing, &world.items[i]);
        confuse(backing, &world.items[i]);
    }
    take_over(backing);
    assert_true(world.attached > 4 && world.refused > 100);
    print_message("%s: %zu residencies taken over, %zu times not both\n", backing, world.attached, world.refused);
    end();
    assert_int_equal(count_fds(), before);
}

static void page_cache_is_taken_over_by_one_who_believes_nothing(void **state)
{
    (void)state;
    run("page_cache");
}

static void memory_of_our_own_is_taken_over_by_one_who_believes_nothing(void **state)
{
    (void)state;
    run("memfd_huge");
}

/* libuv keeps a pipe for signals once there was one. */
static void warm_up(void)
{
    uv_loop_t loop;
    uv_signal_t signal;
    uv_loop_init(&loop);
    uv_signal_init(&loop, &signal);
    uv_close((uv_handle_t *)&signal, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(page_cache_is_taken_over_by_one_who_believes_nothing),
                                       cmocka_unit_test(memory_of_our_own_is_taken_over_by_one_who_believes_nothing)};
    warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
