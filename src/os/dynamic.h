#ifndef HST_OS_DYNAMIC_H
#define HST_OS_DYNAMIC_H
/** @file
 * Libraries that a machine may have or not, and their functions as tables: what is not there is found out at run time. */
#include <stdbool.h>
#include <stddef.h>

/** One member of a table, and where its value comes from. */
struct hst_dynamic_symbol {
    const char *name;     /**< in the library */
    const char *fallback; /**< looked for when there is no `name`; NULL = nothing */
    size_t offset;        /**< of the member: a pointer to a function */
    bool optional;        /**< may it be missing? The member is NULL then */
};

/** Load `name` (a path, or a name to look for as the loader does) with all it needs, its symbols seen by nobody else. @return the library, owned by the caller;
 * NULL with the loader's reason in `why` */
void *hst_dynamic_open(const char *name, char why[256]);
/** Fill the members of `table`. @return NULL, or the name of the first one that is missing and not optional */
const char *hst_dynamic_resolve(void *library, const struct hst_dynamic_symbol *symbols, size_t count, void *table);
/** Which file it was loaded from; "" when the loader does not say. */
void hst_dynamic_path(void *library, char *out, size_t size);
/** Unload it. NULL is fine. */
void hst_dynamic_close(void *library);
#endif
