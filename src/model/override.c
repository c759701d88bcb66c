#include "model/override.h"

#include <stdlib.h>
#include <string.h>

static struct hst_override *find(const struct hst_override_list *list, const char *key)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].key, key) == 0) return &list->items[i];
    return NULL;
}

const char *hst_override_get(const struct hst_override_list *list, const char *key)
{
    const struct hst_override *found = find(list, key);
    return found != NULL ? found->value : NULL;
}

static int add(struct hst_override_list *list, const char *key, struct hst_override **ret_item, struct hst_error *err)
{
    struct hst_override *grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (grown == NULL) return hst_error_nomem(err);
    list->items = grown;
    grown[list->count] = (struct hst_override){0};
    HST_TRY(hst_draft_text(&grown[list->count].key, key, err));
    *ret_item = &grown[list->count++];
    return HST_OK;
}

int hst_override_set(struct hst_override_list *list, const char *key, const char *value, struct hst_error *err)
{
    struct hst_override *item = find(list, key);
    if (item == NULL) HST_TRY(add(list, key, &item, err));
    return hst_draft_text(&item->value, value, err);
}

int hst_override_copy(const struct hst_override_list *from, struct hst_override_list *to, struct hst_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        HST_TRY(hst_override_set(to, from->items[i].key, from->items[i].value, err));
    return HST_OK;
}

void hst_override_fini(struct hst_override_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].key);
        free(list->items[i].value);
    }
    free(list->items);
    *list = (struct hst_override_list){0};
}

int hst_override_words(const struct hst_override_list *list, struct hst_metadata_list *words, struct hst_error *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].value != NULL) HST_TRY(hst_metadata_add(words, HST_METADATA_USER, list->items[i].key, list->items[i].value, err));
    return HST_OK;
}

/* Questions that tensors left open are answered, and no other family is as likely. */
static void settle(struct hst_model *model)
{
    struct hst_verdict *verdict = &model->verdict;
    while (verdict->needs_hint_count > 0)
        free(verdict->needs_hint[--verdict->needs_hint_count]);
    free(verdict->runner_up);
    verdict->runner_up = NULL;
}

int hst_override_apply(const struct hst_override_list *list, struct hst_model *model, struct hst_error *err)
{
    const struct {
        const char *key;
        char **member;
        bool settles;
    } words[] = {{"type", &model->type, false}, {"family", &model->family, true}, {"variant", &model->variant, true}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *value = hst_override_get(list, words[i].key);
        if (value == NULL) continue;
        bool other_family = words[i].member == &model->family && (model->family == NULL || strcmp(model->family, value) != 0);
        if (other_family) HST_TRY(hst_draft_text(&model->variant, NULL, err)); /* it was one of the family that was found */
        HST_TRY(hst_draft_text(words[i].member, value, err));
        HST_TRY(hst_draft_evidence(model, err, "you said so: %s = %s", words[i].key, value));
        model->verdict.confidence = 1;
        if (words[i].settles) settle(model);
    }
    return HST_OK;
}
