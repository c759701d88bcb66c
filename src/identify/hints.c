#include "identify/hints.h"

#include "identify/tables.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* How sure an answer from each source is. Those below FIRM leave the question open: a better source may still answer it. */
static const double confidences[] = {[HST_HINT_USER] = 1.0, [HST_HINT_HEADER] = 0.9, [HST_HINT_SIDECAR] = 0.8, [HST_HINT_FOLDER] = 0.7, [HST_HINT_NAME] = 0.6};
#define FIRM 0.75
enum { NAME_MAX_BYTES = 512 };

int hst_hints_collect(struct hst_model *model, const struct hst_tensor_table *table, struct hst_error *err)
{
    static const char *const keys[] = {"modelspec.architecture", "ss_base_model_version", "modelspec.prediction_type"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = hst_tensor_table_metadata(table, keys[i]);
        if (value != NULL && value[0] != '\0') HST_TRY(hst_draft_hint(model, HST_HINT_HEADER, keys[i], value, err));
    }
    return hst_draft_hint(model, HST_HINT_NAME, "name", model->name, err);
}

/* "Wan2.2_HighNoise" -> "-wan2-2-highnoise-" */
static void normalise(const char *text, char out[NAME_MAX_BYTES])
{
    size_t at = 0;
    out[at++] = '-';
    for (; *text != '\0' && at + 2 < NAME_MAX_BYTES; text++) {
        char letter = (char)tolower((unsigned char)*text);
        out[at++] = isalnum((unsigned char)letter) ? letter : '-';
    }
    out[at++] = '-';
    out[at] = '\0';
}

/* Is a word of `unless` right before or after text[at..end) (both of them dashes)? */
static bool is_beside(const char *text, size_t at, size_t end, const char *const *unless)
{
    for (size_t i = 0; unless != NULL && unless[i] != NULL; i++) {
        size_t length = strlen(unless[i]);
        bool after = strncmp(text + end, unless[i], length) == 0 && text[end + length] == '-';
        bool before = at > length && memcmp(text + at - length, unless[i], length) == 0 && text[at - length - 1] == '-';
        if (after || before) return true;
    }
    return false;
}

static bool name_says(const struct hst_rule_hint *row, const char *name)
{
    char text[NAME_MAX_BYTES], token[NAME_MAX_BYTES];
    normalise(name, text);
    for (size_t i = 0; row->name != NULL && row->name[i] != NULL; i++) {
        normalise(row->name[i], token);
        const char *found = strstr(text, token);
        size_t at = found != NULL ? (size_t)(found - text) : 0;
        if (found != NULL && !is_beside(text, at, at + strlen(token), row->unless)) return true;
    }
    return false;
}

/* Up to a '/', which says what kind of model it is ("stable-diffusion-v1/lora"). */
static bool value_says(const char *const *patterns, const char *value)
{
    size_t value_length = strcspn(value, "/");
    for (size_t i = 0; patterns != NULL && patterns[i] != NULL; i++) {
        size_t length = strlen(patterns[i]);
        bool open = patterns[i][length - 1] == '*';
        length -= open;
        if ((open ? value_length >= length : value_length == length) && strncasecmp(value, patterns[i], length) == 0) return true;
    }
    return false;
}

static bool names_base_model(const char *key)
{
    return strcasestr(key, "basemodel") != NULL || strcasestr(key, "base_model") != NULL || strcasestr(key, "sd version") != NULL;
}

/* Words of config.json and its like, of which each means the same in any of them. */
static bool is_config(const char *key)
{
    return strcmp(key, "_class_name") == 0 || strcmp(key, "scaling_factor") == 0 || strstr(key, "prediction_type") != NULL;
}

static bool says(const struct hst_rule_hint *row, const struct hst_hint *hint)
{
    if (hint->source == HST_HINT_NAME) return name_says(row, hint->value);
    if (strstr(hint->key, "modelspec.architecture") != NULL) return value_says(row->architecture, hint->value);
    if (strcmp(hint->key, "ss_base_model_version") == 0) return value_says(row->ss, hint->value);
    if (is_config(hint->key)) return value_says(row->config, hint->value);
    return names_base_model(hint->key) && value_says(row->base_model, hint->value);
}

static bool is_among(const char *const *between, const char *text)
{
    for (size_t i = 0; between[i] != NULL; i++)
        if (text != NULL && strcmp(between[i], text) == 0) return true;
    return false;
}

