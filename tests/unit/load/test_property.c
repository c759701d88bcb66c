/* Random loads in several precisions, dry runs before loads, unloads, evictions, pins, leases that end at any time, cancelled and failing jobs, files that are replaced,
 * sharing and compaction, against a model of the system: budgets are never exceeded, a load does what its dry run said, what is charged is exactly the pages that somebody names,
 * tensors are those of their file bit for bit, and at the end everything is given back.
 *
 * Half of the runs have a keeper, and hoistd "ends" now and then: the next one has everything again, charged to the byte.
 *
 * The last of them have a device with memory of its own (property_card.h), too.
 *
 * HOIST_PROPERTY_STEPS (2000) steps with each backing, from HOIST_PROPERTY_SEED (a fixed one, or one of the day); HOIST_PROPERTY_ONLY=*card does those with a card. */
#include "backend/host/host.h"
#include "cache/drain.h"
#include "cache/keep.h"
#include "catalog/internal.h"
#include "cmocka_all.h"
#include "convert/convert.h"
#include "load/internal.h"
#include "model/layout.h"
#include "os/process.h"
#include "model_bytes.h"
#include "fds.h"
#include "shoebox.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MODELS = 6, TENSORS = 8, BLOCKS = 10, BLOCK_FLOATS = 51000, SMALL_BLOCK_FLOATS = 6000, LEASES = 12, VERSIONS = 4096 };
#define BUDGET (UINT64_C(167) * world.block_floats)
#define DEVICE_BUDGET (UINT64_C(117) * world.block_floats)

/* A file as it was written. */
struct version {
    struct hst_file_id id;
    char *bytes;
};

/* What a client maps of one component. */
struct view {
    const struct hst_component *component;
    struct hst_recast *recast; /* owned */
    char *maps[16];
    uint64_t sizes[16];
    size_t count;
    struct hst_placement *places;
};

/* A client. */
struct client {
    int pipe_fd; /* -1 = none */
    struct view views[2];
    size_t count;
    struct hst_model *model;
    struct hst_component *components[2]; /* held: what it leases may go before the lease when hoistd ends */
    size_t component_count;
};

static struct world {
    uv_loop_t loop;
    char folder[64], models[96], database[96];
    const char *roots[1];
    float blocks[BLOCKS][BLOCK_FLOATS];
    unsigned block_floats; /* of each, that are used */
    struct version versions[VERSIONS];
    size_t version_count;
    struct hst_catalog *catalog;
    struct hst_cache *cache;
    struct hst_device *device;
    struct hst_device *devices[2]; /* that, and the card */
    struct hst_device *card;       /* NULL = there is none */
    struct shoebox box;            /* behind it */
    struct hst_loader *loader;
    const char *backing;
    bool kept;
    struct hst_keeper *keeper;
    struct client clients[LEASES];
    bool scanned;
    uint64_t random;
    size_t done, failed, moved, foreseen, taken_over, opened, lost, retaken;
} world;

static uint32_t roll(uint32_t sides)
{
    world.random = world.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(world.random >> 33) % sides;
}

/* ---- files ---- */

static int add_tensor(char *header, size_t room, const char *name, unsigned floats, uint64_t *offset)
{
    int length = snprintf(header, room, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%u,2],\"data_offsets\":[%llu,%llu]}", *offset > 0 ? "," : "{", name, floats / 2,
                          (unsigned long long)*offset, (unsigned long long)(*offset + floats * sizeof(float)));
    *offset += floats * sizeof(float);
    return length;
}

