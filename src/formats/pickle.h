#ifndef HST_FORMATS_PICKLE_H
#define HST_FORMATS_PICKLE_H
/** @file
 * Python pickles, read as data: the opcodes build values and nothing is ever called. A name from a module is looked up in a short list of what
 * weights need (pickle.c); any other makes the file unsafe, and so does an opcode that would make Python import or call something by another way.
 * The rest of such a pickle is read, too, so that every name it asks for can be told. */
#include "base/cursor.h"
#include "formats/arena.h"
#include "formats/dtype.h"

/** Kinds of values. */
enum hst_pickle_kind {
    HST_PICKLE_OTHER,   /**< something that weights do not need: numbers with a fraction, hooks, ... */
    HST_PICKLE_NUMBER,  /**< an integer; also True and False */
    HST_PICKLE_TEXT,    /**< a text or bytes */
    HST_PICKLE_BLOB,    /**< a text or bytes with a NUL inside: never a name */
    HST_PICKLE_TUPLE,   /**< items, in order */
    HST_PICKLE_LIST,    /**< items, in order */
    HST_PICKLE_DICT,    /**< items: key, value, key, value, ... */
    HST_PICKLE_GLOBAL,  /**< a name from a module, one of the list */
    HST_PICKLE_STORAGE, /**< what a persistent id names: ("storage", type, key, location, elements, ...) */
    HST_PICKLE_TENSOR,  /**< what a rebuilding function was given: items are its arguments */
    HST_PICKLE_FOREIGN, /**< a name that is not in the list, and what it would make; such a pickle is never accepted */
    HST_PICKLE_MARK,    /**< private */
};

/** What a name of the list stands for. */
enum hst_pickle_role {
    HST_PICKLE_ROLE_DICT,      /**< called, it makes a dict */
    HST_PICKLE_ROLE_TENSOR,    /**< called with (storage, offset, size, stride, ...), it makes a tensor */
    HST_PICKLE_ROLE_FIRST,     /**< called, it gives its first argument */
    HST_PICKLE_ROLE_STORAGE,   /**< a type of storage, of elements of `dtype` (0 = bytes) */
    HST_PICKLE_ROLE_DTYPE,     /**< a type of elements */
    HST_PICKLE_ROLE_HARMLESS,  /**< called, it makes something that weights do not need */
    HST_PICKLE_ROLE_UNSUPPORTED, /**< harmless, but weights of a kind that hoist cannot hand out: sparse, quantised, without data */
};

/** A name of the list. */
struct hst_pickle_name {
    const char *module;        /**< "torch._utils" */
    const char *name;          /**< "_rebuild_tensor_v2" */
    enum hst_pickle_role role; /**< what it stands for */
    enum hst_dtype dtype;      /**< of a storage or dtype; else 0 */
};

/** A value. All of it lies in the arena; small, since a pickle makes twelve of them for each tensor. */
struct hst_pickle_value {
    enum hst_pickle_kind kind; /**< which */
    uint32_t count;            /**< of items */
    union {
        int64_t number;                     /**< of a NUMBER */
        const char *text;                   /**< of a TEXT, NUL-ended */
        const struct hst_pickle_name *name; /**< of a GLOBAL; static */
        struct hst_pickle_value **items;    /**< of the others */
    };
};

/** What a pickle gave. All of it lies in the arena. */
struct hst_pickle {
    const struct hst_pickle_value *value; /**< what it stands for */
    struct hst_pickle_value storages;     /**< items: every STORAGE that it named, wherever it is used */
};

/** Read one pickle from the cursor, up to its STOP. *ret_pickle lies in `arena`. HST_E_UNSAFE_FILE names every offending global and where it
 * stands; HST_E_INVALID_FILE, HST_E_TRUNCATED, HST_E_LIMIT_EXCEEDED. The cursor stands behind the pickle afterwards. */
int hst_pickle_read(struct hst_cursor *cursor, struct hst_arena *arena, struct hst_pickle *ret_pickle, struct hst_error *err);
/** The value of a text key in a DICT, or NULL. */
const struct hst_pickle_value *hst_pickle_get(const struct hst_pickle_value *dict, const char *key);
#endif
