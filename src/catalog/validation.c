#include "catalog/validation.h"

#include "base/cleanup.h"
#include "catalog/catalog.h"
#include "model/layout.h"
#include "model/parts.h"
#include "os/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *hst_check_name(enum hst_check_kind kind)
{
    static const char *const names[] = {"structure", "completeness", "values", "hash"};
    return names[kind];
}

const char *hst_check_state_name(enum hst_check_state state)
{
    static const char *const names[] = {"ok", "warning", "failed", "skipped"};
    return names[state];
}

/* Names of tensors are a stranger's: they are escaped as in messages of errors. */
__attribute__((format(printf, 4, 5))) static void say(struct hst_validation *validation, enum hst_check_kind kind, enum hst_check_state state, const char *format, ...)
{
    struct hst_check *check = &validation->checks[kind];
    struct hst_error escaped;
    char text[sizeof check->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hst_error_set(&escaped, HST_E_INVALID_FILE, "%s", text);
    memcpy(check->text, escaped.text, sizeof check->text);
    check->state = state;
}

/* ---- structure ---- */

static size_t count_tensors(const struct hst_model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->component_count; i++)
        count += model->components[i].tensor_count;
    return count;
}

/* A parser refused it. What is missing is a matter of completeness: what is there, is in order. */
static void take_problem(struct hst_validation *validation, const struct hst_error *problem)
{
    bool incomplete = problem->status == HST_E_INCOMPLETE_MODEL;
    validation->problem = *problem;
    say(validation, HST_CHECK_STRUCTURE, incomplete ? HST_CHECK_OK : HST_CHECK_FAILED, "%s", incomplete ? "what is there is well-formed" : problem->text);
    say(validation, HST_CHECK_COMPLETENESS, incomplete ? HST_CHECK_FAILED : HST_CHECK_SKIPPED, "%s", incomplete ? problem->text : "its files cannot be read");
    say(validation, HST_CHECK_VALUES, HST_CHECK_SKIPPED, "the model is not whole");
    say(validation, HST_CHECK_HASH, HST_CHECK_SKIPPED, "the model is not whole");
}

static void check_structure(struct hst_validation *validation)
{
    const struct hst_model *model = validation->model;
    if (model->state != HST_MODEL_OK)
        take_problem(validation, &model->problem);
    else
        say(validation, HST_CHECK_STRUCTURE, HST_CHECK_OK, "%zu tensors, %zu file%s, every byte accounted for", count_tensors(model), model->file_count,
            model->file_count == 1 ? "" : "s");
}

/* ---- completeness ---- */

/* The parser names the first part that is missing; here are all. */
static int list_missing_parts(struct hst_validation *validation, const char *path, struct hst_error *err)
{
    struct hst_parts parts;
    if (!hst_parts_of(path, &parts)) return HST_OK;
    HST_AUTO(hst_freep) char *part = strdup(path);
    if (part == NULL) return hst_error_nomem(err);
    for (unsigned number = 1; number <= parts.count; number++) {
        struct hst_file_id id;
        hst_parts_name(path, &parts, number, part);
        HST_AUTO(hst_closep) int fd = hst_file_open(part, &id, NULL);
        if (fd == HST_E_FILE_MISSING) HST_TRY(hst_names_add(&validation->missing_files, part, err));
    }
    if (validation->missing_files.count == 0) return HST_OK;
    say(validation, HST_CHECK_COMPLETENESS, HST_CHECK_FAILED, "%llu of %u parts are missing", (unsigned long long)validation->missing_files.count, parts.count);
    return HST_OK;
}

