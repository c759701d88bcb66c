#include "catalog/sidecar.h"

#include "base/cleanup.h"
#include "base/map.h"
#include "model/draft.h"
#include "catalog/limits.h"
#include "formats/limits.h"
#include "formats/sidecar.h"
#include "os/folder.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* What may stand behind a model's name (inside a folder: the file's name). A longer suffix stands before one that it ends in. */
static const struct place {
    const char *suffix;
    enum hst_sidecar_kind kind;
    enum hst_metadata_source source;
    bool folder; /* inside a model folder */
} places[] = {
    {".swarm.json", HST_SIDECAR_SWARM, HST_METADATA_SWARM, false},
    {".metadata.json", HST_SIDECAR_LORA_MANAGER, HST_METADATA_LORA_MANAGER, false},
    {".cm-info.json", HST_SIDECAR_CM_INFO, HST_METADATA_CM_INFO, false},
    {".civitai.info", HST_SIDECAR_CIVITAI, HST_METADATA_CIVITAI, false},
    {".json", HST_SIDECAR_A1111, HST_METADATA_A1111, false},
    {".txt", HST_SIDECAR_TEXT, HST_METADATA_TEXT, false},
    {"hoist.swarm.json", HST_SIDECAR_SWARM, HST_METADATA_SWARM, true},
    {"README.md", HST_SIDECAR_CARD, HST_METADATA_CARD, true},
    {"config.json", HST_SIDECAR_CONFIG, HST_METADATA_CONFIG, true},
    {"model_index.json", HST_SIDECAR_CONFIG, HST_METADATA_CONFIG, true},
};
enum { PLACES = sizeof places / sizeof places[0], OWN = 0, OWN_OF_FOLDER = 6, ONLY_SIDECARS = 4 };

static const struct {
    const char *suffix, *content_type;
} previews[] = {
    {".preview.png", "image/png"}, {".preview.jpeg", "image/jpeg"}, {".preview.jpg", "image/jpeg"}, {".preview.webp", "image/webp"},
    {".png", "image/png"},         {".jpeg", "image/jpeg"},         {".jpg", "image/jpeg"},         {".webp", "image/webp"},
};
enum { PREVIEWS = sizeof previews / sizeof previews[0] };

/* "folder/name" and a suffix, or (name NULL) a file inside of the folder `path`. */
static bool join(const char *path, const char *name, const char *suffix, char out[HST_WALK_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash + 1 - path) : 0;
    int length = name != NULL ? snprintf(out, HST_WALK_PATH_MAX, "%.*s%s%s", folder, path, name, suffix)
                              : snprintf(out, HST_WALK_PATH_MAX, "%s/%s", path, suffix);
    return length < (int)HST_WALK_PATH_MAX;
}

bool hst_sidecar_own(const char *path, const char *name, char out[HST_WALK_PATH_MAX])
{
    return join(path, name, places[name != NULL ? OWN : OWN_OF_FOLDER].suffix, out);
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t length = strlen(name), cut = strlen(suffix);
    return length > cut && strcmp(name + length - cut, suffix) == 0;
}

bool hst_sidecar_is(const char *name)
{
    for (size_t i = 0; i < ONLY_SIDECARS; i++)
        if (ends_in(name, places[i].suffix)) return true;
    return false;
}

/* What one file gives goes to the list. */
struct reading {
    struct hst_metadata_list *list;
    enum hst_metadata_source source;
};

static int take(void *context, const char *key, const char *value)
{
    const struct reading *reading = context;
    return hst_metadata_add(reading->list, reading->source, key, value, NULL);
}

/* The bytes of a sidecar; of a card only those in which its head may be. */
static int read_bytes(const char *path, enum hst_sidecar_kind kind, char **ret_bytes, size_t *ret_length, struct hst_error *err)
{
    struct hst_file_id id;
    HST_AUTO(hst_closep) int fd = hst_file_open(path, &id, err);
    if (fd < 0) return fd;
    if (kind == HST_SIDECAR_CARD && id.size_bytes > HST_CARD_MAX) id.size_bytes = HST_CARD_MAX;
    if (id.size_bytes > HST_SIDECAR_MAX) return hst_error_set(err, HST_E_LIMIT_EXCEEDED, "limit: it has %llu bytes", (unsigned long long)id.size_bytes);
    *ret_length = id.size_bytes;
    return hst_file_slurp(fd, 0, id.size_bytes, ret_bytes, err);
}

static int read_file(const char *path, const struct place *place, struct hst_metadata_list *list, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *bytes = NULL;
    size_t length = 0, before = list->count;
    struct reading reading = {list, place->source};
    int status = read_bytes(path, place->kind, &bytes, &length, err);
    if (status == HST_OK) status = hst_sidecar_parse(place->kind, bytes, length, take, &reading, err);
    if (status < 0) hst_metadata_cut(list, before); /* half of what it says may be the wrong half */
    return status;
}

