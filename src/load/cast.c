/* Which parts of a job are wanted in other types than they are stored in. */
#include "base/cleanup.h"
#include "cache/recast.h"
#include "convert/rules.h"
#include "load/internal.h"

#include <stdlib.h>
#include <string.h>

/* Can numbers of this precision be turned into others? Of "mixed" some can. */
static bool is_convertible(const char *precision)
{
    enum hst_dtype dtype;
    return precision != NULL && (strcmp(precision, "mixed") == 0 || hst_convert_precision(precision, &dtype, NULL) == HST_OK);
}

int hst_cast_check(const struct hst_job_entry *job, struct hst_error *err)
{
    enum hst_dtype dtype;
    bool known = hst_convert_precision(job->precision, &dtype, NULL) == HST_OK;
    for (size_t i = 0; job->precision[0] != '\0' && i < job->view.component_count; i++) {
        const struct hst_component *component = job->view.components[i];
        if (component->precision == NULL || strcmp(component->precision, job->precision) == 0) continue;
        if (!known || !is_convertible(component->precision))
            return hst_error_set(err, HST_E_INCOMPATIBLE, "%s is stored as %s, which cannot be turned into %s", component->id, component->precision, job->precision);
    }
    return HST_OK;
}

static struct hst_convert_wish wish_of(const struct hst_job_entry *job, const struct hst_component *component, enum hst_dtype dtype)
{
    struct hst_convert_wish wish = {.dtype = dtype,
                                    .role = component->role,
                                    .named = job->named,
                                    .scaled = component->model->storage != NULL,
                                    .device = {.has_bf16 = true, .has_fp8 = true}};
    (void)hst_convert_level_parse(job->view.optimization_applied, &wish.level, NULL);
    return wish;
}

/* @return does any tensor become another type? */
static bool choose(const struct hst_convert_wish *wish, const struct hst_component *component, struct hst_recast *recast)
{
    bool changes = false;
    for (size_t i = 0; i < recast->count; i++) {
        const struct hst_tensor *row = component->tensors[i].tensor;
        recast->dtypes[i] = hst_convert_choose(wish, &(struct hst_convert_tensor){row->name, row->dtype, row->rank}).dtype;
        changes = changes || recast->dtypes[i] != row->dtype;
    }
    return changes;
}

/* What is there by this name is what is handed out, whichever wish it was made for: named or not, at whatever level. */
static void take_types_of_held(const struct hst_job_entry *job, const struct hst_component *component, struct hst_recast *recast)
{
    const struct hst_residency *held = hst_cache_find_as(job->loader->config.cache, component, recast->precision);
    if (held != NULL && held->recast != NULL) memcpy(recast->dtypes, held->recast->dtypes, recast->count * sizeof recast->dtypes[0]);
}

static int cast_part(struct hst_job_entry *job, size_t index, enum hst_dtype dtype, struct hst_error *err)
{
    const struct hst_component *component = job->view.components[index];
    struct hst_part *part = &job->parts[index];
    struct hst_convert_wish wish = wish_of(job, component, dtype);
    struct hst_recast *recast = hst_recast_new(component, hst_convert_precision_name(dtype));
    if (recast == NULL) return hst_error_nomem(err);
    if (!choose(&wish, component, recast)) {
        free(recast);
        return HST_OK;
    }
    take_types_of_held(job, component, recast);
    part->recast = recast;
    job->view.precisions[index] = recast->precision;
    job->view.total_bytes -= job->view.sizes[index];
    job->view.total_bytes += job->view.sizes[index] = hst_recast_total(recast, component);
    return HST_OK;
}

int hst_cast_all(struct hst_job_entry *job, struct hst_error *err)
{
    enum hst_dtype dtype;
    if (job->precision[0] == '\0' || hst_convert_precision(job->precision, &dtype, NULL) < 0) return HST_OK;
    for (size_t i = 0; i < job->view.component_count; i++)
        if (job->parts[i].recast == NULL) HST_TRY(cast_part(job, i, dtype, err));
    return HST_OK;
}
