#include "model/hub.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "os/folder.h"

#include <stdio.h>
#include <string.h>

static const char MODELS[] = "models--";

bool hst_hub_is_repository(const char *path, int dir_fd)
{
    return hst_starts_with(hst_path_name(path), MODELS) && hst_folder_has(dir_fd, "snapshots");
}

bool hst_hub_is_foreign(const char *path, int dir_fd)
{
    const char *name = hst_path_name(path);
    return (hst_starts_with(name, "datasets--") || hst_starts_with(name, "spaces--")) && hst_folder_has(dir_fd, "snapshots");
}

bool hst_hub_main(int dir_fd, char revision[256])
{
    struct hst_file_id id;
    char path[300];
    HST_AUTO(hst_closep) int fd = hst_file_open_beneath(dir_fd, "refs/main", &id, NULL);
    if (fd < 0 || id.size_bytes == 0 || id.size_bytes > 255 || hst_file_read_at(fd, 0, revision, id.size_bytes, NULL) < 0) return false;
    revision[id.size_bytes] = '\0';
    revision[strcspn(revision, "\r\n")] = '\0';
    if (revision[0] == '\0' || revision[0] == '.' || strchr(revision, '/') != NULL) return false;
    snprintf(path, sizeof path, "snapshots/%s", revision);
    return hst_folder_has(dir_fd, path);
}

/* "models--org--name" of `length` bytes -> "org/name". */
static void write_repository(const char *folder, size_t length, char out[256])
{
    size_t used = 0;
    for (size_t i = strlen(MODELS); i < length && used < 255; i++) {
        bool parts = i + 1 < length && folder[i] == '-' && folder[i + 1] == '-' && memchr(out, '/', used) == NULL;
        out[used++] = parts ? '/' : folder[i];
        i += parts;
    }
    out[used] = '\0';
}

bool hst_hub_of(const char *path, struct hst_hub *ret_hub)
{
    static const char SNAPSHOTS[] = "/snapshots/";
    for (const char *at = path; (at = strstr(at, SNAPSHOTS)); at++) {
        const char *folder = at;
        while (folder > path && folder[-1] != '/')
            folder--;
        if (!hst_starts_with(folder, MODELS)) continue;
        const char *revision = at + strlen(SNAPSHOTS);
        ret_hub->snapshot = (size_t)(revision - path) + strcspn(revision, "/");
        ret_hub->rest = path + ret_hub->snapshot + (path[ret_hub->snapshot] == '/');
        write_repository(folder, (size_t)(at - folder), ret_hub->repository);
        return ret_hub->snapshot > (size_t)(revision - path);
    }
    return false;
}

/* Names of files that every repository has. */
static const char *const plain[] = {"model.", "diffusion_pytorch_model.", "pytorch_model.", "pytorch_lora_weights.", "adapter_model.", "lora."};

const char *hst_hub_name(const char *path, struct hst_hub *hub)
{
    if (!hst_hub_of(path, hub)) return NULL;
    bool says_nothing = hub->rest[0] == '\0';
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        says_nothing = says_nothing || hst_starts_with(hub->rest, plain[i]);
    return says_nothing ? hst_path_name(hub->repository) : NULL;
}
