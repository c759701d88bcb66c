#include "os/dynamic.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

void *hst_dynamic_open(const char *name, char why[256])
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    const char *reason = library == NULL ? dlerror() : NULL;
    snprintf(why, 256, "%s", reason != NULL ? reason : "");
    return library;
}

const char *hst_dynamic_resolve(void *library, const struct hst_dynamic_symbol *symbols, size_t count, void *table)
{
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(library, symbols[i].name);
        if (found == NULL && symbols[i].fallback != NULL) found = dlsym(library, symbols[i].fallback);
        if (found == NULL && !symbols[i].optional) return symbols[i].name;
        memcpy((char *)table + symbols[i].offset, &found, sizeof(found));
    }
    return NULL;
}

void hst_dynamic_path(void *library, char *out, size_t size)
{
    struct link_map *map = NULL;
    bool is_known = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != NULL && map->l_name != NULL;
    snprintf(out, size, "%s", is_known ? map->l_name : "");
}

void hst_dynamic_close(void *library)
{
    if (library != NULL) dlclose(library);
}
