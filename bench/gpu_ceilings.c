/* What a card and its driver allow at best, and what hoist pays for each step of sharing its memory. usage: bench-gpu-ceilings [ORDINAL] [LARGEST_MIB]
 * Prints JSON: who was measured, and rows {what, bytes, unit, median, least, runs}. On a double of the driver the figures mean nothing, and it says so. */
#include "cuda/driver.h"
#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
enum { RUNS = 7, CONTEXT_RUNS = 3, COPIES_AT_ONCE = 4 };

static const struct hst_cuda_driver *cu;
static int device;
static size_t granularity;
static uint64_t largest = GIB;
static bool first_row = true;

/* ---- values ---- */

static void must(int result, const char *what)
{
    struct hst_error err = {0};
    if (result == HST_CU_SUCCESS) return;
    (void)hst_cuda_error(cu, result, what, &err);
    fprintf(stderr, "bench-gpu-ceilings: %s\n", err.text);
    exit(1);
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void print_row(const char *what, uint64_t bytes, const char *unit, double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    printf("%s\n  {\"what\": \"%s\", \"bytes\": %llu, \"unit\": \"%s\", \"median\": %.4g, \"least\": %.4g, \"most\": %.4g, \"runs\": %d}", first_row ? "" : ",", what,
           (unsigned long long)bytes, unit, values[count / 2], values[0], values[count - 1], count);
    first_row = false;
    fflush(stdout);
}

static double us_since(uint64_t began)
{
    return (double)(hst_clock_ns() - began) / 1e3;
}

static double gib_per_s(uint64_t bytes, double us)
{
    return us > 0 ? (double)bytes / (double)GIB / (us / 1e6) : 0;
}

/* ---- contexts: in a process of its own each, since the second one of a process is cheaper ---- */

static void context_child(int out)
{
    struct hst_error err = {0};
    void *context;
    uint64_t began = hst_clock_ns();
    if (hst_cuda_driver_get(&cu, &err) < 0) _exit(1);
    double init = us_since(began) / 1e3;
    began = hst_clock_ns();
    must(cu->cuDevicePrimaryCtxRetain(&context, device), "create a context");
    double values[2] = {init, us_since(began) / 1e3};
    _exit(write(out, values, sizeof values) == (ssize_t)sizeof values ? 0 : 1);
}

/* Before this process has used the driver: a child of fork may not. */
static void measure_contexts(double init[CONTEXT_RUNS], double create[CONTEXT_RUNS])
{
    for (int i = 0; i < CONTEXT_RUNS; i++) {
        int ends[2];
        double values[2] = {0, 0};
        if (pipe(ends) < 0) exit(1);
        if (fork() == 0) context_child(ends[1]);
        close(ends[1]);
        if (read(ends[0], values, sizeof values) != (ssize_t)sizeof values) {
            fprintf(stderr, "bench-gpu-ceilings: a context cannot be created\n");
            exit(1);
        }
        close(ends[0]);
        init[i] = values[0];
        create[i] = values[1];
    }
}

/* What one more context takes of the card. */
static void measure_context_memory(void)
{
    size_t before, after, total;
    void *context;
    double values[1];
    must(cu->cuMemGetInfo(&before, &total), "ask for free memory");
    must(cu->cuCtxCreate(&context, HST_CU_CTX_BLOCKING_SYNC, device), "create a second context");
    must(cu->cuMemGetInfo(&after, &total), "ask for free memory");
    must(cu->cuCtxDestroy(context), "destroy it");
    values[0] = before > after ? (double)(before - after) / (double)MIB : 0;
    print_row("memory of a second context of the same process", 0, "MiB", values, 1);
}

/* ---- pages that are pinned ---- */

enum pages { SMALL, HUGE_PAGES };

static char *new_pages(uint64_t bytes, enum pages kind)
{
    size_t align = 2 * MIB;
    char *raw = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return NULL;
    char *memory = raw + (align - (uintptr_t)raw % align) % align;
    madvise(memory, bytes, kind == HUGE_PAGES ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    memset(memory, 1, bytes);
    return memory;
}

/* Is most of it really in 2 MiB pages? */
static bool is_huge(const char *memory, uint64_t bytes)
{
    char line[256];
    FILE *maps = fopen("/proc/self/smaps", "re");
    unsigned long start = 0, end = 0, kib = 0, huge = 0;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) continue;
        if (start <= (unsigned long)memory && (unsigned long)memory < end && sscanf(line, "AnonHugePages: %lu", &kib) == 1) huge = kib;
    }
    if (maps != NULL) fclose(maps);
    return huge * 1024 >= bytes / 2;
}

