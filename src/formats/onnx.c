/* Every message that matters is a kind with a row of rules; the messages around the present byte are frames on a stack of fixed size. */
#include "formats/onnx.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "formats/builder.h"
#include "formats/limits.h"
#include "formats/onnx_external.h"
#include "formats/protobuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES = 16384, FIELDS = 32, OPSETS_SINCE = 3 /* version of the format that has opset_import */ };
_Static_assert(HST_ONNX_TEXT_MAX <= WINDOW_BYTES && HST_NAME_MAX <= WINDOW_BYTES, "what is taken in one piece fits into the window");

/* Numbers of fields as in onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_MODEL_VERSION = 5, MODEL_GRAPH = 7, MODEL_OPSET_IMPORT = 8 };
enum { TENSOR_FLOAT_DATA = 4, TENSOR_RAW_DATA = 9, TENSOR_DOUBLE_DATA = 10 };

/* Element types by ONNX's numbers; dtype 0 = hoist has none. */
static const struct {
    uint8_t dtype;
    uint8_t packed; /* the field whose packed numbers lie as in memory; 0 = none does */
    const char *unsupported;
} types[] = {
    [0] = {.unsupported = "dtype: it has none"},
    [1] = {HST_DTYPE_F32, TENSOR_FLOAT_DATA},
    [2] = {HST_DTYPE_U8},
    [3] = {HST_DTYPE_I8},
    [4] = {HST_DTYPE_U16},
    [5] = {HST_DTYPE_I16},
    [6] = {HST_DTYPE_I32},
    [7] = {HST_DTYPE_I64},
    [8] = {.unsupported = "unsupported: texts are no numbers"},
    [9] = {HST_DTYPE_BOOL},
    [10] = {HST_DTYPE_F16},
    [11] = {HST_DTYPE_F64, TENSOR_DOUBLE_DATA},
    [12] = {HST_DTYPE_U32},
    [13] = {HST_DTYPE_U64},
    [14] = {HST_DTYPE_C64, TENSOR_FLOAT_DATA},
    [15] = {.unsupported = "unsupported: complex numbers of two doubles"},
    [16] = {HST_DTYPE_BF16},
    [17] = {HST_DTYPE_F8_E4M3},
    [18] = {HST_DTYPE_F8_E4M3FNUZ},
    [19] = {HST_DTYPE_F8_E5M2},
    [20] = {HST_DTYPE_F8_E5M2FNUZ},
    [21] = {HST_DTYPE_U4},
    [22] = {HST_DTYPE_I4},
    [23] = {HST_DTYPE_F4},
    [24] = {HST_DTYPE_F8_E8M0},
    [25] = {HST_DTYPE_U2},
    [26] = {HST_DTYPE_I2},
    [27] = {HST_DTYPE_F6_E2M3},
    [28] = {HST_DTYPE_F6_E3M2},
};
enum { TYPES = sizeof types / sizeof types[0] };

enum kind { MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, PAIR, OPSET };

/* A message that is being read. */
struct frame {
    enum kind kind;
    uint32_t seen;   /* bits of the fields that may be there once */
    uint32_t number; /* of it among its like in the message around */
    uint32_t nodes;  /* graph: so far */
    uint32_t graphs; /* attribute: so far, of a list */
    struct hst_protobuf_field name; /* attribute: its own; of no bytes while there is none */
    size_t path;     /* bytes of parse->path that belong to it */
};

/* The initializer that is being read. */
struct record {
    uint64_t dims[HST_RANK_MAX];
    uint32_t rank;
    uint64_t type;
    uint64_t is_external;
    struct hst_protobuf_field data; /* the last of its values or runs of values; number 0 = there is none */
    uint32_t data_runs;
    uint64_t data_bytes;
};

struct parse {
    struct hst_error *err;
    struct hst_protobuf reader;
    struct hst_builder builder;
    struct hst_onnx_externals externals;
    struct frame frames[HST_PROTOBUF_DEPTH_MAX + 1]; /* by depth of the reader */
    struct record tensor;
    char name[HST_NAME_MAX + 1]; /* of it, after the path */
    struct hst_onnx_place place; /* of it in another file */
    uint64_t version;    /* of the format or of a set of operators, whichever was read last */
    uint64_t ir_version;
    uint64_t constants;  /* left out */
    uint64_t sparse;     /* left out */
    char path[HST_NAME_MAX + 1];
    char first_constant[65];
    char key[HST_NAME_MAX + 1];
    char value[HST_ONNX_TEXT_MAX + 1];
    uint8_t window[WINDOW_BYTES];
};

