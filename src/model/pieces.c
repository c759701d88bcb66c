#include "model/pieces.h"

#include <string.h>

/* The longest first. */
static const struct hst_piece pieces[] = {
#include "pieces.inc"
};

const struct hst_piece *hst_piece_of(const char *name)
{
    size_t length = strlen(name);
    for (const struct hst_piece *piece = pieces; piece < pieces + sizeof pieces / sizeof pieces[0]; piece++) {
        bool may_end = length > piece->length && name[length - piece->length] == piece->suffix[0];
        if (may_end && memcmp(name + length - piece->length, piece->suffix, piece->length) == 0) return piece;
    }
    return NULL;
}

bool hst_piece_tells(const struct hst_piece *piece, const char *name)
{
    return piece->format != NULL && (!piece->vague || strstr(name, "lora") != NULL);
}
