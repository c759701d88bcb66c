#include "catalog/names.h"

#include "catalog/limits.h"

#include <stdlib.h>
#include <string.h>

int hst_names_add(struct hst_names *names, const char *text, struct hst_error *err)
{
    names->count++;
    if (names->kept == HST_NAMES_KEPT) return HST_OK;
    if (names->texts == NULL) names->texts = calloc(HST_NAMES_KEPT, sizeof(char *));
    if (names->texts == NULL) return hst_error_nomem(err);
    names->texts[names->kept] = strdup(text);
    if (names->texts[names->kept] == NULL) return hst_error_nomem(err);
    names->kept++;
    return HST_OK;
}

void hst_names_fini(struct hst_names *names)
{
    for (size_t i = 0; i < names->kept; i++)
        free(names->texts[i]);
    free(names->texts);
    *names = (struct hst_names){0};
}
