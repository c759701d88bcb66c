#include "cli/term.h"

#include "cli/command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS_MAX = 12, BAR = 30 };

static bool is_colourful(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    return (no_colour == NULL || no_colour[0] == '\0') && isatty(fileno(stream));
}

const char *hst_term_style(FILE *stream, enum hst_style style)
{
    static const char *const escapes[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[33m"};
    return is_colourful(stream) ? escapes[style] : "";
}

const char *hst_term_plain(FILE *stream)
{
    return is_colourful(stream) ? "\033[0m" : "";
}

const char *hst_term_size(double bytes, char out[HST_TERM_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        bytes /= 1024;
    snprintf(out, HST_TERM_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return out;
}

const char *hst_term_ms(double ms, char out[HST_TERM_TEXT])
{
    if (ms < 1000)
        snprintf(out, HST_TERM_TEXT, "%.1f ms", ms);
    else
        snprintf(out, HST_TERM_TEXT, "%.2f s", ms / 1000);
    return out;
}

/* Characters on the screen: UTF-8 continuation bytes take no place. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static const char *cell_of(const json_t *row, size_t column)
{
    const char *text = json_string_value(json_array_get(row, column));
    return text != NULL ? text : "-";
}

static void print_row(const json_t *row, const size_t *widths, bool heading)
{
    size_t columns = json_array_size(row);
    fputs(heading ? hst_term_style(stdout, HST_STYLE_BOLD) : "", stdout);
    for (size_t i = 0; i < columns; i++) {
        const char *text = cell_of(row, i);
        size_t gap = i + 1 < columns ? widths[i] - width_of(text) + 2 : 0;
        printf("%s%*s", text, (int)gap, "");
    }
    printf("%s\n", heading ? hst_term_plain(stdout) : "");
}

void hst_term_table(const json_t *rows)
{
    size_t widths[COLUMNS_MAX] = {0}, index;
    json_t *row;
    json_array_foreach((json_t *)rows, index, row)
        for (size_t i = 0; i < json_array_size(row) && i < COLUMNS_MAX; i++) {
            size_t width = width_of(cell_of(row, i));
            widths[i] = width > widths[i] ? width : widths[i];
        }
    json_array_foreach((json_t *)rows, index, row)
        print_row(row, widths, index == 0);
}

void hst_term_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

static void print_holders(const json_t *details)
{
    size_t index;
    json_t *holder;
    char size[HST_TERM_TEXT];
    json_array_foreach(json_object_get(details, "holders"), index, holder) {
        const json_t *processes = json_object_get(holder, "holders");
        const char *stays = json_string_value(json_object_get(holder, "stays"));
        fprintf(stderr, "  %s holds %s, %s%s", json_string_value(json_object_get(holder, "component_id")), hst_term_size(json_number_value(json_object_get(holder, "bytes")), size),
                stays != NULL ? "and stays: " : "and would go", stays != NULL ? stays : "");
        for (size_t i = 0; i < json_array_size(processes); i++)
            fprintf(stderr, "%s%lld", i == 0 ? ", for process " : ", ", json_integer_value(json_object_get(json_array_get(processes, i), "pid")));
        fputc('\n', stderr);
    }
}

int hst_term_error(const char *what, const struct hoist_error *error)
{
    json_t *json = error->json != NULL ? json_loads(error->json, 0, NULL) : NULL, *action;
    size_t index;
    fprintf(stderr, "%shoist: %s:%s %s\n", hst_term_style(stderr, HST_STYLE_BAD), what, hst_term_plain(stderr), error->message);
    print_holders(json_object_get(json, "details"));
    json_array_foreach(json_object_get(json, "recommended_actions"), index, action)
        fprintf(stderr, "try: %s\n", json_string_value(json_object_get(action, "text")));
    json_decref(json);
    int code = hoist_error_exit_code(error);
    if (code == HST_EXIT_UNREACHABLE) fputs("try: hoist serve --models DIR, or hoistd; --socket and HOIST_SOCKET name another place\n", stderr);
    return code;
}

int hst_term_usage(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%shoist: usage:%s ", hst_term_style(stderr, HST_STYLE_BAD), hst_term_plain(stderr));
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return HST_EXIT_USAGE;
}

static void fill_bar(double progress, char bar[BAR + 1])
{
    int filled = (int)(progress * BAR);
    for (int i = 0; i < BAR; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR] = '\0';
}

static void draw_bar(const json_t *job, const char *step)
{
    double progress = json_number_value(json_object_get(job, "progress")), total = json_number_value(json_object_get(job, "total_bytes"));
    char done_text[HST_TERM_TEXT], total_text[HST_TERM_TEXT], bar[BAR + 1];
    fill_bar(progress, bar);
    fprintf(stderr, "\r\033[K%s [%s] %3.0f%% %s of %s  %s", json_string_value(json_object_get(job, "model_id")), bar, progress * 100,
            hst_term_size(json_number_value(json_object_get(job, "done_bytes")), done_text), hst_term_size(total, total_text), step);
    fflush(stderr);
}

void hst_term_progress(const json_t *job, const char **step)
{
    static const char *const steps[] = {"validate", "estimate", "allocate", "load", "status", "convert"};
    const char *now = json_string_value(json_object_get(job, "step"));
    if (now != NULL && isatty(STDERR_FILENO)) draw_bar(job, now);
    if (now == NULL || isatty(STDERR_FILENO) || (*step != NULL && strcmp(*step, now) == 0)) return;
    fprintf(stderr, "%s: %s\n", json_string_value(json_object_get(job, "model_id")), now);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i], now) == 0) *step = steps[i];
}

void hst_term_scan(const json_t *scan)
{
    const json_t *progress = json_object_get(scan, "progress");
    char bar[BAR + 1];
    if (!isatty(STDERR_FILENO)) return;
    fill_bar(json_number_value(progress), bar);
    fprintf(stderr, "\r\033[K%s [%s] ", json_string_value(json_object_get(scan, "state")), bar);
    if (json_is_real(progress))
        fprintf(stderr, "%.0f of %.0f models", json_number_value(json_object_get(scan, "files_parsed")), json_number_value(json_object_get(scan, "files_to_parse")));
    else
        fprintf(stderr, "%.0f files in %.0f folders", json_number_value(json_object_get(scan, "files_seen")), json_number_value(json_object_get(scan, "folders_seen")));
    fflush(stderr);
}

void hst_term_progress_end(void)
{
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}
