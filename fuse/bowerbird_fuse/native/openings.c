/* Opening files to read, and closing them: those that the kernel is not to read by itself, and no other view can write. */

#include "released.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 4096, SETTLED_SECONDS = 2 };

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

/* Opens what is held of a node in a space, if that is a file: no other name of it is asked. */
static int open_held(const struct node *node)
{
    int held = held_of(node->number);
    struct stat found;
    char path[32];

    if (held < 0 || fstat(held, &found) || !S_ISREG(found.st_mode))
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static bool is_to_be_read_here(int fd, const struct node *node, const struct stand *stand, struct stat *found)
{
    return !fstat(fd, found) && S_ISREG(found->st_mode) && found->st_dev == node->device && found->st_ino == node->number
           && (uint64_t)found->st_size < stand->large;
}

/* Returns a descriptor of what the node is, if it is a file to be read here; -1 otherwise. */
static int open_node(const struct node *node, const struct stand *stand, struct stat *found)
{
    int fd = openat(stand->fd, node->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && is_to_be_read_here(fd, node, stand, found))
        return fd;
    if (fd >= 0)
        close(fd);
    fd = stand->space ? open_held(node) : -1;
    if (fd >= 0 && is_to_be_read_here(fd, node, stand, found))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static struct opening *add(struct node *node, const struct stand *stand, uint32_t flags, struct stat *found)
{
    struct opening *opening = malloc(sizeof *opening);

    if (!opening)
        return NULL;
    *opening = (struct opening){.node = node->number, .flags = flags, .grant = stand->grant, .fd = open_node(node, stand, found)};
    if (opening->fd < 0) {
        free(opening);
        return NULL;
    }
    opening->handle = ++bowerbird_last_handle;
    *find(opening->handle) = opening;
    bowerbird_openings++;
    return opening;
}

static bool is_same(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

static bool is_left_alone(const struct stat *found)
{
    time_t last = found->st_mtim.tv_sec > found->st_ctim.tv_sec ? found->st_mtim.tv_sec : found->st_ctim.tv_sec;

    return time(NULL) > last + SETTLED_SECONDS;
}

/* Tells whether the kernel's pages of a file of a space still hold what it does, by the rule of Files.keeps_pages. */
static bool keeps_pages(struct node *node, const struct stat *found)
{
    const struct settled now = {found->st_size, found->st_mtim, found->st_ctim}, *last = node->settled;
    bool alone = is_left_alone(found);
    bool same = alone && last && last->size == now.size && is_same(&last->written, &now.written) && is_same(&last->changed, &now.changed);

    if (!alone) {
        free(node->settled);
        node->settled = NULL;
    } else if (!same && (node->settled || (node->settled = malloc(sizeof now)))) {
        *node->settled = now;
    }
    return same;
}

static void read_on(const struct opening *opening, const struct stand *stand)
{
    const struct reading by = {
        .fd = opening->fd,
        .space = stand->space,
        .moment = stand->moment,
        .group = stand->own,
        .shown = stand->group,
        .hidden = stand->hidden,
    };

    bowerbird_read_by(opening->handle, &by);
}

/* Returns by which FOPEN_ flags a file is open from now on. What may have changed is given only if it was just looked up, and
 * has the size that the kernel was told: of a file that became shorter the kernel would keep the old end. */
static uint32_t flags_of(struct node *node, const struct opening *opening, const struct stand *stand, const struct stat *found)
{
    if (!stand->space) {
        node->has_pages = node->has_pages || give_pages(node, opening->fd, found->st_size);
        /* Nobody can write it: locks to read it keep nobody out, and the last close ends them. */
        return FOPEN_KEEP_CACHE | FOPEN_NOFLUSH;
    }
    if (keeps_pages(node, found) || (is_told(node->number, found->st_size) && give_pages(node, opening->fd, found->st_size)))
        return FOPEN_KEEP_CACHE;
    return 0;
}

bool answer_open(const struct fuse_in_header *header, const struct fuse_open_in *asked)
{
    struct node *node = node_of(header->nodeid);
    const struct node *above;
    struct fuse_open_out answer = {0};
    const struct opening *opening;
    struct stat found;

    if (!node || !*node->name || asked->flags & (O_ACCMODE | O_TRUNC | O_APPEND) || is_journal_full())
        return false;
    above = directory_of(node->parent);
    /* Python may have taken the node meanwhile: of a release it has open files that the kernel reads by itself, and all must be alike. */
    node = node_of(header->nodeid);
    if (!above || !above->stand->large || !node || (node->is_pythons && !above->stand->space))
        return false;
    if (!(opening = add(node, above->stand, asked->flags, &found)))
        return false;
    note_open(opening->handle, opening->node, opening->flags);
    write_notes();
    read_on(opening, above->stand);
    answer.fh = opening->handle;
    answer.open_flags = flags_of(node, opening, above->stand, &found);
    node->openings++;
    reply(header, 0, &answer, sizeof answer);
    return true;
}

static void drop(struct opening **link)
{
    struct opening *opening = *link;
    struct node *node = node_of(opening->node);

    bowerbird_read_no_more(opening->handle);
    *link = opening->next;
    bowerbird_openings--;
    if (node && node->openings)
        node->openings--;
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

/* What Python says and asks. */

/* Says that Python has a file of that node open once more. */
EXPORTED void bowerbird_opened(uint64_t number)
{
    struct node *node = node_of(number);

    if (node)
        node->pythons_openings++;
}

/* Says that it has closed one. */
EXPORTED void bowerbird_closed(uint64_t number)
{
    struct node *node = node_of(number);

    if (node && node->pythons_openings)
        node->pythons_openings--;
}

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
    if (node && (!node_of(node) || !node_of(node)->openings))
        return 0;
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
