#ifndef FAKECUDA_STATE_H
#define FAKECUDA_STATE_H
/* What all processes on the same fake machine share: a folder with a file for each piece of a card's memory and for each context.
 * Whoever has such a file open holds a shared flock through it, and so does a mapping of it, in whichever process: a file that can be locked exclusively has no
 * holder left, however its holders ended. It is dead, and whoever looks next removes it. So memory lives exactly as long as on a card, and no process must run
 * for that. Used by the doubles of libcuda and of libnvidia-ml. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FAKE_CARDS_MAX 16u

/* How many cards the machine has: FAKECUDA_DEVICES, else 1. */
unsigned fake_cards(void);
/* Are they MIG slices (FAKECUDA_MIG)? */
bool fake_cards_are_slices(void);
/* Identity of a card; always the same. As text it begins with "GPU-", or "MIG-". */
void fake_card_uuid(unsigned card, unsigned char ret_bytes[16]);
void fake_card_uuid_text(unsigned card, char out[64]);
/* Memory of a card: FAKECUDA_BYTES (one size for all, or one a card with commas between; K, M, G behind it), else 8 GiB. */
uint64_t fake_card_bytes(unsigned card);
/* A size from the environment, or `otherwise`. */
uint64_t fake_size(const char *variable, uint64_t otherwise);

/* The folder: FAKECUDA_STATE, or one for all machines of this user that have none of their own. */
const char *fake_state_folder(void);
/* Make a file of `bytes`, `kind` being "mem" or "ctx", if the card has so much left. Returns its descriptor, which holds it, -ENOSPC when it has not, or another
 * negative errno. */
int fake_state_create(unsigned card, const char *kind, uint64_t bytes);
/* Is this descriptor one of a card's memory, made by whichever process? */
bool fake_state_identify(int fd, unsigned *ret_card, uint64_t *ret_bytes);
/* Bytes of the card that are in use, `others` (of the script) included. Removes what is dead. */
uint64_t fake_state_used(unsigned card);
/* Processes with a context on the card, and what they made there that still lives. Returns how many, filling at most `room`. */
struct fake_process {
    pid_t pid;
    uint64_t bytes;
};
unsigned fake_state_processes(unsigned card, struct fake_process *ret_processes, unsigned room);
/* The card lost its memory: what there is is no longer charged, nor can it be imported. */
void fake_state_forget(unsigned card);
#endif
