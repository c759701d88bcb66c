#include "service/view_relations.h"

#include "base/cleanup.h"
#include "relate/pairing.h"
#include "plan/batches.h"
#include "service/jsonx.h"

#include <string.h>

static json_t *families_of(const struct hst_need *need)
{
    size_t count = 0;
    while (count < HST_NEED_FAMILIES && need->families[count] != NULL)
        count++;
    return hst_jsonx_texts(need->families, count);
}

json_t *hst_view_needs(const struct hst_model *model)
{
    json_t *needs = json_object(), *lacks = json_array();
    struct hst_need need;
    for (size_t cursor = 0; hst_needs_next(model, &cursor, &need);) {
        json_object_set_new(needs, need.role, families_of(&need));
        if (hst_needs_own(model, &need) == NULL) json_array_append_new(lacks, json_string(need.role));
    }
    return json_pack("{s:o, s:o}", "needs", needs, "lacks", lacks);
}

static json_t *candidates_of(const struct hst_dependency *dependency)
{
    json_t *candidates = json_array();
    for (size_t i = 0; i < dependency->count; i++) {
        const struct hst_dependency_candidate *candidate = &dependency->candidates[i];
        const struct hst_model *model = candidate->component->model;
        json_array_append_new(candidates, json_pack("{s:s, s:s, s:b, s:f, s:o}", "component_id", candidate->component->id, "model_id", model->id, "decided", candidate->serving.decided,
                                                    "confidence", model->verdict.confidence, "reason", hst_jsonx_text(candidate->serving.reason)));
    }
    return candidates;
}

static json_t *need_of(const struct hst_dependency *dependency)
{
    const struct hst_component *own = dependency->own;
    json_t *view = json_pack("{s:s, s:o, s:s?, s:o, s:b}", "role", dependency->need.role, "families", families_of(&dependency->need), "satisfied_by", own != NULL ? own->id : NULL,
                             "candidates", candidates_of(dependency), "missing", own == NULL && dependency->count == 0);
    if (dependency->need.latent_channels != 0) json_object_set_new(view, "latent_channels", hst_jsonx_size(dependency->need.latent_channels));
    return view;
}

/* What is loaded for the model: its own components, and the choice for each need. */
struct graph {
    const struct hst_component **components; /* owned array */
    struct hst_plan_item *items;             /* owned array; one a component */
    size_t *batch_of;                        /* owned array */
    size_t count, batches;
    const char *needed[HST_NEEDS_MAX];       /* roles that the main component comes after */
    size_t needed_count;
};

static void graph_fini(struct graph *graph)
{
    free(graph->components);
    free(graph->items);
    free(graph->batch_of);
}

static int graph_init(struct graph *graph, const struct hst_model *model, struct hst_error *err)
{
    size_t room = model->component_count + HST_NEEDS_MAX + 1;
    *graph = (struct graph){calloc(room, sizeof(struct hst_component *)), calloc(room, sizeof *graph->items), calloc(room, sizeof *graph->batch_of)};
    return graph->components != NULL && graph->items != NULL && graph->batch_of != NULL ? HST_OK : hst_error_nomem(err);
}

static void add_node(struct graph *graph, const struct hst_component *component, const char *role)
{
    graph->components[graph->count] = component;
    graph->items[graph->count++] = (struct hst_plan_item){.component_id = component->id, .role = role, .depends_on = (const char *const *)component->depends_on,
                                                          .depends_on_count = component->depends_on_count, .size_bytes = component->size_bytes};
}

static void add_needs(struct graph *graph, const struct hst_dependencies *dependencies)
{
    for (size_t i = 0; i < dependencies->count; i++) {
        const struct hst_dependency *dependency = &dependencies->items[i];
        const struct hst_component *choice = hst_dependency_choice(dependency);
        if (choice == NULL) continue;
        graph->needed[graph->needed_count++] = dependency->own != NULL ? choice->role : dependency->need.role;
        if (dependency->own == NULL) add_node(graph, choice, dependency->need.role);
    }
}

static int graph_make(struct graph *graph, const struct hst_model *model, const struct hst_dependencies *dependencies, struct hst_error *err)
{
    const struct hst_component *main = hst_pairing_main(model);
    HST_TRY(graph_init(graph, model, err));
    for (size_t i = 0; i < model->component_count; i++)
        add_node(graph, &model->components[i], model->components[i].role);
    add_needs(graph, dependencies);
    if (main == NULL && model->component_count > 0) main = &model->components[0]; /* an adapter: it comes after its base */
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->components[i] != main || graph->needed_count == 0) continue;
        graph->items[i].depends_on = graph->needed;
        graph->items[i].depends_on_count = graph->needed_count;
    }
    return hst_batches_make(graph->items, graph->count, graph->batch_of, &graph->batches, err);
}

