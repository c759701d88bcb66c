#include "formats/arena.h"

#include <stdlib.h>
#include <string.h>

/* Blocks double from the first size up to the last, so that a small file costs little and a large one few calls. */
enum { FIRST_BLOCK = 1 << 9, LAST_BLOCK = 1 << 18 };

struct block {
    struct block *next;
    size_t size;
    size_t used;
    _Alignas(8) char bytes[];
};

struct hst_arena {
    struct block *blocks;
    size_t next_size;
};

struct hst_arena *hst_arena_new(void)
{
    struct hst_arena *arena = calloc(1, sizeof *arena);
    if (arena != NULL) arena->next_size = FIRST_BLOCK;
    return arena;
}

static struct block *add_block(struct hst_arena *arena, size_t need)
{
    size_t size = need > arena->next_size ? need : arena->next_size;
    struct block *block = calloc(1, sizeof *block + size);
    if (block == NULL) return NULL;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    if (arena->next_size < LAST_BLOCK) arena->next_size *= 2;
    return block;
}

void *hst_arena_alloc(struct hst_arena *arena, size_t size)
{
    struct block *block = arena->blocks;
    size_t rounded = (size + 7) & ~(size_t)7;
    if (block == NULL || block->size - block->used < rounded) block = add_block(arena, rounded);
    if (block == NULL) return NULL;
    void *piece = block->bytes + block->used;
    block->used += rounded;
    return piece;
}

char *hst_arena_text(struct hst_arena *arena, const char *text, size_t length)
{
    char *copy = hst_arena_alloc(arena, length + 1);
    if (copy != NULL && length > 0) memcpy(copy, text, length);
    return copy;
}

void hst_arena_free(struct hst_arena *arena)
{
    if (arena == NULL) return;
    for (struct block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}
