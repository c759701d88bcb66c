#include "model/suffix.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct hst_suffix suffixes[] = {{".safetensors", "safetensors", false}, {".sft", "safetensors", false}, {".gguf", "gguf", false}, {".onnx", "onnx", false},
                                             {".ckpt", "torch", true},               {".pt", "torch", true},        {".pth", "torch", true},   {".bin", "torch", true}};

const struct hst_suffix *hst_suffix_of(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t cut = strlen(suffixes[i].text);
        if (length > cut && strcasecmp(name + length - cut, suffixes[i].text) == 0) return &suffixes[i];
    }
    return NULL;
}
