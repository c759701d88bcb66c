/* A device with memory of its own: what arrives there, who shares it, who makes room, and what is left when something fails. */
#include "base/checked.h"
#include "card_tier.h"
#include "load/limits.h"

#define GRAIN UINT64_C(65536)

static struct hst_load_request to_device(const struct card_tier *card, struct hst_model *model)
{
    return (struct hst_load_request){.model = model, .device = card->tier.device};
}

/* Take it out of RAM. */
static void evict(struct card_tier *card, const struct hst_model *model)
{
    for (size_t i = 0; i < model->component_count; i++) {
        struct hst_residency *held = hst_cache_find(card->tier.cache, &model->components[i]);
        if (held != NULL) assert_int_equal(hst_cache_evict(card->tier.cache, held, NULL, NULL), 0);
    }
    tier_settle(&card->tier);
}

static uint64_t read_so_far(const struct card_tier *card)
{
    return hst_cache_stats(card->tier.cache).filled_bytes;
}

/* Everything that a failed load must leave, the bytes on the device by their first one. */
static void snapshot(struct card_tier *card, char out[4096])
{
    size_t cursor = 0;
    tier_snapshot(&card->tier, out, 3000);
    size_t used = strlen(out);
    card_tier_check(card);
    for (const struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(card->tier.loader, &cursor));) {
        uint8_t first = 0;
        assert_int_equal(pread(loaded->segments[loaded->spots[0].segment].fd, &first, 1, (off_t)loaded->spots[0].offset), 1);
        assert_true(card_tier_is(loaded, first));
        used += (size_t)snprintf(out + used, 4096 - used, "%s: %d, alone %d, leases %u\n", loaded->component->id, first, loaded->alone, loaded->leases);
    }
}

/* ---- what arrives ---- */

static void bytes_arrive(void **state)
{
    struct card_tier card;
    (void)state;
    card_tier_init(&card, 64 * MIB, 64 * MIB, 2 * MIB);
    struct hst_model *a = card_tier_model(&card, "a", 3 * MIB, 11, 22);
    struct hst_job *job = tier_load(&card.tier, a);
    assert_int_equal(job->state, HST_JOB_DONE);
    assert_true(card_tier_is(card_tier_find(&card, a, "model"), 11));
    assert_true(card_tier_is(card_tier_find(&card, a, "vae"), 22));
    assert_int_equal(job->plan->device_bytes, 8 * MIB);
    assert_int_equal(card.tier.device->reserved_bytes, 8 * MIB);
    assert_int_equal(job->done_bytes, job->total_bytes);
    assert_int_equal(hst_cache_find(card.tier.cache, &a->components[0])->device_refs, 0);
    card_tier_check(&card);
    card_tier_fini(&card);
}

static struct hst_model *write_header(struct card_tier *card, const char *header, size_t bytes)
{
    char path[256];
    struct hst_model *model;
    tier_path(&card->tier, "written", path);
    model_bytes_write(path, header, bytes);
    assert_int_equal(hst_probe_file(path, &model, NULL), 0);
    return card->tier.models[card->tier.model_count++] = model;
}

/* As checkpoints of torch have them: the second key of a range, behind one without bytes. */
static void two_keys_of_one_range_are_one_place(void **state)
{
    struct card_tier card;
    (void)state;
    card_tier_init(&card, 64 * MIB, 64 * MIB, 4096);
    struct hst_model *model = write_header(&card, "{\"a.weight\":{\"dtype\":\"U8\",\"shape\":[70000],\"data_offsets\":[0,70000]},\"b.weight\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[70000,70000]},"
                                                   "\"c.weight\":{\"dtype\":\"U8\",\"shape\":[70000],\"data_offsets\":[70000,140000]},\"d.weight\":{\"dtype\":\"U8\",\"shape\":[500],\"data_offsets\":[140000,140500]}}", 140500);
    card_tier_know(model, 0, 0);
    const struct hst_component_tensor *rows = model->components[0].tensors;
    assert_int_equal(model->components[0].tensor_count, 4);
    ((struct hst_tensor *)rows[2].tensor)->offset = rows[0].tensor->offset;
    assert_int_equal(tier_load(&card.tier, model)->state, HST_JOB_DONE);
    const struct hst_loaded *loaded = hst_loader_find(card.tier.loader, &model->components[0], card.tier.device);
    assert_memory_equal(&loaded->spots[0], &loaded->spots[2], sizeof loaded->spots[0]);
    assert_int_equal(loaded->spots[3].offset, hst_round_up(70000, HST_DEVICE_ALIGNMENT));
    assert_int_equal(loaded->device_bytes, hst_round_up(70144 + 500, 4096));
    card_tier_forget(model);
    card_tier_fini(&card);
}

