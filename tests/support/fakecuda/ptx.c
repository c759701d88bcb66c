/* The text of kernels read into instructions, and run. A kernel is read line by line without going back; labels are filled in at its end. */
#include "ptx.h"
#include "ptx_ops.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 48, NAMES = 256, PARAMETERS = 16, INSTRUCTIONS = 1024, KERNELS = 16, THREADS_MOST = 1024, GRID_MOST = 65535, SHARED_MOST = 49152 };
/* What the driver of CUDA 11.2 reads, the oldest that hoist takes, and what the smallest of its cards is. */
enum { VERSION_MOST = 72, TARGET_MOST = 70 };
/* CUresult. */
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_PTX = 218, UNSUPPORTED_PTX_VERSION = 222, ILLEGAL_ADDRESS = 700, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719 };

enum operand_kind { NOTHING, REGISTER, CONSTANT, SPECIAL, LABEL, PARAMETER };

struct operand {
    enum operand_kind kind;
    unsigned index; /* of a register, special register, parameter or name; of the instruction at a label */
    uint64_t value; /* of a constant; what is added to an address; the bits that a register has which is written */
};

struct instruction {
    const struct ptx_op *op;
    struct operand guard; /* a predicate, or NOTHING */
    bool guard_is_not;
    size_t count; /* of operands */
    struct operand operands[PTX_OPERANDS];
};

/* A register or a label. */
struct name {
    char text[NAME_BYTES];
    enum ptx_type type; /* PTX_NONE: a label */
    long at;            /* instruction of a label, -1 = not seen yet; place of a parameter in their block */
};

struct fake_ptx_function {
    char name[NAME_BYTES];
    struct name names[NAMES];
    size_t name_count;
    struct name parameters[PARAMETERS];
    size_t parameter_count;
    size_t parameter_bytes; /* of their block */
    struct instruction *code;
    size_t length;
};

struct fake_ptx {
    struct fake_ptx_function *kernels[KERNELS];
    size_t count;
};

struct reader {
    const char *at;
    int line;
    char token[NAME_BYTES];
    int result; /* of the whole: the first that was not SUCCESS stays */
    struct fake_ptx_function *kernel;
};

static _Thread_local char last_why[200];

const char *fake_ptx_why(void)
{
    return last_why;
}

static bool fail_as(struct reader *reader, int result, const char *what)
{
    if (reader->result != SUCCESS) return false;
    snprintf(last_why, sizeof last_why, "line %d: %s at \"%s\"", reader->line, what, reader->token);
    reader->result = result;
    return false;
}

static bool fail(struct reader *reader, const char *what)
{
    return fail_as(reader, INVALID_PTX, what);
}

/* ---- text ---- */

static void skip_block_comment(struct reader *reader)
{
    for (; *reader->at != '\0' && strncmp(reader->at, "*/", 2) != 0; reader->at++)
        reader->line += *reader->at == '\n';
    reader->at += *reader->at != '\0' ? 2 : 0;
}

static void skip_space(struct reader *reader)
{
    for (;;) {
        if (strncmp(reader->at, "//", 2) == 0)
            reader->at += strcspn(reader->at, "\n");
        else if (strncmp(reader->at, "/*", 2) == 0)
            skip_block_comment(reader);
        else if (isspace((unsigned char)*reader->at))
            reader->line += *reader->at++ == '\n';
        else
            return;
    }
}

static bool is_of_word(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_$%.", c) != NULL);
}

/* The next word, number or sign; an empty one at the end. */
static const char *next(struct reader *reader)
{
    size_t length = 0;
    skip_space(reader);
    while (is_of_word(reader->at[length]))
        length++;
    if (length == 0 && *reader->at != '\0') length = 1;
    if (length >= NAME_BYTES) length = 0, fail(reader, "too long a word");
    memcpy(reader->token, reader->at, length);
    reader->token[length] = '\0';
    reader->at += length;
    return reader->token;
}

/* Is this the next one? Then take it. */
static bool take(struct reader *reader, const char *text)
{
    struct reader before = *reader;
    if (strcmp(next(reader), text) == 0) return true;
    before.result = reader->result;
    *reader = before;
    return false;
}

