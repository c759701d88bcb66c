/* The part of test_property.c that is about a device with memory of its own: a box (shoebox.h) that fails, that others fill, and that loses what is on it; models
 * that are opened there, for one lease alone or shared; and what the next hoistd has of it. Included by test_property.c alone. */

/* What the keeper is to bring back: "KEY precision pinned alone ttl leases" of each. */
static char card_before[128][160], card_after[128][160];
static size_t card_before_count;

static struct hst_loaded *any_loaded(void)
{
    size_t cursor = world.loader->loaded_count > 0 ? roll((uint32_t)world.loader->loaded_count) : 0;
    return hst_loader_next_loaded(world.loader, &cursor);
}

static void map_loaded(struct view *view, const struct hst_loaded *loaded)
{
    size_t bytes = loaded->component->tensor_count * sizeof *view->places;
    *view = (struct view){.component = loaded->component, .recast = hst_recast_copy(loaded->recast), .count = loaded->segment_count, .places = malloc(bytes + 1)};
    assert_true(loaded->segment_count <= 16);
    for (size_t i = 0; i < loaded->component->tensor_count; i++)
        view->places[i] = (struct hst_placement){loaded->spots[i].segment, loaded->spots[i].offset};
    for (size_t i = 0; i < loaded->segment_count; i++) {
        view->sizes[i] = loaded->segments[i].size_bytes;
        view->maps[i] = mmap(NULL, view->sizes[i], PROT_READ, MAP_SHARED, loaded->segments[i].fd, 0);
        assert_ptr_not_equal(view->maps[i], MAP_FAILED);
    }
}

static void check_loaded(const struct hst_loaded *loaded)
{
    struct view view;
    map_loaded(&view, loaded);
    for (size_t i = 0; i < loaded->component->tensor_count; i++)
        check_tensor(&view, i);
    unmap_view(&view);
}

/* Bytes of the blocks of what is on it. */
static uint64_t count_blocks(void)
{
    uint64_t bytes = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < world.loader->loaded_count; i++) {
            const struct hst_loaded_entry *entry = world.loader->loaded[i];
            for (size_t j = 0; entry->view.device == world.card && j < entry->allocation.block_count; j++) {
                struct hst_block *block = entry->allocation.blocks[j];
                if (block == NULL) continue;
                if (pass == 0 && block->going++ == 0) bytes += block->size_bytes;
                if (pass == 1) block->going = 0;
            }
        }
    return bytes;
}

/* At rest, what is reserved is what blocks have and the card gave out, and it has the bytes of the files. */
static void check_card(void)
{
    size_t cursor = 0;
    if (world.card == NULL) return;
    uint64_t blocks = count_blocks();
    assert_int_equal(world.box.allocated_bytes, world.card->reserved_bytes);
    if (hst_list_empty(&world.loader->readopting)) assert_int_equal(blocks, world.card->reserved_bytes);
    assert_true(blocks <= world.card->reserved_bytes);
    for (const struct hst_loaded *loaded; (loaded = hst_loader_next_loaded(world.loader, &cursor));)
        if (loaded->device == world.card) check_loaded(loaded);
}

/* ---- steps ---- */

static void lease_loaded(struct client *client, const struct hst_job *job)
{
    const struct hst_holder holder = {.pid = 1, .domain = "test", .device_id = "box:0"};
    uint64_t id;
    if (hst_loader_lease(world.loader, job->loaded, job->component_count, &holder, &id, &client->pipe_fd, NULL) < 0) return;
    client->model = hst_model_ref(job->model);
    for (size_t i = 0; i < job->component_count; i++) {
        client->components[client->component_count++] = job->components[i];
        hst_layout_share(job->components[i]);
        map_loaded(&client->views[client->count++], job->loaded[i]);
    }
}

/* As who opens a model does. */
static void on_opened(void *context, const struct hst_job *job)
{
    struct client *client = context;
    world.done += job->state == HST_JOB_DONE;
    world.failed += job->state == HST_JOB_FAILED;
    if (job->state != HST_JOB_DONE) return;
    if (client->pipe_fd >= 0) close_client(client);
    lease_loaded(client, job);
    world.opened++;
}