static void a_component_without_bytes_takes_none(void **state)
{
    struct card_tier card;
    (void)state;
    card_tier_init(&card, 64 * MIB, 64 * MIB, 4096);
    struct hst_model *model = write_header(&card, "{\"a.weight\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0);
    assert_int_equal(tier_load(&card.tier, model)->state, HST_JOB_DONE);
    assert_int_equal(card.box.allocated_bytes, 0);
    assert_int_equal(hst_loader_find(card.tier.loader, &model->components[0], card.tier.device)->segment_count, 0);
    card_tier_fini(&card);
}

static void what_ram_has_lost_stays_and_is_not_read_again(void **state)
{
    struct card_tier card;
    (void)state;
    card_tier_init(&card, 64 * MIB, 64 * MIB, GRAIN);
    struct hst_model *a = card_tier_model(&card, "a", MIB, 1, 2);
    tier_load(&card.tier, a);
    evict(&card, a);
    assert_int_equal(hst_cache_stats(card.tier.cache).used_bytes, 0);
    uint64_t before = read_so_far(&card);
    struct hst_job *job = tier_load(&card.tier, a);
    assert_true(job->state == HST_JOB_DONE && job->shared[0] && job->shared[1]);
    assert_int_equal(job->plan->ram_bytes + job->plan->device_bytes, 0);
    assert_int_equal(read_so_far(&card), before);
    assert_true(card_tier_is(card_tier_find(&card, a, "vae"), 2));
    card_tier_fini(&card);
}

static void level_memory_goes_past_ram(void **state)
{
    struct card_tier card;
    (void)state;
    card_tier_init(&card, MIB, 64 * MIB, GRAIN);
    struct hst_model *a = card_tier_model(&card, "a", 2 * MIB, 3, 4);
    struct hst_load_request request = to_device(&card, a);
    request.optimization_level = "memory";
    struct hst_job *job = card_tier_load(&card, &request);
    assert_int_equal(job->state, HST_JOB_DONE);
    assert_int_equal(job->plan->ram_bytes, 0);
    assert_int_equal(hst_cache_stats(card.tier.cache).used_bytes, 0);
    assert_true(card_tier_is(card_tier_find(&card, a, "model"), 3));
    assert_true(card_tier_is(card_tier_find(&card, a, "vae"), 4));
    card_tier_check(&card);
    card_tier_fini(&card);
}

/* ---- who shares ---- */

/* Models a and b, of 1 MiB components, whose vae is the same; both are known. */
static void begin_twins(struct card_tier *card, struct hst_model **a, struct hst_model **b)
{
    card_tier_init(card, 64 * MIB, 64 * MIB, GRAIN);
    *a = card_tier_model(card, "a", MIB, 1, 9);
    *b = card_tier_model(card, "b", MIB, 2, 9);
    card_tier_know(*a, 1, 9);
    card_tier_know(*b, 2, 9);
}

static void end_twins(struct card_tier *card, struct hst_model *a, struct hst_model *b)
{
    card_tier_forget(a);
    card_tier_forget(b);
    card_tier_fini(card);
}

static void equal_tensors_are_there_once_and_go_with_the_last(void **state)
{
    struct card_tier card;
    struct hst_model *a, *b;
    uint64_t freed = 7;
    (void)state;
    begin_twins(&card, &a, &b);
    tier_load(&card.tier, a);
    struct hst_job *job = tier_load(&card.tier, b);
    assert_int_equal(job->plan->device_bytes, MIB);
    assert_int_equal(card.tier.device->reserved_bytes, 3 * MIB);
    assert_int_equal(card_tier_find(&card, b, "vae")->shared_bytes, MIB);
    card_tier_check(&card);
    assert_int_equal(hst_loader_unload(card.tier.loader, card_tier_find(&card, a, "vae"), &freed, NULL), 0);
    assert_int_equal(freed, 0);
    assert_true(card_tier_is(card_tier_find(&card, b, "vae"), 9));
    assert_int_equal(hst_loader_unload(card.tier.loader, card_tier_find(&card, b, "vae"), &freed, NULL), 0);
    assert_int_equal(freed, MIB);
    card_tier_check(&card);
    end_twins(&card, a, b);
}

static void lease(struct card_tier *card, struct hst_loaded *loaded, uint64_t *id, int *pipe_fd)
{
    struct hst_holder holder = {.pid = 1, .domain = "test", .device_id = "box:0"};
    assert_int_equal(hst_loader_lease(card->tier.loader, &loaded, 1, &holder, id, pipe_fd, NULL), 0);
}

/* As who opens a model does: leased before anything else happens. */
struct opening {
    struct card_tier *card;
    struct hst_loaded *loaded;
    uint64_t id;
    int pipe_fd;
    bool ended;
};

static void on_opened(void *context, const struct hst_job *job)
{
    struct opening *opening = context;
    opening->ended = true;
    if (job->state != HST_JOB_DONE) return;
    opening->loaded = job->loaded[0];
    lease(opening->card, opening->loaded, &opening->id, &opening->pipe_fd);
}

/* The vae of a model, for one lease alone. */
static struct opening open_alone(struct card_tier *card, struct hst_model *model)
{
    static const char *const roles[] = {"vae"};
    struct opening opening = {.card = card, .pipe_fd = -1};
    struct hst_job *job;
    struct hst_load_request request = {.model = model, .device = card->tier.device, .alone = true, .roles = roles, .role_count = 1};
    assert_int_equal(hst_loader_start(card->tier.loader, &request, on_opened, &opening, &job, NULL), 0);
    while (!opening.ended)
        uv_run(&card->tier.loop, UV_RUN_ONCE);
    return opening;
}

static void a_copy_for_one_lease_is_its_own_and_goes_with_it(void **state)
{
    struct card_tier card;
    struct hst_model *a, *b;
    (void)state;
    begin_twins(&card, &a, &b);
    tier_load(&card.tier, a);
    struct opening first = open_alone(&card, a), second = open_alone(&card, b);
    assert_int_equal(card.tier.device->reserved_bytes, 4 * MIB);
    assert_true(first.loaded->alone && card_tier_is(first.loaded, 9) && card_tier_is(second.loaded, 9));
    assert_int_equal(first.loaded->shared_bytes + second.loaded->shared_bytes, 0);
    assert_ptr_not_equal(card_tier_find(&card, a, "vae"), first.loaded);
    assert_null(card_tier_find(&card, b, "vae"));
    assert_int_equal(tier_load(&card.tier, b)->plan->device_bytes, MIB); /* its vae is that of a: the copies are nobody's */
    close(first.pipe_fd);
    while (card.tier.device->reserved_bytes > 4 * MIB)
        uv_run(&card.tier.loop, UV_RUN_ONCE);
    close(second.pipe_fd);
    while (card.tier.device->reserved_bytes > 3 * MIB)
        uv_run(&card.tier.loop, UV_RUN_ONCE);
    card_tier_check(&card);
    end_twins(&card, a, b);
}

static void who_leases_keeps_it(void **state)
{
    struct card_tier card;
    uint64_t id;
    int pipe_fd;
    (void)state;
    card_tier_init(&card, 64 * MIB, 4 * MIB, GRAIN);
    struct hst_model *a = card_tier_model(&card, "a", MIB, 1, 2), *b = card_tier_model(&card, "b", 2 * MIB, 3, 4);
    tier_load(&card.tier, a);
    struct hst_loaded *vae = card_tier_find(&card, a, "vae");
    lease(&card, vae, &id, &pipe_fd);
    assert_int_equal(hst_loader_unload(card.tier.loader, vae, NULL, NULL), HST_E_BUSY);
    assert_int_equal(tier_load(&card.tier, b)->error.status, HST_E_OUT_OF_DEVICE_MEMORY);
    assert_true(card_tier_is(vae, 2) && card_tier_find(&card, a, "model") != NULL);
    close(pipe_fd);
    while (vae->leases > 0)
        uv_run(&card.tier.loop, UV_RUN_ONCE);
    assert_int_equal(tier_load(&card.tier, b)->state, HST_JOB_DONE);
    assert_null(card_tier_find(&card, a, "vae"));
    card_tier_check(&card);
    card_tier_fini(&card);
}

/* ---- who makes room ---- */

static void the_least_recently_used_goes(void **state)
{
    struct card_tier card;
    (void)state;
    card_tier_init(&card, 64 * MIB, 4 * MIB, GRAIN);
    struct hst_model *a = card_tier_model(&card, "a", MIB, 1, 2), *b = card_tier_model(&card, "b", MIB, 3, 4), *c = card_tier_model(&card, "c", MIB, 5, 6);
    tier_load(&card.tier, a);
    tier_load(&card.tier, b);
    tier_load(&card.tier, a);
    assert_int_equal(tier_load(&card.tier, c)->plan->device_eviction_count, 2);
    assert_non_null(card_tier_find(&card, a, "model"));
    assert_null(card_tier_find(&card, b, "model"));
    assert_null(card_tier_find(&card, b, "vae"));
    assert_true(card_tier_is(card_tier_find(&card, c, "vae"), 6));
    card_tier_check(&card);
    card_tier_fini(&card);
}

/* Neither of those that share it frees anything by itself. */
static void those_that_share_go_together(void **state)
{
    struct card_tier card;
    struct hst_model *a, *b;
    uint64_t freed = 0;
    (void)state;
    begin_twins(&card, &a, &b);
    card.tier.device->budget_bytes = card.box.capacity_bytes = 4 * MIB;
    tier_load(&card.tier, a);
    tier_load(&card.tier, b);
    struct hst_model *c = card_tier_model(&card, "c", 2 * MIB, 5, 6);
    struct hst_job *job = tier_load(&card.tier, c);
    assert_int_equal(job->state, HST_JOB_DONE);
    for (size_t i = 0; i < job->plan->device_eviction_count; i++)
        freed += job->plan->device_evictions[i].bytes;
    assert_int_equal(job->plan->device_eviction_count, 4);
    assert_int_equal(freed, 3 * MIB);
    assert_int_equal(card.tier.device->reserved_bytes, 4 * MIB);
    card_tier_check(&card);
    end_twins(&card, a, b);
}

/* ---- what is left when something fails ---- */

/* Two models on a device for two, and one that is to come. */
struct scene {
    struct card_tier card;
    struct hst_model *a, *b, *c;
    char before[4096];
};

static void set_scene(struct scene *scene)
{
    card_tier_init(&scene->card, 64 * MIB, 4 * MIB, GRAIN);
    scene->a = card_tier_model(&scene->card, "a", MIB, 1, 2);
    scene->b = card_tier_model(&scene->card, "b", MIB, 3, 4);
    scene->c = card_tier_model(&scene->card, "c", 3 * MIB / 2, 5, 6);
    tier_load(&scene->card.tier, scene->a);
    tier_load(&scene->card.tier, scene->b);
    snapshot(&scene->card, scene->before);
}

static void end_scene(struct scene *scene)
{
    char after[4096];
    snapshot(&scene->card, after);
    assert_string_equal(after, scene->before);
    assert_int_equal(tier_load(&scene->card.tier, scene->c)->state, HST_JOB_DONE);
    card_tier_check(&scene->card);
    card_tier_fini(&scene->card);
}

static void a_step_that_fails_changes_nothing(void **state)
{
    (void)state;
    for (enum hst_step step = 0; step < HST_STEP_COUNT; step++) {
        struct scene scene;
        set_scene(&scene);
        hst_loader_inject(scene.card.tier.loader, step, HST_E_DEVICE_FAILED);
        assert_int_equal(tier_load(&scene.card.tier, scene.c)->error.status, HST_E_DEVICE_FAILED);
        end_scene(&scene);
    }
}

static void a_device_that_fails_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct scene scene;
        set_scene(&scene);
        scene.card.box.fail_allocate = scene.card.box.fail_fill = HST_E_DEVICE_FAILED;
        scene.card.box.fail_allocates = i;
        scene.card.box.fail_fills = i == 0; /* a second one might fail what comes back */
        assert_int_equal(tier_load(&scene.card.tier, scene.c)->error.status, HST_E_DEVICE_FAILED);
        end_scene(&scene);
    }
}

