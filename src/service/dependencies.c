#include "service/dependencies.h"

#include "base/cleanup.h"
#include "service/internal.h"

#include <string.h>

/* Decided before undecided, a file of its own before a part, a surer verdict before a less sure one. */
static int compare(const struct hst_dependency_candidate *a, const struct hst_dependency_candidate *b)
{
    double sure_a = a->component->model->verdict.confidence, sure_b = b->component->model->verdict.confidence;
    if (a->serving.rank != b->serving.rank) return a->serving.rank < b->serving.rank ? -1 : 1;
    if (sure_a > sure_b || sure_a < sure_b) return sure_a > sure_b ? -1 : 1;
    return strcmp(a->component->id, b->component->id);
}

/* Put it where it belongs; the last one goes when there is no room. */
static void insert(struct hst_dependency *dependency, const struct hst_dependency_candidate *candidate)
{
    size_t at = dependency->count;
    while (at > 0 && compare(candidate, &dependency->candidates[at - 1]) < 0)
        at--;
    if (at == HST_CANDIDATES_MAX) return;
    size_t kept = dependency->count < HST_CANDIDATES_MAX ? dependency->count : HST_CANDIDATES_MAX - 1;
    memmove(&dependency->candidates[at + 1], &dependency->candidates[at], (kept - at) * sizeof *candidate);
    dependency->candidates[at] = *candidate;
    dependency->count = kept + 1;
}

static void try_component(struct hst_dependencies *found, struct hst_component *component)
{
    for (size_t i = 0; i < found->count; i++) {
        struct hst_dependency_candidate candidate = {.component = component};
        if (found->items[i].own == NULL && hst_needs_serves(&found->items[i].need, component, &candidate.serving)) insert(&found->items[i], &candidate);
    }
}

static void look_through(const struct hst_service *service, const struct hst_model *model, struct hst_dependencies *found)
{
    size_t cursor = 0;
    for (struct hst_model *other; (other = hst_catalog_next(service->config.catalog, &cursor));)
        for (size_t i = 0; other != model && other->state == HST_MODEL_OK && i < other->component_count; i++)
            try_component(found, &other->components[i]);
}

int hst_dependencies_find(const struct hst_service *service, const struct hst_model *model, struct hst_dependencies **ret_dependencies, struct hst_error *err)
{
    struct hst_dependencies *found = calloc(1, sizeof *found);
    struct hst_need need;
    size_t cursor = 0;
    if (found == NULL) return hst_error_nomem(err);
    while (found->count < HST_NEEDS_MAX && hst_needs_next(model, &cursor, &need))
        found->items[found->count++] = (struct hst_dependency){.need = need, .own = hst_needs_own(model, &need)};
    look_through(service, model, found);
    *ret_dependencies = found;
    return HST_OK;
}

const struct hst_component *hst_dependency_choice(const struct hst_dependency *dependency)
{
    if (dependency->own != NULL) return dependency->own;
    return dependency->count > 0 && dependency->candidates[0].serving.decided ? dependency->candidates[0].component : NULL;
}

bool hst_dependencies_complete(const struct hst_dependencies *dependencies)
{
    for (size_t i = 0; i < dependencies->count; i++)
        if (hst_dependency_choice(&dependencies->items[i]) == NULL) return false;
    return true;
}