/* Halves of pairs in a main model are left over from a merge; an adapter without them does something else than it was trained for. */
static void judge_halves(struct hst_validation *validation)
{
    const struct hst_halves *halves = &validation->halves;
    bool is_adapter = strcmp(validation->model->type, "lora") == 0;
    enum hst_check_state bad = is_adapter ? HST_CHECK_FAILED : HST_CHECK_WARNING;
    if (halves->missing.count > 0)
        say(validation, HST_CHECK_COMPLETENESS, bad, "%llu halves of low-rank pairs are missing, the first is %.200s", (unsigned long long)halves->missing.count,
            halves->missing.texts[0]);
    else if (halves->unequal.count > 0)
        say(validation, HST_CHECK_COMPLETENESS, bad, "%llu low-rank pairs do not fit each other, the first is %.200s", (unsigned long long)halves->unequal.count,
            halves->unequal.texts[0]);
    else if (halves->pairs > 0)
        say(validation, HST_CHECK_COMPLETENESS, HST_CHECK_OK, "both halves of %llu low-rank pairs are there", (unsigned long long)halves->pairs);
    else
        say(validation, HST_CHECK_COMPLETENESS, HST_CHECK_OK, "%zu component%s, no file is missing", validation->model->component_count,
            validation->model->component_count == 1 ? "" : "s");
}

/* ---- values ---- */

/* Sums over the components. */
struct sums {
    uint64_t nan, infinite, zero, zero_weights, scanned, undecoded;
    const char *first; /* name of a tensor with the worst of them */
};

static const char *first_name(const char *known, const struct hst_names *names)
{
    return known != NULL || names->kept == 0 ? known : names->texts[0];
}

static struct sums add_up(const struct hst_validation *validation)
{
    struct sums sums = {0};
    for (size_t i = 0; i < validation->model->component_count; i++) {
        const struct hst_component_values *values = &validation->reading.values[i];
        sums.nan += values->nan;
        sums.infinite += values->infinite;
        sums.zero += values->zero.count;
        sums.zero_weights += values->zero_weights.count;
        sums.scanned += values->scanned_bytes;
        sums.undecoded += values->undecoded_bytes;
        sums.first = first_name(first_name(first_name(sums.first, &values->with_nan), &values->with_infinity), &values->zero_weights);
    }
    return sums;
}

/* NaN and infinities are warnings: some models in use have them in masks and buffers that no computation meets. */
static void judge_values(struct hst_validation *validation)
{
    struct sums sums = add_up(validation);
    if (sums.nan + sums.infinite + sums.zero_weights > 0)
        say(validation, HST_CHECK_VALUES, HST_CHECK_WARNING, "%llu NaN, %llu infinite, %llu weights of zeros alone; look at %.200s", (unsigned long long)sums.nan,
            (unsigned long long)sums.infinite, (unsigned long long)sums.zero_weights, sums.first);
    else if (sums.scanned + sums.undecoded == 0 && validation->model->parameters > 0)
        say(validation, HST_CHECK_VALUES, HST_CHECK_SKIPPED, "weights of this format are not read in place");
    else if (sums.scanned == 0 && sums.undecoded > 0)
        say(validation, HST_CHECK_VALUES, HST_CHECK_OK, "no tensor is zeros alone; values of packed blocks are not decoded");
    else if (sums.zero > 0)
        say(validation, HST_CHECK_VALUES, HST_CHECK_OK, "no NaN, nothing infinite; %llu small or untrained tensors are zeros alone", (unsigned long long)sums.zero);
    else
        say(validation, HST_CHECK_VALUES, HST_CHECK_OK, "no NaN, nothing infinite, no tensor of zeros alone");
}

/* ---- hash ---- */

/* The worst hash that does not agree: one of a file before one of tensors. NULL when all do. */
static const struct hst_stated *find_wrong(const struct hst_fullread *reading)
{
    const struct hst_stated *wrong = NULL;
    for (size_t i = 0; i < reading->stated_count; i++) {
        const struct hst_stated *stated = &reading->stated[i];
        if (!hst_stated_agrees(stated) && (wrong == NULL || !stated->of_tensors)) wrong = stated;
    }
    return wrong;
}

/* Tools that convert a model copy the old hash of its tensors along: that says little. The name of a blob is made of the file itself. */
static void judge_hashes(struct hst_validation *validation)
{
    const struct hst_stated *wrong = find_wrong(&validation->reading);
    size_t count = validation->reading.stated_count;
    if (wrong != NULL)
        say(validation, HST_CHECK_HASH, wrong->of_tensors ? HST_CHECK_WARNING : HST_CHECK_FAILED, "%s states %.16s..., but it is %.16s...%s", wrong->where, wrong->stated,
            wrong->found, wrong->of_tensors ? " (a tool may have rewritten the model and kept the old one)" : "");
    else if (count > 0)
        say(validation, HST_CHECK_HASH, HST_CHECK_OK, "%zu stated hash%s", count, count == 1 ? " agrees" : "es agree");
    else
        say(validation, HST_CHECK_HASH, HST_CHECK_SKIPPED, "the model states no hash");
}