static bool expect(struct reader *reader, const char *text)
{
    if (reader->result != SUCCESS) return false;
    if (strcmp(next(reader), text) == 0) return true;
    return fail(reader, "something else was expected");
}

static bool is_name(const char *text)
{
    bool begins = isalpha((unsigned char)*text) || (*text != '\0' && strchr("_$%", *text) != NULL && text[1] != '\0');
    return begins && strchr(text, '.') == NULL;
}

/* ---- names ---- */

static long find_name(const struct name *names, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].text, text) == 0) return (long)i;
    return -1;
}

/* Registers, labels and parameters of a kernel have names of their own. */
static bool is_new(struct reader *reader)
{
    const struct fake_ptx_function *kernel = reader->kernel;
    if (!is_name(reader->token)) return fail(reader, "no name");
    if (find_name(kernel->names, kernel->name_count, reader->token) >= 0 || find_name(kernel->parameters, kernel->parameter_count, reader->token) >= 0)
        return fail(reader, "a name for the second time");
    return true;
}

static struct name *add_name(struct reader *reader, struct name *names, size_t *count, size_t most, enum ptx_type type)
{
    if (*count == most && !fail(reader, "too many names")) return NULL;
    names[*count] = (struct name){.type = type, .at = -1};
    strcpy(names[*count].text, reader->token);
    return &names[(*count)++];
}

/* .reg .TYPE NAME, NAME...; */
static void read_registers(struct reader *reader)
{
    enum ptx_type type = ptx_type_find(next(reader));
    if (type == PTX_NONE || (type != PTX_PRED && ptx_type_bytes(type) < 4)) fail(reader, "no type of a register that is known here");
    do {
        next(reader);
        if (reader->result == SUCCESS && is_new(reader)) add_name(reader, reader->kernel->names, &reader->kernel->name_count, NAMES, type);
    } while (reader->result == SUCCESS && take(reader, ","));
    expect(reader, ";");
}

/* Each lies at its alignment. */
static void add_parameter(struct reader *reader, enum ptx_type type)
{
    struct fake_ptx_function *kernel = reader->kernel;
    struct name *name = add_name(reader, kernel->parameters, &kernel->parameter_count, PARAMETERS, type);
    size_t bytes = ptx_type_bytes(type), at = (kernel->parameter_bytes + bytes - 1) / bytes * bytes;
    if (name == NULL) return;
    name->at = (long)at;
    kernel->parameter_bytes = at + bytes;
}

/* .param .TYPE NAME, ... ) */
static void read_parameters(struct reader *reader)
{
    do {
        expect(reader, ".param");
        enum ptx_type type = ptx_type_find(next(reader));
        if (type == PTX_NONE || type == PTX_PRED) fail(reader, "no type of a parameter");
        next(reader);
        if (reader->result == SUCCESS && is_new(reader)) add_parameter(reader, type);
    } while (reader->result == SUCCESS && take(reader, ","));
    expect(reader, ")");
}

/* ---- operands ---- */

static const char *const specials[] = {"%tid.x", "%tid.y", "%tid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z",
                                       "%ntid.x", "%ntid.y", "%ntid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z"};
enum { SPECIALS = sizeof specials / sizeof specials[0] };

/* 0fXXXXXXXX is a float, 0dXXXXXXXXXXXXXXXX a double, by their bits; other numbers are integers that fit. */
static struct operand constant(struct reader *reader, enum ptx_type type, bool negative)
{
    const char *text = reader->token;
    unsigned bytes = ptx_type_bytes(type);
    bool is_float = text[0] == '0' && (text[1] == 'f' || text[1] == 'd');
    char *end;
    uint64_t value = strtoull(is_float ? text + 2 : text, &end, is_float ? 16 : 0);
    if (*end != '\0' || (is_float && strlen(text) != (text[1] == 'f' ? 10 : 18))) fail(reader, "no number");
    if (is_float && (negative || bytes != (text[1] == 'f' ? 4 : 8))) fail(reader, "a number of another type");
    if (is_float != ptx_type_is_float(type) && !(is_float && type >= PTX_B8 && type <= PTX_B64)) fail(reader, "a number of another type");
    if (type == PTX_PRED || (bytes < 8 && value >> (8 * bytes - negative) != 0)) fail(reader, "a number that does not fit");
    return (struct operand){CONSTANT, 0, ptx_type_widen(PTX_B8 + (bytes > 1) + (bytes > 2) + (bytes > 4), negative ? 0 - value : value)};
}

