#include "catalog/suffix.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct hst_suffix suffixes[] = {{".safetensors", false}, {".sft", false}, {".gguf", false}, {".onnx", false}, {".ckpt", true}, {".pt", true}, {".pth", true}, {".bin", true}};

const struct hst_suffix *hst_suffix_of(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t cut = strlen(suffixes[i].text);
        if (length > cut && strcasecmp(name + length - cut, suffixes[i].text) == 0) return &suffixes[i];
    }
    return NULL;
}
