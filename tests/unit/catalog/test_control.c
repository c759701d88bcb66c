/* Scans that are held up, ended, or begun because something changed; and ids in the order of their names, however many there are. */
#include "library.h"

#include "os/clock.h"

#include <sys/stat.h>

static void write_many(const struct library *library, int from, int to)
{
    char name[64];
    for (int i = from; i < to; i++) {
        snprintf(name, sizeof name, "sub/m%d.safetensors", i);
        library_write(library, name, (unsigned)i + 1);
    }
}

static void run_for(struct library *library, double ms)
{
    uint64_t start = hst_clock_ns();
    while (hst_clock_ms_since(start) < ms)
        uv_run(&library->loop, UV_RUN_NOWAIT);
}

static void finish(struct library *library)
{
    uint64_t start = hst_clock_ns();
    while (strcmp(hst_catalog_scan_status(library->catalog).state, "running") == 0 && hst_clock_ms_since(start) < 10000)
        uv_run(&library->loop, UV_RUN_NOWAIT);
}

static void a_paused_scan_parses_nothing_and_goes_on(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_many(&library, 0, 400);
    library_open(&library);
    assert_int_equal(hst_catalog_scan(library.catalog, NULL), 0);
    hst_catalog_scan_pause(library.catalog, true);
    assert_string_equal(hst_catalog_scan_status(library.catalog).state, "paused");
    run_for(&library, 50);
    assert_int_equal(hst_catalog_count(library.catalog), 0);
    assert_int_equal(hst_catalog_scan(library.catalog, NULL), HST_E_BUSY);
    hst_catalog_scan_pause(library.catalog, false);
    finish(&library);
    assert_string_equal(hst_catalog_scan_status(library.catalog).state, "done");
    assert_int_equal(hst_catalog_count(library.catalog), 400);
    library_fini(&library);
}

static void it_is_held_up_wherever_it_is(void **state)
{
    (void)state;
    for (int at = 0; at < 40; at++) {
        struct library library;
        library_init(&library);
        write_many(&library, 0, 60);
        library_open(&library);
        hst_catalog_scan(library.catalog, NULL);
        for (int i = 0; i < at; i++)
            uv_run(&library.loop, UV_RUN_NOWAIT);
        hst_catalog_scan_pause(library.catalog, true);
        run_for(&library, 2);
        hst_catalog_scan_pause(library.catalog, false);
        finish(&library);
        assert_int_equal(hst_catalog_count(library.catalog), 60);
        assert_int_equal(hst_catalog_scan_status(library.catalog).files_parsed, 60);
        library_fini(&library);
    }
}

static void a_cancelled_scan_leaves_what_it_did_not_reach_as_it_was(void **state)
{
    (void)state;
    for (int at = 0; at < 40; at++) {
        struct library library;
        library_init(&library);
        write_many(&library, 0, 40);
        library_open(&library);
        library_scan(&library);
        write_many(&library, 0, 80);
        hst_catalog_scan(library.catalog, NULL);
        for (int i = 0; i < at; i++)
            uv_run(&library.loop, UV_RUN_NOWAIT);
        hst_catalog_scan_pause(library.catalog, at % 2);
        hst_catalog_scan_cancel(library.catalog);
        finish(&library);
        assert_true(hst_catalog_count(library.catalog) >= 40);
        size_t cursor = 0;
        for (struct hst_model *model; (model = hst_catalog_next(library.catalog, &cursor));)
            assert_int_equal(model->state, HST_MODEL_OK);
        library_scan(&library);
        assert_int_equal(hst_catalog_count(library.catalog), 80);
        library_fini(&library);
    }
}

static void a_catalog_that_is_freed_in_the_middle_ends(void **state)
{
    (void)state;
    for (int at = 0; at < 30; at++) {
        struct library library;
        library_init(&library);
        write_many(&library, 0, 60);
        library_open(&library);
        hst_catalog_scan(library.catalog, NULL);
        for (int i = 0; i < at; i++)
            uv_run(&library.loop, UV_RUN_NOWAIT);
        if (at % 3 == 0) hst_catalog_scan_pause(library.catalog, true);
        library_fini(&library);
    }
}

static void without_a_scan_there_is_nothing_to_control(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    library_open(&library);
    hst_catalog_scan_pause(library.catalog, true);
    hst_catalog_scan_cancel(library.catalog);
    assert_string_equal(hst_catalog_scan_status(library.catalog).state, "idle");
    assert_int_equal(library_scan(&library), 0);
    assert_string_equal(hst_catalog_scan_status(library.catalog).state, "done");
    library_fini(&library);
}

