#include "cli/metadata.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Longest text that is shown in a line. */
enum { LINE_BYTES = 160 };

/* Control characters become blanks; U+0080 to U+009F are such, too. */
static bool is_control(const char *text)
{
    unsigned char c = (unsigned char)text[0], next = c == 0xc2 ? (unsigned char)text[1] : 0;
    return c < 0x20 || c == 0x7f || (next >= 0x80 && next < 0xa0);
}

static void print_text(const char *text)
{
    size_t shown = 0;
    for (; *text != '\0' && (shown < LINE_BYTES || (*text & 0xc0) == 0x80); text++, shown++) {
        bool control = is_control(text);
        putchar(control ? ' ' : *text);
        text += control && (unsigned char)*text == 0xc2;
    }
    if (*text != '\0') fputs("...", stdout);
}

static void print_value(const json_t *value)
{
    size_t index;
    json_t *item;
    if (json_is_string(value)) print_text(json_string_value(value));
    if (json_is_number(value)) printf("%g", json_number_value(value));
    json_array_foreach((json_t *)value, index, item) {
        if (index > 0) fputs(", ", stdout);
        print_value(item);
    }
}

static void print_line(const char *name, const json_t *value)
{
    if (value == NULL || json_is_null(value)) return;
    printf("%-11s ", name);
    print_value(value);
    putchar('\n');
}

static void print_lines(const char *name, const json_t *texts)
{
    size_t index;
    json_t *text;
    json_array_foreach((json_t *)texts, index, text)
        print_line(index == 0 ? name : "", text);
}

void hst_metadata_print(const json_t *model)
{
    static const struct {
        const char *name, *key;
    } lines[] = {{"title", "title"}, {"author", "author"}, {"license", "license"}, {"base model", "base_model"}, {"triggers", "trigger_words"}, {"weight", "preferred_weight"}, {"resolution", "resolution"}};
    const json_t *metadata = json_object_get(model, "metadata");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        print_line(lines[i].name, json_object_get(metadata, lines[i].key));
    print_line("preview", json_object_get(model, "preview"));
    print_lines("warning", json_object_get(model, "metadata_warnings"));
}

static void print_pairs(const char *source, const json_t *pairs)
{
    const char *key;
    json_t *value;
    printf("\n%s:\n", source);
    json_object_foreach((json_t *)pairs, key, value) {
        fputs("  ", stdout);
        print_text(key);
        fputs(": ", stdout);
        print_value(value);
        putchar('\n');
    }
}

void hst_metadata_print_all(const json_t *said)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(said, "metadata"), key, value)
        if (!json_is_null(value)) {
            printf("%-17s ", key);
            print_value(value);
            printf("  (%s)\n", json_string_value(json_object_get(json_object_get(json_object_get(said, "sources"), key), "source")));
        }
    print_line("preview", json_object_get(json_object_get(said, "preview"), "path"));
    print_lines("warning", json_object_get(said, "warnings"));
    json_object_foreach(json_object_get(said, "raw"), key, value)
        print_pairs(key, value);
}
