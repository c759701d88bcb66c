/* The disk's limit: O_DIRECT reads of a whole file by several threads, and nothing else.
 *     bench-direct FILE touched|fresh [THREADS] [MIB]
 * touched: into a buffer a thread, used over and over. fresh: into huge-page memory for all of the file that was never touched, as a copy needs it.
 * Prints seconds. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1048576)
enum { THREADS_MAX = 64 };

static int fd;
static size_t size, piece = 16 * MIB;
static char *all; /* NULL = a buffer a thread */
static _Atomic(size_t) next;

static char *new_memory(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(1);
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void read_piece(char *target, size_t at)
{
    size_t wanted = size - at < piece ? size - at : piece;
    for (size_t done = 0; done < wanted;) {
        ssize_t got = pread(fd, target + done, wanted - done, (off_t)(at + done));
        if (got <= 0) exit(1);
        done += (size_t)got;
    }
}

static void *work(void *buffer)
{
    for (size_t at; (at = atomic_fetch_add(&next, piece)) < size;)
        read_piece(all != NULL ? all + at : buffer, at);
    return NULL;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
    pthread_t threads[THREADS_MAX];
    char *buffers[THREADS_MAX] = {0};
    if (count < 3) return 2;
    size_t number = count > 3 ? (size_t)atoi(arguments[3]) : 8;
    if (number > THREADS_MAX) return 2;
    if (count > 4) piece = (size_t)atoi(arguments[4]) * MIB;
    fd = open(arguments[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
    size = fd >= 0 ? (size_t)lseek(fd, 0, SEEK_END) / 4096 * 4096 : 0;
    if (strcmp(arguments[2], "fresh") == 0) all = new_memory(size);
    for (size_t i = 0; all == NULL && i < number; i++)
        memset(buffers[i] = new_memory(piece), 1, piece);
    double began = now();
    for (size_t i = 0; i < number; i++)
        pthread_create(&threads[i], NULL, work, buffers[i]);
    for (size_t i = 0; i < number; i++)
        pthread_join(threads[i], NULL);
    printf("%.6f\n", now() - began);
    return size == 0;
}
