#include "relate/compatibility.h"

#include "base/cleanup.h"
#include "relate/adapter.h"
#include "relate/pairing.h"
#include "relate/targets.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *hst_compatible_name(enum hst_compatible compatible)
{
    static const char *const names[] = {"unknown", "no", "partly", "yes"};
    return names[compatible];
}

size_t hst_compatibility_total(const struct hst_compatibility *report)
{
    return report->matched + report->mismatched + report->missing + report->dangling + report->unchecked;
}

int hst_compatibility_reason(struct hst_compatibility *report, struct hst_error *err, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char **grown = realloc(report->reasons, (report->reason_count + 1) * sizeof *grown), *copy = strdup(text);
    if (grown != NULL) report->reasons = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return hst_error_nomem(err);
    }
    report->reasons[report->reason_count++] = copy;
    return HST_OK;
}

void hst_compatibility_fini(struct hst_compatibility *report)
{
    for (size_t i = 0; i < report->reason_count; i++)
        free(report->reasons[i]);
    free(report->reasons);
    *report = (struct hst_compatibility){0};
}

static void note(struct hst_compatibility *report, const struct hst_adapter_module *module, const struct hst_target *target, const char *problem)
{
    if (report->example_count == HST_COMPATIBILITY_EXAMPLES) return;
    struct hst_misfit *misfit = &report->examples[report->example_count++];
    *misfit = (struct hst_misfit){.problem = problem, .adapter_shape = {module->out, module->in}, .base_shape = {target->out, target->in}};
    snprintf(misfit->module, sizeof misfit->module, "%s", module->name);
    snprintf(misfit->key, sizeof misfit->key, "%s", target->key != NULL ? target->key : "");
}

/* A convolution's window is in the columns of some methods. A size that the adapter does not tell fits. */
static bool same_shape(const struct hst_adapter_module *module, const struct hst_target *target)
{
    bool rows = module->out == 0 || module->out == target->out;
    bool columns = (module->in == 0 && module->in_flat == 0) || (module->in != 0 && module->in == target->in) || module->in_flat == target->in_flat;
    return rows && columns;
}

static void compare_found(struct hst_compatibility *report, const struct hst_adapter_module *module, const struct hst_target *target)
{
    bool known = module->known && target->known, same = known && same_shape(module, target);
    report->unchecked += !known;
    report->matched += same;
    report->mismatched += known && !same;
    if (!known || same) return;
    note(report, module, target, "mismatched");
    const struct hst_component *main = hst_pairing_main(report->base);
    bool text = main != NULL && main->interface.context_width == target->in && module->in != target->in;
    if (text) report->text_width = module->in;
}

static void compare_module(struct hst_compatibility *report, struct hst_targets *targets, const struct hst_adapter_module *module)
{
    struct hst_target target = {0};
    bool elsewhere = !hst_targets_has_side(targets, module->side, module->name);
    report->elsewhere += elsewhere;
    if (elsewhere) return;
    bool found = hst_targets_find(targets, module->side, module->name, &target);
    report->dangling += module->dangling;
    report->missing += !module->dangling && !found;
    if (module->dangling || !found)
        note(report, module, &target, module->dangling ? "dangling" : "missing");
    else
        compare_found(report, module, &target);
}

static void count_targets(struct hst_compatibility *report, const struct hst_targets *targets)
{
    for (int side = 0; side < HST_SIDE_COUNT; side++) {
        size_t touched, count = hst_targets_count(targets, (enum hst_side)side, &touched);
        if (touched == 0) continue;
        report->targets += count;
        report->touched += touched;
    }
}