/* One that is not there says nothing; one that cannot be read is a warning. */
static int read_place(const char *path, const char *name, const struct place *place, struct hst_metadata_list *list, struct hst_error *err)
{
    char file[HST_WALK_PATH_MAX], warning[HST_ERROR_TEXT_MAX + 64];
    struct hst_error why = {0};
    if (place->folder != (name == NULL) || !join(path, name, place->suffix, file)) return HST_OK;
    int status = read_file(file, place, list, &why);
    if (status == HST_OK || status == HST_E_FILE_MISSING) return HST_OK;
    if (status == HST_E_NOMEM) return hst_error_nomem(err);
    snprintf(warning, sizeof warning, "the sidecar *%s is not used: %s", place->suffix, why.text);
    return hst_metadata_warn(list, warning, err);
}

static int find_preview(const char *path, const char *name, struct hst_metadata_list *list, struct hst_error *err)
{
    char file[HST_WALK_PATH_MAX];
    for (size_t i = 0; name != NULL && i < PREVIEWS; i++) {
        struct hst_file_id id;
        if (!join(path, name, previews[i].suffix, file) || !hst_folder_stat(HST_FOLDER_HERE, file, &id)) continue;
        list->preview.path = strdup(file);
        list->preview.content_type = previews[i].content_type;
        return list->preview.path != NULL ? HST_OK : hst_error_nomem(err);
    }
    return HST_OK;
}

int hst_sidecar_read(const char *path, const char *name, struct hst_metadata_list *list, struct hst_error *err)
{
    for (size_t i = 0; i < PLACES; i++)
        HST_TRY(read_place(path, name, &places[i], list, err));
    return find_preview(path, name, list, err);
}

/* A candidate by its name; several may have the same (x.safetensors, x.ckpt). */
struct stem {
    struct hst_candidate *candidate;
    struct stem *next;
    char name[256];
};

struct stamping {
    int dir_fd;
    struct hst_map by_name;
};

/* Length of the suffix that a sidecar's or a preview's name ends in, or 0. */
static size_t suffix_length(const char *name)
{
    for (size_t i = 0; i < PLACES; i++)
        if (!places[i].folder && ends_in(name, places[i].suffix)) return strlen(places[i].suffix);
    for (size_t i = 0; i < PREVIEWS; i++)
        if (ends_in(name, previews[i].suffix)) return strlen(previews[i].suffix);
    return 0;
}

static uint64_t stamp_of(int dir_fd, const char *name)
{
    struct hst_file_id id;
    return hst_folder_stat(dir_fd, name, &id) ? XXH3_64bits(&id, sizeof id) + XXH3_64bits(name, strlen(name)) : 0;
}

static int stamp_entry(void *context, const char *name, enum hst_entry_kind kind)
{
    const struct stamping *stamping = context;
    size_t suffix = kind == HST_ENTRY_FOLDER ? 0 : suffix_length(name);
    struct stem *stem = suffix > 0 ? hst_map_get(&stamping->by_name, name, strlen(name) - suffix) : NULL;
    for (uint64_t stamp = stem != NULL ? stamp_of(stamping->dir_fd, name) : 0; stem != NULL; stem = stem->next)
        stem->candidate->sidecars += stamp;
    return HST_OK;
}

static void stamp_folder(int dir_fd, struct hst_candidate *candidate)
{
    for (size_t i = 0; i < PLACES; i++)
        if (places[i].folder) candidate->sidecars += stamp_of(dir_fd, places[i].suffix);
}

void hst_sidecar_stamp(int dir_fd, struct hst_candidate *candidates, size_t count)
{
    struct stamping stamping = {.dir_fd = dir_fd};
    struct stem *stems = count > 0 ? calloc(count, sizeof *stems) : NULL;
    for (size_t i = 0; stems != NULL && i < count; i++) {
        stems[i].candidate = &candidates[i];
        hst_draft_name(candidates[i].path, stems[i].name, sizeof stems[i].name);
        stems[i].next = hst_map_get_str(&stamping.by_name, stems[i].name);
        if (candidates[i].is_folder)
            stamp_folder(dir_fd, &candidates[i]);
        else if (hst_map_put_str(&stamping.by_name, stems[i].name, &stems[i]) < 0)
            break; /* out of memory: a change of these is seen by a later scan */
    }
    if (stamping.by_name.count > 0) (void)hst_folder_list(dir_fd, stamp_entry, &stamping, NULL);
    hst_map_fini(&stamping.by_name);
    free(stems);
}
