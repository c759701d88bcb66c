#ifndef HST_FORMATS_ARENA_H
#define HST_FORMATS_ARENA_H
/** @file
 * Memory for the many small pieces of a table, freed at once. Grows with what is really put in, never with what a file declares. */
#include <stddef.h>

/** An arena. */
struct hst_arena;

/** Make one; NULL when out of memory. Owned: hst_arena_free. */
struct hst_arena *hst_arena_new(void);
/** `size` bytes, 8-byte aligned, zeroed; NULL when out of memory. */
void *hst_arena_alloc(struct hst_arena *arena, size_t size);
/** A NUL-ended copy of `text[0..length)`; NULL when out of memory. */
char *hst_arena_text(struct hst_arena *arena, const char *text, size_t length);
/** Free all; NULL is fine. */
void hst_arena_free(struct hst_arena *arena);
#endif
