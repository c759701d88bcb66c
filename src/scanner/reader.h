#ifndef HST_SCANNER_READER_H
#define HST_SCANNER_READER_H
/** @file
 * One process that parses: started, asked for one file after the other, ended. Used by one thread at a time. */
#include "formats/format.h"
#include "os/sandbox.h"
#include <stdatomic.h>

/** A process. */
struct hst_reader;

/** How long a thread waits for one. */
struct hst_reader_patience {
    unsigned timeout_ms;         /**< most time for a file, disk included */
    unsigned cpu_ms;             /**< most processor time for a file */
    const atomic_bool *stopping; /**< wait no longer; borrowed */
};

/** A file to be parsed, and what came of it. */
struct hst_reader_file {
    int fd;                           /**< open for reading; borrowed */
    uint64_t size_bytes;              /**< of the file */
    const struct hst_format *format;  /**< out */
    struct hst_tensor_table *table;   /**< out; owned by the caller */
};

/** Start one and wait until it is ready. HST_E_WORKER_UNAVAILABLE, HST_E_SHUTTING_DOWN. *ret_reader owned: hst_reader_free. */
int hst_reader_start(const char *program, const struct hst_reader_patience *patience, struct hst_reader **ret_reader, struct hst_error *err);
/** What it took from itself. */
struct hst_sandbox hst_reader_sandbox(const struct hst_reader *reader);
/** Can it be asked for another file? Not when it died, and not when it has read its share. */
bool hst_reader_is_good(const struct hst_reader *reader);
/** Let it parse a file. HST_E_PARSER_FAILED when it died of it, hangs or talks nonsense; HST_E_UNREACHABLE when somebody killed it;
 * HST_E_SHUTTING_DOWN. Else as hst_format_parse. */
int hst_reader_ask(struct hst_reader *reader, const struct hst_reader_patience *patience, struct hst_reader_file *file, struct hst_error *err);
/** Ask it to exit; hst_reader_free waits for it. So many exit at once. */
void hst_reader_dismiss(struct hst_reader *reader);
/** End it and free. NULL is fine. */
void hst_reader_free(struct hst_reader *reader);
/** Cleanup for a variable. */
static inline void hst_reader_freep(struct hst_reader **reader)
{
    hst_reader_free(*reader);
}
#endif
