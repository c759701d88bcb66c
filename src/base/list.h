#ifndef HST_BASE_LIST_H
#define HST_BASE_LIST_H
/** @file
 * An intrusive doubly linked list: the node lives inside the object, so linking never allocates and never fails. */
#include <stdbool.h>
#include <stddef.h>

/** A node, and also the head of a list. */
struct hst_list {
    struct hst_list *next; /**< next node, or the head */
    struct hst_list *prev; /**< previous node, or the head */
};

/** The object of `type` whose member `member` is at `pointer`. */
#define hst_container_of(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/** Walk `head`; the body may remove `node` itself. */
#define HST_LIST_FOREACH(node, head)                                                                                   \
    for (struct hst_list *node = (head)->next, *hst_next_ = node->next; node != (head);                                \
         node = hst_next_, hst_next_ = node->next)

/** Make an empty list, or an unlinked node. */
static inline void hst_list_init(struct hst_list *head)
{
    head->next = head;
    head->prev = head;
}

/** Is the list empty, or the node unlinked? */
static inline bool hst_list_empty(const struct hst_list *head)
{
    return head->next == head;
}

/** How many nodes it has. */
static inline size_t hst_list_count(const struct hst_list *head)
{
    size_t count = 0;
    for (const struct hst_list *node = head->next; node != head; node = node->next)
        count++;
    return count;
}

/** Put `node` last. */
static inline void hst_list_append(struct hst_list *head, struct hst_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/** Take `node` out; it is unlinked afterwards, and removing it again does nothing. */
static inline void hst_list_remove(struct hst_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    hst_list_init(node);
}
#endif
