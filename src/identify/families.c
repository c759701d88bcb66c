#include "identify/families.h"

#include "base/cleanup.h"
#include "identify/hints.h"
#include "identify/lora.h"
#include "identify/tables.h"

#include <string.h>

/* ---- evidence ---- */

static int say_absent(struct hst_model *model, const struct hst_rule_line *line, struct hst_error *err)
{
    size_t others = 0;
    while (line->names[0] != NULL && line->names[others + 1] != NULL)
        others++;
    if (others == 0) return hst_draft_evidence(model, err, "no %s", line->names[0]);
    if (others == 1) return hst_draft_evidence(model, err, "no %s or %s", line->names[0], line->names[1]);
    return hst_draft_evidence(model, err, "no %s, nor any of %zu names like it", line->names[0], others);
}

static int say_shape(struct hst_model *model, const struct hst_rule_line *line, const struct hst_rule_seen *seen, struct hst_error *err)
{
    int dim = line->dim < 0 ? (int)seen->rank + line->dim : line->dim;
    return hst_draft_evidence(model, err, "%s%s has %llu in dimension %d", seen->prefix, seen->name, (unsigned long long)seen->shape[dim], dim);
}

static int say_seen(struct hst_model *model, const struct hst_rule_line *line, const struct hst_rule_seen *seen, struct hst_error *err)
{
    switch (line->kind) {
    case HST_RULE_SHAPE: return say_shape(model, line, seen, err);
    case HST_RULE_RANK: return hst_draft_evidence(model, err, "%s%s has %u dimensions", seen->prefix, seen->name, seen->rank);
    case HST_RULE_PACKED: return hst_draft_evidence(model, err, "%s%s is packed", seen->prefix, seen->name);
    case HST_RULE_INDEX: return hst_draft_evidence(model, err, "%s goes up to %llu", seen->name, (unsigned long long)seen->index[line->dim - 1]);
    default: return hst_draft_evidence(model, err, "has %s%s", seen->prefix, seen->name);
    }
}

static int say(struct hst_model *model, const struct hst_rule_line *line, const struct hst_rule_subject *subject, struct hst_error *err)
{
    struct hst_rule_seen seen;
    if (line->kind == HST_RULE_COUNT) return hst_draft_evidence(model, err, "only %zu tensor%s", subject->count, subject->count == 1 ? "" : "s");
    if (line->negate) return line->kind == HST_RULE_NAME ? say_absent(model, line, err) : HST_OK;
    return hst_rules_seen(line, subject, &seen) ? say_seen(model, line, &seen, err) : HST_OK;
}

static int say_all(struct hst_model *model, const struct hst_rule_case *what, const struct hst_rule_subject *subject, struct hst_error *err)
{
    for (size_t i = 0; what != NULL && i < what->line_count; i++)
        HST_TRY(say(model, &what->lines[i], subject, err));
    return HST_OK;
}

/* ---- verdicts ---- */

/* What is still open after the rules. */
struct question {
    const char *const *between; /* possible answers */
    const char *rival;          /* a family that looks the same */
    char *dangling;             /* module of a LoRA with half of a pair; owned */
};

static void free_question(struct question *question)
{
    free(question->dangling);
}

static int apply(struct hst_model *model, const struct hst_rule_result *result, const struct hst_rule_subject *subject, struct question *ret_question, struct hst_error *err)
{
    struct hst_rule_case answer = hst_rules_answer(result);
    HST_TRY(hst_draft_text(&model->type, result->rule->type, err));
    HST_TRY(hst_draft_text(&model->family, answer.family, err));
    HST_TRY(hst_draft_text(&model->variant, answer.variant, err));
    HST_TRY(hst_draft_text(&model->verdict.runner_up, result->runner_up, err));
    model->verdict.confidence = answer.undecided == NULL ? 1.0 : 0.5;
    model->main_role = result->rule->role;
    ret_question->between = answer.between;
    if (answer.undecided != NULL) HST_TRY(hst_draft_needs_hint(model, answer.undecided, err));
    HST_TRY(say_all(model, &result->rule->base, subject, err));
    return say_all(model, result->refined, subject, err);
}