/* A checkpoint of blocks that others have, too, beneath a name of its own. */
static void write_model(int index)
{
    char path[200], hidden[200], name[80], header[4096], *bytes = calloc(1, TENSORS * sizeof world.blocks[0] + 5000);
    uint64_t offset = 0, at;
    size_t used = 0;
    unsigned which[TENSORS], floats[TENSORS];
    int tensors = TENSORS - (int)roll(3);
    for (int i = 0; i < tensors; i++) {
        which[i] = roll(BLOCKS);
        floats[i] = (roll(3) + 1) * world.block_floats / 3;
        snprintf(name, sizeof name, "%s.%d.weight", i < TENSORS / 2 ? "model.diffusion_model.input_blocks" : "first_stage_model.decoder", i);
        used += (size_t)add_tensor(header + used, sizeof header - used, name, floats[i], &offset);
    }
    used += (size_t)snprintf(header + used, sizeof header - used, "}%*s", (int)(8 * roll(5) + (8 - (used + 1) % 8) % 8), "");
    uint64_t length = used;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, used);
    at = 8 + used;
    for (int i = 0; i < tensors; at += floats[i++] * sizeof(float))
        memcpy(bytes + at, world.blocks[which[i]], floats[i] * sizeof(float));
    snprintf(path, sizeof path, "%s/m%d.safetensors", world.models, index);
    snprintf(hidden, sizeof hidden, "%s/.new", world.models);
    FILE *out = fopen(hidden, "wb");
    assert_int_equal(fwrite(bytes, 1, at, out), at);
    fclose(out);
    assert_int_equal(rename(hidden, path), 0);
    struct version *version = &world.versions[world.version_count++];
    struct hst_error err = {0};
    int fd = hst_file_open(path, &version->id, &err);
    assert_true(fd >= 0 && world.version_count < VERSIONS);
    close(fd);
    version->bytes = bytes;
}

static const struct version *find_version(const struct hst_file_id *id)
{
    for (size_t i = 0; i < world.version_count; i++)
        if (hst_file_id_equal(&world.versions[i].id, id)) return &world.versions[i];
    fail_msg("a file that nobody wrote");
    return NULL;
}

/* ---- the tier ---- */

static void on_scan(void *context, const struct hst_scan_status *status)
{
    (void)context;
    if (strcmp(status->state, "done") == 0) world.scanned = true;
}

static void on_hashed(void *context, struct hst_model *model)
{
    (void)context;
    if (world.loader != NULL) hst_loader_share(world.loader, model);
}

static void scan(void)
{
    world.scanned = false;
    assert_int_equal(hst_catalog_scan(world.catalog, NULL), 0);
    while (!world.scanned)
        uv_run(&world.loop, UV_RUN_ONCE);
}

static void begin_keeper(void)
{
    char here[1024], program[1200], socket[96];
    assert_int_equal(hst_process_program_folder(here, sizeof here, NULL), 0);
    snprintf(program, sizeof program, "%s/../hoist-keeper", here);
    snprintf(socket, sizeof socket, "%s/keeper.sock", world.folder);
    assert_int_equal(hst_keeper_open(&(struct hst_keeper_config){&world.loop, socket, program, 20}, &world.keeper, NULL), 0);
}

static void on_lease_ended(void *context, uint64_t lease_id)
{
    (void)context;
    if (world.loader != NULL) hst_loader_lease_ended(world.loader, lease_id);
}

static void begin_tier(void)
{
    if (world.kept) begin_keeper();
    struct hst_cache_config cache = {.loop = &world.loop, .budget_bytes = BUDGET, .threads = 2, .keeper = world.keeper, .force_backing = world.backing, .listener = {.lease_ended = on_lease_ended}};
    assert_int_equal(hst_cache_new(&cache, &world.cache, NULL), 0);
    struct hst_loader_config loader = {.loop = &world.loop, .cache = world.cache, .catalog = world.catalog, .devices = world.devices, .device_count = world.card != NULL ? 2 : 1};
    assert_int_equal(hst_loader_new(&loader, &world.loader, NULL), 0);
}

static void end_tier(void)
{
    hst_loader_free(world.loader);
    world.loader = NULL; /* hashing goes on */
    hst_cache_free(world.cache);
    hst_keeper_free(world.keeper);
    world.keeper = NULL;
}

static void begin_devices(bool carded)
{
    assert_int_equal(hst_host_open(0, DEVICE_BUDGET, &world.device, NULL), 0);
    world.devices[0] = world.device;
    if (!carded) return;
    world.devices[1] = world.card = shoebox_open(&world.box, world.kept ? 4096 : 65536, DEVICE_BUDGET);
    world.box.ops.converts = world.backing == NULL;
}

