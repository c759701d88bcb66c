#include "cli/private.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "7f..-7f.. rw-p 00000000 fe:00 123   /path": does the mapping hold weights? Those are safetensors files and hoist's own memory. */
static bool is_weights(const char *line)
{
    const char *path = strchr(line, '/');
    return path != NULL && (strstr(path, ".safetensors") != NULL || strstr(path, ".gguf") != NULL || strncmp(path, "/memfd:hoist", 12) == 0 || strncmp(path, "/hoist-", 7) == 0);
}

/* A line that begins a mapping begins with its addresses in lower-case hex; the others with a capital letter. */
static bool begins_mapping(const char *line)
{
    return (line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f');
}

/* @return bytes, or -1 when the process is gone or not ours to look into */
static json_int_t private_bytes(json_int_t pid)
{
    char path[64], line[8192];
    bool weights = false;
    json_int_t sum = 0;
    snprintf(path, sizeof path, "/proc/%lld/smaps", (long long)pid);
    FILE *smaps = fopen(path, "re");
    if (smaps == NULL) return -1;
    while (fgets(line, sizeof line, smaps) != NULL) {
        if (begins_mapping(line)) weights = is_weights(line);
        if (weights && strncmp(line, "Anonymous:", 10) == 0) sum += strtoll(line + 10, NULL, 10) * 1024; /* copied on write */
    }
    fclose(smaps);
    return sum;
}

void hst_private_add(json_t *components)
{
    size_t index, at;
    json_t *component, *holder;
    json_array_foreach(components, index, component)
        json_array_foreach(json_object_get(component, "holders"), at, holder) {
            json_int_t bytes = private_bytes(json_integer_value(json_object_get(holder, "pid")));
            if (bytes >= 0) json_object_set_new(holder, "private_bytes", json_integer(bytes));
        }
}
