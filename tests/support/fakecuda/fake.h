#ifndef FAKECUDA_FAKE_H
#define FAKECUDA_FAKE_H
/* Inside the double of libcuda: what its files have in common. All of it is guarded by fake_lock, except where it says otherwise.
 * Functions that return int return a CUresult. */
#include "ptx.h"
#include "script.h"
#include "state.h"

#include "cuda/driver.h"

#include <pthread.h>

/* A function of the API, as the outside sees it. */
#define FAKE_API __attribute__((visibility("default")))
#define FAKE_GRANULARITY (2u << 20)

/* Results that hoist does not treat apart. */
enum fake_result {
    FAKE_ALREADY_MAPPED = 208,
    FAKE_INVALID_PTX = 218,
    FAKE_HOST_ALREADY_REGISTERED = 712,
    FAKE_HOST_NOT_REGISTERED = 713,
};

/* A context. Those that were destroyed stay in the list: whoever still names one gets CUDA_ERROR_CONTEXT_IS_DESTROYED. */
struct fake_context {
    struct fake_context *next;
    unsigned card;
    int fd;               /* of its file; -1 = destroyed */
    unsigned retained;    /* of a primary one */
    bool is_primary;
    struct fake_stream *default_stream;
};

extern pthread_mutex_t fake_lock;
extern pthread_cond_t fake_changed; /* something that somebody may wait for happened; of CLOCK_MONOTONIC */

/* --- process.c: initialisation, contexts, errors --- */

/* What a function needs before it does anything. */
enum fake_need {
    FAKE_NEEDS_NOTHING, /* works before cuInit and after everything */
    FAKE_NEEDS_INIT,
    FAKE_NEEDS_CONTEXT, /* a context that is current, alive and not failed */
};
/* Counts the call, does what the script says, and checks what is needed. Without fake_lock. What is to become of the work that the call queues is in `fate`. */
int fake_enter(const char *function, enum fake_need need, struct fake_fate *ret_fate);
/* First line of a function: returns what it must return at once. */
#define FAKE_ENTER(function, need)                                                                                                                             \
    struct fake_fate fate;                                                                                                                                     \
    {                                                                                                                                                          \
        int fake_result_ = fake_enter(function, need, &fate);                                                                                                  \
        (void)fate;                                                                                                                                            \
        if (fake_result_ != HST_CU_SUCCESS) return fake_result_;                                                                                               \
    }
/* The context that is current in this thread; not NULL behind FAKE_NEEDS_CONTEXT. */
struct fake_context *fake_current(void);
/* From now on everything of the card fails with it, in this process; the first one counts. Takes no lock. Returns it. */
int fake_fail(unsigned card, int result);
/* What everything of a card must return: 0, or how it failed, or that it is lost. Without fake_lock. */
int fake_failure(unsigned card);
/* How many cards this process sees, and which card of the machine an ordinal stands for. */
int fake_visible(void);
bool fake_visible_card(int ordinal, unsigned *ret_card);
/* The ordinal of a card in this process; -1 when it is not visible. */
int fake_ordinal(unsigned card);
/* May cards use each other's memory (FAKECUDA_PEER)? */
bool fake_peers(void);

/* --- memory.c --- */

/* Memory of a card. */
struct fake_memory;
/* The part of [address, address + bytes) that lies in one mapping which the card may read, or write too. A reference to its memory is taken. */
struct fake_piece {
    struct fake_memory *memory;
    int fd;          /* borrowed from the memory */
    uint64_t offset; /* in it */
    uint64_t bytes;  /* of the piece */
};
bool fake_piece_find(unsigned card, uint64_t address, uint64_t bytes, bool write, struct fake_piece *ret_piece);
/* Give the reference back. Without fake_lock. */
void fake_piece_end(struct fake_piece *piece);
/* Is all of the range mapped, with access? */
bool fake_range_usable(unsigned card, uint64_t address, uint64_t bytes, bool write);

/* --- host.c --- */

/* Is all of the range pinned? */
bool fake_host_is_pinned(const void *address, size_t bytes);
/* The pinned range around an address. */
bool fake_host_find(uint64_t address, uint64_t *ret_begin, uint64_t *ret_end);
/* What was pinned in a context goes with it. */
void fake_host_forget(const struct fake_context *context);

/* --- stream.c --- */

/* Work of a context ends (it is dropped, what runs is waited for), and its streams are no more. Holding fake_lock, which is let go meanwhile. */
void fake_streams_end(struct fake_context *context);
/* Wait until all work of the context is done. Holding fake_lock, which is let go meanwhile. */
void fake_streams_wait(struct fake_context *context);
/* Queue a kernel: takes `parameters` (of malloc). Holding fake_lock. */
int fake_stream_launch(struct fake_context *context, void *stream, const struct fake_fate *fate, const struct fake_ptx_function *function, const unsigned grid[3],
                       const unsigned block[3], unsigned shared_bytes, void *parameters);
/* The card that this thread runs work of. */
unsigned fake_stream_card(void);
#endif