static void cancelling_at_any_moment_changes_nothing(void **state)
{
    (void)state;
    for (int turns = 0; turns < 20; turns++) {
        struct scene scene;
        set_scene(&scene);
        struct hst_load_request request = to_device(&scene.card, scene.c);
        struct hst_job *job = tier_start(&scene.card.tier, &request);
        for (int i = 0; i < turns && job->state == HST_JOB_RUNNING; i++)
            uv_run(&scene.card.tier.loop, UV_RUN_ONCE);
        bool cancelled = hst_loader_cancel(scene.card.tier.loader, job, NULL) == HST_OK;
        tier_wait(&scene.card.tier, 3);
        assert_true(!cancelled || job->state == HST_JOB_CANCELLED);
        if (!cancelled) snapshot(&scene.card, scene.before);
        end_scene(&scene);
    }
}

/* Only what the driver says shows that others use it. */
static void a_device_that_others_fill_is_planned_for_again(void **state)
{
    struct scene scene;
    (void)state;
    set_scene(&scene);
    scene.card.tier.device->budget_bytes = 64 * MIB;
    struct hst_job *job = tier_load(&scene.card.tier, scene.c);
    assert_int_equal(job->state, HST_JOB_DONE);
    assert_true(job->replans >= 1 && job->replans <= HST_REPLANS_MAX);
    assert_true(card_tier_is(card_tier_find(&scene.card, scene.c, "model"), 5));
    card_tier_check(&scene.card);
    card_tier_fini(&scene.card);
}

