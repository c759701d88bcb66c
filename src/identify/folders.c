#include "identify/folders.h"

#include "model/hub.h"

#include <string.h>
#include <strings.h>

/* Names as the tools write them; ComfyUI's own aliases among them. Where two tools mean different things by one name, it is left out. */
static const struct {
    const char *name;
    const char *type;
} folders[] = {
    /* ComfyUI: folder_paths.py. "unet" and "clip" are its older names, "diffusion_models" and "text_encoders" its newer ones. */
    {"checkpoints", "checkpoint"},
    {"diffusion_models", "diffusion_model"},
    {"unet", "diffusion_model"},
    {"unet_gguf", "diffusion_model"},
    {"loras", "lora"},
    {"vae", "vae"},
    {"vae_approx", "vae"},
    {"text_encoders", "text_encoder"},
    {"clip", "text_encoder"},
    {"clip_gguf", "text_encoder"},
    {"clip_vision", "clip_vision"},
    {"controlnet", "controlnet"},
    {"t2i_adapter", "t2i_adapter"},
    {"ipadapter", "ip_adapter"},
    {"ipadapter-flux", "ip_adapter"},
    {"instantid", "ip_adapter"},
    {"embeddings", "embedding"},
    {"upscale_models", "upscaler"},
    {"latent_upscale_models", "upscaler"},
    {"llm", "llm"},
    {"llm_gguf", "llm"},
    /* A1111 and Forge: models/ and embeddings/. */
    {"stable-diffusion", "checkpoint"},
    {"lora", "lora"},
    {"lycoris", "lora"},
    {"text_encoder", "text_encoder"},
    {"controlnetpreprocessor", "other"},
    {"esrgan", "upscaler"},
    {"realesrgan", "upscaler"},
    {"swinir", "upscaler"},
    {"bsrgan", "upscaler"},
    {"scunet", "upscaler"},
    {"ldsr", "upscaler"},
    {"dat", "upscaler"},
    {"hat", "upscaler"},
    {"hypernetworks", "other"},
    {"codeformer", "other"},
    {"gfpgan", "other"},
    /* InvokeAI: models/BASE/TYPE. */
    {"embedding", "embedding"},
    {"ip_adapter", "ip_adapter"},
    {"clip_embed", "text_encoder"},
    {"t5_encoder", "text_encoder"},
    {"spandrel_image_to_image", "upscaler"},
    {"control_lora", "lora"},
    /* SwarmUI: Models/, and Stability Matrix: Models/. */
    {"stablediffusion", "checkpoint"},
    {"diffusionmodels", "diffusion_model"},
    {"textencoders", "text_encoder"},
    {"clipvision", "clip_vision"},
    {"upscalemodels", "upscaler"},
    {"t2iadapter", "t2i_adapter"},
    {"ipadapters15", "ip_adapter"},
    {"ipadaptersxl", "ip_adapter"},
    {"ipadapters", "ip_adapter"},
    {"textualinversion", "embedding"},
    {"hypernetwork", "other"},
};
enum { DEPTH_MAX = 8 }; /* folders above a model that are asked, the nearest first: users sort what they have into folders of their own */

const char *hst_folders_type(const char *name)
{
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (strcasecmp(folders[i].name, name) == 0) return folders[i].type;
    return NULL;
}

/* The folder whose name ends at `end`, copied; *end moves to the end of the one above it. */
static void take_name(const char *path, const char **end, char name[64])
{
    const char *start = *end;
    while (start > path && start[-1] != '/')
        start--;
    size_t length = (size_t)(*end - start);
    memset(name, 0, 64);
    if (length < 64) memcpy(name, start, length);
    *end = start > path ? start - 1 : path;
}

static const char *type_of_path(const char *path)
{
    const char *end = strrchr(path, '/'), *type = NULL;
    char name[64];
    for (int depth = 0; end != NULL && end > path && type == NULL && depth < DEPTH_MAX; depth++) {
        take_name(path, &end, name);
        type = hst_folders_type(name);
    }
    return type;
}

int hst_folders_note(struct hst_model *model, struct hst_error *err)
{
    struct hst_hub hub;
    if (hst_hub_of(model->path, &hub)) return hst_draft_hint(model, HST_HINT_FOLDER, "repository", hub.repository, err);
    const char *type = type_of_path(model->path);
    return type != NULL ? hst_draft_hint(model, HST_HINT_FOLDER, "type", type, err) : HST_OK;
}
