#ifndef HST_MODEL_PIECES_H
#define HST_MODEL_PIECES_H
/** @file
 * How the names of an adapter's tensors end (LoRA, LoHa, LoKr, OFT, whole differences ...), by whoever writes them: a table of api/modules.yaml. Pure. */
#include <stdbool.h>
#include <stddef.h>

/** Parts of an adapter's module; api/modules.yaml describes them. */
enum hst_piece_part {
    HST_PIECE_DOWN,      /**< the half that reads the input */
    HST_PIECE_UP,        /**< the half that writes the output */
    HST_PIECE_HADA_W1_A, /**< LoHa: halves of the first factor, output */
    HST_PIECE_HADA_W1_B, /**< ... and input */
    HST_PIECE_HADA_W2_A, /**< of the second */
    HST_PIECE_HADA_W2_B, /**< of the second */
    HST_PIECE_HADA_T,    /**< core tensors (Tucker) */
    HST_PIECE_LOKR_W1,   /**< LoKr: the first factor, whole */
    HST_PIECE_LOKR_W1_A, /**< ... or its halves, output */
    HST_PIECE_LOKR_W1_B, /**< ... and input */
    HST_PIECE_LOKR_W2,   /**< the second factor, whole */
    HST_PIECE_LOKR_W2_A, /**< ... or its halves */
    HST_PIECE_LOKR_W2_B, /**< ... or its halves */
    HST_PIECE_FULL,      /**< a whole difference */
    HST_PIECE_SHAPED,    /**< how many of these have a shape that tells the weight's */
    HST_PIECE_ROTATION = HST_PIECE_SHAPED, /**< OFT, BOFT */
    HST_PIECE_OPAQUE,    /**< its shape says nothing of the weight's */
    HST_PIECE_NOTE,      /**< alpha, magnitudes, biases */
};
/** An ending. */
struct hst_piece {
    const char *suffix;       /**< of the name */
    size_t length;            /**< of suffix */
    enum hst_piece_part part; /**< what it is */
    const char *other;        /**< ending of the other half of the pair, or NULL */
    const char *format;       /**< who writes it so; NULL = it says nothing outside of an adapter */
    const char *algorithm;    /**< lora loha lokr ..., or NULL */
    bool vague;               /**< it is one only in a name with "lora" in it */
};

/** The longest ending that the name has, or NULL. */
const struct hst_piece *hst_piece_of(const char *name);
/** Does it alone show that a file is an adapter? */
bool hst_piece_tells(const struct hst_piece *piece, const char *name);
#endif
