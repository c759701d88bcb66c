#include "daemon/roots.h"

#include "base/cleanup.h"
#include "daemon/yamlfile.h"
#include "os/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, FOLDERS_MAX = 1024, DEPTH_MAX = 2 };

/* What is not a folder of models. */
static const char *const others[] = {"base_path", "is_default", "custom_nodes", "configs"};

struct reader {
    struct hst_roots *comfyui;
    const char *path;
    int depth;              /* 1 = between sections, 2 = in one */
    char *key;              /* whose value comes next; owned */
    char *base;             /* base_path of the section; owned */
    struct hst_roots values; /* values of the section, to be resolved at its end */
};

static int fail(const struct reader *reader, const yaml_event_t *event, struct hst_error *err, const char *what)
{
    return hst_yamlfile_fail(reader->path, event, err, what);
}

int hst_roots_add(struct hst_roots *comfyui, const char *folder, struct hst_error *err)
{
    if (comfyui->count == FOLDERS_MAX) return hst_error_set(err, HST_E_CONFIG, "there are more than %d folders", FOLDERS_MAX);
    char **grown = reallocarray(comfyui->folders, comfyui->count + 1, sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    comfyui->folders = grown;
    grown[comfyui->count] = strdup(folder);
    return grown[comfyui->count++] != NULL ? HST_OK : hst_error_nomem(err);
}

void hst_roots_fini(struct hst_roots *comfyui)
{
    for (size_t i = 0; i < comfyui->count; i++)
        free(comfyui->folders[i]);
    free(comfyui->folders);
    *comfyui = (struct hst_roots){0};
}

/* `path` seen from `folder`, which is absolute or empty. */
static bool join(const char *folder, const char *path, char out[PATH_BYTES])
{
    const char *home = getenv("HOME");
    int length;
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home != NULL)
        length = snprintf(out, PATH_BYTES, "%s%s", home, path + 1);
    else if (path[0] == '/' || folder[0] == '\0')
        length = snprintf(out, PATH_BYTES, "%s", path);
    else
        length = snprintf(out, PATH_BYTES, "%s/%s", folder, path);
    return length < PATH_BYTES;
}

/* One line of a value. */
static int add_line(const struct reader *reader, const char *base, const char *line, struct hst_error *err)
{
    char folder[PATH_BYTES];
    if (line[0] == '\0' || !join(base, line, folder) || !hst_folder_exists(folder)) return HST_OK;
    return hst_roots_add(reader->comfyui, folder, err);
}

static int end_section(struct reader *reader, struct hst_error *err)
{
    char own[PATH_BYTES], base[PATH_BYTES];
    const char *slash = strrchr(reader->path, '/');
    int status = HST_OK;
    snprintf(own, sizeof own, "%.*s", slash != NULL ? (int)(slash - reader->path) : 1, slash != NULL ? reader->path : ".");
    if (!join(own, reader->base != NULL ? reader->base : "", base)) return hst_error_set(err, HST_E_CONFIG, "%s: base_path is too long", reader->path);
    for (size_t i = 0; i < reader->values.count; i++) {
        char *rest = reader->values.folders[i];
        for (char *line; status == HST_OK && (line = strsep(&rest, "\n")) != NULL;)
            status = add_line(reader, base, line + strspn(line, " \t"), err);
    }
    hst_roots_fini(&reader->values);
    free(hst_steal(&reader->base));
    return status;
}

static bool is_folder_key(const char *key)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(others[i], key) == 0) return false;
    return true;
}

static int take_value(struct reader *reader, const char *value, struct hst_error *err)
{
    HST_AUTO(hst_freep) char *key = hst_steal(&reader->key);
    if (strcmp(key, "base_path") == 0) {
        free(reader->base);
        reader->base = strdup(value);
        return reader->base != NULL ? HST_OK : hst_error_nomem(err);
    }
    return is_folder_key(key) ? hst_roots_add(&reader->values, value, err) : HST_OK;
}

static int on_scalar(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    const char *text = (const char *)event->data.scalar.value;
    if (reader->depth == 0) return text[0] == '\0' ? HST_OK : fail(reader, event, err, "expected sections of folders");
    if (reader->depth == DEPTH_MAX && reader->key != NULL) return take_value(reader, text, err);
    if (reader->key != NULL) { /* a section without content */
        free(hst_steal(&reader->key));
        return HST_OK;
    }
    reader->key = strdup(text);
    return reader->key != NULL ? HST_OK : hst_error_nomem(err);
}

static int on_mapping(struct reader *reader, const yaml_event_t *event, struct hst_error *err)
{
    bool starts = event->type == YAML_MAPPING_START_EVENT;
    if (starts && reader->depth == DEPTH_MAX) return fail(reader, event, err, "a folder must be text");
    reader->depth += starts ? 1 : -1;
    free(hst_steal(&reader->key));
    return !starts && reader->depth == 1 ? end_section(reader, err) : HST_OK;
}

static int on_event(void *context, const yaml_event_t *event, struct hst_error *err)
{
    struct reader *reader = context;
    switch (event->type) {
    case YAML_SCALAR_EVENT: return on_scalar(reader, event, err);
    case YAML_MAPPING_START_EVENT:
    case YAML_MAPPING_END_EVENT: return on_mapping(reader, event, err);
    case YAML_SEQUENCE_START_EVENT: return fail(reader, event, err, "a list is not expected here");
    case YAML_ALIAS_EVENT: return fail(reader, event, err, "aliases are not supported");
    default: return HST_OK;
    }
}

int hst_roots_read_comfyui(struct hst_roots *comfyui, const char *path, struct hst_error *err)
{
    struct reader reader = {.comfyui = comfyui, .path = path};
    int status = hst_yamlfile_read(path, on_event, &reader, err);
    hst_roots_fini(&reader.values);
    free(reader.key);
    free(reader.base);
    return status;
}

int hst_roots_collect(const struct hst_settings *settings, struct hst_roots *roots, struct hst_error *err)
{
    const struct hst_setting *models = hst_settings_list(settings, "models"), *files = hst_settings_list(settings, "comfyui_paths");
    for (size_t i = 0; i < models->count; i++)
        HST_TRY(hst_roots_add(roots, models->values[i], err));
    for (size_t i = 0; i < files->count; i++)
        HST_TRY(hst_roots_read_comfyui(roots, files->values[i], err));
    return HST_OK;
}