static void pin_all(struct scene *scene, bool pinned)
{
    struct hst_loader *loader = scene->card.tier.loader;
    for (size_t i = 0; i < loader->loaded_count; i++)
        hst_loader_pin(loader, &loader->loaded[i]->view, pinned);
}

static void where_nothing_can_go_it_is_refused_with_figures_and_all_stays(void **state)
{
    struct scene scene;
    (void)state;
    set_scene(&scene);
    pin_all(&scene, true);
    scene.card.tier.device->budget_bytes = 64 * MIB;
    struct hst_job *job = tier_load(&scene.card.tier, scene.c);
    assert_int_equal(job->error.status, HST_E_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(job->error.required_bytes, 3 * MIB);
    assert_non_null(strstr(job->error.text, "others use"));
    assert_true(job->replans <= HST_REPLANS_MAX);
    pin_all(&scene, false);
    scene.card.tier.device->budget_bytes = 4 * MIB;
    end_scene(&scene);
}

static void a_device_that_says_no_without_figures_is_asked_some_times(void **state)
{
    struct scene scene;
    (void)state;
    set_scene(&scene);
    scene.card.box.mute = true;
    scene.card.box.others_bytes = 4 * MIB;
    struct hst_job *job = tier_load(&scene.card.tier, scene.c);
    assert_int_equal(job->error.status, HST_E_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(job->replans, HST_REPLANS_MAX);
    assert_non_null(strstr(job->error.text, "could not be brought back")); /* what was set aside finds no room any more, either */
    card_tier_check(&scene.card);
    card_tier_fini(&scene.card);
}

/* ---- one name, other types ---- */

/* Numbers of 32 bits, whose vae becomes one thing when it is asked for by name, and another when memory is to be saved. */
static struct hst_model *wide_model(struct card_tier *card)
{
    return write_header(card, "{\"model.diffusion_model.input_blocks.0.0.weight\":{\"dtype\":\"F32\",\"shape\":[262144],\"data_offsets\":[0,1048576]},"
                              "\"first_stage_model.decoder.conv_in.weight\":{\"dtype\":\"F32\",\"shape\":[262144],\"data_offsets\":[1048576,2097152]}}", 2 * MIB);
}

static enum hst_dtype type_of(const struct hst_recast *recast, const struct hst_model *model)
{
    return hst_recast_dtype(recast, hst_model_component(model, "vae"), 0);
}

static void what_has_other_types_in_ram_is_not_copied_from_there(void **state)
{
    static const char *const roles[] = {"vae"};
    struct card_tier card;
    (void)state;
    card_tier_init(&card, 64 * MIB, 3 * MIB, GRAIN);
    struct hst_model *wide = wide_model(&card), *c = card_tier_model(&card, "c", 3 * MIB / 2, 5, 6);
    const struct hst_component *vae = hst_model_component(wide, "vae");
    struct hst_load_request request = {.model = wide, .device = card.tier.device, .precision = "fp16", .roles = roles, .role_count = 1};
    card_tier_load(&card, &request);
    assert_int_equal(hst_cache_evict(card.tier.cache, hst_cache_find_as(card.tier.cache, vae, "fp16"), NULL, NULL), 0);
    card_tier_load(&card, &(struct hst_load_request){.model = wide, .precision = "fp16", .optimization_level = "memory"});
    const struct hst_loaded *loaded = hst_loader_find_as(card.tier.loader, vae, card.tier.device, "fp16");
    assert_int_equal(type_of(loaded->recast, wide), HST_DTYPE_F16);
    assert_int_equal(type_of(hst_cache_find_as(card.tier.cache, vae, "fp16")->recast, wide), HST_DTYPE_BF16);
    hst_loader_inject(card.tier.loader, HST_STEP_STATUS, HST_E_DEVICE_FAILED);
    struct hst_job *job = tier_load(&card.tier, c);
    assert_int_equal(job->error.status, HST_E_DEVICE_FAILED);
    assert_non_null(strstr(job->error.text, "could not be brought back"));
    assert_null(hst_loader_find_as(card.tier.loader, vae, card.tier.device, "fp16"));
    card_tier_check(&card);
    card_tier_fini(&card);
}

/* RAM has room for what the device is to convert, or for the other component, and not for both. */
static void what_the_device_is_to_convert_makes_no_room_for_the_rest(void **state)
{
    static const char *const roles[] = {"model", "vae"};
    struct card_tier card;
    uint16_t wanted[2];
    (void)state;
    card_tier_init(&card, 5 * MIB / 4, 64 * MIB, GRAIN);
    card.box.ops.converts = true;
    struct hst_model *wide = wide_model(&card);
    card_tier_load(&card, &(struct hst_load_request){.model = wide, .roles = roles, .role_count = 1});
    struct hst_load_request request = {.model = wide, .device = card.tier.device, .precision = "fp16", .roles = roles, .role_count = 2};
    assert_int_equal(card_tier_load(&card, &request)->state, HST_JOB_DONE);
    const struct hst_loaded *loaded = hst_loader_find_as(card.tier.loader, hst_model_component(wide, "model"), card.tier.device, "fp16");
    static const uint8_t first[] = {0, 1, 2, 3, 4, 5, 6, 7};
    hst_convert_find(HST_DTYPE_F32, HST_DTYPE_F16)->run(first, wanted, 2);
    uint16_t found[2];
    assert_int_equal(pread(loaded->segments[0].fd, found, sizeof found, (off_t)loaded->spots[0].offset), sizeof found);
    assert_memory_equal(found, wanted, sizeof found);
    card_tier_check(&card);
    card_tier_fini(&card);
}

/* ---- time to live, and dry runs ---- */

static void who_loads_it_again_says_anew_how_long_it_stays(void **state)
{
    struct card_tier card;
    (void)state;
    card_tier_init(&card, 64 * MIB, 64 * MIB, GRAIN);
    struct hst_model *a = card_tier_model(&card, "a", MIB, 1, 2);
    struct hst_load_request request = to_device(&card, a);
    request.keep = true;
    request.ttl_seconds = 100;
    card_tier_load(&card, &request);
    request.ttl_seconds = 7;
    card_tier_load(&card, &request);
    assert_int_equal(card_tier_find(&card, a, "vae")->ttl_seconds, 7);
    tier_load(&card.tier, a);
    assert_int_equal(card_tier_find(&card, a, "vae")->ttl_seconds, 7);
    card_tier_fini(&card);
}

static void on_planned(void *context, const struct hst_job *job)
{
    assert_int_equal(job->outlooks[1].device_shared_bytes, MIB);
    *(bool *)context = true;
}

/* What it would share could go all the same. */
static void a_dry_run_under_way_keeps_nothing_on_the_device(void **state)
{
    struct card_tier card;
    struct hst_model *a, *b;
    bool planned = false;
    (void)state;
    begin_twins(&card, &a, &b);
    tier_load(&card.tier, a);
    struct hst_load_request request = to_device(&card, b);
    uint64_t before = hst_loader_evictable_bytes(card.tier.loader, card.tier.device);
    assert_int_equal(hst_loader_dry_run(card.tier.loader, &request, on_planned, &planned, NULL), 0);
    while (!planned) {
        assert_int_equal(hst_loader_evictable_bytes(card.tier.loader, card.tier.device), before);
        uv_run(&card.tier.loop, UV_RUN_ONCE);
    }
    end_twins(&card, a, b);
}

/* ---- a device that loses what is on it ---- */

static void what_is_lost_goes_and_what_ram_has_comes_back(void **state)
{
    struct card_tier card;
    uint64_t id;
    int pipe_fd;
    (void)state;
    card_tier_init(&card, 64 * MIB, 64 * MIB, GRAIN);
    struct hst_model *a = card_tier_model(&card, "a", MIB, 1, 2), *b = card_tier_model(&card, "b", MIB, 3, 4);
    tier_load(&card.tier, a);
    tier_load(&card.tier, b);
    evict(&card, b);
    lease(&card, card_tier_find(&card, a, "vae"), &id, &pipe_fd);
    shoebox_lose(&card.box);
    assert_null(card_tier_find(&card, a, "vae"));
    assert_null(card_tier_find(&card, b, "vae"));
    card_tier_check(&card);
    assert_int_equal(card.box.allocated_bytes, 0);
    while (card_tier_find(&card, a, "model") == NULL || card_tier_find(&card, a, "vae") == NULL)
        uv_run(&card.tier.loop, UV_RUN_ONCE);
    assert_true(card_tier_is(card_tier_find(&card, a, "vae"), 2));
    assert_int_equal(card_tier_find(&card, a, "vae")->leases, 0);
    close(pipe_fd);
    while (hst_cache_next_holder(card.tier.cache, &(size_t){0}) != NULL)
        uv_run(&card.tier.loop, UV_RUN_ONCE);
    card_tier_check(&card);
    card_tier_fini(&card);
}

static void a_load_to_a_device_that_is_lost_fails_whenever_that_is(void **state)
{
    (void)state;
    for (int turns = 0; turns < 20; turns++) {
        struct scene scene;
        set_scene(&scene);
        struct hst_load_request request = to_device(&scene.card, scene.c);
        struct hst_job *job = tier_start(&scene.card.tier, &request);
        for (int i = 0; i < turns && job->state <= HST_JOB_RUNNING; i++)
            uv_run(&scene.card.tier.loop, UV_RUN_ONCE);
        bool ran = job->state == HST_JOB_RUNNING;
        shoebox_lose(&scene.card.box);
        tier_wait(&scene.card.tier, 3);
        if (ran) assert_int_equal(job->error.status, HST_E_DEVICE_LOST);
        assert_null(hst_loader_next_loaded(scene.card.tier.loader, &(size_t){0}));
        card_tier_check(&scene.card);
        card_tier_fini(&scene.card);
    }
}

/* While a load that failed brings them back. */
static void victims_of_a_lost_device_do_not_come_back_empty(void **state)
{
    (void)state;
    for (int turns = 0; turns < 4; turns++) {
        struct scene scene;
        set_scene(&scene);
        hst_loader_inject(scene.card.tier.loader, HST_STEP_STATUS, HST_E_DEVICE_FAILED);
        struct hst_load_request request = to_device(&scene.card, scene.c);
        struct hst_job *job = tier_start(&scene.card.tier, &request);
        while (job->state == HST_JOB_RUNNING)
            uv_run(&scene.card.tier.loop, UV_RUN_ONCE);
        for (int i = 0; i < turns; i++)
            uv_run(&scene.card.tier.loop, UV_RUN_NOWAIT);
        shoebox_lose(&scene.card.box);
        tier_wait(&scene.card.tier, 3);
        assert_null(hst_loader_next_loaded(scene.card.tier.loader, &(size_t){0}));
        card_tier_check(&scene.card);
        while (card_tier_find(&scene.card, scene.a, "model") == NULL)
            uv_run(&scene.card.tier.loop, UV_RUN_ONCE);
        card_tier_fini(&scene.card);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive),
        cmocka_unit_test(two_keys_of_one_range_are_one_place),
        cmocka_unit_test(a_component_without_bytes_takes_none),
        cmocka_unit_test(what_ram_has_lost_stays_and_is_not_read_again),
        cmocka_unit_test(level_memory_goes_past_ram),
        cmocka_unit_test(equal_tensors_are_there_once_and_go_with_the_last),
        cmocka_unit_test(a_copy_for_one_lease_is_its_own_and_goes_with_it),
        cmocka_unit_test(who_leases_keeps_it),
        cmocka_unit_test(the_least_recently_used_goes),
        cmocka_unit_test(those_that_share_go_together),
        cmocka_unit_test(a_step_that_fails_changes_nothing),
        cmocka_unit_test(a_device_that_fails_changes_nothing),
        cmocka_unit_test(cancelling_at_any_moment_changes_nothing),
        cmocka_unit_test(a_device_that_others_fill_is_planned_for_again),
        cmocka_unit_test(where_nothing_can_go_it_is_refused_with_figures_and_all_stays),
        cmocka_unit_test(a_device_that_says_no_without_figures_is_asked_some_times),
        cmocka_unit_test(what_has_other_types_in_ram_is_not_copied_from_there),
        cmocka_unit_test(what_the_device_is_to_convert_makes_no_room_for_the_rest),
        cmocka_unit_test(who_loads_it_again_says_anew_how_long_it_stays),
        cmocka_unit_test(a_dry_run_under_way_keeps_nothing_on_the_device),
        cmocka_unit_test(what_is_lost_goes_and_what_ram_has_comes_back),
        cmocka_unit_test(a_load_to_a_device_that_is_lost_fails_whenever_that_is),
        cmocka_unit_test(victims_of_a_lost_device_do_not_come_back_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