static void measure_pinning(const char *what, enum pages kind, uint64_t bytes)
{
    double pin[RUNS], unpin[RUNS], gib = (double)bytes / (double)GIB;
    char name[96];
    char *memory = new_pages(bytes, kind);
    if (memory == NULL || (kind == HUGE_PAGES && !is_huge(memory, bytes))) return; /* a row that is not there is better than one of other pages */
    for (int i = 0; i < RUNS; i++) {
        uint64_t began = hst_clock_ns();
        must(cu->cuMemHostRegister(memory, bytes, HST_CU_HOST_REGISTER_PORTABLE), "pin memory");
        pin[i] = us_since(began) / 1e3 / gib;
        began = hst_clock_ns();
        must(cu->cuMemHostUnregister(memory), "unpin memory");
        unpin[i] = us_since(began) / 1e3 / gib;
    }
    print_row(what, bytes, "ms/GiB", pin, RUNS);
    snprintf(name, sizeof name, "un%s", what);
    print_row(name, bytes, "ms/GiB", unpin, RUNS);
    munmap(memory, bytes);
}

static void measure_pinned_allocation(uint64_t bytes)
{
    double values[RUNS], gib = (double)bytes / (double)GIB;
    for (int i = 0; i < RUNS; i++) {
        void *memory;
        uint64_t began = hst_clock_ns();
        must(cu->cuMemHostAlloc(&memory, bytes, HST_CU_HOST_ALLOC_PORTABLE), "allocate pinned memory");
        values[i] = us_since(began) / 1e3 / gib;
        must(cu->cuMemFreeHost(memory), "free it");
    }
    print_row("cuMemHostAlloc", bytes, "ms/GiB", values, RUNS);
}

/* ---- memory that is shared: each call of its life ---- */

enum call { CREATE, EXPORT, IMPORT, RESERVE, MAP, ACCESS_READ, ACCESS_WRITE, UNMAP, RELEASE, CLOSE_LAST, CALLS };
static const char *const call_names[CALLS] = {"cuMemCreate", "export", "import", "reserve addresses", "map", "set access, read", "set access, read and write", "unmap", "release",
                                              "close the last descriptor"};

static struct hst_cu_allocation on_device(void)
{
    return (struct hst_cu_allocation){.type = HST_CU_ALLOCATION_PINNED, .handle_types = HST_CU_HANDLE_POSIX_FD, .location = {HST_CU_LOCATION_DEVICE, device}};
}

/* The time of `expression`, which must succeed, goes to times[call]. */
#define TIMED(call, expression)                                                                                                                                  \
    do {                                                                                                                                                         \
        uint64_t began_ = hst_clock_ns();                                                                                                                        \
        must((expression), call_names[call]);                                                                                                                    \
        times[call] = us_since(began_);                                                                                                                          \
    } while (0)