static struct operand a_register(struct reader *reader, enum ptx_type type, bool is_moved)
{
    long at = find_name(reader->kernel->names, reader->kernel->name_count, reader->token);
    if (at < 0 || reader->kernel->names[at].type == PTX_NONE) fail(reader, "no register");
    else if (!ptx_type_fits(reader->kernel->names[at].type, type, is_moved)) fail(reader, "a register of another type");
    return (struct operand){REGISTER, at < 0 ? 0 : (unsigned)at, 0};
}

/* What an instruction writes. */
static struct operand a_target(struct reader *reader, enum ptx_type type, bool is_moved)
{
    static const uint64_t masks[] = {[1] = 1, [4] = UINT32_MAX, [8] = UINT64_MAX}; /* of predicates, of registers of 32 and 64 bits */
    next(reader);
    struct operand target = a_register(reader, type, is_moved);
    if (reader->result == SUCCESS) target.value = masks[ptx_type_bytes(reader->kernel->names[target.index].type)];
    return target;
}

static struct operand a_special(struct reader *reader, const struct ptx_op *op)
{
    for (unsigned i = 0; i < SPECIALS; i++)
        if (strcmp(specials[i], reader->token) == 0 && strcmp(op->name, "mov.u32") == 0) return (struct operand){SPECIAL, i, 0};
    fail(reader, "no special register that can be read like this");
    return (struct operand){0};
}

/* What an instruction reads. */
static struct operand a_source(struct reader *reader, const struct ptx_op *op, enum ptx_type type)
{
    const char *text = next(reader);
    if (text[0] == '-') return next(reader), constant(reader, type, true);
    if (isdigit((unsigned char)text[0])) return constant(reader, type, false);
    if (text[0] == '%' && strchr(text, '.') != NULL) return a_special(reader, op);
    return a_register(reader, type, false);
}

/* [REGISTER] or [REGISTER+NUMBER] */
static struct operand an_address(struct reader *reader)
{
    expect(reader, "[");
    next(reader);
    struct operand address = a_register(reader, PTX_U64, false);
    if (take(reader, "+")) next(reader), address.value = constant(reader, PTX_U64, false).value;
    expect(reader, "]");
    return address;
}

static struct operand a_parameter(struct reader *reader, enum ptx_type type)
{
    const struct fake_ptx_function *kernel = reader->kernel;
    expect(reader, "[");
    long at = find_name(kernel->parameters, kernel->parameter_count, next(reader));
    if (at < 0) fail(reader, "no parameter");
    else if (!ptx_type_fits(kernel->parameters[at].type, type, false)) fail(reader, "a parameter of another type");
    expect(reader, "]");
    return (struct operand){PARAMETER, at < 0 ? 0 : (unsigned)at, 0};
}

/* A name that may be found later: kept by its number among the names. */
static struct operand a_label(struct reader *reader)
{
    struct fake_ptx_function *kernel = reader->kernel;
    long at = find_name(kernel->names, kernel->name_count, next(reader));
    if (at < 0 && is_new(reader) && add_name(reader, kernel->names, &kernel->name_count, NAMES, PTX_NONE) != NULL) at = (long)kernel->name_count - 1;
    if (at < 0 || kernel->names[at].type != PTX_NONE) fail(reader, "no label");
    return (struct operand){LABEL, at < 0 ? 0 : (unsigned)at, 0};
}

static struct operand read_operand(struct reader *reader, const struct ptx_op *op, size_t which)
{
    enum ptx_type type = op->types[which];
    if (op->kind == PTX_BRANCH) return a_label(reader);
    if (which == (op->kind == PTX_LOAD ? 1u : 0u) && (op->kind == PTX_LOAD || op->kind == PTX_STORE)) return an_address(reader);
    if (op->kind == PTX_PARAMETER && which == 1) return a_parameter(reader, type);
    if (op->kind == PTX_COMPUTE && which > 0) return a_source(reader, op, type);
    if (op->kind != PTX_STORE) return a_target(reader, type, op->kind == PTX_LOAD);
    next(reader);
    return a_register(reader, type, true);
}

