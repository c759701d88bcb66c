#include "model/modules.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const prefixes[] = {
#include "prefixes.inc"
};

/* A name that tells the dialect. */
static const struct {
    const char *mark;
    unsigned dialect;
} marks[] = {
#include "dialects.inc"
};

/* What a name becomes. */
static const struct rule {
    unsigned dialect;
    const char *name, *becomes, *slice;
} rules[] = {
#include "rules.inc"
};

enum { NUMBERS = 4, DIGITS = 5, ROUNDS = 4, BLOCKS_USUAL = 2 };

/* What the variable parts of a pattern stand for. */
struct capture {
    unsigned numbers[NUMBERS];
    size_t count;
    const char *rest;
};

const char *hst_modules_bare(const char *name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (hst_starts_with(name, prefixes[i])) return name + strlen(prefixes[i]);
    return name;
}

/* A number at *text, which moves on. */
static bool take_number(const char **text, struct capture *capture)
{
    size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > DIGITS || capture->count >= NUMBERS) return false;
    capture->numbers[capture->count++] = (unsigned)strtoul(*text, NULL, 10);
    *text += digits;
    return true;
}

static bool matches(const char *pattern, const char *name, struct capture *capture)
{
    *capture = (struct capture){0};
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '*') {
            capture->rest = name;
            return true;
        }
        if (*pattern == '#' && take_number(&name, capture)) continue;
        if (*pattern != *name++) return false;
    }
    return *name == '\0';
}

/* The number that "%1" and its like stand for: the place of a block in the original code, which counts through all levels. */
static unsigned place_of(char how, const struct capture *capture, unsigned blocks)
{
    unsigned level = blocks + 1, more = how == '1' ? 1 : how == 'd' ? level : how == 'u' ? blocks : 0;
    return capture->numbers[0] * level + capture->numbers[1] + more;
}

/* Put one piece of `becomes` at `out`. @return bytes, as snprintf */
static int put_piece(const char **at, struct capture *capture, size_t *used, unsigned blocks, char *out, size_t room)
{
    char piece = *(*at)++;
    if (piece == '*') return snprintf(out, room, "%s", capture->rest);
    if (piece == '#') return snprintf(out, room, "%u", capture->numbers[(*used)++ % NUMBERS]);
    if (piece != '%') return snprintf(out, room, "%c", piece);
    *used = 2;
    return snprintf(out, room, "%u", place_of(*(*at)++, capture, blocks));
}

static bool rewrite(const char *becomes, struct capture *capture, unsigned blocks, char *text)
{
    char out[HST_MODULE_NAME_MAX] = "";
    size_t length = 0, used = 0;
    while (*becomes != '\0') {
        length += (size_t)put_piece(&becomes, capture, &used, blocks, out + length, sizeof out - length);
        if (length >= sizeof out) return false;
    }
    memcpy(text, out, length + 1);
    return true;
}

/* Apply the first rule that fits. @return did one? */
static bool apply(const struct hst_naming *naming, struct hst_module_name *name)
{
    struct capture capture;
    unsigned blocks = naming->blocks != 0 ? naming->blocks : BLOCKS_USUAL;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].name[0] != name->text[0] || (rules[i].dialect != 0 && rules[i].dialect != naming->dialect)) continue;
        if (!matches(rules[i].name, name->text, &capture)) continue;
        if (rules[i].slice[0] != '\0') name->slice = rules[i].slice;
        return rewrite(rules[i].becomes, &capture, blocks, name->text);
    }
    return false;
}

static void flatten(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '.') *text = '_';
}

/* A UNet's levels: n ResNet blocks, then a convolution that halves. */
static void learn_blocks(struct hst_naming *naming, const char *flat)
{
    struct capture capture;
    unsigned blocks = 0;
    if (matches("input_blocks_#_0_op_weight", flat, &capture)) blocks = capture.numbers[0] - 1;
    if (matches("down_blocks_0_resnets_#_conv1_weight", flat, &capture)) blocks = capture.numbers[0] + 1;
    bool first = naming->blocks == 0 || (flat[0] == 'i' ? blocks < naming->blocks : blocks > naming->blocks);
    if (blocks > 0 && blocks < 100 && first) naming->blocks = blocks;
}

void hst_modules_learn(struct hst_naming *naming, const char *bare)
{
    char flat[HST_MODULE_NAME_MAX];
    if (strlen(bare) >= sizeof flat) return;
    strcpy(flat, bare);
    flatten(flat);
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        bool before = naming->dialect == 0 || marks[i].dialect < naming->dialect;
        if (before && hst_starts_with(flat, marks[i].mark)) naming->dialect = marks[i].dialect;
    }
    learn_blocks(naming, flat);
}

bool hst_modules_name(const struct hst_naming *naming, const char *name, struct hst_module_name *ret_name)
{
    name += strspn(name, "_");
    if (strlen(name) >= sizeof ret_name->text) return false;
    strcpy(ret_name->text, name);
    flatten(ret_name->text);
    ret_name->slice = "";
    for (size_t round = 0; round < ROUNDS; round++)
        if (!apply(naming, ret_name)) break;
    return true;
}
