#ifndef HST_TESTS_CARDS_H
#define HST_TESTS_CARDS_H
/** @file
 * A fake machine with cards for a test, and processes on it. A process that has used the driver may not fork: so the test itself never does, and what is
 * tested happens in processes that it starts. They end at the first CHECK that fails. */
#include "cuda/driver.h"
#include "os/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1ull << 20)

/** End this process, saying why, unless `condition`. */
#define CHECK(condition)                                                                                                                                       \
    do {                                                                                                                                                       \
        if (!(condition)) {                                                                                                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                                                            \
            exit(1);                                                                                                                                           \
        }                                                                                                                                                      \
    } while (0)

/** A fake machine: everything in its folder. */
struct machine {
    char folder[64]; /**< the state of the double, and the script */
    char script[96]; /**< its path */
};

/** Where the double of a library is. */
static inline void double_path(const char *name, char out[1200])
{
    char folder[1024];
    if (hst_process_program_folder(folder, sizeof(folder), NULL) < 0) abort();
    snprintf(out, 1200, "%s/fakecuda/%s", folder, name);
}

/** A new machine with one card of `card_bytes`, nobody on it, and the environment for it. */
static inline void machine_start(struct machine *machine, const char *card_bytes)
{
    char path[1200];
    snprintf(machine->folder, sizeof(machine->folder), "%s/hoist-cards-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(machine->folder) == NULL) abort();
    snprintf(machine->script, sizeof(machine->script), "%s/script", machine->folder);
    double_path("libcuda.so.1", path);
    setenv("HOIST_CUDA_DRIVER", path, 1);
    setenv("FAKECUDA_STATE", machine->folder, 1);
    setenv("FAKECUDA_SCRIPT", machine->script, 1);
    setenv("FAKECUDA_BYTES", card_bytes, 1);
}

/** Remove it, and what was set in the environment. */
static inline void machine_end(struct machine *machine)
{
    static const char *const variables[] = {"HOIST_CUDA_DRIVER", "FAKECUDA_STATE", "FAKECUDA_SCRIPT", "FAKECUDA_BYTES", "FAKECUDA_DEVICES", "FAKECUDA_VERSION",
                                            "FAKECUDA_CONTEXT_BYTES", "FAKECUDA_MIG", "FAKECUDA_PROGRAM", "CUDA_VISIBLE_DEVICES"};
    char command[96];
    snprintf(command, sizeof(command), "rm -rf %s", machine->folder);
    if (system(command) != 0) abort();
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
}

/** Put another script in place, at once. */
static inline void machine_script(const struct machine *machine, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s.new", machine->script);
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || rename(path, machine->script) < 0) abort();
}

/** Start a process that does `work`. */
static inline pid_t process_start(void (*work)(void *argument), void *argument)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0) return pid;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it: here it is what is tested */
    work(argument);
    exit(0);
}

/** Wait for its end. @return its exit status, or minus the signal that ended it */
static inline int process_end(pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) abort();
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/** Do `work` in a process of its own. @return as process_end */
static inline int process_run(void (*work)(void *argument), void *argument)
{
    return process_end(process_start(work, argument));
}

/** Send a descriptor and close it. */
static inline void send_fd(int socket, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {.iov_base = "f", .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    CHECK(sendmsg(socket, &message, 0) == 1);
    close(fd);
}

/** Receive one. */
static inline int receive_fd(int socket)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int fd = -1;
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message) != NULL) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

/** The driver, with the primary context of device 0 current. */
static inline const struct hst_cuda_driver *driver_start(void)
{
    const struct hst_cuda_driver *driver = NULL;
    struct hst_error err = {0};
    void *context = NULL;
    if (hst_cuda_driver_get(&driver, &err) < 0) fprintf(stderr, "%s\n", err.text);
    CHECK(driver != NULL && driver->cuDevicePrimaryCtxRetain(&context, 0) == 0 && driver->cuCtxPushCurrent(context) == 0);
    return driver;
}

/** Memory that can be shared. @return what cuMemCreate says */
static inline int memory_create(const struct hst_cuda_driver *driver, uint64_t bytes, unsigned long long *ret_handle)
{
    const struct hst_cu_allocation allocation = {.type = HST_CU_ALLOCATION_PINNED, .handle_types = HST_CU_HANDLE_POSIX_FD, .location = {.type = HST_CU_LOCATION_DEVICE}};
    return driver->cuMemCreate(ret_handle, bytes, &allocation, 0);
}

/** Its descriptor, the handle being released. */
static inline int memory_export(const struct hst_cuda_driver *driver, unsigned long long handle)
{
    int fd = -1;
    CHECK(driver->cuMemExportToShareableHandle(&fd, handle, HST_CU_HANDLE_POSIX_FD, 0) == 0 && driver->cuMemRelease(handle) == 0);
    return fd;
}

/** Map a handle at an address of its own. */
static inline unsigned long long memory_map(const struct hst_cuda_driver *driver, unsigned long long handle, uint64_t bytes, int access)
{
    unsigned long long address = 0;
    const struct hst_cu_access who = {.location = {.type = HST_CU_LOCATION_DEVICE}, .flags = access};
    CHECK(driver->cuMemAddressReserve(&address, bytes, 0, 0, 0) == 0 && driver->cuMemMap(address, bytes, 0, handle, 0) == 0 &&
          driver->cuMemSetAccess(address, bytes, &who, 1) == 0);
    return address;
}

/** As memory_map, of a descriptor; it stays open. */
static inline unsigned char *memory_import(const struct hst_cuda_driver *driver, int fd, uint64_t bytes, int access)
{
    unsigned long long handle = 0;
    CHECK(driver->cuMemImportFromShareableHandle(&handle, (void *)(uintptr_t)fd, HST_CU_HANDLE_POSIX_FD) == 0);
    unsigned long long address = memory_map(driver, handle, bytes, access);
    CHECK(driver->cuMemRelease(handle) == 0);
    return (unsigned char *)(uintptr_t)address;
}

/** Bytes of the card that are in use. */
static inline uint64_t memory_used(const struct hst_cuda_driver *driver)
{
    size_t free_bytes = 0, total = 0;
    CHECK(driver->cuMemGetInfo(&free_bytes, &total) == 0);
    return total - free_bytes;
}
#endif