/* ---- instructions ---- */

static size_t operands_of(const struct ptx_op *op)
{
    size_t count = op->kind == PTX_BRANCH ? 1 : 0;
    while (count < PTX_OPERANDS && op->types[count] != PTX_NONE)
        count++;
    return count;
}

/* [@[!]PREDICATE] OPERATION OPERAND, OPERAND...; whose first word was read. */
static void read_instruction(struct reader *reader)
{
    struct fake_ptx_function *kernel = reader->kernel;
    struct instruction *instruction = &kernel->code[kernel->length];
    if (kernel->length == INSTRUCTIONS && !fail(reader, "too many instructions")) return;
    *instruction = (struct instruction){0};
    if (strcmp(reader->token, "@") == 0) {
        instruction->guard_is_not = take(reader, "!");
        next(reader);
        instruction->guard = a_register(reader, PTX_PRED, false);
        next(reader);
    }
    instruction->op = ptx_op_find(reader->token);
    if (instruction->op == NULL && !fail(reader, "no instruction that is known here")) return;
    instruction->count = operands_of(instruction->op);
    for (size_t i = 0; i < instruction->count && reader->result == SUCCESS; i++)
        if (i == 0 || expect(reader, ",")) instruction->operands[i] = read_operand(reader, instruction->op, i);
    expect(reader, ";");
    kernel->length++;
}

/* NAME: */
static void read_label(struct reader *reader)
{
    struct fake_ptx_function *kernel = reader->kernel;
    long at = find_name(kernel->names, kernel->name_count, reader->token);
    bool is_awaited = at >= 0 && kernel->names[at].type == PTX_NONE && kernel->names[at].at < 0;
    struct name *name = is_awaited ? &kernel->names[at] : NULL;
    if (name == NULL && is_new(reader)) name = add_name(reader, kernel->names, &kernel->name_count, NAMES, PTX_NONE);
    if (name != NULL) name->at = (long)kernel->length;
    expect(reader, ":");
}

static bool is_label(const struct reader *reader)
{
    struct reader ahead = *reader;
    return is_name(reader->token) && take(&ahead, ":");
}

/* Labels become the numbers of instructions. */
static void fill_in_labels(struct reader *reader)
{
    struct fake_ptx_function *kernel = reader->kernel;
    for (size_t i = 0; i < kernel->length; i++) {
        struct operand *operand = &kernel->code[i].operands[0];
        if (operand->kind != LABEL) continue;
        const struct name *name = &kernel->names[operand->index];
        if (name->at < 0 || name->at >= (long)kernel->length) strcpy(reader->token, name->text), fail(reader, "no such label");
        operand->index = (unsigned)name->at;
    }
}

/* { ... } of a kernel */
static void read_body(struct reader *reader)
{
    expect(reader, "{");
    while (reader->result == SUCCESS && strcmp(next(reader), "}") != 0) {
        if (strcmp(reader->token, ".reg") == 0) read_registers(reader);
        else if (is_label(reader)) read_label(reader);
        else read_instruction(reader);
    }
    if (reader->result == SUCCESS) fill_in_labels(reader);
    const struct fake_ptx_function *kernel = reader->kernel;
    if (reader->result == SUCCESS && (kernel->length == 0 || kernel->code[kernel->length - 1].op->kind != PTX_END || kernel->code[kernel->length - 1].guard.kind != NOTHING))
        fail(reader, "a kernel that does not end with ret");
}

/* ---- modules ---- */

static void free_kernel(struct fake_ptx_function *kernel)
{
    if (kernel != NULL) free(kernel->code);
    free(kernel);
}

/* NAME ( parameters ) { body } */
static struct fake_ptx_function *read_kernel(struct reader *reader)
{
    struct fake_ptx_function *kernel = calloc(1, sizeof *kernel);
    if (kernel == NULL || (kernel->code = calloc(INSTRUCTIONS, sizeof *kernel->code)) == NULL) {
        free(kernel);
        fail(reader, "no memory");
        return NULL;
    }
    reader->kernel = kernel;
    if (!is_name(next(reader))) fail(reader, "no name of a kernel");
    strcpy(kernel->name, reader->token);
    expect(reader, "(");
    if (!take(reader, ")")) read_parameters(reader);
    read_body(reader);
    return kernel;
}

