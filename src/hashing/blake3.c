#include "hashing/blake3.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

/* The library's own state has 1912 bytes; no version of its ABI may need more than this. */
struct hst_blake3 {
    _Alignas(64) uint8_t state[4096];
};

static struct {
    pthread_once_t once;
    void (*init)(void *state);
    void (*update)(void *state, const void *bytes, size_t length);
    void (*finalize)(const void *state, uint8_t *digest, size_t length);
} library = {.once = PTHREAD_ONCE_INIT};

static void find_library(void)
{
    void *handle = dlopen("libblake3.so.0", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) handle = dlopen("libblake3.so", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) return;
    *(void **)&library.update = dlsym(handle, "blake3_hasher_update");
    *(void **)&library.finalize = dlsym(handle, "blake3_hasher_finalize");
    if (library.update != NULL && library.finalize != NULL) *(void **)&library.init = dlsym(handle, "blake3_hasher_init");
}

struct hst_blake3 *hst_blake3_new(void)
{
    pthread_once(&library.once, find_library);
    struct hst_blake3 *blake3 = library.init != NULL ? aligned_alloc(64, sizeof *blake3) : NULL;
    if (blake3 != NULL) library.init(blake3->state);
    return blake3;
}

void hst_blake3_update(struct hst_blake3 *blake3, const void *bytes, size_t length)
{
    library.update(blake3->state, bytes, length);
}

void hst_blake3_finish(const struct hst_blake3 *blake3, uint8_t ret_digest[HST_BLAKE3_BYTES])
{
    library.finalize(blake3->state, ret_digest, HST_BLAKE3_BYTES);
}
