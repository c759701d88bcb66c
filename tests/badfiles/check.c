/* Checks what must hold for every bad file, fast: the verdict, and that it is the same however the bytes come; processor time, memory and stack; that
 * good files cut or changed by a bit are refused or whole. usage: badfiles FOLDER    (made by write.py; accepted changes go to FOLDER/accepted.tsv) */
#include "base/utf8.h"
#include "catalog/probe.h"
#include "formats/format.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Builds with instruments are slower, and need more stack. */
#ifdef __OPTIMIZE__
enum { STACK_BYTES = 65536, TIMES_SLOWER = 1 };
#else
enum { STACK_BYTES = 524288, TIMES_SLOWER = 20 };
#endif
enum { LINE = 1024, SMALL = 65536, FLIPS_MOST = 4096, CUTS_MOST = 8192, MIB = 1 << 20 };

/* ---- between hoist and the system: reads as they may come, memory counted ---- */

enum reads { WHOLE, ONE_BYTE, RANDOM, INTERRUPTED };
static enum reads reads;
static unsigned chance = 1;
static int fail_at, allocations; /* the fail_at-th allocation fails; 0 = none */
static uint64_t bytes_read;
static int64_t heap_now, heap_peak;

ssize_t __real_pread64(int fd, void *buffer, size_t length, off_t offset);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void __real_free(void *piece);

ssize_t __wrap_pread64(int fd, void *buffer, size_t length, off_t offset)
{
    chance = chance * 1103515245u + 12345u;
    if (reads == INTERRUPTED && (chance >> 16) % 2 == 0) return errno = EINTR, -1;
    if (reads == ONE_BYTE && length > 1) length = 1;
    if (reads == RANDOM && length > 1) length = 1 + (chance >> 8) % (length < 5000 ? length : 5000);
    ssize_t got = __real_pread64(fd, buffer, length, offset);
    bytes_read += got > 0 ? (uint64_t)got : 0;
    return got;
}

static void *counted(void *piece)
{
    heap_now += piece != NULL ? (int64_t)malloc_usable_size(piece) : 0;
    if (heap_now > heap_peak) heap_peak = heap_now;
    return piece;
}

static bool fails(void)
{
    return ++allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails()) return NULL;
    heap_now -= old != NULL ? (int64_t)malloc_usable_size(old) : 0;
    return counted(__real_realloc(old, size));
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : counted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t length)
{
    return fails() ? NULL : counted(__real_strndup(text, length));
}

void __wrap_free(void *piece)
{
    heap_now -= piece != NULL ? (int64_t)malloc_usable_size(piece) : 0;
    __real_free(piece);
}

/* ---- one look at a file ---- */

struct look {
    char path[LINE];
    struct hst_model *model;
    struct hst_error error;
    int status;
    double cpu_ms;
    int64_t heap; /* its highest */
    uint64_t read;
};

static void *probe(void *context)
{
    struct look *look = context;
    struct timespec before, after;
    int64_t heap = heap_now;
    heap_peak = heap_now;
    bytes_read = 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    look->status = hst_probe_file(look->path, &look->model, &look->error);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    look->cpu_ms = (double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) / 1e6;
    look->heap = heap_peak - heap;
    look->read = bytes_read;
    return NULL;
}

/* With little stack, as the strictest caller would have it. */
static struct look look_at(const char *folder, const char *file, enum reads how)
{
    struct look look = {0};
    pthread_attr_t attributes;
    pthread_t thread;
    snprintf(look.path, sizeof look.path, "%s/%s", folder, file);
    reads = how;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, STACK_BYTES) != 0 || pthread_create(&thread, &attributes, probe, &look) != 0) abort();
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    reads = WHOLE;
    return look;
}

/* ---- verdicts ---- */

static size_t failures, looked, cuts, flips, kept, starved;

static void complain(const char *file, const char *what, const char *is)
{
    printf("%s: %s: %s\n", file, what, is);
    failures++;
}

static bool begins(const char *text, const char *word, size_t length)
{
    return strncmp(text, word, length) == 0;
}

/* "word: " */
static bool has_reason(const char *text, const char *word, size_t length)
{
    return length == 0 || (begins(text, word, length) && text[length] == ':');
}

/* The text holds these `length` bytes. */
static bool holds(const char *text, const char *part, size_t length)
{
    return memmem(text, strlen(text), part, length) != NULL;
}

