#ifndef HST_TESTS_CARD_H
#define HST_TESTS_CARD_H
/** @file
 * A card for a test: the double's, on a machine of its own; with HOIST_GPU_TEST set, the real one. What is on it is looked at through the driver, in the
 * test's process. */
#include "backend/cuda/cuda.h"
#include "cmocka_all.h"
#include "cuda/mapping.h"
#include "fds.h"
#include "os/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct card {
    char state[64];      /* folder of the double */
    char script[96];     /* what it reads */
    char program[1200];  /* hoist-device */
    uv_loop_t loop;
    uv_timer_t alive;    /* the loop has something to wait for, as that of hoistd */
    struct hst_cuda_card found;
    const struct hst_cuda_driver *driver;
    void *context;
    int fds_before;
};

static inline bool card_is_real(void)
{
    return getenv("HOIST_GPU_TEST") != NULL;
}

/** The double beside the test, on a machine of its own with `bytes` of memory. */
static inline void card_use_double(struct card *card, const char *bytes)
{
    char folder[1024], driver[1200];
    assert_int_equal(hst_process_program_folder(folder, sizeof folder, NULL), 0);
    snprintf(card->program, sizeof card->program, "%s/../hoist-device", folder);
    snprintf(card->state, sizeof card->state, "/dev/shm/hoist-card-XXXXXX");
    if (card_is_real()) return;
    assert_non_null(mkdtemp(card->state));
    snprintf(card->script, sizeof card->script, "%s.script", card->state);
    snprintf(driver, sizeof driver, "%s/fakecuda/libcuda.so.1", folder);
    assert_int_equal(setenv("HOIST_CUDA_DRIVER", driver, 1) + setenv("FAKECUDA_STATE", card->state, 1) + setenv("FAKECUDA_BYTES", bytes, 1) +
                         setenv("FAKECUDA_SCRIPT", card->script, 1),
                     0);
}

/** What the double does from now on; "" = nothing out of the ordinary. */
static inline void card_script(const struct card *card, const char *text)
{
    char next[128];
    snprintf(next, sizeof next, "%s.next", card->script);
    FILE *file = fopen(next, "w");
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(next, card->script), 0);
}

static inline void card_on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static inline void card_init(struct card *card, const char *bytes)
{
    struct hst_cuda_card cards[HST_CUDA_CARDS_MAX];
    size_t count = 0;
    char why[256];
    *card = (struct card){0};
    card_use_double(card, bytes);
    uv_loop_init(&card->loop);
    uv_timer_init(&card->loop, &card->alive);
    uv_timer_start(&card->alive, card_on_alive, 1000, 1000);
    assert_int_equal(hst_cuda_list(card->program, cards, &count, why, NULL), 0);
    assert_true(count > 0);
    card->found = cards[0];
    assert_int_equal(hst_cuda_driver_get(&card->driver, NULL), 0);
    assert_int_equal(card->driver->cuCtxCreate(&card->context, 0, 0), 0);
    card->fds_before = count_fds();
}

static inline void card_fini(struct card *card)
{
    char command[256];
    uv_close((uv_handle_t *)&card->alive, NULL);
    uv_run(&card->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&card->loop), 0);
    assert_int_equal(card->driver->cuCtxDestroy(card->context), 0);
    if (card_is_real()) return;
    snprintf(command, sizeof command, "rm -rf %s %s", card->state, card->script);
    assert_int_equal(system(command), 0);
}

/** Make it a device, which gives up after `limit_ms`. */
static inline int card_open(struct card *card, uint64_t budget, unsigned limit_ms, struct hst_device **ret_device)
{
    const struct hst_cuda_config config = {.loop = &card->loop, .program = card->program, .idle_seconds = 1, .limit_ms = limit_ms};
    return hst_cuda_open(&config, &card->found, budget, ret_device, NULL);
}

/** Bytes that are free on it. */
static inline uint64_t card_free_bytes(const struct card *card)
{
    size_t free_bytes = 0, total = 0;
    assert_int_equal(card->driver->cuMemGetInfo(&free_bytes, &total), 0);
    return free_bytes;
}

/** What the memory behind these segments has, mapped as a client does; free(bytes). */
static inline char *card_read(const struct card *card, const struct hst_device_segment *segments, size_t count)
{
    struct hst_cuda_part parts[16];
    struct hst_cuda_mapping mapping = {0};
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct hst_cuda_part){segments[i].fd, segments[i].size_bytes};
    assert_int_equal(hst_cuda_map(card->driver, 0, parts, count, HST_CU_ACCESS_READ, &mapping, NULL), 0);
    char *bytes = malloc(mapping.size_bytes);
    assert_int_equal(card->driver->cuMemcpyDtoHAsync(bytes, mapping.address, mapping.size_bytes, NULL), 0);
    assert_int_equal(card->driver->cuCtxSynchronize(), 0);
    assert_int_equal(hst_cuda_unmap(&mapping), 0);
    return bytes;
}
#endif
