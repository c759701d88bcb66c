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

static inline void loading_fini(struct loading *loading)
{
    hst_memfd_fini(&loading->ram);
    card_fini(&loading->card);
}

/** After each test: nothing is left, not on the card, not in this process, and no hoist-device. */
static inline void loading_end(struct loading *loading)
{
    int pid = hst_gpu_link_pid(loading->link);
    hst_gpu_link_free(loading->link);
    loading->link = NULL;
    if (pid > 0) assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(card_free_bytes(&loading->card), loading->free_bytes);
    assert_int_equal(count_fds(), loading->card.fds_before + 1); /* the file in RAM */
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
#endif