static void begin(const char *backing, bool kept, bool carded, uint64_t seed)
{
    char command[200];
    world = (struct world){.folder = "/tmp/hoist-test-XXXXXX", .random = seed, .backing = backing, .kept = kept, .block_floats = carded ? BLOCK_FLOATS : SMALL_BLOCK_FLOATS};
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.models, sizeof world.models, "%s/models", world.folder);
    snprintf(world.database, sizeof world.database, "%s/catalog.db", world.folder);
    snprintf(command, sizeof command, "mkdir %s", world.models);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < BLOCKS * BLOCK_FLOATS; i++)
        ((float *)world.blocks)[i] = (float)roll(100000) / 777.0f - 50.0f;
    for (int i = 0; i < LEASES; i++)
        world.clients[i].pipe_fd = -1;
    for (int i = 0; i < MODELS; i++)
        write_model(i);
    uv_loop_init(&world.loop);
    world.roots[0] = world.models;
    struct hst_catalog_config catalog = {.loop = &world.loop, .roots = world.roots, .root_count = 1, .database = world.database, .threads = 2, .hash = HST_HASH_ASKED,
                                         .listener = {.progress = on_scan, .hashed = on_hashed}};
    assert_int_equal(hst_catalog_new(&catalog, &world.catalog, NULL), 0);
    scan();
    begin_devices(carded);
    begin_tier();
}

static void check_budgets(void)
{
    assert_true(hst_cache_stats(world.cache).used_bytes <= BUDGET);
    assert_true(world.device->reserved_bytes <= DEVICE_BUDGET);
    if (world.card == NULL) return;
    pthread_mutex_lock(&world.box.lock);
    assert_true(world.box.allocated_bytes <= world.card->reserved_bytes && world.card->reserved_bytes <= DEVICE_BUDGET);
    pthread_mutex_unlock(&world.box.lock);
}

static void turn(int times)
{
    while (times-- > 0) {
        uv_run(&world.loop, UV_RUN_NOWAIT);
        check_budgets();
    }
}

static void settle(void)
{
    do {
        while (hst_loader_active(world.loader) > 0 || world.loader->rearranging != NULL) {
            uv_run(&world.loop, UV_RUN_ONCE);
            check_budgets();
        }
        turn(5);
    } while (hst_loader_active(world.loader) > 0 || world.loader->rearranging != NULL); /* which begins by itself, too */
}

/* ---- clients ---- */

static void unmap_view(struct view *view)
{
    for (size_t i = 0; i < view->count; i++)
        munmap(view->maps[i], view->sizes[i]);
    free(view->places);
    free(view->recast);
}

static void unmap_client(struct client *client)
{
    for (size_t i = 0; i < client->count; i++)
        unmap_view(&client->views[i]);
    client->count = 0;
}

static void close_client(struct client *client)
{
    unmap_client(client);
    close(client->pipe_fd);
    for (size_t i = 0; i < client->component_count; i++)
        hst_layout_release(client->components[i]);
    hst_model_unref(client->model);
    *client = (struct client){.pipe_fd = -1};
}

static void map_view(struct view *view, const struct hst_residency *held)
{
    size_t bytes = held->component->tensor_count * sizeof *view->places;
    *view = (struct view){.component = held->component, .recast = hst_recast_copy(held->recast), .count = held->segment_count, .places = malloc(bytes + 1)};
    assert_true(held->segment_count <= 16);
    memcpy(view->places, held->placements, bytes);
    for (size_t i = 0; i < held->segment_count; i++) {
        view->sizes[i] = held->segments[i].size_bytes;
        view->maps[i] = mmap(NULL, view->sizes[i], PROT_READ, MAP_PRIVATE, held->segments[i].fd, (off_t)held->segments[i].offset);
        assert_ptr_not_equal(view->maps[i], MAP_FAILED);
    }
}

static void check_tensor(const struct view *view, size_t tensor)
{
    const struct hst_component_tensor *row = &view->component->tensors[tensor];
    const char *wanted = find_version(&view->component->model->files[row->file].id)->bytes + row->tensor->offset;
    uint64_t size = hst_recast_bytes(view->recast, view->component, tensor);
    enum hst_dtype dtype = hst_recast_dtype(view->recast, view->component, tensor);
    char *converted = malloc(size + 1);
    if (dtype != row->tensor->dtype) {
        hst_convert_find(row->tensor->dtype, dtype)->run(wanted, converted, row->tensor->elements);
        wanted = converted;
    }
    assert_memory_equal(view->maps[view->places[tensor].segment] + view->places[tensor].offset, wanted, size);
    free(converted);
}

static void check_client(const struct client *client)
{
    for (size_t i = 0; client->pipe_fd >= 0 && i < client->count; i++)
        for (size_t j = 0; j < client->views[i].component->tensor_count; j++)
            check_tensor(&client->views[i], j);
}

