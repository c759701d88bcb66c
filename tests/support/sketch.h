#ifndef HST_TESTS_SKETCH_H
#define HST_TESTS_SKETCH_H
/** @file
 * Models that are nothing but names, types and shapes of tensors: no file, no data. */
#include "model/draft.h"
#include "cmocka_all.h"
#include "formats/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** A model under construction. */
struct sketch {
    struct hst_builder builder;
    const char *roles[8192]; /* of the tensors, in the order in which they were added */
    const char *role;         /* of those that follow */
};

static inline struct sketch *sketch_begin(const char *role)
{
    struct sketch *sketch = calloc(1, sizeof *sketch);
    assert_int_equal(hst_builder_init(&sketch->builder, "safetensors", NULL), 0);
    sketch->role = role;
    return sketch;
}

static inline void sketch_tensor(struct sketch *sketch, enum hst_dtype dtype, uint32_t rank, const uint64_t *shape, const char *name)
{
    struct hst_tensor *tensor;
    assert_int_equal(hst_builder_add(&sketch->builder, name, strlen(name), &tensor, NULL), 0);
    tensor->dtype = dtype;
    assert_int_equal(hst_builder_shape(&sketch->builder, tensor, shape, rank, NULL), 0);
    sketch->roles[sketch->builder.table->count - 1] = sketch->role;
}

/** A matrix of `rows` and `columns` (0 = a vector), named as printf does. */
__attribute__((format(printf, 4, 5))) static inline void sketch_add(struct sketch *sketch, uint64_t rows, uint64_t columns, const char *format, ...)
{
    char name[512];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    sketch_tensor(sketch, HST_DTYPE_F16, columns > 0 ? 2 : 1, (const uint64_t[]){rows, columns}, name);
}

/** The model (owned: hst_model_unref); the sketch is gone. */
static inline struct hst_model *sketch_end(struct sketch *sketch, const char *id, const char *type, const char *family)
{
    struct hst_model *model;
    struct hst_component *component;
    char path[256];
    snprintf(path, sizeof path, "/%s.safetensors", id);
    assert_int_equal(hst_draft_new(path, "safetensors", &model, NULL), 0);
    assert_int_equal(hst_draft_text(&model->type, type, NULL), 0);
    assert_int_equal(hst_draft_text(&model->family, family, NULL), 0);
    model->files = calloc(1, sizeof *model->files);
    model->file_count = 1;
    model->files[0] = (struct hst_model_file){.path = strdup(path), .table = hst_builder_finish(&sketch->builder)};
    hst_builder_fini(&sketch->builder);
    for (size_t i = 0; i < model->files[0].table->count; i++) {
        assert_int_equal(hst_draft_component(model, sketch->roles[i], &component, NULL), 0);
        assert_int_equal(hst_draft_tensor(component, 0, &model->files[0].table->tensors[i], NULL), 0);
    }
    assert_int_equal(hst_draft_finish(model, NULL), 0);
    free(sketch);
    return model;
}
#endif