static void live_once(uint64_t bytes, double times[CALLS])
{
    struct hst_cu_allocation wanted = on_device();
    struct hst_cu_access access = {{HST_CU_LOCATION_DEVICE, device}, HST_CU_ACCESS_READ};
    unsigned long long handle, imported, address;
    int fd = -1;
    TIMED(CREATE, cu->cuMemCreate(&handle, bytes, &wanted, 0));
    TIMED(EXPORT, cu->cuMemExportToShareableHandle(&fd, handle, HST_CU_HANDLE_POSIX_FD, 0));
    must(cu->cuMemRelease(handle), "release the creator's handle");
    TIMED(IMPORT, cu->cuMemImportFromShareableHandle(&imported, (void *)(uintptr_t)fd, HST_CU_HANDLE_POSIX_FD));
    TIMED(RESERVE, cu->cuMemAddressReserve(&address, bytes, 0, 0, 0));
    TIMED(MAP, cu->cuMemMap(address, bytes, 0, imported, 0));
    TIMED(ACCESS_READ, cu->cuMemSetAccess(address, bytes, &access, 1));
    access.flags = HST_CU_ACCESS_READ_WRITE;
    TIMED(ACCESS_WRITE, cu->cuMemSetAccess(address, bytes, &access, 1));
    TIMED(UNMAP, cu->cuMemUnmap(address, bytes));
    TIMED(RELEASE, cu->cuMemRelease(imported));
    must(cu->cuMemAddressFree(address, bytes), "free addresses");
    uint64_t began = hst_clock_ns();
    close(fd);
    times[CLOSE_LAST] = us_since(began);
}

static void measure_life(uint64_t bytes)
{
    double times[RUNS][CALLS], column[RUNS];
    for (int i = 0; i < RUNS; i++)
        live_once(bytes, times[i]);
    for (int call = 0; call < CALLS; call++) {
        for (int i = 0; i < RUNS; i++)
            column[i] = times[i][call];
        print_row(call_names[call], bytes, "us", column, RUNS);
    }
}

/* ---- copies ---- */

struct ends {
    unsigned long long address, handle;
    void *host;
    void *streams[COPIES_AT_ONCE];
};

static struct ends new_ends(uint64_t bytes)
{
    struct ends ends;
    struct hst_cu_allocation wanted = on_device();
    struct hst_cu_access access = {{HST_CU_LOCATION_DEVICE, device}, HST_CU_ACCESS_READ_WRITE};
    must(cu->cuMemCreate(&ends.handle, bytes, &wanted, 0), "allocate");
    must(cu->cuMemAddressReserve(&ends.address, bytes, 0, 0, 0), "reserve addresses");
    must(cu->cuMemMap(ends.address, bytes, 0, ends.handle, 0), "map");
    must(cu->cuMemSetAccess(ends.address, bytes, &access, 1), "set access");
    must(cu->cuMemHostAlloc(&ends.host, bytes, HST_CU_HOST_ALLOC_PORTABLE), "allocate pinned memory");
    memset(ends.host, 1, bytes);
    for (int i = 0; i < COPIES_AT_ONCE; i++)
        must(cu->cuStreamCreate(&ends.streams[i], HST_CU_STREAM_NON_BLOCKING), "create a stream");
    return ends;
}

static void free_ends(struct ends *ends, uint64_t bytes)
{
    for (int i = 0; i < COPIES_AT_ONCE; i++)
        must(cu->cuStreamDestroy(ends->streams[i]), "destroy a stream");
    must(cu->cuMemFreeHost(ends->host), "free pinned memory");
    must(cu->cuMemUnmap(ends->address, bytes), "unmap");
    must(cu->cuMemAddressFree(ends->address, bytes), "free addresses");
    must(cu->cuMemRelease(ends->handle), "release");
}

/* All of it in pieces of `piece`, on so many streams. @return GiB/s */
static double copy(const struct ends *ends, uint64_t bytes, uint64_t piece, int streams, bool to_device)
{
    int next = 0;
    uint64_t began = hst_clock_ns();
    for (uint64_t at = 0; at < bytes; at += piece) {
        uint64_t length = bytes - at < piece ? bytes - at : piece;
        void *stream = ends->streams[next++ % streams];
        must(to_device ? cu->cuMemcpyHtoDAsync(ends->address + at, (char *)ends->host + at, length, stream)
                       : cu->cuMemcpyDtoHAsync((char *)ends->host + at, ends->address + at, length, stream), "copy");
    }
    for (int i = 0; i < streams; i++)
        must(cu->cuStreamSynchronize(ends->streams[i]), "wait for copies");
    return gib_per_s(bytes, us_since(began));
}