static int fail(const struct parse *parse, int status, const char *what)
{
    return hst_protobuf_fail(&parse->reader, status, what);
}

/* What is wrong with the initializer that is being read. */
static int refuse(const struct parse *parse, int status, const char *what)
{
    return hst_error_at(parse->err, status, parse->reader.at, "%s: initializer '%.64s'", what, parse->name);
}

static struct frame *top(struct parse *parse)
{
    return &parse->frames[parse->reader.depth];
}

static int enter(struct parse *parse, enum kind kind, const struct hst_protobuf_field *field)
{
    size_t path = top(parse)->path;
    HST_TRY(hst_protobuf_enter(&parse->reader, field));
    *top(parse) = (struct frame){.kind = kind, .path = path};
    return HST_OK;
}

/* Copy a text to out, which has room for `most` bytes and a NUL. */
static int copy_text(struct parse *parse, const struct hst_protobuf_field *field, char *out, size_t most)
{
    const uint8_t *bytes;
    if (field->length > most) return fail(parse, HST_E_LIMIT_EXCEEDED, "limit: a name or key is too long");
    HST_TRY(hst_protobuf_bytes(&parse->reader, field, &bytes));
    if (memchr(bytes, '\0', field->length) != NULL) return fail(parse, HST_E_INVALID_FILE, "name: a name or key contains a NUL");
    memcpy(out, bytes, field->length);
    out[field->length] = '\0';
    return HST_OK;
}

/* ---- metadata ---- */

static int keep(struct parse *parse, const char *key, const char *value)
{
    return hst_builder_metadata(&parse->builder, key, strlen(key), value, strlen(value), parse->err);
}

static int keep_number(struct parse *parse, const char *key, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    return keep(parse, key, text);
}

/* A key, into parse->key. */
static int read_key(struct parse *parse, const struct hst_protobuf_field *field)
{
    return copy_text(parse, field, parse->key, HST_NAME_MAX);
}

/* A value, into parse->value; too long ones are empty. */
static int read_value(struct parse *parse, const struct hst_protobuf_field *field)
{
    parse->value[0] = '\0';
    return field->length <= HST_ONNX_TEXT_MAX ? copy_text(parse, field, parse->value, HST_ONNX_TEXT_MAX) : HST_OK;
}

static int keep_text(struct parse *parse, const struct hst_protobuf_field *field, const char *key)
{
    HST_TRY(read_value(parse, field));
    return keep(parse, key, parse->value);
}

static int read_model_text(struct parse *parse, const struct hst_protobuf_field *field)
{
    static const char *const keys[] = {[2] = "onnx.producer_name", [3] = "onnx.producer_version", [4] = "onnx.domain"};
    return keep_text(parse, field, keys[field->number]);
}

static int read_model_number(struct parse *parse, const struct hst_protobuf_field *field)
{
    if (field->number == MODEL_MODEL_VERSION) return keep_number(parse, "onnx.model_version", field->value);
    parse->ir_version = field->value;
    return keep_number(parse, "onnx.ir_version", field->value);
}

static int read_graph_name(struct parse *parse, const struct hst_protobuf_field *field)
{
    return parse->reader.depth == 1 ? keep_text(parse, field, "onnx.graph") : HST_OK;
}

static int enter_pair(struct parse *parse, const struct hst_protobuf_field *field)
{
    parse->key[0] = parse->value[0] = '\0';
    return enter(parse, PAIR, field);
}

/* A pair of the model, or of where a tensor lies. */
static int end_pair(struct parse *parse)
{
    if (parse->frames[parse->reader.depth - 1].kind == MODEL) return keep(parse, parse->key, parse->value);
    return hst_onnx_place_set(&parse->place, parse->key, parse->value, parse->reader.at, parse->err);
}

static int enter_opset(struct parse *parse, const struct hst_protobuf_field *field)
{
    parse->key[0] = '\0';
    parse->version = 0;
    return enter(parse, OPSET, field);
}

