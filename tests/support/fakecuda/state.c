#include "state.h"

#include "script.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file is called c<card>-<kind>-<pid>-<serial>. */
struct parsed_name {
    unsigned card;
    char kind[8];
    int pid;
};

unsigned fake_cards(void)
{
    uint64_t count = fake_size("FAKECUDA_DEVICES", 1);
    return count < FAKE_CARDS_MAX ? (unsigned)count : FAKE_CARDS_MAX;
}

bool fake_cards_are_slices(void)
{
    return fake_size("FAKECUDA_MIG", 0) != 0;
}

void fake_card_uuid(unsigned card, unsigned char ret_bytes[16])
{
    static const unsigned char start[16] = {0xfa, 0x4e, 0xc0, 0xda, 0x00, 0x01, 0x4d, 0x0b, 0x81, 0xe5, 0x5e, 0xed, 0xca, 0x4d};
    memcpy(ret_bytes, start, 16);
    ret_bytes[15] = (unsigned char)card;
}

void fake_card_uuid_text(unsigned card, char out[64])
{
    unsigned char u[16];
    fake_card_uuid(card, u);
    snprintf(out, 64, "%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", fake_cards_are_slices() ? "MIG" : "GPU", u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10],
             u[11], u[12], u[13], u[14], u[15]);
}

static uint64_t size_of(const char *text, uint64_t otherwise)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text) return otherwise;
    if (*end == 'K') value <<= 10;
    if (*end == 'M') value <<= 20;
    if (*end == 'G') value <<= 30;
    return value;
}

uint64_t fake_size(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL ? size_of(text, otherwise) : otherwise;
}

uint64_t fake_card_bytes(unsigned card)
{
    const char *text = getenv("FAKECUDA_BYTES");
    for (unsigned i = 0; i < card && text != NULL; i++) {
        const char *comma = strchr(text, ',');
        if (comma == NULL) break;
        text = comma + 1;
    }
    return size_of(text != NULL ? text : "", 8ull << 30);
}

/* --- the folder --- */

static char folder[512];

static void find_folder(void)
{
    const char *wish = getenv("FAKECUDA_STATE"), *temporary = getenv("TMPDIR");
    struct stat about;
    if (wish != NULL && wish[0] != '\0') {
        snprintf(folder, sizeof(folder), "%s", wish);
    } else {
        bool is_there = stat("/dev/shm", &about) == 0 && access("/dev/shm", W_OK) == 0;
        snprintf(folder, sizeof(folder), "%s/fakecuda-%u", is_there ? "/dev/shm" : temporary != NULL ? temporary : "/tmp", (unsigned)geteuid());
    }
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) fprintf(stderr, "fakecuda: cannot make %s: %s\n", folder, strerror(errno));
}

const char *fake_state_folder(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_folder);
    return folder;
}

static int open_in_folder(const char *name, int flags)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", fake_state_folder(), name);
    return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Held while files are counted, made or removed. Closing it unlocks. */
static int lock_registry(void)
{
    int fd = open_in_folder("registry", O_RDWR | O_CREAT);
    if (fd < 0) {
        fprintf(stderr, "fakecuda: cannot open the registry in %s: %s\n", fake_state_folder(), strerror(errno));
        abort();
    }
    while (flock(fd, LOCK_EX) < 0 && errno == EINTR) {}
    return fd;
}

static bool parse_name(const char *text, struct parsed_name *ret_name)
{
    return sscanf(text, "c%u-%7[a-z]-%d-", &ret_name->card, ret_name->kind, &ret_name->pid) == 3;
}

/* Remove the file if nobody has it. Returns its size while it lives, or -1. */
static int64_t size_if_alive(const char *name)
{
    int fd = open_in_folder(name, O_RDWR);
    if (fd < 0) return -1;
    struct stat about;
    int64_t size = fstat(fd, &about) == 0 ? about.st_size : 0;
    bool is_dead = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (is_dead) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", fake_state_folder(), name);
        unlink(path);
    }
    close(fd);
    return is_dead ? -1 : size;
}

/* Call `visit` for every living file of a card; the registry is locked. */
static void walk(unsigned card, void (*visit)(void *context, const struct parsed_name *name, const char *file, uint64_t bytes), void *context)
{
    DIR *dir = opendir(fake_state_folder());
    if (dir == NULL) return;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct parsed_name name;
        if (!parse_name(entry->d_name, &name) || name.card != card) continue;
        int64_t size = size_if_alive(entry->d_name);
        if (size >= 0) visit(context, &name, entry->d_name, (uint64_t)size);
    }
    closedir(dir);
}