/* The heading that every module begins with. */
static void read_heading(struct reader *reader)
{
    int major = 0, minor = 0, target = 0, length = 0;
    expect(reader, ".version");
    if (sscanf(next(reader), "%1d.%1d%n", &major, &minor, &length) != 2 || reader->token[length] != '\0') fail(reader, "no version");
    if (10 * major + minor > VERSION_MOST) fail_as(reader, UNSUPPORTED_PTX_VERSION, "a version that old drivers do not know");
    expect(reader, ".target");
    if (sscanf(next(reader), "sm_%2d%n", &target, &length) != 1 || reader->token[length] != '\0' || target > TARGET_MOST)
        fail(reader, "a target that not every card is");
    if (10 * major + minor < 60 && target >= 70) fail(reader, "a version that does not know this target");
    expect(reader, ".address_size");
    expect(reader, "64");
}

static void read_kernels(struct reader *reader, struct fake_ptx *module)
{
    while (reader->result == SUCCESS && *next(reader) != '\0') {
        if (strcmp(reader->token, ".visible") != 0 || module->count == KERNELS) fail(reader, "no kernel");
        expect(reader, ".entry");
        if (reader->result != SUCCESS) return;
        struct fake_ptx_function *kernel = read_kernel(reader);
        if (kernel != NULL && fake_ptx_find(module, kernel->name) != NULL) fail(reader, "a kernel for the second time");
        if (kernel != NULL) module->kernels[module->count++] = kernel;
    }
}

int fake_ptx_load(const char *text, struct fake_ptx **ret_module)
{
    struct reader reader = {.at = text, .line = 1};
    struct fake_ptx *module = calloc(1, sizeof *module);
    if (module == NULL) return OUT_OF_MEMORY;
    read_heading(&reader);
    read_kernels(&reader, module);
    if (module->count == 0) fail(&reader, "no kernel");
    if (reader.result == SUCCESS) *ret_module = module;
    else fake_ptx_free(module);
    return reader.result;
}

void fake_ptx_free(struct fake_ptx *module)
{
    for (size_t i = 0; module != NULL && i < module->count; i++)
        free_kernel(module->kernels[i]);
    free(module);
}

const struct fake_ptx_function *fake_ptx_find(const struct fake_ptx *module, const char *name)
{
    for (size_t i = 0; i < module->count; i++)
        if (strcmp(module->kernels[i]->name, name) == 0) return module->kernels[i];
    return NULL;
}

size_t fake_ptx_parameter_bytes(const struct fake_ptx_function *function)
{
    return function->parameter_bytes;
}

void fake_ptx_pack(const struct fake_ptx_function *function, void *const *parameters, void *ret_block)
{
    for (size_t i = 0; i < function->parameter_count; i++)
        memcpy((uint8_t *)ret_block + function->parameters[i].at, parameters[i], ptx_type_bytes(function->parameters[i].type));
}

/* ---- threads ---- */

/* A run of bytes that a kernel may read, or write. */
struct run {
    uint64_t begin, end;
};

struct thread {
    const struct fake_ptx_function *kernel;
    const uint8_t *parameters;
    unsigned special[SPECIALS];
    struct run read, written; /* the last ones */
    uint64_t registers[NAMES];
    bool is_written[NAMES];
    int result;
};

static inline uint64_t get(struct thread *thread, const struct operand *operand)
{
    if (operand->kind == CONSTANT) return operand->value;
    if (operand->kind == SPECIAL) return thread->special[operand->index];
    if (!thread->is_written[operand->index]) thread->result = LAUNCH_FAILED;
    return thread->registers[operand->index];
}

/* Keep of the bits what fits into the register. */
static void set(struct thread *thread, const struct operand *operand, uint64_t bits)
{
    thread->registers[operand->index] = bits & operand->value;
    thread->is_written[operand->index] = true;
}