/* ---- the run ---- */

static int read_all(struct hst_validation *validation, const struct hst_validation_wish *wish, struct hst_error *err)
{
    struct hst_fullread *reading = &validation->reading;
    *reading = (struct hst_fullread){.model = validation->model, .cancel = wish->cancel, .progress = wish->progress, .context = wish->context};
    HST_TRY(hst_fullread_run(reading, err));
    judge_values(validation);
    judge_hashes(validation);
    return HST_OK;
}

/* Something is missing: name all of it. */
static int list_missing(struct hst_validation *validation, const char *path, struct hst_error *err)
{
    if (validation->problem.status != HST_E_INCOMPLETE_MODEL) return HST_OK;
    HST_TRY(list_missing_parts(validation, path, err));
    HST_TRY(hst_halves_check(validation->model, &validation->halves, err));
    if (validation->halves.missing.count > 0) judge_halves(validation);
    return HST_OK;
}

static int check_all(struct hst_validation *validation, const struct hst_validation_wish *wish, struct hst_error *err)
{
    check_structure(validation);
    if (validation->model->state != HST_MODEL_OK) return list_missing(validation, wish->path, err);
    HST_TRY(hst_halves_check(validation->model, &validation->halves, err));
    judge_halves(validation);
    if (wish->deep) return read_all(validation, wish, err);
    say(validation, HST_CHECK_VALUES, HST_CHECK_SKIPPED, "only a deep validation reads the weights");
    say(validation, HST_CHECK_HASH, HST_CHECK_SKIPPED, "only a deep validation reads the weights");
    return HST_OK;
}

static int run(struct hst_validation *validation, const struct hst_validation_wish *wish, struct hst_error *err)
{
    struct hst_error why = {0};
    int status = hst_catalog_inspect(wish->path, &validation->model, &why);
    if (status == HST_E_NOMEM) return hst_error_nomem(err);
    if (status < 0) {
        take_problem(validation, &why);
        return HST_OK;
    }
    status = check_all(validation, wish, err);
    hst_layout_release_all(validation->model); /* the result may be kept for long */
    return status;
}

int hst_validation_run(const struct hst_validation_wish *wish, struct hst_validation **ret_validation, struct hst_error *err)
{
    uint64_t began = hst_clock_ns();
    struct hst_validation *validation = calloc(1, sizeof *validation);
    if (validation == NULL) return hst_error_nomem(err);
    validation->deep = wish->deep;
    int status = run(validation, wish, err);
    validation->duration_ms = hst_clock_ms_since(began);
    if (status < 0)
        hst_validation_free(validation);
    else
        *ret_validation = validation;
    return status;
}

bool hst_validation_compare(struct hst_validation *validation, const struct hst_model *scanned)
{
    bool same = validation->model != NULL && hst_model_has_same_files(validation->model, scanned);
    if (!same && validation->checks[HST_CHECK_STRUCTURE].state == HST_CHECK_OK)
        say(validation, HST_CHECK_STRUCTURE, HST_CHECK_WARNING, "its files changed since they were scanned: what is there now is well-formed, and a scan will take it up");
    return same;
}

bool hst_validation_is_valid(const struct hst_validation *validation)
{
    for (size_t i = 0; i < HST_CHECK_COUNT; i++)
        if (validation->checks[i].state == HST_CHECK_FAILED) return false;
    return true;
}

void hst_validation_free(struct hst_validation *validation)
{
    if (validation == NULL) return;
    hst_names_fini(&validation->missing_files);
    hst_halves_fini(&validation->halves);
    hst_fullread_fini(&validation->reading);
    hst_model_unref(validation->model);
    free(validation);
}
