/* Opening and closing files of releases, those that the kernel is not to read by itself. */

#include "released.h"

#include <stdlib.h>
#include <unistd.h>

enum { BUCKETS = 4096 };

struct opening {
    struct opening *next;
    uint64_t handle, node;
    uint32_t flags, grant;
    int fd;
};

static struct opening *table[BUCKETS];
EXPORTED uint64_t bowerbird_openings;
/* The last number that was given to an open file, by us or by Python. */
EXPORTED uint64_t bowerbird_last_handle;

static struct opening **find(uint64_t handle)
{
    struct opening **link = &table[handle % BUCKETS];

    while (*link && (*link)->handle != handle)
        link = &(*link)->next;
    return link;
}

/* Returns a descriptor of what the node is, if it is a file to be read here; -1 otherwise. */
static int open_node(const struct node *node, const struct stand *stand)
{
    struct stat found;
    int fd = openat(stand->fd, node->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -1;
    if (!fstat(fd, &found) && S_ISREG(found.st_mode) && found.st_dev == node->device && found.st_ino == node->number
        && (uint64_t)found.st_size < stand->large)
        return fd;
    close(fd);
    return -1;
}

static struct opening *add(const struct node *node, const struct stand *stand, uint32_t flags)
{
    struct opening *opening = malloc(sizeof *opening);

    if (!opening)
        return NULL;
    *opening = (struct opening){.node = node->number, .flags = flags, .grant = stand->grant, .fd = open_node(node, stand)};
    if (opening->fd < 0) {
        free(opening);
        return NULL;
    }
    opening->handle = ++bowerbird_last_handle;
    *find(opening->handle) = opening;
    bowerbird_openings++;
    return opening;
}

bool answer_open(const struct fuse_in_header *header, const struct fuse_open_in *asked)
{
    const struct node *node = node_of(header->nodeid), *above;
    struct fuse_open_out answer = {.open_flags = FOPEN_KEEP_CACHE};
    const struct opening *opening;

    if (!node || node->is_pythons || asked->flags & (O_ACCMODE | O_TRUNC | O_APPEND) || is_journal_full())
        return false;
    above = released_directory(node->parent);
    /* Python may have taken the node meanwhile. */
    node = node_of(header->nodeid);
    if (!above || !node || node->is_pythons || !(opening = add(node, above->stand, asked->flags)))
        return false;
    note_open(opening->handle, opening->node, opening->flags);
    write_notes();
    bowerbird_read_by(opening->handle, &(struct reading){.fd = opening->fd});
    answer.fh = opening->handle;
    reply(header, 0, &answer, sizeof answer);
    return true;
}

static void drop(struct opening **link)
{
    struct opening *opening = *link;

    bowerbird_read_no_more(opening->handle);
    *link = opening->next;
    bowerbird_openings--;
    free(opening);
}

bool answer_release(const struct fuse_in_header *header, const struct fuse_release_in *asked)
{
    struct opening **link = find(asked->fh);
    int fd;

    if (!*link)
        return false;
    fd = (*link)->fd;
    drop(link);
    drop_handle(header->nodeid, asked->fh);
    close(fd);
    note('C', asked->fh);
    write_notes();
    reply(header, 0, NULL, 0);
    return true;
}

/* What Python asks. */

struct taken {
    uint64_t handle, node;
    uint32_t flags, grant;
    int32_t fd;
};

static int take(struct opening **link, struct taken *taken)
{
    const struct opening *opening = *link;

    *taken = (struct taken){opening->handle, opening->node, opening->flags, opening->grant, opening->fd};
    drop(link);
    return 1;
}

/* Hands an open file over; tells whether it was ours. */
EXPORTED int bowerbird_take_opening(uint64_t handle, struct taken *taken)
{
    struct opening **link = find(handle);

    return *link ? take(link, taken) : 0;
}

/* Hands over one of a node's, or any where the node is 0; tells whether there was one. */
EXPORTED int bowerbird_take_opening_of(uint64_t node, struct taken *taken)
{
    for (size_t index = 0; bowerbird_openings && index < BUCKETS; index++)
        for (struct opening **link = &table[index]; *link; link = &(*link)->next)
            if (!node || (*link)->node == node)
                return take(link, taken);
    return 0;
}

/* Notes all that are ours once more. */
EXPORTED void bowerbird_note_openings(void)
{
    for (size_t index = 0; index < BUCKETS; index++)
        for (const struct opening *opening = table[index]; opening; opening = opening->next)
            note_open(opening->handle, opening->node, opening->flags);
}