static int explain(struct hst_compatibility *report, struct hst_error *err)
{
    const struct {
        size_t count;
        const char *text;
    } lines[] = {{report->mismatched, "have another shape than the weights of that name"},
                 {report->missing, "are not in the base"},
                 {report->dangling, "lack one of their halves"},
                 {report->unchecked, "are in the base, but their shapes cannot be compared: a weight is packed, or the method does not tell"},
                 {report->elsewhere, "are for a text encoder that the base does not have in itself"}};
    HST_TRY(hst_compatibility_reason(report, err, "%zu of %zu modules fit the weights of %s in name and shape", report->matched, hst_compatibility_total(report), report->base->id));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (lines[i].count > 0) HST_TRY(hst_compatibility_reason(report, err, "%zu modules %s", lines[i].count, lines[i].text));
    if (report->text_width != 0) HST_TRY(hst_compatibility_reason(report, err, "it was made for text of another width: %" PRIu64, report->text_width));
    for (size_t i = 0; i < report->example_count; i++) {
        const struct hst_misfit *misfit = &report->examples[i];
        if (strcmp(misfit->problem, "mismatched") != 0) continue;
        return hst_compatibility_reason(report, err, "%.150s is for a weight of [%" PRIu64 ", %" PRIu64 "], and the base's is [%" PRIu64 ", %" PRIu64 "]", misfit->module,
                                        misfit->adapter_shape[0], misfit->adapter_shape[1], misfit->base_shape[0], misfit->base_shape[1]);
    }
    return HST_OK;
}

static int compare_lora(struct hst_compatibility *report, struct hst_adapter *adapter, struct hst_targets *targets, struct hst_error *err)
{
    HST_TRY(hst_adapter_read(adapter, report->adapter, err));
    HST_TRY(hst_targets_read(targets, report->base, err));
    for (size_t i = 0; i < adapter->count; i++)
        compare_module(report, targets, adapter->modules[i]);
    count_targets(report, targets);
    return explain(report, err);
}

/* Nunchaku fuses and packs layers under names of its own. */
static bool is_refitted(const struct hst_model *base)
{
    return base->storage != NULL && strcmp(base->storage, "nunchaku") == 0;
}

static int check_lora(struct hst_compatibility *report, struct hst_error *err)
{
    if (is_refitted(report->base)) return hst_compatibility_reason(report, err, "the layers of %s are fused and packed by Nunchaku: they cannot be compared", report->base->id);
    struct hst_adapter adapter = {0};
    struct hst_targets targets = {0};
    int status = compare_lora(report, &adapter, &targets, err);
    hst_adapter_fini(&adapter);
    hst_targets_fini(&targets);
    return status;
}

/* Parts of a ControlNet that no base has. */
static bool is_own(const char *bare)
{
    static const char *const own[] = {"zero_convs", "input_hint_block", "middle_block_out", "control", "task_embedding", "transformer_layes", "spatial_ch_projs", "pos_embed_input", "lora_controlnet", "input_zero"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strncmp(bare, own[i], strlen(own[i])) == 0) return true;
    return false;
}

/* A ControlNet is a copy of the base's first half: each weight is compared as a whole difference would be. */
static void compare_copy(struct hst_compatibility *report, struct hst_targets *targets, const struct hst_tensor *tensor)
{
    const char *bare = hst_modules_bare(tensor->name);
    size_t length = strlen(bare), end = strlen(".weight");
    char name[HST_MODULE_NAME_MAX];
    if (length <= end || length - end >= sizeof name || strcmp(bare + length - end, ".weight") != 0 || is_own(bare)) return;
    snprintf(name, sizeof name, "%.*s", (int)(length - end), bare);
    uint64_t rows = tensor->rank > 0 ? tensor->shape[0] : 0;
    bool matrix = tensor->rank > 1 && rows > 0;
    struct hst_adapter_module module = {.name = name, .known = tensor->dtype != HST_DTYPE_U8, .out = rows};
    if (matrix) module.in = tensor->shape[1];
    if (matrix) module.in_flat = tensor->elements / rows;
    compare_module(report, targets, &module);
}

static int check_controlnet(struct hst_compatibility *report, struct hst_error *err)
{
    struct hst_targets targets = {0};
    const struct hst_component *control = hst_pairing_main(report->adapter);
    int status = hst_targets_read(&targets, report->base, err);
    for (size_t i = 0; control != NULL && status == HST_OK && i < control->tensor_count; i++)
        compare_copy(report, &targets, control->tensors[i].tensor);
    count_targets(report, &targets);
    hst_targets_fini(&targets);
    return status < 0 ? status : explain(report, err);
}