static json_t *edges_of(const struct graph *graph)
{
    json_t *edges = json_array();
    for (size_t i = 0; i < graph->count; i++)
        for (size_t j = 0; j < graph->items[i].depends_on_count; j++)
            for (size_t k = 0; k < graph->count; k++)
                if (k != i && strcmp(graph->items[k].role, graph->items[i].depends_on[j]) == 0)
                    json_array_append_new(edges, json_pack("{s:s, s:s}", "from", graph->items[i].component_id, "to", graph->items[k].component_id));
    return edges;
}

static json_t *view_graph(const struct graph *graph, const struct hst_model *model)
{
    json_t *nodes = json_array(), *batches = json_array();
    for (size_t i = 0; i < graph->batches; i++)
        json_array_append_new(batches, json_array());
    for (size_t i = 0; i < graph->count; i++) {
        const struct hst_component *component = graph->components[i];
        json_array_append_new(json_array_get(batches, graph->batch_of[i]), json_string(component->id));
        json_array_append_new(nodes, json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "component_id", component->id, "model_id", component->model->id, "role", graph->items[i].role, "own",
                                               component->model == model, "size_bytes", hst_jsonx_size(component->size_bytes), "batch", hst_jsonx_size(graph->batch_of[i])));
    }
    return json_pack("{s:o, s:o, s:o}", "nodes", nodes, "edges", edges_of(graph), "batches", batches);
}

static int make_graph(const struct hst_model *model, const struct hst_dependencies *dependencies, json_t **ret_view, struct hst_error *err)
{
    HST_AUTO(graph_fini) struct graph graph = {0};
    HST_TRY(graph_make(&graph, model, dependencies, err));
    *ret_view = view_graph(&graph, model);
    return HST_OK;
}

int hst_view_dependencies(const struct hst_service *service, struct hst_model *model, json_t **ret_view, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct hst_dependencies *dependencies = NULL;
    json_t *needs = NULL, *graph = NULL;
    HST_TRY(hst_dependencies_find(service, model, &dependencies, err));
    HST_TRY(make_graph(model, dependencies, &graph, err));
    needs = json_array();
    for (size_t i = 0; i < dependencies->count; i++)
        json_array_append_new(needs, need_of(&dependencies->items[i]));
    *ret_view = json_pack("{s:s, s:b, s:o, s:o, s:o}", "model_id", model->id, "complete", hst_dependencies_complete(dependencies), "needs", needs, "graph", graph, "fit",
                          hst_view_fit(service, model, dependencies));
    return HST_OK;
}

static json_t *shape_of(const uint64_t shape[2])
{
    json_t *view = json_array();
    for (size_t i = 0; i < 2; i++)
        json_array_append_new(view, shape[i] != 0 ? hst_jsonx_size(shape[i]) : json_null());
    return view;
}

static json_t *misfit_of(const struct hst_misfit *misfit)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "problem", misfit->problem, "module", hst_jsonx_text(misfit->module), "base_tensor",
                     hst_jsonx_text(misfit->key[0] != '\0' ? misfit->key : NULL), "adapter_shape", shape_of(misfit->adapter_shape), "base_shape", shape_of(misfit->base_shape));
}

static json_t *percent_of(size_t part, size_t whole)
{
    return whole > 0 ? json_real(100.0 * (double)part / (double)whole) : json_null();
}

json_t *hst_view_compatibility(const struct hst_compatibility *report)
{
    json_t *examples = json_array(), *view = json_object();
    const struct {
        const char *name;
        size_t count;
    } counts[] = {{"matched", report->matched}, {"mismatched", report->mismatched}, {"missing", report->missing}, {"dangling", report->dangling},
                  {"unchecked", report->unchecked}, {"elsewhere", report->elsewhere}};
    for (size_t i = 0; i < report->example_count; i++)
        json_array_append_new(examples, misfit_of(&report->examples[i]));
    json_object_set_new(view, "compatible", json_string(hst_compatible_name(report->compatible)));
    json_object_set_new(view, "adapter_id", report->adapter != NULL ? json_string(report->adapter->id) : json_null());
    json_object_set_new(view, "base_id", report->base != NULL ? json_string(report->base->id) : json_null());
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        json_object_set_new(view, counts[i].name, hst_jsonx_size(counts[i].count));
    json_object_set_new(view, "percent", percent_of(report->matched, hst_compatibility_total(report)));
    json_object_set_new(view, "target_percent", percent_of(report->touched, report->targets));
    json_object_set_new(view, "reasons", hst_jsonx_texts((const char *const *)report->reasons, report->reason_count));
    json_object_set_new(view, "examples", examples);
    return view;
}