/* By tensors under the present prefix. @return 1 when a rule held */
static int judge_tensors(struct hst_model *model, struct hst_keys *keys, struct question *ret_question, struct hst_error *err)
{
    struct hst_rule_subject subject = hst_keys_subject(keys);
    struct hst_rule_result result = hst_rules_judge(hst_table_rules, hst_table_rule_count, &subject);
    if (result.rule == NULL) return 0;
    HST_TRY(apply(model, &result, &subject, ret_question, err));
    return 1;
}

static int describe_lora(struct hst_model *model, const struct hst_lora *lora, struct hst_error *err)
{
    const char *format = lora->format != NULL ? lora->format : "somebody", *algorithm = lora->algorithm != NULL ? lora->algorithm : "lora";
    if (lora->rank_max == 0) return hst_draft_evidence(model, err, "adapted layers: %zu (%s, as %s writes it)", lora->modules.count, algorithm, format);
    if (lora->rank_min == lora->rank_max)
        return hst_draft_evidence(model, err, "adapted layers: %zu (%s, as %s writes it), rank %llu", lora->modules.count, algorithm, format, (unsigned long long)lora->rank_max);
    return hst_draft_evidence(model, err, "adapted layers: %zu (%s, as %s writes it), ranks %llu to %llu", lora->modules.count, algorithm, format,
                              (unsigned long long)lora->rank_min, (unsigned long long)lora->rank_max);
}

static int judge_layers(struct hst_model *model, const struct hst_lora *lora, struct question *ret_question, struct hst_error *err)
{
    struct hst_rule_subject subject = hst_lora_subject(lora);
    struct hst_rule_result result = hst_rules_judge(hst_table_lora_rules, hst_table_lora_rule_count, &subject);
    HST_TRY(hst_draft_text(&model->type, "lora", err));
    HST_TRY(describe_lora(model, lora, err));
    model->main_role = "lora";
    if (result.rule != NULL) {
        ret_question->rival = result.rule->rival;
        return apply(model, &result, &subject, ret_question, err);
    }
    model->verdict.confidence = 0.5;
    return hst_draft_needs_hint(model, hst_table_lora_unknown, err);
}

/* A LoRA or its kin? @return 1 when it is */
static int judge_lora(struct hst_model *model, const struct hst_keys *keys, struct question *ret_question, struct hst_error *err)
{
    HST_AUTO(hst_lora_fini) struct hst_lora lora = {0};
    HST_TRY(hst_lora_read(keys, &lora, err));
    if (lora.layer_count == 0) return 0;
    HST_TRY(judge_layers(model, &lora, ret_question, err));
    const struct hst_lora_module *dangling = hst_lora_dangling(&lora);
    if (dangling != NULL) HST_TRY(hst_draft_text(&ret_question->dangling, dangling->name, err));
    return 1;
}

/* Nothing fitted under the usual prefixes: a wrapper's name may stand before everything. @return 1 when a rule held */
static int judge_wrapped(struct hst_model *model, struct hst_keys *keys, struct question *ret_question, struct hst_error *err)
{
    int known = 0;
    for (size_t i = 0; known == 0 && i < hst_table_spare_prefix_count; i++)
        if (hst_keys_set_prefix(keys, hst_table_spare_prefixes[i])) known = judge_tensors(model, keys, ret_question, err);
    return known;
}

/* ---- what GGUF says of itself ---- */

static struct hst_rule_architecture architecture_of(const char *name)
{
    for (size_t i = 0; i < hst_table_architecture_count; i++)
        if (strcmp(hst_table_architectures[i].name, name) == 0) return hst_table_architectures[i];
    return (struct hst_rule_architecture){.name = name, .type = "llm", .family = name};
}

/* general.type says it better where it says that the file is no whole model. */
static const char *type_of(const struct hst_rule_architecture *architecture, const char *kind)
{
    if (kind != NULL && strcmp(kind, "adapter") == 0) return "lora";
    return kind != NULL && strcmp(kind, "mmproj") == 0 ? "clip_vision" : architecture->type;
}