#include "property_card.h"

/* ---- what is charged ---- */

/* Pages, by the file they are in. */
struct page {
    uint64_t inode, number;
};

static int by_page(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct page));
}

static struct page pages[200000];
static size_t page_count;

static void name_pages(const struct hst_claim *claim)
{
    for (size_t i = claim->taken ? 0 : claim->own_count; i < claim->piece_count; i++) {
        struct stat st;
        const struct hst_piece *piece = &claim->pieces[i];
        assert_int_equal(fstat(hst_claim_fd(claim, piece->region), &st), 0);
        for (uint64_t at = piece->begin; at < piece->begin + piece->size_bytes; at += 4096) {
            assert_true(page_count < sizeof pages / sizeof pages[0]);
            pages[page_count++] = (struct page){(uint64_t)st.st_ino << 16 | (uint64_t)(st.st_dev & 0xffff), at / 4096};
        }
    }
}

/* At rest, what is charged is what residencies name and clients map. */
static void check_charge(void)
{
    uint64_t charged = 0;
    settle();
    page_count = 0;
    for (size_t i = 0; i < world.cache->by_key.count; i++)
        name_pages(world.cache->sorted[i]->claim);
    for (size_t i = 0; i < LEASES; i++)
        for (size_t j = 0; world.clients[i].pipe_fd >= 0 && j < world.clients[i].count; j++)
            check_client(&world.clients[i]);
    qsort(pages, page_count, sizeof pages[0], by_page);
    for (size_t i = 0; i < page_count; i++)
        charged += i == 0 || by_page(&pages[i], &pages[i - 1]) != 0 ? 4096 : 0;
    uint64_t used = hst_cache_kept(world.cache), kept = 0;
    HST_LIST_FOREACH(node, &world.cache->regions) {
        const struct hst_region *region = hst_container_of(node, struct hst_region, node);
        kept += region->stuck_bytes;
    }
    bool leased = false; /* a client may map what its residency has left since */
    for (size_t i = 0; i < LEASES; i++)
        leased = leased || world.clients[i].pipe_fd >= 0;
    assert_true(used >= charged + kept);
    if (!leased) assert_int_equal(used, charged + kept);
    check_card();
}

/* ---- steps ---- */

static void on_end(void *context, const struct hst_job *job)
{
    (void)context;
    world.done += job->state == HST_JOB_DONE;
    world.failed += job->state == HST_JOB_FAILED;
}

static struct hst_model *any_model(void)
{
    size_t cursor = roll((uint32_t)hst_catalog_count(world.catalog));
    struct hst_model *model = hst_catalog_next(world.catalog, &cursor);
    return model->state == HST_MODEL_OK ? model : NULL;
}

static struct hst_residency *any_residency(void)
{
    size_t count = world.cache->by_key.count;
    return count > 0 ? &world.cache->sorted[roll((uint32_t)count)]->view : NULL;
}

static struct hst_device *any_device(void)
{
    if (world.card != NULL && roll(3) > 0) return world.card;
    return roll(2) ? world.device : NULL;
}

/* Something to load. `role` is to live as long as the wish. */
static bool make_wish(struct hst_load_request *ret_wish, const char **role)
{
    static const char *const precisions[] = {NULL, NULL, NULL, "bf16", "fp16", "fp8_e5m2"};
    static const char *const levels[] = {"speed", "balanced", "memory"};
    struct hst_model *model = any_model();
    if (model == NULL) return false;
    *role = model->components[roll((uint32_t)model->component_count)].role;
    *ret_wish = (struct hst_load_request){.model = model, .device = any_device(), .precision = precisions[roll(6)], .optimization_level = levels[roll(3)], .pin = roll(12) == 0};
    if (roll(2)) ret_wish->roles = role, ret_wish->role_count = 1;
    return true;
}

static void load(void)
{
    struct hst_load_request request;
    struct hst_job *job;
    const char *role;
    if (make_wish(&request, &role)) (void)hst_loader_start(world.loader, &request, on_end, NULL, &job, NULL);
}

/* ---- what a dry run foresees ---- */

static struct {
    bool ended;
    int status;
    uint64_t read, ram, freed, device, unloaded;
    size_t evictions;
} foreseen;

static uint64_t sum_of(const struct hst_plan_eviction *evictions, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += evictions[i].bytes;
    return bytes;
}