static bool is(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* What is asked of the hints. */
struct question {
    const struct hst_model *model;
    const char *const *between;
    const char *rival;
    bool open; /* did the tensors leave it open? */
};

static bool is_possible(const struct question *question, const char *answer)
{
    return question->between == NULL || is_among(question->between, answer);
}

static bool answers(const struct question *question, const struct hst_rule_hint *row)
{
    const char *family = question->model->family;
    if (row->variant == NULL && is(row->family, question->rival)) return true;
    if (!question->open) return false;
    if (family == NULL) return row->variant == NULL && is_possible(question, row->family);
    return is(row->family, family) && row->variant != NULL && is_possible(question, row->variant);
}

static const struct hst_rule_hint *find_answer(const struct question *question, const struct hst_hint *hint)
{
    for (size_t i = 0; i < hst_table_hint_count; i++)
        if (answers(question, &hst_table_hints[i]) && says(&hst_table_hints[i], hint)) return &hst_table_hints[i];
    return NULL;
}

static void close_question(struct hst_verdict *verdict)
{
    for (size_t i = 0; i < verdict->needs_hint_count; i++)
        free(verdict->needs_hint[i]);
    verdict->needs_hint_count = 0;
}

static int accept(struct hst_model *model, const struct hst_rule_hint *row, const struct hst_hint *hint, struct hst_error *err)
{
    bool other = row->variant == NULL;
    if (other && model->family != NULL) HST_TRY(hst_draft_text(&model->verdict.runner_up, model->family, err));
    if (other && is(model->verdict.runner_up, row->family)) HST_TRY(hst_draft_text(&model->verdict.runner_up, NULL, err));
    HST_TRY(other ? hst_draft_text(&model->family, row->family, err) : hst_draft_text(&model->variant, row->variant, err));
    model->verdict.confidence = confidences[hint->source];
    if (confidences[hint->source] > FIRM) close_question(&model->verdict);
    return hst_draft_evidence(model, err, "tensors leave it open; %s says %.100s, so %s", hint->source == HST_HINT_NAME ? "its name" : hint->key, hint->value,
                              other ? row->family : row->variant);
}

/* A family that the metadata name although the tensors show another. */
static int contradict(struct hst_model *model, const struct hst_hint *hint, struct hst_error *err)
{
    if (hint->source != HST_HINT_HEADER || model->family == NULL) return HST_OK;
    const struct hst_rule_hint *named = NULL;
    for (size_t i = 0; i < hst_table_hint_count; i++) {
        if (hst_table_hints[i].family == NULL || !says(&hst_table_hints[i], hint)) continue;
        if (is(hst_table_hints[i].family, model->family)) return HST_OK;
        if (named == NULL) named = &hst_table_hints[i];
    }
    return named == NULL ? HST_OK : hst_draft_evidence(model, err, "%s says %.100s, but the tensors show %s", hint->key, hint->value, model->family);
}

/* A language model in a folder of text encoders is one; of what no rule knows, the folder says what it is. */
static int use_folder(struct hst_model *model, const struct hst_hint *hint, struct hst_error *err)
{
    bool encoder = is(model->type, "llm") && is(hint->value, "text_encoder");
    bool unknown = is(model->type, "other") && model->family == NULL;
    if (hint->source > HST_HINT_FOLDER || strcmp(hint->key, "type") != 0 || (!encoder && !unknown)) return HST_OK;
    if (unknown) model->verdict.confidence = 0.3;
    HST_TRY(hst_draft_evidence(model, err, "it lies in a folder of models of type %s", hint->value));
    return hst_draft_text(&model->type, hint->value, err);
}

int hst_hints_settle(struct hst_model *model, const char *const *between, const char *rival, struct hst_error *err)
{
    const struct hst_rule_hint *found = NULL;
    struct question question = {model, between, rival, model->verdict.needs_hint_count > 0};
    size_t count = model->hint_count;
    for (int source = HST_HINT_USER; source <= HST_HINT_NAME; source++)
        for (size_t i = 0; i < count; i++) {
            const struct hst_hint *hint = &model->hints[i];
            if ((int)hint->source != source) continue;
            HST_TRY(use_folder(model, hint, err));
            const struct hst_rule_hint *row = found == NULL ? find_answer(&question, hint) : NULL;
            if (row != NULL) HST_TRY(accept(model, row, hint, err));
            if (row == NULL && !question.open) HST_TRY(contradict(model, hint, err));
            if (row != NULL) found = row;
        }
    return HST_OK;
}