/* Tensors that a rule knows say more than the converter's word; where they say nothing, it counts. */
static int judge_metadata(struct hst_model *model, const struct hst_tensor_table *table, struct hst_error *err)
{
    const char *name = hst_tensor_table_metadata(table, "general.architecture");
    if (name == NULL || name[0] == '\0' || model->main_role != NULL) return HST_OK;
    struct hst_rule_architecture known = architecture_of(name);
    const char *type = type_of(&known, hst_tensor_table_metadata(table, "general.type"));
    if (type == NULL) return HST_OK;
    HST_TRY(hst_draft_text(&model->type, type, err));
    HST_TRY(hst_draft_text(&model->family, known.family, err));
    model->verdict.confidence = 0.9; /* what a converter wrote, not what the tensors show */
    if (known.family == NULL) HST_TRY(hst_draft_needs_hint(model, "which version of it: its name", err));
    return hst_draft_evidence(model, err, "general.architecture is %s", name);
}

static int admit_ignorance(struct hst_model *model, const struct hst_keys *keys, struct hst_error *err)
{
    if (strcmp(model->type, "other") != 0 || model->main_role != NULL) return HST_OK;
    const char *first = keys->count > 0 ? keys->tensors[0]->name : "none";
    HST_TRY(hst_draft_evidence(model, err, "no rule knows its %zu tensors, such as %.100s", keys->count, first));
    return hst_draft_needs_hint(model, "what model it is: modelspec.architecture, a config.json, the folder it lies in, or the user", err);
}

/* ---- how it is stored ---- */

/* Has it weights of a type that quantisers write? */
static bool has_carrier(const struct hst_keys *keys)
{
    static const enum hst_dtype carriers[] = {HST_DTYPE_U8, HST_DTYPE_I8, HST_DTYPE_I32, HST_DTYPE_F8_E4M3, HST_DTYPE_F8_E5M2, HST_DTYPE_F4};
    for (size_t i = 0; i < keys->count; i++)
        for (size_t j = 0; j < sizeof carriers / sizeof carriers[0]; j++)
            if (keys->tensors[i]->dtype == carriers[j]) return true;
    return false;
}

static void note_storage(struct hst_model *model, const struct hst_keys *keys, const struct hst_tensor_table *table)
{
    bool packed = has_carrier(keys);
    for (size_t i = 0; packed && model->storage == NULL && i < hst_table_storage_count; i++)
        if (hst_keys_ending(keys, hst_table_storages[i].suffix) != NULL) model->storage = hst_table_storages[i].name;
    if (model->storage == NULL && hst_tensor_table_metadata(table, "_quantization_metadata") != NULL) model->storage = "comfy_quant";
}

/* ---- all of it ---- */

/* A main model in which merged LoRA keys were left over is still a main model, so the rules come before the LoRA. */
static int judge_content(struct hst_model *model, struct hst_keys *keys, struct question *ret_question, struct hst_error *err)
{
    hst_keys_choose_prefix(keys, hst_table_prefixes, hst_table_prefix_count);
    int known = judge_tensors(model, keys, ret_question, err);
    if (known == 0) known = judge_lora(model, keys, ret_question, err);
    return known == 0 ? judge_wrapped(model, keys, ret_question, err) : known;
}

int hst_families_judge(struct hst_model *model, struct hst_keys *keys, const struct hst_tensor_table *table, struct hst_error *err)
{
    HST_AUTO(free_question) struct question question = {0};
    int known = judge_content(model, keys, &question, err);
    if (known < 0) return known;
    note_storage(model, keys, table);
    HST_TRY(judge_metadata(model, table, err));
    HST_TRY(admit_ignorance(model, keys, err));
    HST_TRY(hst_hints_collect(model, table, err));
    HST_TRY(hst_hints_settle(model, question.between, question.rival, err));
    if (question.dangling == NULL) return HST_OK;
    return hst_error_set(err, HST_E_INCOMPLETE_MODEL, "incomplete: half of the pair '%.100s' is missing", question.dangling);
}

const char *hst_families_main_role(const struct hst_model *model)
{
    if (model->main_role != NULL) return model->main_role;
    if (strcmp(model->type, "diffusion_model") == 0) return "transformer";
    return strcmp(model->type, "lora") == 0 ? "lora" : "model";
}

const char *hst_families_role_of(const struct hst_model *model, const char *tensor_name)
{
    for (size_t i = 0; i < hst_table_part_count; i++) {
        const struct hst_rule_part *part = &hst_table_parts[i];
        if (tensor_name[0] != part->prefix[0] || strncmp(tensor_name, part->prefix, strlen(part->prefix)) != 0) continue;
        if (part->family == NULL || (model->family != NULL && strcmp(part->family, model->family) == 0)) return part->role;
    }
    return NULL;
}