static void measure_copies(uint64_t bytes)
{
    static const struct {
        const char *what;
        uint64_t piece;
        int streams;
        bool to_device;
    } rows[] = {
        {"pinned to card, one copy", UINT64_MAX, 1, true},         {"pinned to card, pieces of 4 MiB, one stream", 4 * MIB, 1, true},
        {"pinned to card, pieces of 4 MiB, four streams", 4 * MIB, 4, true}, {"pinned to card, pieces of 64 MiB, two streams", 64 * MIB, 2, true},
        {"card to pinned, one copy", UINT64_MAX, 1, false},
    };
    struct ends ends = new_ends(bytes);
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        double values[RUNS];
        (void)copy(&ends, bytes, rows[row].piece, rows[row].streams, rows[row].to_device);
        for (int i = 0; i < RUNS; i++)
            values[i] = copy(&ends, bytes, rows[row].piece, rows[row].streams, rows[row].to_device);
        print_row(rows[row].what, bytes, "GiB/s", values, RUNS);
    }
    free_ends(&ends, bytes);
}

/* ---- */

static void print_head(void)
{
    char name[128] = "", bus[32] = "", uuid[64] = "";
    struct hst_cu_uuid id;
    size_t total = 0;
    must(cu->cuDeviceGetName(name, sizeof name, device), "ask for the name");
    must(cu->cuDeviceGetPCIBusId(bus, sizeof bus, device), "ask for the bus");
    must(cu->cuDeviceGetUuid(&id, device), "ask for the UUID");
    must(cu->cuDeviceTotalMem(&total, device), "ask for its memory");
    hst_cuda_uuid_text(&id, false, uuid);
    printf("{\"card\": \"%s\", \"uuid\": \"%s\", \"bus\": \"%s\", \"total_bytes\": %zu, \"driver_version\": %d, \"granularity_bytes\": %zu, \"double\": %s, \"rows\": [", name, uuid,
           bus, total, cu->version, granularity, strstr(cu->path, "fakecuda") != NULL ? "true" : "false");
}

static uint64_t at_most(uint64_t bytes)
{
    uint64_t least = bytes < largest ? bytes : largest;
    return (least + granularity - 1) / granularity * granularity;
}

static void open_device(void)
{
    struct hst_error err = {0};
    void *context;
    struct hst_cu_allocation wanted = on_device();
    if (hst_cuda_driver_get(&cu, &err) < 0) {
        fprintf(stderr, "bench-gpu-ceilings: %s\n", err.text);
        exit(1);
    }
    must(cu->cuDevicePrimaryCtxRetain(&context, device), "create a context");
    must(cu->cuCtxSetCurrent(context), "use it");
    must(cu->cuMemGetAllocationGranularity(&granularity, &wanted, HST_CU_GRANULARITY_RECOMMENDED), "ask for the granularity");
}

int main(int count, char **arguments)
{
    static const uint64_t sizes[] = {2 * MIB, 64 * MIB, GIB, 4 * GIB};
    double init[CONTEXT_RUNS], create[CONTEXT_RUNS];
    if (count > 1) device = atoi(arguments[1]);
    if (count > 2) largest = strtoull(arguments[2], NULL, 10) * MIB;
    if (largest == 0) return 2;
    measure_contexts(init, create);
    open_device();
    print_head();
    print_row("cuInit", 0, "ms", init, CONTEXT_RUNS);
    print_row("primary context", 0, "ms", create, CONTEXT_RUNS);
    measure_context_memory();
    measure_copies(at_most(GIB));
    measure_pinning("pin, 4 KiB pages", SMALL, at_most(GIB));
    measure_pinning("pin, 2 MiB pages", HUGE_PAGES, at_most(GIB));
    measure_pinned_allocation(at_most(GIB));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i] <= largest) measure_life(at_most(sizes[i]));
    printf("\n]}\n");
    return 0;
}
