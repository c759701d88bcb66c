/* Page cache that may not be locked is watched, and fetched again where the kernel took it. */
#include "tier.h"

#include "cache/internal.h"
#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { NOBODY = 65534 };

/* Nobody in particular, without the right to lock memory. */
static int give_up_rights(void **state)
{
    const struct rlimit none = {0, 0};
    (void)state;
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)) return -1;
    return setrlimit(RLIMIT_MEMLOCK, &none);
}

/* Push the pages of a segment out of memory. @return are they out? */
static bool push_out(const struct hst_segment *segment)
{
    struct hst_hold hold;
    assert_int_equal(hst_hold_map(segment->fd, segment->offset, segment->size_bytes, &hold, NULL), 0);
    for (int i = 0; i < 50 && hst_hold_resident(segment->fd, segment->offset, segment->size_bytes) > segment->size_bytes / 2; i++) {
        madvise(hold.address, hold.size_bytes, MADV_PAGEOUT);
        hst_hold_drop(segment->fd, segment->offset, segment->size_bytes);
        usleep(2000);
    }
    hst_hold_unmap(&hold);
    return hst_hold_resident(segment->fd, segment->offset, segment->size_bytes) <= segment->size_bytes / 2;
}

static void on_time(uv_timer_t *timer)
{
    (void)timer;
}

/* A timer keeps the loop alive, as the sockets of a daemon do. */
static void wait_for_refetch(struct tier *tier)
{
    uv_timer_t timer;
    uv_timer_init(&tier->loop, &timer);
    uv_timer_start(&timer, on_time, 20, 20);
    for (int i = 0; i < 500 && hst_cache_stats(tier->cache).refetched_bytes == 0; i++)
        uv_run(&tier->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&tier->loop, UV_RUN_NOWAIT);
}

static void what_was_taken_is_brought_in_again(void **state)
{
    struct tier tier;
    (void)state;
    if (getenv("HOIST_SANITIZED") != NULL) skip(); /* sanitizers of memory replace mlock by nothing */
    tier_init_with(&tier, 64 * MIB, 64 * MIB, "page_cache");
    struct hst_model *model = tier_model(&tier, "a", 8 * MIB);
    sync(); /* dirty pages cannot be taken */
    tier_start(&tier, &(struct hst_load_request){.model = model});
    tier_wait(&tier, 1);
    struct hst_residency *held = hst_cache_find(tier.cache, &model->components[0]);
    assert_false(held->locked);
    hst_hold_unmap(&hst_resident_of(held)->claim->regions[0]->hold); /* the kernel takes mapped pages only under pressure */
    if (!push_out(&held->segments[0])) skip();
    wait_for_refetch(&tier);
    assert_true(hst_cache_stats(tier.cache).refetched_bytes >= 4 * MIB);
    assert_true(hst_hold_resident(held->segments[0].fd, held->segments[0].offset, held->segments[0].size_bytes) >= 8 * MIB);
    tier_fini(&tier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_taken_is_brought_in_again)};
    return cmocka_run_group_tests(tests, give_up_rights, NULL);
}