static int read_opset_version(struct parse *parse, const struct hst_protobuf_field *field)
{
    parse->version = field->value;
    return HST_OK;
}

/* The empty domain is that of ONNX itself, under which some exporters name it again. */
static int end_opset(struct parse *parse)
{
    char key[HST_NAME_MAX + 1];
    snprintf(key, sizeof key, "onnx.opset.%.4000s", parse->key[0] != '\0' ? parse->key : "ai.onnx");
    return hst_map_get_str(&parse->builder.keys, key) == NULL ? keep_number(parse, key, parse->version) : HST_OK;
}

/* ---- graphs in graphs ---- */

static int read_sparse(struct parse *parse, const struct hst_protobuf_field *field)
{
    (void)field;
    parse->sparse++;
    return HST_OK;
}

static int enter_node(struct parse *parse, const struct hst_protobuf_field *field)
{
    uint32_t number = top(parse)->nodes++;
    HST_TRY(enter(parse, NODE, field));
    top(parse)->number = number;
    return HST_OK;
}

static int enter_attribute(struct parse *parse, const struct hst_protobuf_field *field)
{
    return enter(parse, ATTRIBUTE, field);
}

static int note_attribute_name(struct parse *parse, const struct hst_protobuf_field *field)
{
    top(parse)->name = *field;
    return HST_OK;
}

/* A graph of its own, or one of a list: its path begins with that of the graph around. The attribute's name comes before the graph, as every
 * writer puts it, or is not in the path. */
static int enter_subgraph(struct parse *parse, const struct hst_protobuf_field *field, const char *list_number)
{
    const struct frame *attribute = top(parse), *node = attribute - 1;
    HST_TRY(copy_text(parse, &attribute->name, parse->key, HST_NAME_MAX));
    size_t room = sizeof parse->path - node->path;
    int length = snprintf(parse->path + node->path, room, "#%u/%s/%s", node->number, parse->key, list_number);
    if ((size_t)length >= room) return fail(parse, HST_E_LIMIT_EXCEEDED, "limit: the name of a graph inside graphs is too long");
    size_t path = node->path + (size_t)length;
    HST_TRY(enter(parse, GRAPH, field));
    top(parse)->path = path;
    return HST_OK;
}

static int enter_only_graph(struct parse *parse, const struct hst_protobuf_field *field)
{
    return enter_subgraph(parse, field, "");
}

static int enter_listed_graph(struct parse *parse, const struct hst_protobuf_field *field)
{
    char number[16];
    snprintf(number, sizeof number, "%u/", top(parse)->graphs++);
    return enter_subgraph(parse, field, number);
}

static int enter_main_graph(struct parse *parse, const struct hst_protobuf_field *field)
{
    return enter(parse, GRAPH, field);
}

/* ---- an initializer ---- */

static int enter_tensor(struct parse *parse, const struct hst_protobuf_field *field)
{
    parse->tensor = (struct record){0};
    parse->name[0] = '\0';
    hst_onnx_place_clear(&parse->place);
    return enter(parse, TENSOR, field);
}

static int add_dim(struct parse *parse, uint64_t size)
{
    if (parse->tensor.rank == HST_RANK_MAX) return refuse(parse, HST_E_LIMIT_EXCEEDED, "limit: too many dimensions");
    if (size > INT64_MAX) return refuse(parse, HST_E_INVALID_FILE, "shape: a negative size");
    parse->tensor.dims[parse->tensor.rank++] = size;
    return HST_OK;
}

/* Packed, or one by one. */
static int read_dims(struct parse *parse, const struct hst_protobuf_field *field)
{
    if (field->wire == HST_PROTOBUF_VARINT) return add_dim(parse, field->value);
    HST_TRY(hst_protobuf_enter(&parse->reader, field));
    while (!hst_protobuf_ended(&parse->reader)) {
        uint64_t size;
        HST_TRY(hst_protobuf_varint(&parse->reader, &size));
        HST_TRY(add_dim(parse, size));
    }
    hst_protobuf_leave(&parse->reader);
    return HST_OK;
}

static int read_type(struct parse *parse, const struct hst_protobuf_field *field)
{
    parse->tensor.type = field->value;
    return HST_OK;
}