/* Where the kernel's memory at an address is. A run of bytes is asked for once, and again when the kernel leaves it. */
static void *memory_of(struct thread *thread, const struct operand *address, unsigned bytes, bool write)
{
    uint64_t at = get(thread, address) + address->value;
    struct run *run = write ? &thread->written : &thread->read;
    if (thread->result != SUCCESS) return NULL;
    if (at % bytes != 0) thread->result = MISALIGNED_ADDRESS;
    else if ((at < run->begin || at >= run->end) && !fake_memory_find(at, write, &run->begin, &run->end)) thread->result = ILLEGAL_ADDRESS;
    else if (run->end - at < bytes) thread->result = ILLEGAL_ADDRESS;
    return thread->result == SUCCESS ? (void *)(uintptr_t)at : NULL;
}

static void load(struct thread *thread, const struct instruction *instruction)
{
    enum ptx_type type = instruction->op->types[0];
    const void *from = memory_of(thread, &instruction->operands[1], ptx_type_bytes(type), false);
    uint64_t bits = 0;
    if (from == NULL) return;
    memcpy(&bits, from, ptx_type_bytes(type));
    set(thread, &instruction->operands[0], ptx_type_widen(type, bits));
}

static void store(struct thread *thread, const struct instruction *instruction)
{
    enum ptx_type type = instruction->op->types[1];
    uint64_t bits = get(thread, &instruction->operands[1]);
    void *to = memory_of(thread, &instruction->operands[0], ptx_type_bytes(type), true);
    if (to != NULL) memcpy(to, &bits, ptx_type_bytes(type));
}

static void load_parameter(struct thread *thread, const struct instruction *instruction)
{
    uint64_t bits = 0;
    memcpy(&bits, thread->parameters + thread->kernel->parameters[instruction->operands[1].index].at, ptx_type_bytes(instruction->op->types[0]));
    set(thread, &instruction->operands[0], bits);
}

static void compute(struct thread *thread, const struct instruction *instruction)
{
    uint64_t sources[PTX_OPERANDS - 1];
    for (size_t i = 1; i < instruction->count; i++)
        sources[i - 1] = get(thread, &instruction->operands[i]);
    set(thread, &instruction->operands[0], instruction->op->compute(sources));
}

static void step(struct thread *thread, const struct instruction *instruction)
{
    enum ptx_kind kind = instruction->op->kind;
    if (kind == PTX_COMPUTE) compute(thread, instruction);
    else if (kind == PTX_LOAD) load(thread, instruction);
    else if (kind == PTX_STORE) store(thread, instruction);
    else load_parameter(thread, instruction);
}

static int run_thread(struct thread *thread)
{
    const struct instruction *code = thread->kernel->code;
    memset(thread->is_written, 0, sizeof thread->is_written);
    for (size_t at = 0; thread->result == SUCCESS;) {
        const struct instruction *instruction = &code[at++];
        bool is_meant = instruction->guard.kind == NOTHING || (get(thread, &instruction->guard) != 0) != instruction->guard_is_not;
        if (!is_meant || thread->result != SUCCESS) continue;
        if (instruction->op->kind == PTX_END) break;
        if (instruction->op->kind == PTX_BRANCH) at = instruction->operands[0].index;
        else step(thread, instruction);
    }
    return thread->result;
}

/* Which thread of which block is next, x fastest. False after the last. */
static bool advance(unsigned *at, const unsigned *most)
{
    for (size_t i = 0; i < 3; i++) {
        if (++at[i] < most[i]) return true;
        at[i] = 0;
    }
    return false;
}

static bool is_possible(const unsigned *grid, const unsigned *block)
{
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    return threads > 0 && threads <= THREADS_MOST && block[2] <= 64 && grid[0] > 0 && grid[0] <= INT32_MAX && grid[1] > 0 && grid[1] <= GRID_MOST && grid[2] > 0 &&
           grid[2] <= GRID_MOST;
}

int fake_ptx_launch(const struct fake_ptx_function *function, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes, const void *parameters)
{
    struct thread thread = {.kernel = function, .parameters = parameters};
    if (!is_possible(grid, block) || shared_bytes > SHARED_MOST) return INVALID_VALUE;
    memcpy(thread.special + 6, block, 3 * sizeof *block);
    memcpy(thread.special + 9, grid, 3 * sizeof *grid);
    do {
        do {
            if (run_thread(&thread) != SUCCESS) return thread.result;
        } while (advance(thread.special, block));
    } while (advance(thread.special + 3, grid));
    return SUCCESS;
}