static void on_foreseen(void *context, const struct hst_job *job)
{
    const struct hst_plan *plan = job->plan;
    (void)context;
    foreseen.ended = true;
    foreseen.status = job->error.status;
    foreseen.read = hst_amount_total(&job->read);
    foreseen.ram = plan->ram_bytes;
    foreseen.device = plan->device_bytes;
    foreseen.freed = sum_of(plan->ram_evictions, plan->ram_eviction_count);
    foreseen.unloaded = sum_of(plan->device_evictions, plan->device_eviction_count);
    foreseen.evictions = plan->ram_eviction_count + plan->device_eviction_count;
}

/* What can change. */
struct figures {
    uint64_t used, filled, reserved, decisions;
    bool ended;
};

static struct figures count_all(void)
{
    return (struct figures){hst_cache_kept(world.cache), hst_cache_stats(world.cache).filled_bytes, world.device->reserved_bytes + (world.card != NULL ? world.card->reserved_bytes : 0), world.loader->decisions.last_id, false};
}

static bool goes_past_ram(const struct hst_job *job)
{
    bool goes = false;
    for (size_t i = 0; i < job->component_count; i++)
        goes = goes || job->outlooks[i].skips_ram;
    return goes;
}

static void on_done_as_foreseen(void *context, const struct hst_job *job)
{
    struct figures *before = context, now = count_all();
    assert_int_equal(job->error.status, foreseen.status);
    before->ended = true;
    world.foreseen++;
    if (job->error.status < 0) return;
    assert_int_equal(job->replans, 0);
    assert_int_equal(hst_amount_total(&job->read), foreseen.read);
    if (!goes_past_ram(job)) assert_int_equal(now.filled - before->filled, foreseen.read);
    assert_int_equal(now.decisions - before->decisions, foreseen.evictions);
    assert_int_equal(now.reserved + foreseen.unloaded, before->reserved + foreseen.device);
    assert_int_equal(now.used + foreseen.freed, before->used + foreseen.ram);
}

/* A dry run, and the load at once after it. */
static void foresee_load(const struct hst_load_request *request)
{
    struct figures before = count_all();
    struct hst_job *job;
    foreseen.ended = false;
    if (hst_loader_dry_run(world.loader, request, on_foreseen, NULL, NULL) < 0) return;
    while (!foreseen.ended)
        uv_run(&world.loop, UV_RUN_ONCE);
    struct figures after = count_all();
    assert_int_equal(after.used, before.used);
    assert_int_equal(hst_loader_start(world.loader, request, on_done_as_foreseen, &before, &job, NULL), HST_OK);
    while (!before.ended)
        uv_run(&world.loop, UV_RUN_ONCE);
}

static bool is_hashing(void)
{
    const char *state = hst_catalog_hash_status(world.catalog).state;
    return strcmp(state, "running") == 0 || strcmp(state, "queued") == 0;
}

/* They agree, if nothing else happens. */
static void foresee(void)
{
    struct hst_load_request request;
    const char *role;
    wait_for_card();
    settle();
    while (is_hashing() || world.catalog->writing_hashes) /* what is written between the two, the load knows alone */
        turn(1);
    for (int i = 0; i < 5; i++) { /* what is hashed is written on a thread */
        usleep(2000);
        turn(5);
    }
    uv_timer_stop(&world.loader->rearrange_timer);
    settle();
    hst_drain_finish(world.cache);
    memset(world.loader->inject, 0, sizeof world.loader->inject);
    if (make_wish(&request, &role)) foresee_load(&request);
    hst_rearrange_share_soon(world.loader);
}

static void unload(void)
{
    struct hst_loaded *loaded = any_loaded();
    if (loaded != NULL) (void)hst_loader_unload(world.loader, loaded, NULL, NULL);
}

static void evict(void)
{
    uint64_t before = hst_cache_kept(world.cache), freed = 0;
    struct hst_residency *held = any_residency();
    if (held == NULL || hst_loader_busy(world.loader, held->component)) return;
    if (hst_cache_evict(world.cache, held, &freed, NULL) == HST_OK) assert_int_equal(before - hst_cache_kept(world.cache), freed);
}

static void pin(void)
{
    struct hst_residency *held = any_residency();
    if (held != NULL) hst_cache_pin(world.cache, held, roll(3) == 0);
    held = any_residency();
    if (held != NULL && roll(6) == 0) hst_cache_foresee(world.cache, held);
}