static int read_location(struct parse *parse, const struct hst_protobuf_field *field)
{
    if (field->value > 1) return refuse(parse, HST_E_INVALID_FILE, "location: neither here nor in another file");
    parse->tensor.is_external = field->value;
    return HST_OK;
}

/* The graph's path, and the name. */
static int read_tensor_name(struct parse *parse, const struct hst_protobuf_field *field)
{
    size_t path = top(parse)->path;
    memcpy(parse->name, parse->path, path);
    return copy_text(parse, field, parse->name + path, HST_NAME_MAX - path);
}

static int refuse_segment(struct parse *parse, const struct hst_protobuf_field *field)
{
    (void)field;
    return refuse(parse, HST_E_INVALID_FILE, "unsupported: a segment of a larger tensor");
}

/* Where the numbers are; empty is as good as absent. */
static int note_data(struct parse *parse, const struct hst_protobuf_field *field)
{
    struct record *tensor = &parse->tensor;
    if (field->length == 0) return HST_OK;
    if (tensor->data.number != 0 && tensor->data.number != field->number) return refuse(parse, HST_E_INVALID_FILE, "data: it is there twice");
    tensor->data = *field;
    tensor->data_runs++;
    tensor->data_bytes += field->length;
    return HST_OK;
}

/* Do the numbers lie in this file as in memory? */
static bool is_in_place(const struct record *tensor)
{
    if (tensor->data.number == 0 || tensor->data.number == TENSOR_RAW_DATA) return true;
    return tensor->data.number == types[tensor->type].packed && tensor->data.wire == HST_PROTOBUF_BYTES && tensor->data_runs == 1;
}

static int check_name(const struct parse *parse)
{
    if (hst_map_get_str(&parse->builder.names, parse->name) == NULL) return HST_OK;
    return refuse(parse, HST_E_INVALID_FILE, "duplicate: two have this name");
}

/* Tensors of other files and constants share one space of names with those of this file. */
static int claim_name(struct parse *parse, const char *name)
{
    union {
        const char *text;
        void *value;
    } cast = {.text = name};
    return name != NULL && hst_map_put_str(&parse->builder.names, name, cast.value) == HST_OK ? HST_OK : hst_error_nomem(parse->err);
}

/* Numbers that a graph needs beside its weights: a scale, a zero point. */
static int leave_out(struct parse *parse)
{
    if (parse->tensor.data_bytes > HST_ONNX_CONSTANT_MAX)
        return refuse(parse, HST_E_INVALID_FILE, "unsupported: its numbers are written one by one instead of as raw_data");
    if (parse->constants++ == 0) snprintf(parse->first_constant, sizeof parse->first_constant, "%.64s", parse->name);
    return claim_name(parse, hst_builder_text(&parse->builder, parse->name, strlen(parse->name)));
}

/* Add it to the table of this file, or of another. */
static int add_to(struct parse *parse, struct hst_builder *builder, struct hst_tensor **ret_tensor)
{
    const struct record *tensor = &parse->tensor;
    HST_TRY(hst_builder_add(builder, parse->name, strlen(parse->name), ret_tensor, parse->err));
    (*ret_tensor)->dtype = (enum hst_dtype)types[tensor->type].dtype;
    return hst_builder_shape(builder, *ret_tensor, tensor->dims, tensor->rank, parse->err);
}

static int add_here(struct parse *parse)
{
    struct hst_tensor *added;
    HST_TRY(add_to(parse, &parse->builder, &added));
    if (added->size_bytes != parse->tensor.data.length) return refuse(parse, HST_E_INVALID_FILE, "size: its bytes do not fit its type and shape");
    added->offset = parse->tensor.data.offset;
    return HST_OK;
}

static int add_external(struct parse *parse)
{
    struct hst_tensor *added;
    struct hst_onnx_external *file;
    if (parse->tensor.data.number != 0) return refuse(parse, HST_E_INVALID_FILE, "data: it is both here and in another file");
    HST_TRY(hst_onnx_externals_find(&parse->externals, &parse->place, parse->reader.at, &file, parse->err));
    HST_TRY(add_to(parse, &file->builder, &added));
    HST_TRY(claim_name(parse, added->name));
    return hst_onnx_external_place(file, &parse->place, added, parse->reader.at, parse->err);
}

