#ifndef HST_TESTS_LOADING_H
#define HST_TESTS_LOADING_H
/** @file
 * A link to a hoist-device on the double's card, and a load through it: made, filled, looked at from outside, given back. */
#include "card.h"
#include "gpu/link.h"
#include "os/memfd.h"

#include <signal.h>

#define MIB UINT64_C(1048576)

enum { SEGMENTS = 3 };

struct loading {
    struct card card;
    struct hst_gpu_link *link;
    struct hst_memfd ram;                /* what is loaded: 20 MiB */
    uint64_t sizes[SEGMENTS];            /* 8 + 8 + 4 MiB */
    struct hst_gpu_extent extents[SEGMENTS];
    uint64_t free_bytes;                 /* when nothing is loaded */
};

static inline void loading_link(struct loading *loading, unsigned limit_ms, unsigned idle_seconds)
{
    const struct hst_gpu_link_config config = {loading->card.program, loading->card.found.uuid, idle_seconds, limit_ms};
    hst_gpu_link_free(loading->link);
    assert_int_equal(hst_gpu_link_new(&config, &loading->link, NULL), 0);
}

static inline void loading_init(struct loading *loading, const char *card_bytes)
{
    *loading = (struct loading){.sizes = {8 * MIB, 8 * MIB, 4 * MIB}};
    card_init(&loading->card, card_bytes);
    card_script(&loading->card, "");
    assert_int_equal(hst_memfd_new("noise", 20 * MIB, false, &loading->ram, NULL), 0);
    uint64_t *words = loading->ram.address, seed = 7, at = 0;
    for (size_t i = 0; i < 20 * MIB / 8; i++)
        words[i] = seed = seed * 6364136223846793005u + 1442695040888963407u;
    for (uint32_t i = 0; i < SEGMENTS; at += loading->sizes[i++])
        loading->extents[i] = (struct hst_gpu_extent){.offset = at, .size_bytes = loading->sizes[i], .segment = i};
    loading->free_bytes = card_free_bytes(&loading->card);
}

static inline int loading_fill(struct loading *loading, const int *fds, struct hst_error *err)
{
    const struct hst_gpu_memory memory = {fds, loading->sizes, SEGMENTS};
    const struct hst_gpu_reading reading = {.sources = &loading->ram.fd, .source_count = 1, .extents = loading->extents, .extent_count = SEGMENTS};
    return hst_gpu_link_fill(loading->link, &memory, &reading, err);
}

/** Is everything of it on the card? */
static inline void loading_look(struct loading *loading, const int *fds)
{
    struct hst_device_segment segments[SEGMENTS];
    for (size_t i = 0; i < SEGMENTS; i++)
        segments[i] = (struct hst_device_segment){fds[i], loading->sizes[i]};
    char *bytes = card_read(&loading->card, segments, SEGMENTS);
    assert_memory_equal(bytes, loading->ram.address, 20 * MIB);
    free(bytes);
}

/** A load, from nothing to nothing. What is loaded is right, and what is not leaves nothing. */
static inline int loading_once(struct loading *loading, struct hst_error *err)
{
    int fds[SEGMENTS];
    int status = hst_gpu_link_allocate(loading->link, loading->sizes, SEGMENTS, fds, err);
    if (status == HST_OK) {
        status = loading_fill(loading, fds, err);
        if (status == HST_OK) loading_look(loading, fds);
        for (size_t i = 0; i < SEGMENTS; i++)
            close(fds[i]);
    }
    assert_int_equal(card_free_bytes(&loading->card), loading->free_bytes);
    return status;
}

static inline void loading_works(struct loading *loading)
{
    struct hst_error err = {0};
    card_script(&loading->card, "");
    if (loading_once(loading, &err) < 0) fail_msg("%s", err.text);
}
/* ---- one for a whole group of tests ---- */

static struct loading the_loading;

static inline int loading_end_group(void **state)
{
    (void)state;
    hst_memfd_fini(&the_loading.ram);
    card_fini(&the_loading.card);
    return 0;
}

static inline int loading_set_up(void **state)
{
    *state = &the_loading;
    card_script(&the_loading.card, "");
    loading_link(&the_loading, 20000, 10);
    return 0;
}

/** Nothing is left: not on the card, not in this process, and no hoist-device. */
static inline int loading_tear_down(void **state)
{
    struct loading *loading = *state;
    int pid = hst_gpu_link_pid(loading->link);
    hst_gpu_link_free(loading->link);
    loading->link = NULL;
    card_script(&loading->card, "");
    if (pid > 0) assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(card_free_bytes(&loading->card), loading->free_bytes);
    assert_int_equal(count_fds(), loading->card.fds_before + 1); /* the file in RAM */
    return 0;
}

/** A test with a link of its own. */
#define loading_test(test) cmocka_unit_test_setup_teardown(test, loading_set_up, loading_tear_down)

/* ---- call by call ---- */

/** With sanitizers, which are slow, every so many of what is tried. */
static inline int loading_step(void)
{
    return getenv("HOIST_SANITIZED") != NULL ? 5 : 1;
}

static inline void loading_script(struct loading *loading, const char *format, int number)
{
    char text[128];
    snprintf(text, sizeof text, format, number);
    card_script(&loading->card, text);
}

/** How many calls of the driver a load by a new process makes. */
static inline int loading_count_calls(struct loading *loading)
{
    char text[160], file[128];
    int count = 0;
    snprintf(file, sizeof file, "%s.calls", loading->card.state);
    snprintf(text, sizeof text, "@hoist-device * * count %s\n", file);
    card_script(&loading->card, text);
    assert_int_equal(loading_once(loading, NULL), 0);
    FILE *calls = fopen(file, "r");
    for (int c; (c = fgetc(calls)) != EOF;)
        count += c == '\n';
    fclose(calls);
    remove(file);
    assert_true(count > 40);
    return count;
}

/** What happens to one process does not happen to the next. */
static inline void loading_in_spite_of(struct loading *loading, const char *format)
{
    for (int n = loading_count_calls(loading); n > 0; n -= loading_step()) {
        struct hst_error err = {0};
        loading_link(loading, 20000, 10);
        loading_script(loading, format, n);
        if (loading_once(loading, &err) < 0) fail_msg("call %d: %s", n, err.text);
    }
}
#endif