static bool make_wish(struct hst_load_request *ret_wish, const char **role);

static void open_on_card(void)
{
    struct hst_load_request request;
    struct hst_job *job;
    const char *role;
    if (world.card == NULL || !make_wish(&request, &role)) return;
    request.device = world.card;
    request.alone = roll(3) == 0;
    request.keep = roll(4) == 0;
    request.ttl_seconds = roll(2) ? 1000 : 2000;
    (void)hst_loader_start(world.loader, &request, on_opened, &world.clients[roll(LEASES)], &job, NULL);
}

static void pin_loaded(void)
{
    struct hst_loaded *loaded = world.card != NULL ? any_loaded() : NULL;
    if (loaded != NULL && loaded->device == world.card) hst_loader_pin(world.loader, loaded, roll(3) == 0);
}

/* Others use more of it or less, and calls fail. */
static void trouble_card(void)
{
    static const int faults[] = {HST_E_DEVICE_FAILED, HST_E_OUT_OF_DEVICE_MEMORY, HST_E_NOMEM, HST_E_DEVICE_UNAVAILABLE};
    if (world.card == NULL) return;
    pthread_mutex_lock(&world.box.lock);
    world.box.others_bytes = roll(2) ? roll((uint32_t)(DEVICE_BUDGET / 2)) : 0;
    world.box.mute = roll(4) == 0;
    world.box.fail_allocate = faults[roll(4)];
    world.box.fail_fill = faults[roll(4)];
    world.box.fail_allocates = roll(4) == 0;
    world.box.fail_fills = roll(4) == 0;
    pthread_mutex_unlock(&world.box.lock);
}

static void calm_card(void)
{
    pthread_mutex_lock(&world.box.lock);
    world.box.others_bytes = 0;
    world.box.fail_allocates = world.box.fail_fills = 0;
    pthread_mutex_unlock(&world.box.lock);
}

/* Nothing out of the ordinary happens there any more. */
static void wait_for_card(void)
{
    if (world.card == NULL) return;
    calm_card();
    while (!hst_list_empty(&world.loader->lost)) {
        usleep(1000);
        turn(1);
    }
    settle();
}

/* Whoever has it mapped looks at it no more. */
static void lose_card(void)
{
    if (world.card == NULL || roll(40) > 0) return;
    for (size_t i = 0; i < LEASES; i++)
        if (world.clients[i].pipe_fd >= 0) unmap_client(&world.clients[i]);
    shoebox_lose(&world.box);
    world.lost++;
}

/* ---- hoistd ends, and another one comes ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t list_card(char (*out)[160])
{
    size_t count = 0, cursor = 0;
    for (const struct hst_loaded *loaded; world.card != NULL && (loaded = hst_loader_next_loaded(world.loader, &cursor));) {
        const struct hst_component *component = loaded->component;
        if (loaded->device != world.card || hst_catalog_find(world.catalog, component->model->id) != component->model) continue;
        snprintf(out[count++], sizeof out[0], "%s %s pinned %d alone %d ttl %lld leases %u", component->id, loaded->precision, loaded->pinned, loaded->alone, (long long)loaded->ttl_seconds, loaded->leases);
        assert_true(count < sizeof card_before / sizeof card_before[0]);
    }
    qsort(out, count, sizeof out[0], by_text);
    return count;
}

static bool is_retaking(void)
{
    size_t cursor = 0;
    bool any = false;
    for (const struct hst_model *model; world.card != NULL && (model = hst_catalog_next(world.catalog, &cursor));)
        for (size_t i = 0; i < model->component_count; i++)
            any = any || hst_readopt_touches(world.loader, &model->components[i]);
    return any;
}

static void check_retaken(void)
{
    size_t count = list_card(card_after);
    assert_int_equal(count, card_before_count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(card_after[i], card_before[i]);
    world.retaken += count;
}