static int end_tensor(struct parse *parse)
{
    const struct record *tensor = &parse->tensor;
    if (tensor->type >= TYPES) return refuse(parse, HST_E_INVALID_FILE, "dtype: unknown element type");
    if (types[tensor->type].dtype == 0) return refuse(parse, HST_E_INVALID_FILE, types[tensor->type].unsupported);
    HST_TRY(check_name(parse));
    if (tensor->is_external) return add_external(parse);
    return is_in_place(tensor) ? add_here(parse) : leave_out(parse);
}

/* ---- kinds of messages ---- */

enum { NUMBER = 1 << HST_PROTOBUF_VARINT, BYTES = 1 << HST_PROTOBUF_BYTES, SINGLE = 1 << HST_PROTOBUF_FIXED32, DOUBLE = 1 << HST_PROTOBUF_FIXED64, ONCE = 1 << 8 };

/* What to do about a field; fields without a rule are skipped. */
struct rule {
    unsigned allowed; /* how it may be written; ONCE */
    int (*read)(struct parse *parse, const struct hst_protobuf_field *field);
};

static const struct {
    struct rule rules[FIELDS];
    int (*end)(struct parse *parse);
} kinds[] = {
    [MODEL] = {{[1] = {NUMBER | ONCE, read_model_number}, [2] = {BYTES | ONCE, read_model_text}, [3] = {BYTES | ONCE, read_model_text},
                [4] = {BYTES | ONCE, read_model_text}, [5] = {NUMBER | ONCE, read_model_number}, [7] = {BYTES | ONCE, enter_main_graph},
                [8] = {BYTES, enter_opset}, [14] = {BYTES, enter_pair}}},
    [GRAPH] = {{[1] = {BYTES, enter_node}, [2] = {BYTES | ONCE, read_graph_name}, [5] = {BYTES, enter_tensor}, [15] = {BYTES, read_sparse}}},
    [NODE] = {{[5] = {BYTES, enter_attribute}}},
    [ATTRIBUTE] = {{[1] = {BYTES | ONCE, note_attribute_name}, [6] = {BYTES | ONCE, enter_only_graph}, [11] = {BYTES, enter_listed_graph}}},
    [TENSOR] = {{[1] = {NUMBER | BYTES, read_dims}, [2] = {NUMBER | ONCE, read_type}, [3] = {BYTES, refuse_segment}, [4] = {SINGLE | BYTES, note_data},
                 [5] = {NUMBER | BYTES, note_data}, [7] = {NUMBER | BYTES, note_data}, [8] = {BYTES | ONCE, read_tensor_name}, [9] = {BYTES | ONCE, note_data},
                 [10] = {DOUBLE | BYTES, note_data}, [11] = {NUMBER | BYTES, note_data}, [13] = {BYTES, enter_pair}, [14] = {NUMBER | ONCE, read_location}},
                end_tensor},
    [PAIR] = {{[1] = {BYTES | ONCE, read_key}, [2] = {BYTES | ONCE, read_value}}, end_pair},
    [OPSET] = {{[1] = {BYTES | ONCE, read_key}, [2] = {NUMBER | ONCE, read_opset_version}}, end_opset},
};

static int read_field(struct parse *parse, const struct hst_protobuf_field *field)
{
    struct frame *frame = top(parse);
    if (field->number >= FIELDS || kinds[frame->kind].rules[field->number].read == NULL) return HST_OK;
    const struct rule *rule = &kinds[frame->kind].rules[field->number];
    if ((rule->allowed & 1u << field->wire) == 0) return fail(parse, HST_E_INVALID_FILE, "wire: a field is not written as its type is");
    if ((rule->allowed & ONCE) != 0 && (frame->seen & 1u << field->number) != 0) return fail(parse, HST_E_INVALID_FILE, "duplicate: a field appears twice");
    frame->seen |= 1u << field->number;
    return rule->read(parse, field);
}

/* ---- the file ---- */

