#include "cli/disks.h"

#include "cli/talk.h"
#include "cli/term.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { DEPTH_MAX = 4, ENTRIES_MAX = 200 };

/* Magic numbers of statfs(2). Those that are local hold their page cache in place. */
static const struct {
    unsigned long magic;
    const char *name;
    bool local;
} systems[] = {
    {0xef53, "ext4", true},      {0x58465342, "xfs", true},   {0x9123683e, "btrfs", true},   {0xf2f52010, "f2fs", true},   {0x01021994, "tmpfs", true},
    {0x794c7630, "overlay", false}, {0x6969, "nfs", false},   {0xff534d42, "cifs", false},   {0xfe534d42, "smb2", false},  {0x65735546, "fuse", false},
    {0x01021997, "9p", false},   {0x00c36400, "ceph", false}, {0x0bd00bd0, "lustre", false}, {0x2fc12fc1, "zfs", false},   {0x6a656a63, "virtiofs", false},
};
enum { SYSTEMS = sizeof systems / sizeof systems[0] };

/* @return its row, or SYSTEMS for one that is not listed */
static size_t system_of(const char *path)
{
    struct statfs fs;
    size_t i = statfs(path, &fs) == 0 ? 0 : SYSTEMS;
    while (i < SYSTEMS && (unsigned long)fs.f_type != systems[i].magic)
        i++;
    return i;
}

void hst_examine(json_t *checks, const char *name, const char *found, const char *advice)
{
    json_array_append_new(checks, json_pack("{s:s, s:b, s:s, s:s?}", "check", name, "ok", advice == NULL, "found", found, "advice", advice));
}

/* In this folder and those below it, down to DEPTH_MAX. Takes over `dir_fd`. @return was one found? */
static bool find_file(int dir_fd, int depth, int *ret_fd);

/* A regular file: opened past the page cache. A folder: looked into. @return was one found? */
static bool try_entry(int dir_fd, const struct dirent *entry, int depth, int *ret_fd)
{
    if (entry->d_name[0] == '.') return false;
    if (entry->d_type == DT_REG) {
        *ret_fd = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        return *ret_fd >= 0 || errno == EINVAL;
    }
    if (entry->d_type != DT_DIR || depth >= DEPTH_MAX) return false;
    int inner = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return inner >= 0 && find_file(inner, depth + 1, ret_fd);
}

static bool find_file(int dir_fd, int depth, int *ret_fd)
{
    DIR *folder = fdopendir(dir_fd);
    bool found = false;
    if (folder == NULL) {
        close(dir_fd);
        return false;
    }
    const struct dirent *entry;
    for (int i = 0; !found && i < ENTRIES_MAX && (entry = readdir(folder)) != NULL; i++)
        found = try_entry(dir_fd, entry, depth, ret_fd);
    closedir(folder);
    return found;
}

/* Does some file below it let itself be read past the page cache? One that has no file is taken at its word. */
static bool reads_past(const char *path)
{
    int fd = -1, folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool found = folder >= 0 && find_file(folder, 0, &fd);
    if (fd >= 0) close(fd);
    return !found || fd >= 0;
}

static void examine_folder(json_t *checks, const char *path, const char *method)
{
    char name[4096 + 32], found[HST_TERM_TEXT * 4];
    size_t row = system_of(path);
    bool local = row < SYSTEMS && systems[row].local, past = strcmp(method, "buffered") != 0 && reads_past(path);
    snprintf(name, sizeof name, "models in %s", path);
    snprintf(found, sizeof found, "%s: %s; %s", row < SYSTEMS ? systems[row].name : "a file system that is not known",
             local ? "held where they are, in the page cache" : "copied into memory of hoist's own",
             past ? method : "buffered, for it cannot be read past the page cache");
    hst_examine(checks, name, found, local ? NULL : "every program shares files on a local disk (ext4, XFS, btrfs, f2fs) with no copy: put the models on one to gain that");
}

static void examine_method(json_t *checks, const char *method, const char *why_not)
{
    char found[HST_TERM_TEXT * 4];
    const char *advice = "let the daemon have io_uring: sysctl kernel.io_uring_disabled=0, and a container's seccomp profile that permits io_uring_setup";
    if (why_not == NULL) {
        hst_examine(checks, "cold files", "read with io_uring", NULL);
        return;
    }
    snprintf(found, sizeof found, "read %s: %s", strcmp(method, "buffered") == 0 ? "through the page cache" : "by threads", why_not);
    hst_examine(checks, "cold files", found, strcmp(why_not, "switched off") == 0 ? "start hoistd without HOIST_FORCE_READING" : advice);
}

void hst_disks_examine(json_t *checks, const json_t *cache, const json_t *scan)
{
    const json_t *reading = json_object_get(cache, "reading");
    const char *method = hst_talk_text(reading, "method");
    size_t index;
    json_t *root;
    examine_method(checks, method, json_string_value(json_object_get(reading, "why_not_io_uring")));
    json_array_foreach(json_object_get(scan, "roots"), index, root)
        examine_folder(checks, json_string_value(root), method);
}

/* "tmpfs_huge 4.2, memfd_huge 4.5, pages 130 ms a GiB to touch" */
static void say_costs(const json_t *cache, char *out, size_t size)
{
    size_t index, used = 0;
    json_t *row;
    out[0] = '\0';
    json_array_foreach(json_object_get(cache, "copy_backings"), index, row) {
        if (!json_is_number(json_object_get(row, "touch_ms_per_gib")) || used >= size) continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s %.1f", used > 0 ? ", " : "", hst_talk_text(row, "backing"), hst_talk_number(row, "touch_ms_per_gib"));
    }
    if (used > 0 && used < size) snprintf(out + used, size - used, " ms a GiB to touch");
}

void hst_pages_examine(json_t *checks, const json_t *cache)
{
    char costs[HST_TERM_TEXT * 2], found[HST_TERM_TEXT * 4];
    const char *kind = hst_talk_text(cache, "copy_backing");
    const char *lie = strcmp(kind, "tmpfs_huge") == 0 ? "lie in a tmpfs with huge pages" : strcmp(kind, "pages") == 0 ? "lie in memfds with small pages" : "lie in memfds with huge pages";
    say_costs(cache, costs, sizeof costs);
    snprintf(found, sizeof found, "%s%s%s", lie, costs[0] != '\0' ? "; " : "", costs);
    hst_examine(checks, "copies of its own", found, strcmp(kind, "pages") != 0 ? NULL :
                "let the daemon's user have user namespaces, or: echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled");
}
