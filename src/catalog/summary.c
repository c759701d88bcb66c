#include "catalog/summary.h"

#include <string.h>

const struct hst_field_info hst_fields_of_metadata[HST_FIELDS] = {
    [HST_FIELD_TITLE] = {"title", HST_FIELD_TEXT, "modelspec.title"},
    [HST_FIELD_DESCRIPTION] = {"description", HST_FIELD_TEXT, "modelspec.description"},
    [HST_FIELD_AUTHOR] = {"author", HST_FIELD_TEXT, "modelspec.author"},
    [HST_FIELD_DATE] = {"date", HST_FIELD_TEXT, "modelspec.date"},
    [HST_FIELD_LICENSE] = {"license", HST_FIELD_TEXT, "modelspec.license"},
    [HST_FIELD_TRIGGER_WORDS] = {"trigger_words", HST_FIELD_LIST, "modelspec.trigger_phrase"},
    [HST_FIELD_RESOLUTION] = {"resolution", HST_FIELD_TEXT, "modelspec.resolution"},
    [HST_FIELD_BASE_MODEL] = {"base_model", HST_FIELD_TEXT, "hoist.base_model"},
    [HST_FIELD_TAGS] = {"tags", HST_FIELD_LIST, "modelspec.tags"},
    [HST_FIELD_USAGE_HINT] = {"usage_hint", HST_FIELD_TEXT, "modelspec.usage_hint"},
    [HST_FIELD_PREDICTION_TYPE] = {"prediction_type", HST_FIELD_TEXT, "modelspec.prediction_type"},
    [HST_FIELD_MERGED_FROM] = {"merged_from", HST_FIELD_LIST, "modelspec.merged_from"},
    [HST_FIELD_PREFERRED_WEIGHT] = {"preferred_weight", HST_FIELD_NUMBER, "modelspec.lora_default_weight"},
    [HST_FIELD_NOTES] = {"notes", HST_FIELD_TEXT, "hoist.notes"},
};

