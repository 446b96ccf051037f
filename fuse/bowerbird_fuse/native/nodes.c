/* The table of nodes: what is ours, and the numbers that are Python's. */

#include "released.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST_BUCKETS = 1 << 10 };

static struct node **table;
static size_t buckets, nodes;
/* How many of them are ours. */
EXPORTED uint64_t bowerbird_nodes;

static struct node **bucket(uint64_t number)
{
    return &table[(number ^ number >> 17) & (buckets - 1)];
}

static bool grow(void)
{
    size_t before = buckets;
    struct node **old = table, **fresh = calloc(before ? before * 2 : FIRST_BUCKETS, sizeof *fresh);

    if (!fresh)
        return before > 0;
    table = fresh;
    buckets = before ? before * 2 : FIRST_BUCKETS;
    for (size_t index = 0; index < before; index++) {
        for (struct node *node = old[index], *next; node; node = next) {
            next = node->next;
            node->next = *bucket(node->number);
            *bucket(node->number) = node;
        }
    }
    free(old);
    return true;
}

struct node *node_of(uint64_t number)
{
    struct node *node = buckets ? *bucket(number) : NULL;

    while (node && node->number != number)
        node = node->next;
    return node;
}

static struct node *add(uint64_t number, size_t length)
{
    struct node *node;

    if (nodes >= buckets && !grow())
        return NULL;
    node = calloc(1, sizeof *node + length + 1);
    if (!node)
        return NULL;
    node->number = number;
    node->length = (uint16_t)length;
    node->next = *bucket(number);
    *bucket(number) = node;
    nodes++;
    return node;
}

static void drop(uint64_t number)
{
    struct node **link = buckets ? bucket(number) : NULL, *node;

    while (link && *link && (*link)->number != number)
        link = &(*link)->next;
    if (!link || !*link)
        return;
    node = *link;
    *link = node->next;
    nodes--;
    bowerbird_nodes -= !node->is_pythons;
    free(node->stand);
    free(node->settled);
    free(node);
}

static bool lies_at(const struct node *node, uint64_t device, uint64_t parent, const char *name)
{
    return node->device == device && node->parent == parent && !strcmp(node->name, name);
}

struct node *see(uint64_t parent, const char *name, const struct stat *found)
{
    struct node *node = node_of(found->st_ino);
    size_t length = strlen(name);

    if (node && !lies_at(node, found->st_dev, parent, name))
        return NULL;
    if (!node) {
        if (found->st_ino <= FUSE_ROOT_ID || found->st_ino >= made_from || !(node = add(found->st_ino, length)))
            return NULL;
        memcpy(node->name, name, length);
        node->parent = parent;
        node->device = found->st_dev;
        bowerbird_nodes++;
        note_node(node);
    }
    node->lookups++;
    return node;
}

uint64_t forget(uint64_t number, uint64_t count)
{
    struct node *node = node_of(number);
    uint64_t ours;

    if (!node)
        return count;
    ours = count < node->lookups ? count : node->lookups;
    node->lookups -= ours;
    if (node->is_pythons)
        return count - ours;
    if (!node->lookups) {
        drop(number);
        note('F', number);
    }
    return 0;
}

static bool is_stood(const struct node *node)
{
    struct timespec now;

    if (!node->stand || !node->stand->until)
        return node->stand;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec < node->stand->until;
}

struct node *directory_of(uint64_t number)
{
    struct node *node = node_of(number);

    if (!node || is_stood(node))
        return node;
    if ((node->is_pythons && !node->is_stood_in) || python.stand(number) < 0)
        return NULL;
    node = node_of(number);
    return node && is_stood(node) ? node : NULL;
}

/* What Python says and asks. */

static bool give_name(struct node **link, const char *name)
{
    struct node *node = *link;
    size_t length = strlen(name);

    if (length > node->length) {
        node = realloc(node, sizeof *node + length + 1);
        if (!node)
            return false;
        *link = node;
    }
    node->length = (uint16_t)length;
    memcpy(node->name, name, length + 1);
    return true;
}

/* Says that a number is Python's, and where it lies; without a name only that. */
EXPORTED int bowerbird_keep_out(uint64_t number, uint64_t parent, uint64_t device, const char *name)
{
    struct node **link;

    if (!node_of(number) && !add(number, 0))
        return -1;
    link = bucket(number);
    while ((*link)->number != number)
        link = &(*link)->next;
    (*link)->is_pythons = true;
    if (!give_name(link, name))
        return -1;
    (*link)->parent = parent;
    (*link)->device = device;
    return 0;
}

/* Says that it is no more. */
EXPORTED void bowerbird_let_in(uint64_t number)
{
    const struct node *node = node_of(number);

    if (node && node->is_pythons)
        drop(number);
}

struct taken {
    uint64_t parent;
    uint64_t device;
    uint64_t lookups;
    char name[256];
};

/* Hands a node of ours over; tells whether there was one. */
EXPORTED int bowerbird_take_node(uint64_t number, struct taken *taken)
{
    struct node *node = node_of(number);

    if (!node || node->is_pythons)
        return 0;
    *taken = (struct taken){.parent = node->parent, .device = node->device, .lookups = node->lookups};
    memcpy(taken->name, node->name, node->length);
    node->lookups = 0;
    node->is_pythons = true;
    bowerbird_nodes--;
    return 1;
}

/* Fills in the numbers of all that are ours. */
EXPORTED void bowerbird_numbers(uint64_t *numbers)
{
    for (size_t index = 0; index < buckets; index++)
        for (const struct node *node = table[index]; node; node = node->next)
            if (!node->is_pythons)
                *numbers++ = node->number;
}

/* Notes all that are ours once more. */
EXPORTED void bowerbird_note_nodes(void)
{
    for (size_t index = 0; index < buckets; index++)
        for (const struct node *node = table[index]; node; node = node->next)
            if (!node->is_pythons)
                note_node(node);
}

/* Says where Python stands in a directory, which is Python's node; NULL where it does no more. */
EXPORTED void bowerbird_stand(uint64_t number, const struct stand *stand)
{
    struct node *node = node_of(number);

    if (!node || !node->is_pythons)
        return;
    free(node->stand);
    node->stand = NULL;
    if (!stand || !(node->stand = malloc(sizeof *stand)))
        return;
    *node->stand = *stand;
    node->is_stood_in = true;
}

/* Forgets where Python stood: the view has changed. */
EXPORTED void bowerbird_stand_nowhere(void)
{
    for (size_t index = 0; index < buckets; index++) {
        for (struct node *node = table[index]; node; node = node->next) {
            node->is_stood_in = false;
            free(node->stand);
            node->stand = NULL;
        }
    }
}