static void add_size(void *context, const struct parsed_name *name, const char *file, uint64_t bytes)
{
    (void)file;
    if (strcmp(name->kind, "gone") != 0) *(uint64_t *)context += bytes;
}

static uint64_t used_locked(unsigned card)
{
    uint64_t used = fake_script_figure("others", 0);
    walk(card, add_size, &used);
    return used;
}

uint64_t fake_state_used(unsigned card)
{
    int registry = lock_registry();
    uint64_t used = used_locked(card);
    close(registry);
    return used;
}

static int create_locked(unsigned card, const char *kind, uint64_t bytes)
{
    static atomic_uint serial;
    uint64_t used = used_locked(card), total = fake_card_bytes(card);
    if (used > total || bytes > total - used) return -ENOSPC;
    int fd = -1;
    do {
        char name[128];
        snprintf(name, sizeof(name), "c%u-%s-%d-%u", card, kind, (int)getpid(), atomic_fetch_add(&serial, 1));
        fd = open_in_folder(name, O_RDWR | O_CREAT | O_EXCL);
    } while (fd < 0 && errno == EEXIST);
    if (fd < 0) return -errno;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 || ftruncate(fd, (off_t)bytes) < 0) {
        int why = errno;
        close(fd);
        return -why;
    }
    return fd;
}

int fake_state_create(unsigned card, const char *kind, uint64_t bytes)
{
    int registry = lock_registry();
    int fd = create_locked(card, kind, bytes);
    close(registry);
    return fd;
}

struct wanted_inode {
    ino_t inode;
    bool is_found;
};

static void match_inode(void *context, const struct parsed_name *name, const char *file, uint64_t bytes)
{
    struct wanted_inode *wanted = context;
    char path[1024];
    struct stat about;
    (void)bytes;
    snprintf(path, sizeof(path), "%s/%s", fake_state_folder(), file);
    if (strcmp(name->kind, "mem") == 0 && stat(path, &about) == 0 && about.st_ino == wanted->inode) wanted->is_found = true;
}

bool fake_state_identify(int fd, unsigned *ret_card, uint64_t *ret_bytes)
{
    struct stat about, of_folder;
    if (fstat(fd, &about) < 0 || stat(fake_state_folder(), &of_folder) < 0 || about.st_dev != of_folder.st_dev || !S_ISREG(about.st_mode)) return false;
    struct wanted_inode wanted = {.inode = about.st_ino};
    int registry = lock_registry();
    for (unsigned card = 0; card < FAKE_CARDS_MAX && !wanted.is_found; card++) {
        walk(card, match_inode, &wanted);
        *ret_card = card;
    }
    close(registry);
    *ret_bytes = (uint64_t)about.st_size;
    return wanted.is_found;
}

/* --- processes --- */

struct census {
    struct fake_process *processes;
    unsigned count, room;
    bool of_contexts;
};

static struct fake_process *find_process(struct census *census, pid_t pid)
{
    for (unsigned i = 0; i < census->count && i < census->room; i++)
        if (census->processes[i].pid == pid) return &census->processes[i];
    return NULL;
}

static void count_process(void *context, const struct parsed_name *name, const char *file, uint64_t bytes)
{
    struct census *census = context;
    (void)file;
    if ((strcmp(name->kind, "ctx") == 0) != census->of_contexts || strcmp(name->kind, "gone") == 0) return;
    struct fake_process *process = find_process(census, name->pid);
    if (process == NULL && census->of_contexts) {
        if (census->count < census->room) {
            process = &census->processes[census->count];
            *process = (struct fake_process){.pid = name->pid};
        }
        census->count++;
    }
    if (process != NULL) process->bytes += bytes;
}

unsigned fake_state_processes(unsigned card, struct fake_process *ret_processes, unsigned room)
{
    struct census census = {.processes = ret_processes, .room = room, .of_contexts = true};
    int registry = lock_registry();
    walk(card, count_process, &census);
    census.of_contexts = false;
    walk(card, count_process, &census);
    close(registry);
    return census.count;
}

static void forget_file(void *context, const struct parsed_name *name, const char *file, uint64_t bytes)
{
    (void)context;
    (void)bytes;
    if (strcmp(name->kind, "mem") != 0) return;
    char from[1024], to[1024];
    snprintf(from, sizeof(from), "%s/%s", fake_state_folder(), file);
    snprintf(to, sizeof(to), "%s/c%u-gone-%s", fake_state_folder(), name->card, strstr(file, "-mem-") + strlen("-mem-"));
    rename(from, to);
}

void fake_state_forget(unsigned card)
{
    int registry = lock_registry();
    walk(card, forget_file, NULL);
    close(registry);
}
