#include "catalog/unfinished.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *suffix;
    enum hst_unfinished kind;
} marks[] = {
    {".aria2", HST_UNFINISHED_ACCOMPANIED},                                            /* aria2 */
    {".part", HST_UNFINISHED_ITSELF},       {".crdownload", HST_UNFINISHED_ITSELF},    /* Firefox; Chrome */
    {".download", HST_UNFINISHED_ITSELF},   {".incomplete", HST_UNFINISHED_ITSELF},    /* Safari; huggingface_hub */
    {".tmp", HST_UNFINISHED_ITSELF},        {".partial", HST_UNFINISHED_ITSELF},       /* Civitai helpers; curl and others */
};

enum hst_unfinished hst_unfinished_of(const char *name, size_t *ret_stem)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t cut = strlen(marks[i].suffix);
        if (length <= cut || strcasecmp(name + length - cut, marks[i].suffix) != 0) continue;
        *ret_stem = length - cut;
        return marks[i].kind;
    }
    return HST_UNFINISHED_NOT;
}
