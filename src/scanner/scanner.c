#include "scanner/scanner.h"

#include "base/cleanup.h"
#include "scanner/limits.h"
#include "scanner/reader.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct hst_scanner {
    char *program;
    struct hst_reader_patience patience;
    struct hst_parser parser;
    struct hst_sandbox sandbox; /* of the first process */
    char protection[128];       /* the same, in words */
    atomic_bool stopping;
    pthread_mutex_t lock; /* guards idle, idle_count */
    struct hst_reader *idle[HST_SCANNER_IDLE_MAX];
    size_t idle_count;
};

/* Take an idle process; NULL when there is none. */
static struct hst_reader *take_idle(struct hst_scanner *scanner)
{
    pthread_mutex_lock(&scanner->lock);
    struct hst_reader *reader = scanner->idle_count > 0 ? scanner->idle[--scanner->idle_count] : NULL;
    pthread_mutex_unlock(&scanner->lock);
    return reader;
}

/* An idle process that is still good, or a new one. */
static int take(struct hst_scanner *scanner, bool want_new, struct hst_reader **ret_reader, struct hst_error *err)
{
    for (struct hst_reader *reader; !want_new && (reader = take_idle(scanner)) != NULL; hst_reader_free(reader)) {
        if (!hst_reader_is_good(reader)) continue;
        *ret_reader = reader;
        return HST_OK;
    }
    return hst_reader_start(scanner->program, &scanner->patience, ret_reader, err);
}

static void give_back(struct hst_scanner *scanner, struct hst_reader *reader)
{
    bool kept = false;
    if (hst_reader_is_good(reader)) {
        pthread_mutex_lock(&scanner->lock);
        kept = scanner->idle_count < HST_SCANNER_IDLE_MAX;
        if (kept) scanner->idle[scanner->idle_count++] = reader;
        pthread_mutex_unlock(&scanner->lock);
    }
    if (!kept) hst_reader_free(reader);
}

/* Ask one process. *ret_again = what went wrong may be the fault of another: of a file that the process read before, of who killed it, of a
 * moment without memory. */
static int ask_one(struct hst_scanner *scanner, bool want_new, struct hst_reader_file *file, bool *ret_again, struct hst_error *err)
{
    struct hst_reader *reader;
    int status = take(scanner, want_new, &reader, err);
    *ret_again = status == HST_E_WORKER_UNAVAILABLE;
    HST_TRY(status);
    status = hst_reader_ask(reader, &scanner->patience, file, err);
    give_back(scanner, reader);
    *ret_again = status == HST_E_UNREACHABLE || status == HST_E_PARSER_FAILED;
    return status;
}

static int parse(void *context, int fd, uint64_t size_bytes, const struct hst_format **ret_format, struct hst_tensor_table **ret_table,
                 struct hst_error *err)
{
    struct hst_reader_file file = {.fd = fd, .size_bytes = size_bytes};
    bool again;
    int status = ask_one(context, false, &file, &again, err);
    if (again) status = ask_one(context, true, &file, &again, err);
    if (status == HST_E_UNREACHABLE) return hst_error_set(err, HST_E_PARSER_FAILED, "sandbox: the parser's process was killed twice");
    HST_TRY(status);
    *ret_format = file.format;
    *ret_table = file.table;
    return HST_OK;
}

/* All are asked to exit before the first is waited for. */
static void rest(void *context)
{
    struct hst_reader *readers[HST_SCANNER_IDLE_MAX];
    size_t count = 0;
    while (count < HST_SCANNER_IDLE_MAX && (readers[count] = take_idle(context)) != NULL)
        hst_reader_dismiss(readers[count++]);
    for (size_t i = 0; i < count; i++)
        hst_reader_free(readers[i]);
}

static const char *in_words(const struct hst_sandbox *sandbox, enum hst_sandbox_protection protection)
{
    return sandbox->protections & protection ? "on" : "missing";
}

static void describe(struct hst_scanner *scanner)
{
    const struct hst_sandbox *sandbox = &scanner->sandbox;
    int used = snprintf(scanner->protection, sizeof scanner->protection, "seccomp %s, no_new_privs %s, limits %s, Landlock %s",
                        in_words(sandbox, HST_SANDBOX_SECCOMP), in_words(sandbox, HST_SANDBOX_NO_NEW_PRIVS), in_words(sandbox, HST_SANDBOX_LIMITS),
                        in_words(sandbox, HST_SANDBOX_LANDLOCK));
    if (sandbox->landlock > 0) snprintf(scanner->protection + used, sizeof scanner->protection - (size_t)used, " (version %u)", sandbox->landlock);
}

static int start_first(struct hst_scanner *scanner, struct hst_error *err)
{
    struct hst_reader *reader;
    if (scanner->program == NULL) return hst_error_nomem(err);
    HST_TRY(take(scanner, true, &reader, err));
    scanner->sandbox = hst_reader_sandbox(reader);
    describe(scanner);
    give_back(scanner, reader);
    return HST_OK;
}

int hst_scanner_new(const struct hst_scanner_config *config, struct hst_scanner **ret_scanner, struct hst_error *err)
{
    struct hst_scanner *scanner = calloc(1, sizeof *scanner);
    if (scanner == NULL) return hst_error_nomem(err);
    scanner->program = strdup(config->program);
    scanner->patience = (struct hst_reader_patience){config->timeout_ms, config->cpu_ms > 0 ? config->cpu_ms : HST_SCANNER_FILE_CPU_MS, &scanner->stopping};
    scanner->parser = (struct hst_parser){parse, rest, scanner, scanner->protection};
    pthread_mutex_init(&scanner->lock, NULL);
    int status = start_first(scanner, err);
    if (status < 0)
        hst_scanner_free(scanner);
    else
        *ret_scanner = scanner;
    return status;
}

struct hst_sandbox hst_scanner_sandbox(const struct hst_scanner *scanner)
{
    return scanner->sandbox;
}

const struct hst_parser *hst_scanner_parser(const struct hst_scanner *scanner)
{
    return &scanner->parser;
}

void hst_scanner_stop(struct hst_scanner *scanner)
{
    atomic_store(&scanner->stopping, true);
}

void hst_scanner_free(struct hst_scanner *scanner)
{
    if (scanner == NULL) return;
    rest(scanner);
    pthread_mutex_destroy(&scanner->lock);
    free(scanner->program);
    free(scanner);
}
