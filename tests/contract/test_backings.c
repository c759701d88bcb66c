/* What every backing of the RAM tier does alike: the file's bytes through a read-only descriptor, and the budget kept. */
#include "tier.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Copies are read in each way there is; NULL = the best. */
static const struct {
    const char *backing, *reading;
} backings[] = {{"page_cache", NULL},        {"tmpfs_huge", NULL},       {"memfd_huge", NULL}, {"pages", NULL},
                {"tmpfs_huge", "threads"}, {"tmpfs_huge", "buffered"}, {"pages", "threads"}};
#define BACKINGS (sizeof backings / sizeof backings[0])

/* A tier with one cached model. */
struct scene {
    struct tier tier;
    struct hst_model *model;
    struct hst_residency *held[2];
};

/* The file is not in memory when it is loaded. */
static void set_scene(struct scene *scene, size_t row)
{
    tier_init_reading(&scene->tier, 64 * MIB, 64 * MIB, backings[row].backing, backings[row].reading);
    scene->model = tier_model(&scene->tier, "a", 3 * MIB + 123);
    tier_chill(scene->model);
    struct hst_job *job = tier_start(&scene->tier, &(struct hst_load_request){.model = scene->model});
    tier_wait(&scene->tier, 1);
    assert_int_equal(job->state, HST_JOB_DONE);
    for (size_t i = 0; i < 2; i++)
        scene->held[i] = hst_cache_find(scene->tier.cache, &scene->model->components[i]);
}

/* Map a residency as a client does and compare one tensor with the file. */
static void compare(const struct hst_residency *held, size_t tensor)
{
    const struct hst_component_tensor *row = &held->component->tensors[tensor];
    const struct hst_placement *place = &held->placements[tensor];
    const struct hst_segment *segment = &held->segments[place->segment];
    const struct hst_model_file *file = &held->component->model->files[row->file];
    char *mapped = mmap(NULL, segment->size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, segment->fd, (off_t)segment->offset);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    char *wanted = malloc(row->tensor->size_bytes);
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, wanted, row->tensor->size_bytes, (off_t)row->tensor->offset), row->tensor->size_bytes);
    assert_memory_equal(mapped + place->offset, wanted, row->tensor->size_bytes);
    mapped[place->offset] = (char)~mapped[place->offset]; /* private: the next comparison sees none of it */
    close(fd);
    free(wanted);
    munmap(mapped, segment->size_bytes);
}

static void hands_out_the_files_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKINGS; i++) {
        struct scene scene;
        set_scene(&scene, i);
        for (size_t round = 0; round < 2; round++)
            for (size_t part = 0; part < 2; part++)
                compare(scene.held[part], 0);
        tier_fini(&scene.tier);
    }
}

static void nobody_else_can_write_what_is_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKINGS; i++) {
        struct scene scene;
        set_scene(&scene, i);
        const struct hst_segment *segment = &scene.held[0]->segments[0];
        assert_true(mmap(NULL, segment->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, (off_t)segment->offset) == MAP_FAILED);
        assert_int_equal(pwrite(segment->fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(segment->fd, 0), -1);
        tier_fini(&scene.tier);
    }
}

static void is_charged_once_and_gives_all_of_it_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKINGS; i++) {
        struct scene scene;
        uint64_t freed[2];
        set_scene(&scene, i);
        uint64_t used = hst_cache_stats(scene.tier.cache).used_bytes;
        assert_true(used >= 2 * (3 * MIB + 123) && used <= 2 * (3 * MIB + 123) + 4 * 4096);
        for (size_t part = 0; part < 2; part++)
            assert_int_equal(hst_cache_evict(scene.tier.cache, scene.held[part], &freed[part], NULL), HST_OK);
        assert_int_equal(freed[0] + freed[1], used);
        assert_int_equal(hst_cache_draining(scene.tier.cache), used); /* a thread does it, and it is charged until the kernel has it */
        assert_int_equal(hst_cache_stats(scene.tier.cache).used_bytes, used);
        tier_settle(&scene.tier);
        assert_int_equal(hst_cache_stats(scene.tier.cache).used_bytes, 0);
        tier_fini(&scene.tier);
    }
}

static void on_done(void *context, int status, const struct hst_error *err)
{
    (void)err;
    *(int *)context = status;
}

static void comes_back_after_it_was_set_aside(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKINGS; i++) {
        struct scene scene;
        int done = 1;
        set_scene(&scene, i);
        uint64_t used = hst_cache_stats(scene.tier.cache).used_bytes, charged = hst_cache_exclusive(scene.held[0]);
        assert_int_equal(hst_cache_suspend(scene.tier.cache, scene.held[0], NULL), HST_OK);
        tier_settle(&scene.tier);
        assert_int_equal(hst_cache_stats(scene.tier.cache).used_bytes, used - charged);
        assert_int_equal(hst_cache_resume(scene.tier.cache, scene.held[0], (struct hst_fill_listener){.done = on_done, .context = &done}, NULL), HST_OK);
        while (done == 1)
            uv_run(&scene.tier.loop, UV_RUN_ONCE);
        assert_int_equal(done, HST_OK);
        assert_int_equal(hst_cache_stats(scene.tier.cache).used_bytes, used);
        compare(scene.held[0], 0);
        tier_fini(&scene.tier);
    }
}

static void a_lease_keeps_it_until_its_last_end_is_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKINGS; i++) {
        struct scene scene;
        uint64_t lease;
        int end;
        set_scene(&scene, i);
        assert_int_equal(hst_cache_lease(scene.tier.cache, scene.held, 2, getpid(), "test", "host:0", &lease, &end, NULL), HST_OK);
        int copy = dup(end);
        close(end);
        uv_run(&scene.tier.loop, UV_RUN_NOWAIT);
        assert_int_equal(hst_cache_evict(scene.tier.cache, scene.held[0], NULL, NULL), HST_E_BUSY);
        close(copy);
        while (scene.held[0]->leases > 0)
            uv_run(&scene.tier.loop, UV_RUN_ONCE);
        assert_int_equal(hst_cache_evict(scene.tier.cache, scene.held[0], NULL, NULL), HST_OK);
        tier_fini(&scene.tier);
    }
}

static void a_file_that_shrank_is_refused_and_nothing_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < BACKINGS; i++) {
        struct tier tier;
        char path[256];
        tier_init_reading(&tier, 64 * MIB, 64 * MIB, backings[i].backing, backings[i].reading);
        struct hst_model *model = tier_model(&tier, "a", 2 * MIB);
        tier_path(&tier, "a", path);
        assert_int_equal(truncate(path, 2 * MIB), 0);
        struct hst_job *job = tier_load(&tier, model);
        assert_int_equal(job->error.status, HST_E_FILE_CHANGED);
        assert_int_equal(hst_cache_stats(tier.cache).used_bytes, 0);
        assert_int_equal(hst_cache_stats(tier.cache).count, 0);
        tier_fini(&tier);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_the_files_bytes),
        cmocka_unit_test(nobody_else_can_write_what_is_published),
        cmocka_unit_test(is_charged_once_and_gives_all_of_it_back),
        cmocka_unit_test(comes_back_after_it_was_set_aside),
        cmocka_unit_test(a_lease_keeps_it_until_its_last_end_is_closed),
        cmocka_unit_test(a_file_that_shrank_is_refused_and_nothing_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
