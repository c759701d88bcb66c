#ifndef HST_CLI_TERM_H
#define HST_CLI_TERM_H
/** @file
 * What people see: tables, sizes, colours, progress. Colour and bars only on a terminal, colour only without NO_COLOR. */
#include "hoist/hoist.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/** Longest text of a size or time. */
#define HST_TERM_TEXT 64

/** Styles. */
enum hst_style {
    HST_STYLE_PLAIN, /**< as it is */
    HST_STYLE_BOLD,  /**< headings */
    HST_STYLE_DIM,   /**< less important */
    HST_STYLE_GOOD,  /**< green */
    HST_STYLE_BAD,   /**< red */
    HST_STYLE_WARN,  /**< yellow */
};
/** Escape that begins a style on this stream, or "". */
const char *hst_term_style(FILE *stream, enum hst_style style);
/** Escape that ends it, or "". */
const char *hst_term_plain(FILE *stream);
/** "86.6 MiB" into out. @return out */
const char *hst_term_size(double bytes, char out[HST_TERM_TEXT]);
/** "12.3 ms" or "4.56 s" into out. @return out */
const char *hst_term_ms(double ms, char out[HST_TERM_TEXT]);
/** Print rows of texts in columns: an array of arrays of strings; the first row is the heading. */
void hst_term_table(const json_t *rows);
/** Print JSON, readable, with a newline. */
void hst_term_json(const json_t *json);
/** Report on stderr: "hoist: WHAT: WHY" and "try: ..." lines. @return the exit code */
int hst_term_error(const char *what, const struct hoist_error *error);
/** Report a wrong command line. @return HST_EXIT_USAGE */
int hst_term_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Show how far a job is: a bar that is drawn over on a terminal, else a line when the step changes. */
void hst_term_progress(const json_t *job, const char **step);
/** Show how far a scan is: a bar that is drawn over, on a terminal alone. */
void hst_term_scan(const json_t *scan);
/** Remove the bar. */
void hst_term_progress_end(void);
#endif