static bool is_accepted(const struct hst_model *model, const char *warning, size_t length)
{
    if (model->state != HST_MODEL_OK || model->warning_count != (length > 0)) return false;
    return length == 0 || has_reason(model->warnings[0], warning, length);
}

/* One alternative of an outcome: see __init__.py. */
static bool is_wanted(const struct look *look, const char *want, size_t length)
{
    const struct hst_model *model = look->model;
    const char *text = model->problem.text, *after = length > 2 ? want + 2 : "";
    size_t rest = length > 2 ? length - 2 : 0;
    if (want[0] == 'A') return is_accepted(model, after, rest);
    if (want[0] == 'U') return model->state == HST_MODEL_UNSAFE && model->problem.status == HST_E_UNSAFE_FILE && holds(text, after, rest);
    if (want[0] == 'L') return model->problem.status == HST_E_LIMIT_EXCEEDED && begins(text, "limit: ", 7) && has_reason(text + 7, after, rest);
    return want[0] == 'R' && model->state == HST_MODEL_INVALID && has_reason(text, after, rest);
}

static bool is_any_wanted(const struct look *look, const char *want)
{
    for (const char *at = want;; at++) {
        size_t length = strcspn(at, "|");
        if (is_wanted(look, at, length)) return true;
        at += length;
        if (*at == '\0') return false;
    }
}

static void check_text(const char *file, const char *text)
{
    if (!hst_utf8_valid(text, strlen(text))) complain(file, "the text is not UTF-8", text);
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) complain(file, "a control character is in the text", text);
    if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] != ':') complain(file, "the text has no reason", text);
}

static bool same_verdict(const struct hst_model *a, const struct hst_model *b)
{
    bool problem = a->problem.status == b->problem.status && strcmp(a->problem.text, b->problem.text) == 0 && a->problem.offset == b->problem.offset;
    return problem && a->state == b->state && a->size_bytes == b->size_bytes && a->parameters == b->parameters && a->component_count == b->component_count;
}

static void check_costs(const char *file, const struct look *look, int64_t heap, double ms)
{
    char text[128];
    int64_t allowed = heap > 0 ? heap : (int64_t)(4 * look->read) + MIB;
    snprintf(text, sizeof text, "%lld bytes of heap, %lld allowed, %llu read", (long long)look->heap, (long long)allowed, (unsigned long long)look->read);
    if (look->heap > allowed) complain(file, "too much memory", text);
    snprintf(text, sizeof text, "%.1f ms", look->cpu_ms);
    if (look->cpu_ms > (ms > 0 ? ms : 250) * TIMES_SLOWER) complain(file, "too slow", text);
    if (getenv("VERBOSE")) printf("%s\t%.2f ms\t%lld heap\t%llu read\t%s\n", file, look->cpu_ms, (long long)look->heap, (unsigned long long)look->read, look->model->problem.text);
}

/* The same bytes in other pieces give the same verdict. */
static void check_pieces(const char *folder, const char *file, const struct look *first)
{
    for (enum reads how = ONE_BYTE; how <= INTERRUPTED; how++) {
        if (first->read > (how == ONE_BYTE ? SMALL : 16 * MIB)) continue;
        struct look look = look_at(folder, file, how);
        if (look.status < 0 || !same_verdict(first->model, look.model)) complain(file, "another verdict when read in pieces", look.status < 0 ? look.error.text : look.model->problem.text);
        hst_model_unref(look.model);
    }
}

/* ---- good files, cut and changed ---- */

struct bytes {
    uint8_t *bytes;
    uint64_t size;
};

static struct bytes slurp(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct bytes all = {0};
    if (file == NULL) abort();
    fseek(file, 0, SEEK_END);
    all.size = (uint64_t)ftell(file);
    rewind(file);
    all.bytes = malloc(all.size + 1);
    if (fread(all.bytes, 1, all.size, file) != all.size) abort();
    fclose(file);
    return all;
}

/* An exact copy, so that a read beyond its end is seen by the sanitizers. @return the table, or NULL when it was refused */
static struct hst_tensor_table *parse(const char *name, const uint8_t *bytes, uint64_t size, struct hst_error *err)
{
    uint8_t *copy = malloc(size + (size == 0));
    struct hst_source_bytes memory = {memcpy(copy, bytes, size), size};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format;
    struct hst_tensor_table *table = NULL;
    *err = (struct hst_error){0};
    int status = hst_format_parse(&source, &format, &table, err);
    if (status < 0 && strcmp(hst_status_info(status)->category, "format") != 0) complain(name, "no verdict", err->text);
    if (status < 0) check_text(name, err->text);
    free(copy);
    return status < 0 ? NULL : table;
}