static void ids_stay_in_order_while_thousands_come(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    write_many(&library, 0, 2500);
    library_open(&library);
    library_scan(&library);
    write_many(&library, 2500, 5000);
    hst_catalog_scan(library.catalog, NULL);
    while (strcmp(hst_catalog_scan_status(library.catalog).state, "running") == 0) {
        size_t cursor = 0;
        const char *last = "";
        for (struct hst_model *model; (model = hst_catalog_next(library.catalog, &cursor)); last = model->id)
            assert_true(strcmp(last, model->id) < 0);
        uv_run(&library.loop, UV_RUN_ONCE);
    }
    assert_int_equal(hst_catalog_count(library.catalog), 5000);
    library_fini(&library);
}

static void one_name_a_thousand_times_is_numbered_without_gaps(void **state)
{
    struct library library;
    char name[64], command[256];
    (void)state;
    library_init(&library);
    for (int i = 0; i < 1000; i++) {
        snprintf(command, sizeof command, "%s/sub/%d", library.models, i);
        assert_int_equal(mkdir(command, 0700), 0);
        snprintf(name, sizeof name, "sub/%d/same.safetensors", i);
        library_write(&library, name, (unsigned)i + 1);
    }
    library_open(&library);
    library_scan(&library);
    assert_non_null(hst_catalog_find(library.catalog, "same"));
    for (int i = 2; i <= 1000; i++) {
        snprintf(name, sizeof name, "same-%d", i);
        assert_non_null(hst_catalog_find(library.catalog, name));
    }
    library_fini(&library);
}

static uv_timer_t alive; /* what watches keeps no loop running */

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static void close_watching(struct library *library)
{
    uv_close((uv_handle_t *)&alive, NULL);
    library_fini(library);
}

/* A catalog that watches. */
static int open_watching(struct library *library, enum hst_catalog_watching how, unsigned most)
{
    uv_timer_init(&library->loop, &alive);
    uv_timer_start(&alive, on_alive, 1, 1);
    return hst_catalog_new(&(struct hst_catalog_config){.loop = &library->loop, .roots = library->roots, .root_count = 1, .threads = 2, .watch = how,
                                                        .rescan_seconds = 1, .watch_most = most, .listener = {.changed = library_on_change, .context = library}},
                           &library->catalog, NULL);
}

static bool wait_for_count(struct library *library, size_t count)
{
    uint64_t start = hst_clock_ns();
    while (hst_catalog_count(library->catalog) != count && hst_clock_ms_since(start) < 5000)
        uv_run(&library->loop, UV_RUN_NOWAIT);
    return hst_catalog_count(library->catalog) == count;
}

static void changes_are_seen(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    assert_int_equal(open_watching(&library, HST_CATALOG_WATCH, 0), 0);
    library_scan(&library);
    assert_true(hst_catalog_scan_status(library.catalog).watching);
    library_write(&library, "sub/new.safetensors", 10);
    assert_true(wait_for_count(&library, 1));
    close_watching(&library);
}

static void names_that_are_none_of_ours_begin_no_scan(void **state)
{
    struct library library;
    char path[512];
    (void)state;
    library_init(&library);
    open_watching(&library, HST_CATALOG_WATCH, 0);
    library_scan(&library);
    int64_t started = hst_catalog_scan_status(library.catalog).started_wall_ns;
    snprintf(path, sizeof path, "touch %s/log.txt %s/x.safetensors.lock && mkdir %s/.hidden", library.models, library.models, library.models);
    assert_int_equal(system(path), 0);
    run_for(&library, 700);
    assert_true(hst_catalog_scan_status(library.catalog).started_wall_ns == started);
    close_watching(&library);
}

static void where_watching_ends_polling_begins(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    open_watching(&library, HST_CATALOG_WATCH, 1);
    library_scan(&library);
    assert_false(hst_catalog_scan_status(library.catalog).watching);
    assert_int_equal(hst_catalog_scan_status(library.catalog).unwatched.status, HST_E_LIMIT_EXCEEDED);
    library_write(&library, "sub/new.safetensors", 10);
    assert_true(wait_for_count(&library, 1));
    close_watching(&library);
}

static void polling_looks_from_time_to_time(void **state)
{
    struct library library;
    (void)state;
    library_init(&library);
    open_watching(&library, HST_CATALOG_POLL, 0);
    library_scan(&library);
    library_write(&library, "sub/newer.safetensors", 10);
    assert_true(wait_for_count(&library, 1));
    close_watching(&library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_scan_parses_nothing_and_goes_on),
        cmocka_unit_test(it_is_held_up_wherever_it_is),
        cmocka_unit_test(a_cancelled_scan_leaves_what_it_did_not_reach_as_it_was),
        cmocka_unit_test(a_catalog_that_is_freed_in_the_middle_ends),
        cmocka_unit_test(without_a_scan_there_is_nothing_to_control),
        cmocka_unit_test(ids_stay_in_order_while_thousands_come),
        cmocka_unit_test(one_name_a_thousand_times_is_numbered_without_gaps),
        cmocka_unit_test(changes_are_seen),
        cmocka_unit_test(names_that_are_none_of_ours_begin_no_scan),
        cmocka_unit_test(where_watching_ends_polling_begins),
        cmocka_unit_test(polling_looks_from_time_to_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