static void lease(void)
{
    struct client *client = &world.clients[roll(LEASES)];
    struct hst_residency *held = any_residency();
    uint64_t id;
    int pipe_fd;
    if (client->pipe_fd >= 0) close_client(client);
    if (held == NULL || hst_cache_lease(world.cache, &held, 1, 1, "test", "host:0", &id, &pipe_fd, NULL) < 0) return;
    client->pipe_fd = pipe_fd;
    client->model = hst_model_ref(held->component->model);
    client->components[client->component_count++] = held->component;
    hst_layout_share(held->component);
    map_view(&client->views[client->count++], held);
}

static void leave(void)
{
    struct client *client = &world.clients[roll(LEASES)];
    if (client->pipe_fd >= 0) close_client(client);
}

static void look(void)
{
    check_client(&world.clients[roll(LEASES)]);
}

static void cancel(void)
{
    size_t cursor = roll(20);
    struct hst_job *job = hst_loader_next_job(world.loader, &cursor);
    if (job != NULL) (void)hst_loader_cancel(world.loader, job, NULL);
}

static void inject(void)
{
    static const int faults[] = {HST_E_IO, HST_E_NOMEM, HST_E_OUT_OF_RAM, HST_E_LOAD_FAILED};
    hst_loader_inject(world.loader, (enum hst_step)roll(HST_STEP_COUNT), faults[roll(4)]);
}

static void hash(void)
{
    struct hst_model *model = any_model();
    if (model != NULL) (void)hst_catalog_hash(world.catalog, model, NULL);
}

static void on_rearranged(void *context, const struct hst_rearranged *what)
{
    (void)context;
    world.moved += what->components;
}

static void rearrange(void)
{
    (void)hst_loader_rearrange(world.loader, on_rearranged, NULL, NULL);
}

static void replace(void)
{
    if (roll(4) > 0 || world.version_count + 1 >= VERSIONS) return;
    settle();
    write_model((int)roll(MODELS));
    scan();
}

static void wait_a_little(void)
{
    turn((int)roll(30) + 1);
}

/* ---- hoistd ends, and another one comes ---- */

/* Does it lie in a file that was replaced since? Who replaces a file changes its times. */
static bool lies_in_old_file(const struct hst_claim *claim)
{
    struct hst_file_id id;
    for (size_t i = 0; i < claim->region_count; i++)
        if (hst_region_is_file(claim->regions[i]) && (hst_file_identify(claim->regions[i]->fd, &id, NULL) < 0 || !hst_file_id_equal(&id, &claim->regions[i]->id))) return true;
    return false;
}

static bool is_current(const struct hst_residency *held)
{
    if (held->stale || lies_in_old_file(((const struct hst_resident *)held)->claim)) return false;
    return hst_catalog_find(world.catalog, held->component->model->id) == held->component->model;
}

/* What must be there again: "KEY pinned ahead ttl read" of each. */
static size_t list_current(char (*out)[128])
{
    size_t count = 0;
    for (size_t i = 0; i < world.cache->by_key.count; i++) {
        const struct hst_resident *resident = world.cache->sorted[i];
        const struct hst_residency *view = &resident->view;
        if (is_current(view)) snprintf(out[count++], sizeof out[0], "%s %d %d %lld %llu", resident->key, view->pinned, view->ahead, (long long)view->ttl_seconds, (unsigned long long)view->read_bytes);
    }
    return count;
}

static void take_over(void)
{
    size_t cursor = 0;
    for (struct hst_model *model; (model = hst_catalog_next(world.catalog, &cursor));)
        hst_loader_inherit(world.loader, model);
    hst_loader_inherit_end(world.loader);
    hst_inherit_drain(world.loader);
    while (is_retaking())
        turn(1);
    hst_drain_finish(world.cache);
}

static void restart(void)
{
    static char before[64][128], after[64][128];
    if (!world.kept || roll(3) > 0) return;
    settle();
    turn(20);
    wait_for_card();
    hst_drain_finish(world.cache);
    size_t count = list_current(before);
    card_before_count = list_card(card_before);
    bool all = count == world.cache->by_key.count;
    uint64_t used = hst_cache_kept(world.cache);
    hst_keeper_leave(world.keeper);
    end_tier();
    if (world.card != NULL) assert_int_equal(world.card->reserved_bytes + world.box.allocated_bytes, 0);
    begin_tier();
    take_over();
    check_retaken();
    assert_int_equal(list_current(after), count);
    assert_memory_equal(before, after, count * sizeof before[0]);
    if (all) assert_int_equal(hst_cache_kept(world.cache), used);
    world.taken_over += count;
    check_charge();
}