/* Is its size what its type and shape make, and does it lie in the file? */
static bool is_sound(const struct hst_tensor *tensor, uint64_t size)
{
    uint64_t bytes, elements = 1;
    for (uint32_t d = 0; d < tensor->rank; d++)
        elements *= tensor->shape[d];
    bool sized = elements == tensor->elements && hst_dtype_bytes(tensor->dtype, elements, &bytes) && bytes == tensor->size_bytes;
    return sized && tensor->offset <= size && tensor->size_bytes <= size - tensor->offset;
}

static bool is_consistent(const struct hst_tensor_table *table, uint64_t size)
{
    uint64_t covered = table->data_offset;
    bool shared = strcmp(table->format, "torch") == 0; /* several tensors may lie in one storage */
    for (size_t i = 0; i < table->count; i++) {
        const struct hst_tensor *tensor = &table->tensors[i];
        if (!is_sound(tensor, size) || (!shared && tensor->offset < covered)) return false;
        covered = tensor->offset + tensor->size_bytes;
    }
    return true;
}

/* A file that lost its end is refused, unless what it lost was none of a tensor's. */
static void check_cut(const char *file, const struct bytes *whole, uint64_t size, const struct hst_tensor_table *table)
{
    struct hst_error err;
    struct hst_tensor_table *part = parse(file, whole->bytes, size, &err);
    cuts++;
    if (part == NULL) return;
    char text[64];
    snprintf(text, sizeof text, "%llu of %llu bytes", (unsigned long long)size, (unsigned long long)whole->size);
    if (part->count != table->count || !is_consistent(part, size)) complain(file, "a part passes for the whole", text);
    hst_tensor_table_free(part);
}

static void check_cuts(const char *file, const struct bytes *whole, const struct hst_tensor_table *table)
{
    uint64_t end = whole->size <= CUTS_MOST ? whole->size : table->data_offset, step = 1 + end / CUTS_MOST;
    for (uint64_t size = 0; size < end; size += step)
        check_cut(file, whole, size, table);
    for (uint64_t i = 0; i < 4 && end < whole->size; i++)
        check_cut(file, whole, (uint64_t[]){end, end + 1, end + (whole->size - end) / 2, whole->size - 1}[i], table);
}

static void note(FILE *accepted, const char *file, uint64_t bit, const struct hst_tensor_table *table)
{
    fprintf(accepted, "%s\t%llu\t%llu", file, (unsigned long long)bit, (unsigned long long)table->data_offset);
    for (size_t i = 0; i < table->count; i++)
        fprintf(accepted, "\t%s %llu %llu %llu", hst_dtype_info(table->tensors[i].dtype)->name, (unsigned long long)table->tensors[i].elements, (unsigned long long)table->tensors[i].offset,
                (unsigned long long)table->tensors[i].size_bytes);
    fputc('\n', accepted);
}

/* Every bit of what comes before the data; of all for torch, whose parts lie between the data. */
static void check_flips(const char *file, const struct bytes *whole, const struct hst_tensor_table *table, FILE *accepted)
{
    bool torch = strcmp(table->format, "torch") == 0;
    uint64_t end = torch ? whole->size : table->data_offset;
    if (end > FLIPS_MOST) return;
    for (uint64_t bit = 0; bit < 8 * end; bit++, flips++) {
        struct hst_error err;
        whole->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct hst_tensor_table *changed = parse(file, whole->bytes, whole->size, &err);
        whole->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (changed == NULL) continue;
        kept++;
        if (!is_consistent(changed, whole->size)) complain(file, "an inconsistent table after a bit changed", changed->format);
        if (!torch) note(accepted, file, bit, changed);
        hst_tensor_table_free(changed);
    }
}