/* Field after field; the end of a message goes on with the one around it. */
static int walk(struct parse *parse)
{
    struct hst_protobuf_field field;
    for (;;) {
        int status = hst_protobuf_next(&parse->reader, &field);
        HST_TRY(status);
        if (status > 0) {
            HST_TRY(read_field(parse, &field));
            continue;
        }
        if (parse->reader.depth == 0) return HST_OK;
        if (kinds[top(parse)->kind].end != NULL) HST_TRY(kinds[top(parse)->kind].end(parse));
        hst_protobuf_leave(&parse->reader);
    }
}

/* What the file must have and what was left out. */
static int end_model(struct parse *parse)
{
    char text[256];
    uint32_t seen = parse->frames[0].seen;
    if ((seen & 1u << MODEL_GRAPH) == 0) return fail(parse, HST_E_TRUNCATED, "truncated: there is no graph");
    if ((seen & 1u << MODEL_OPSET_IMPORT) == 0 && parse->ir_version >= OPSETS_SINCE)
        return fail(parse, HST_E_TRUNCATED, "truncated: the sets of operators are not named");
    snprintf(text, sizeof text, "%llu initializers, '%s' the first, are numbers written in the graph and no tensors here", (unsigned long long)parse->constants, parse->first_constant);
    if (parse->constants > 0) HST_TRY(keep(parse, "onnx.constants", text));
    if (parse->sparse > 0) HST_TRY(keep_number(parse, "onnx.sparse_initializers", parse->sparse));
    hst_builder_sort(&parse->builder);
    return hst_onnx_externals_finish(&parse->externals, parse->builder.table, parse->err);
}

static int read_file(struct parse *parse, const struct hst_source *source)
{
    hst_protobuf_init(&parse->reader, source, parse->window, sizeof parse->window, parse->err);
    HST_TRY(hst_builder_init(&parse->builder, hst_onnx_format.name, parse->err));
    parse->builder.table->file_size_bytes = source->size_bytes;
    HST_TRY(walk(parse));
    return end_model(parse);
}

static int parse_file(const struct hst_source *source, struct hst_tensor_table **ret_table, struct hst_error *err)
{
    HST_AUTO(hst_freep) struct parse *parse = calloc(1, sizeof *parse);
    if (parse == NULL) return hst_error_nomem(err);
    parse->err = err;
    int status = read_file(parse, source);
    if (status == HST_OK) *ret_table = hst_builder_finish(&parse->builder);
    hst_onnx_externals_fini(&parse->externals);
    hst_builder_fini(&parse->builder);
    return status;
}

/* How the fields of a model after its version are written; 0 = there is none of this number. */
static bool is_of_model(const struct hst_protobuf_field *field)
{
    static const uint8_t wires[FIELDS] = {[2] = BYTES, [3] = BYTES, [4] = BYTES, [5] = NUMBER, [6] = BYTES, [7] = BYTES,
                                          [8] = BYTES, [14] = BYTES, [20] = BYTES, [25] = BYTES, [26] = BYTES};
    return field->number < FIELDS && (wires[field->number] & 1u << field->wire) != 0;
}

/* The version of the format comes first, and once; 128 of them are enough for as long as there is ONNX. */
static bool begins(const uint8_t *head, size_t length)
{
    return length >= 2 && head[0] == MODEL_IR_VERSION << 3 && head[1] > 0 && head[1] < 128;
}

/* What follows the version are fields of a model, up to its graph or as far as can be seen. */
static bool sniff(const uint8_t *head, size_t length, uint64_t file_size)
{
    uint8_t window[64];
    struct hst_source_bytes bytes = {head, length};
    struct hst_source source = hst_source_memory(&bytes);
    struct hst_protobuf reader;
    struct hst_protobuf_field field = {0};
    if (!begins(head, length)) return false;
    hst_protobuf_init(&reader, &source, window, sizeof window, NULL);
    int status = hst_protobuf_next(&reader, &field);
    while (status > 0 && field.number != MODEL_GRAPH) {
        status = hst_protobuf_next(&reader, &field);
        if (status == 0) return file_size > length;
        if (!is_of_model(&field)) return false;
    }
    return field.number == MODEL_GRAPH || field.length <= file_size - field.offset; /* it reaches beyond what can be seen */
}

const struct hst_format hst_onnx_format = {.name = "onnx", .raw = true, .sniff = sniff, .parse = parse_file};