static void (*const steps[])(void) = {load, load, load, load, foresee, unload, evict, pin, lease, lease, leave, look, cancel, inject, hash, rearrange, replace, wait_a_little,
                                      wait_a_little, wait_a_little, settle, restart, open_on_card, open_on_card, pin_loaded, trouble_card, lose_card};

static void check_given_back(void)
{
    hst_drain_finish(world.cache);
    assert_int_equal(hst_cache_stats(world.cache).used_bytes, 0);
    assert_int_equal(world.device->reserved_bytes, 0);
    if (world.card != NULL) assert_int_equal(world.card->reserved_bytes + world.box.allocated_bytes, 0);
    assert_true(hst_list_empty(&world.cache->regions));
    assert_int_equal(world.cache->by_content.count, 0);
}

static void end(void)
{
    char command[200];
    settle();
    for (int i = 0; i < LEASES; i++)
        if (world.clients[i].pipe_fd >= 0) close_client(&world.clients[i]);
    turn(20);
    while (world.loader->loaded_count > 0)
        assert_int_equal(hst_loader_unload(world.loader, &world.loader->loaded[0]->view, NULL, NULL), HST_OK);
    while (world.cache->by_key.count > 0)
        assert_int_equal(hst_cache_evict(world.cache, &world.cache->sorted[0]->view, NULL, NULL), HST_OK);
    check_given_back();
    end_tier();
    hst_device_free(world.device);
    hst_device_free(world.card);
    hst_catalog_free(world.catalog);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    for (size_t i = 0; i < world.version_count; i++)
        free(world.versions[i].bytes);
    snprintf(command, sizeof command, "rm -r %s", world.folder);
    assert_int_equal(system(command), 0);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* libuv keeps a pipe for signals once there was one. */
static void warm_up(void)
{
    uv_signal_t signal;
    uv_loop_init(&world.loop);
    uv_signal_init(&world.loop, &signal);
    uv_close((uv_handle_t *)&signal, NULL);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    uv_loop_close(&world.loop);
}

static void run(const char *backing, bool kept, bool carded, uint64_t seed)
{
    uint64_t count = setting("HOIST_PROPERTY_STEPS", 2000);
    int fds = count_fds();
    begin(backing, kept, carded, seed);
    for (uint64_t i = 0; i < count; i++) {
        steps[roll(sizeof steps / sizeof steps[0])]();
        turn(1);
        if (i % 25 == 0) check_charge();
    }
    check_charge();
    print_message("%s, seed %llu: %llu steps, %zu loads done, %zu failed, %zu foreseen, %zu components moved, %zu taken over; of a card %zu opened, %u converted, %zu losses, %zu taken over\n", backing != NULL ? backing : "by rule",
                  (unsigned long long)seed, (unsigned long long)count, world.done, world.failed, world.foreseen, world.moved, world.taken_over, world.opened, world.box.conversions, world.lost, world.retaken);
    end();
    assert_int_equal(count_fds(), fds);
}

static void holds_whatever_happens(void **state)
{
    static const char *const backings[] = {NULL, "tmpfs_huge", "memfd_huge", "pages"};
    uint64_t today = (uint64_t)time(NULL) / 86400;
    (void)state;
    warm_up();
    for (size_t i = 0; i < sizeof backings / sizeof backings[0]; i++)
        for (int kept = 0; kept < 2; kept++)
            run(backings[i], kept, false, setting("HOIST_PROPERTY_SEED", i % 2 ? today : 1));
}

static void holds_with_a_card(void **state)
{
    (void)state;
    warm_up();
    for (int i = 0; i < 4; i++)
        run(i / 2 ? "pages" : NULL, i % 2, true, setting("HOIST_PROPERTY_SEED", i % 2 ? (uint64_t)time(NULL) / 86400 : 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(holds_whatever_happens), cmocka_unit_test(holds_with_a_card)};
    const char *only = getenv("HOIST_PROPERTY_ONLY"); /* a pattern of tests' names */
    if (only != NULL) cmocka_set_test_filter(only);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
