#include "catalog/split.h"

#include <stdlib.h>

/* A number of the header; `unsaid` when it is not there. */
static unsigned long long number_of(const struct hst_tensor_table *table, const char *key, unsigned long long unsaid)
{
    const char *text = hst_tensor_table_metadata(table, key);
    return text != NULL ? strtoull(text, NULL, 10) : unsaid;
}

static int check_file(const struct hst_model *model, size_t file, unsigned long long tensors, struct hst_error *err)
{
    const struct hst_tensor_table *table = model->files[file].table;
    unsigned long long count = number_of(table, "split.count", model->file_count), number = number_of(table, "split.no", file);
    if (number >= count) return hst_error_set(err, HST_E_INVALID_FILE, "split: it says it is part %llu of %llu", number + 1, count);
    if (count != model->file_count) return hst_error_set(err, HST_E_INCOMPLETE_MODEL, "split: it is part %llu of %llu, and there are %zu", number + 1, count, model->file_count);
    if (number != file) return hst_error_set(err, HST_E_INVALID_FILE, "split: part %zu says it is part %llu", file + 1, number + 1);
    if (number_of(table, "split.tensors.count", tensors) == tensors) return HST_OK;
    return hst_error_set(err, HST_E_INVALID_FILE, "split: the parts hold %llu tensors, not as many as part %zu says", tensors, file + 1);
}

int hst_split_check(const struct hst_model *model, struct hst_error *err)
{
    unsigned long long tensors = 0;
    for (size_t i = 0; i < model->file_count; i++)
        tensors += model->files[i].table->count;
    for (size_t i = 0; i < model->file_count; i++)
        HST_TRY(check_file(model, i, tensors, err));
    return HST_OK;
}