/* Who else is asked, in this order, after the user, hoist's sidecar and the header: their keys are those above. */
static const struct {
    enum hst_field field;
    enum hst_metadata_source source;
    const char *key;
} asked[] = {
    {HST_FIELD_TITLE, HST_METADATA_CM_INFO, "UserTitle"},
    {HST_FIELD_TITLE, HST_METADATA_LORA_MANAGER, "model_name"},
    {HST_FIELD_TITLE, HST_METADATA_CM_INFO, "ModelName"},
    {HST_FIELD_TITLE, HST_METADATA_CIVITAI, "model.name"},
    {HST_FIELD_TITLE, HST_METADATA_CARD, "model_name"},
    {HST_FIELD_TITLE, HST_METADATA_HEADER, "general.name"},
    {HST_FIELD_TITLE, HST_METADATA_HEADER, "ss_output_name"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_A1111, "description"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_LORA_MANAGER, "modelDescription"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_CM_INFO, "ModelDescription"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_CIVITAI, "model.description"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_CIVITAI, "description"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_HEADER, "general.description"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_HEADER, "ss_training_comment"},
    {HST_FIELD_DESCRIPTION, HST_METADATA_TEXT, "description"},
    {HST_FIELD_AUTHOR, HST_METADATA_CM_INFO, "AuthorUsername"},
    {HST_FIELD_AUTHOR, HST_METADATA_CIVITAI, "creator.username"},
    {HST_FIELD_AUTHOR, HST_METADATA_LORA_MANAGER, "civitai.creator.username"},
    {HST_FIELD_AUTHOR, HST_METADATA_HEADER, "general.author"},
    {HST_FIELD_DATE, HST_METADATA_CIVITAI, "createdAt"},
    {HST_FIELD_DATE, HST_METADATA_LORA_MANAGER, "civitai.createdAt"},
    {HST_FIELD_LICENSE, HST_METADATA_CARD, "license_name"},
    {HST_FIELD_LICENSE, HST_METADATA_CARD, "license"},
    {HST_FIELD_LICENSE, HST_METADATA_HEADER, "general.license"},
    {HST_FIELD_TRIGGER_WORDS, HST_METADATA_A1111, "activation text"},
    {HST_FIELD_TRIGGER_WORDS, HST_METADATA_LORA_MANAGER, "civitai.trainedWords"},
    {HST_FIELD_TRIGGER_WORDS, HST_METADATA_CM_INFO, "TrainedWords"},
    {HST_FIELD_TRIGGER_WORDS, HST_METADATA_CIVITAI, "trainedWords"},
    {HST_FIELD_TRIGGER_WORDS, HST_METADATA_CARD, "instance_prompt"},
    {HST_FIELD_TRIGGER_WORDS, HST_METADATA_HEADER, "ss_trigger_words"},
    {HST_FIELD_TRIGGER_WORDS, HST_METADATA_DERIVED, "ss_tag_frequency"},
    {HST_FIELD_RESOLUTION, HST_METADATA_HEADER, "ss_resolution"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_LORA_MANAGER, "base_model"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_CM_INFO, "BaseModel"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_CIVITAI, "baseModel"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_LORA_MANAGER, "civitai.baseModel"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_A1111, "sd version"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_CARD, "base_model"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_HEADER, "ss_base_model_version"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_HEADER, "ss_sd_model_name"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_HEADER, "general.base_model.0.name"},
    {HST_FIELD_BASE_MODEL, HST_METADATA_CONFIG, "_name_or_path"},
    {HST_FIELD_TAGS, HST_METADATA_LORA_MANAGER, "tags"},
    {HST_FIELD_TAGS, HST_METADATA_CM_INFO, "Tags"},
    {HST_FIELD_TAGS, HST_METADATA_CIVITAI, "model.tags"},
    {HST_FIELD_TAGS, HST_METADATA_CARD, "tags"},
    {HST_FIELD_USAGE_HINT, HST_METADATA_LORA_MANAGER, "usage_tips"},
    {HST_FIELD_PREFERRED_WEIGHT, HST_METADATA_A1111, "preferred weight"},
    {HST_FIELD_NOTES, HST_METADATA_A1111, "notes"},
    {HST_FIELD_NOTES, HST_METADATA_LORA_MANAGER, "notes"},
};

enum hst_field hst_field_find(const char *name)
{
    size_t field = 0;
    while (field < HST_FIELDS && strcmp(hst_fields_of_metadata[field].name, name) != 0)
        field++;
    return (enum hst_field)field;
}

/* What a source says, if it says something: tools write "" and 0 for "nothing". */
static const struct hst_metadata_entry *ask(const struct hst_metadata_list *list, enum hst_metadata_source source, const char *key, enum hst_field_kind kind)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct hst_metadata_entry *entry = &list->entries[i];
        if (entry->source != source || entry->value == NULL || strcmp(entry->key, key) != 0) continue;
        bool nothing = entry->value[0] == '\0' || (kind == HST_FIELD_NUMBER && strspn(entry->value, "0.") == strlen(entry->value));
        if (!nothing) return entry;
    }
    return NULL;
}

static const struct hst_metadata_entry *ask_all(const struct hst_metadata_list *list, enum hst_field field)
{
    const struct hst_field_info *info = &hst_fields_of_metadata[field];
    const struct hst_metadata_entry *said = ask(list, HST_METADATA_USER, info->name, info->kind);
    if (said == NULL) said = ask(list, HST_METADATA_SWARM, info->written_as, info->kind);
    if (said == NULL) said = ask(list, HST_METADATA_HEADER, info->written_as, info->kind);
    for (size_t i = 0; said == NULL && i < sizeof asked / sizeof asked[0]; i++)
        if (asked[i].field == field) said = ask(list, asked[i].source, asked[i].key, info->kind);
    return said;
}

const char *hst_field_answer(const struct hst_metadata_list *list, enum hst_field field, const struct hst_metadata_entry **ret_said)
{
    *ret_said = ask_all(list, field);
    return *ret_said != NULL ? (*ret_said)->value : NULL;
}