/* Whichever allocation fails: it says so, and gives back what it had. */
static void check_starved(const char *file, const struct bytes *whole)
{
    struct hst_source_bytes memory = {whole->bytes, whole->size};
    struct hst_source source = hst_source_memory(&memory);
    const struct hst_format *format;
    bool failed = true;
    for (int at = 1; failed && at < 400; at++, starved++) {
        struct hst_tensor_table *table = NULL;
        struct hst_error err = {0};
        int64_t heap = heap_now;
        allocations = 0;
        fail_at = at;
        int status = hst_format_parse(&source, &format, &table, &err);
        failed = allocations >= at;
        fail_at = 0;
        if (status < 0 && status != HST_E_NOMEM) complain(file, "memory ran out, and it says", err.text);
        if (status == HST_OK) hst_tensor_table_free(table);
        if (heap_now != heap) complain(file, "memory ran out, and some is lost", err.text);
    }
}

/* A source that fails at its n-th read. */
struct faulty {
    struct hst_source whole;
    int reads, fail_at;
};

static int read_faulty(void *context, uint64_t offset, void *buffer, size_t length, struct hst_error *err)
{
    struct faulty *faulty = context;
    if (++faulty->reads == faulty->fail_at) return hst_error_set(err, HST_E_IO, "the disk failed");
    return faulty->whole.read_at(faulty->whole.context, offset, buffer, length, err);
}

/* Whichever read fails: that is no verdict. */
static void check_faulty(const char *file, const struct bytes *whole)
{
    struct hst_source_bytes memory = {whole->bytes, whole->size};
    struct faulty faulty = {.whole = hst_source_memory(&memory)};
    struct hst_source source = {.size_bytes = whole->size, .read_at = read_faulty, .context = &faulty};
    for (faulty.fail_at = 1; faulty.fail_at < 200; faulty.fail_at++) {
        const struct hst_format *format;
        struct hst_tensor_table *table = NULL;
        struct hst_error err = {0};
        faulty.reads = 0;
        int status = hst_format_parse(&source, &format, &table, &err);
        if (status == HST_OK) hst_tensor_table_free(table);
        if (faulty.reads < faulty.fail_at) return;
        if (status != HST_E_IO) complain(file, "the disk failed, and it says", err.text);
    }
}

static void check_good(const char *folder, const char *file, FILE *accepted)
{
    char path[LINE];
    struct hst_error err;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    struct bytes whole = slurp(path);
    struct hst_tensor_table *table = parse(file, whole.bytes, whole.size, &err);
    if (table == NULL || !is_consistent(table, whole.size)) complain(file, "a good file is not", err.text);
    if (table != NULL) {
        check_cuts(file, &whole, table);
        check_flips(file, &whole, table, accepted);
        check_starved(file, &whole);
        check_faulty(file, &whole);
        hst_tensor_table_free(table);
    }
    free(whole.bytes);
}

/* ---- the list ---- */

static void check_case(const char *folder, char *line, FILE *accepted)
{
    char *file = strtok(line, "\t"), *want = strtok(NULL, "\t"), *heap = strtok(NULL, "\t"), *ms = strtok(NULL, "\t\n");
    if (ms == NULL) abort();
    int64_t heap_before = heap_now;
    struct look look = look_at(folder, file, WHOLE);
    looked++;
    if (look.status < 0) {
        complain(file, "no verdict", look.error.text);
        return;
    }
    if (!is_any_wanted(&look, want)) complain(file, want, look.model->problem.status < 0 ? look.model->problem.text : look.model->warning_count > 0 ? look.model->warnings[0] : "accepted");
    if (look.model->problem.status < 0) check_text(file, look.model->problem.text);
    check_costs(file, &look, strtoll(heap, NULL, 10), strtod(ms, NULL));
    check_pieces(folder, file, &look);
    if (look.model->state == HST_MODEL_OK && look.model->size_bytes <= MIB) check_good(folder, file, accepted);
    hst_model_unref(look.model);
    if (heap_now != heap_before) complain(file, "memory is lost", want);
}

int main(int argc, char **argv)
{
    char path[LINE], line[LINE];
    if (argc != 2) return 2;
    snprintf(path, sizeof path, "%s/cases.tsv", argv[1]);
    FILE *list = fopen(path, "r");
    snprintf(path, sizeof path, "%s/accepted.tsv", argv[1]);
    FILE *accepted = fopen(path, "w");
    if (list == NULL || accepted == NULL) return 2;
    while (fgets(line, sizeof line, list) != NULL)
        check_case(argv[1], line, accepted);
    fclose(list);
    fclose(accepted);
    printf("%zu files, %zu cut, %zu with a changed bit (%zu of them good), %zu out of memory, %zu failures\n", looked, cuts, flips, kept, starved, failures);
    return failures > 0;
}