/* Types that adapt or serve a base, and how each is compared. */
static const struct {
    const char *type;
    int (*check)(struct hst_compatibility *report, struct hst_error *err);
} kinds[] = {{"lora", check_lora}, {"controlnet", check_controlnet}, {"vae", hst_pairing_vae}, {"text_encoder", hst_pairing_encoder},
             {"ip_adapter", hst_pairing_adapter}, {"t2i_adapter", hst_pairing_adapter}, {"embedding", hst_pairing_embedding}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* What a model is to the other one; KINDS = nothing. A language model is the text encoder of a main model. */
static size_t kind_of(const struct hst_model *model, const struct hst_model *other)
{
    size_t kind = 0;
    bool pictures = strcmp(other->type, "checkpoint") == 0 || strcmp(other->type, "diffusion_model") == 0;
    const char *type = pictures && strcmp(model->type, "llm") == 0 ? "text_encoder" : model->type;
    while (kind < KINDS && strcmp(kinds[kind].type, type) != 0)
        kind++;
    return kind;
}

/* A model of no known family may be one: its shapes tell. */
static bool is_base(const struct hst_model *model)
{
    static const char *const types[] = {"checkpoint", "diffusion_model", "llm", "other"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(model->type, types[i]) == 0) return true;
    return false;
}

static enum hst_compatible decide(const struct hst_compatibility *report)
{
    size_t total = hst_compatibility_total(report);
    if (total == 0) return HST_COMPATIBLE_UNKNOWN;
    if (report->matched == total) return HST_COMPATIBLE_YES;
    if (report->matched + report->unchecked == total) return report->matched > report->unchecked ? HST_COMPATIBLE_YES : HST_COMPATIBLE_UNKNOWN;
    return 2 * (report->matched + report->unchecked) >= total ? HST_COMPATIBLE_PARTLY : HST_COMPATIBLE_NO;
}

/* A VAE or encoder meets the base in few sizes: one that differs is enough. What was made for another text encoder does not work, however
 * many of its modules fit. */
static void judge(struct hst_compatibility *report, size_t kind)
{
    bool by_modules = kinds[kind].check == check_lora || kinds[kind].check == check_controlnet;
    report->compatible = decide(report);
    if ((!by_modules && report->mismatched > 0) || report->text_width != 0) report->compatible = HST_COMPATIBLE_NO;
}

/* Several families may have the same one. */
static bool is_shared(const struct hst_model *adapter)
{
    return strcmp(adapter->type, "vae") == 0 || strcmp(adapter->type, "text_encoder") == 0 || strcmp(adapter->type, "llm") == 0;
}

/* What the families say, where it is not what the shapes say. */
static int compare_families(struct hst_compatibility *report, struct hst_error *err)
{
    const char *adapter = report->adapter->family, *base = report->base->family;
    if (adapter == NULL || base == NULL || is_shared(report->adapter)) return HST_OK;
    bool same = strcmp(adapter, base) == 0, failed = report->compatible == HST_COMPATIBLE_NO || report->compatible == HST_COMPATIBLE_PARTLY;
    if (!same && report->compatible == HST_COMPATIBLE_YES)
        return hst_compatibility_reason(report, err, "warning: every shape fits, but %s is said to be for %s, and %s to be %s", report->adapter->id, adapter, report->base->id, base);
    if (same && failed)
        return hst_compatibility_reason(report, err, "warning: both are said to be %s, but not every shape fits", base);
    return HST_OK;
}

static int compare_pair(struct hst_compatibility *report, size_t kind, struct hst_error *err)
{
    HST_TRY(kinds[kind].check(report, err));
    judge(report, kind);
    return compare_families(report, err);
}

int hst_compatibility_check(const struct hst_model *one, const struct hst_model *other, struct hst_compatibility *ret_report, struct hst_error *err)
{
    struct hst_compatibility report = {0};
    bool turned = kind_of(one, other) == KINDS && (kind_of(other, one) < KINDS || strcmp(one->id, other->id) > 0);
    const struct hst_model *adapter = turned ? other : one, *base = turned ? one : other;
    size_t kind = kind_of(adapter, base);
    int status;
    if (kind < KINDS && is_base(base)) {
        report.adapter = adapter;
        report.base = base;
        status = compare_pair(&report, kind, err);
    } else
        status = hst_compatibility_reason(&report, err, "neither adapts the other: %s is of type %s, %s of type %s", adapter->id, adapter->type, base->id, base->type);
    if (status < 0)
        hst_compatibility_fini(&report);
    else
        *ret_report = report;
    return status;
}
