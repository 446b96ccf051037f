/* Whose locks lie on which description of the file below.
 *
 * The table changes in the session's thread alone; `lock_of_waits` guards what the waiting threads share with it: the
 * number of waits of a holding, and whether it is still in the table.
 */

#include "native.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUCKETS = 1024 };

static struct holding *table[BUCKETS];
static pthread_mutex_t lock_of_waits = PTHREAD_MUTEX_INITIALIZER;

static struct holding **bucket(fuse_ino_t node)
{
    return &table[node % BUCKETS];
}

static struct holding *find(fuse_ino_t node, uint64_t owner, enum kind kind)
{
    struct holding *holding = *bucket(node);

    while (holding && (holding->node != node || holding->owner != owner || holding->kind != kind))
        holding = holding->next;
    return holding;
}

static struct holding *any_of(fuse_ino_t node)
{
    struct holding *holding = *bucket(node);

    while (holding && holding->node != node)
        holding = holding->next;
    return holding;
}

/* Returns a description of its own of what that descriptor has open, or a negated errno. */
static int open_anew(int fd)
{
    static const int ways[] = {O_RDWR, O_RDONLY, O_WRONLY};
    char path[32];
    int found = -1;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (unsigned way = 0; found < 0 && way < sizeof ways / sizeof *ways; way++)
        found = open(path, ways[way] | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return found < 0 ? -errno : found;
}

/* What no other view can write is locked within this view alone: so nobody can lock others out of what all may read. */
static int open_private(fuse_ino_t node)
{
    struct holding *holding = any_of(node);
    int fd = holding ? open_anew(holding->fd) : memfd_create("locks", MFD_CLOEXEC);

    return fd < 0 && !holding ? -errno : fd;
}

static int open_for(fuse_ino_t node, uint64_t handle, enum kind kind)
{
    int64_t fd = python.descriptor(handle);

    if (fd == PRIVATE)
        return open_private(node);
    if (fd < 0)
        return (int)fd;
    /* flock's owner is the open file itself, as its handle is: their description may be one. */
    if (kind == WHOLE) {
        int same = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
        return same < 0 ? -errno : same;
    }
    return open_anew((int)fd);
}

static struct holding *add(const struct holding *values)
{
    struct holding *holding = malloc(sizeof *holding);

    if (!holding)
        return NULL;
    *holding = *values;
    holding->next = *bucket(holding->node);
    *bucket(holding->node) = holding;
    return holding;
}

static struct holding *make_holding(fuse_ino_t node, const struct fuse_file_info *file, enum kind kind, int *error)
{
    struct holding values = {.node = node, .owner = file->lock_owner, .kind = kind, .handle = file->fh};
    struct holding *holding;

    values.fd = open_for(node, file->fh, kind);
    if (values.fd < 0) {
        *error = -values.fd;
        return NULL;
    }
    holding = python.shelve((int)kind, node, values.owner, values.handle, values.fd) < 0 ? NULL : add(&values);
    if (!holding) {
        close(values.fd);
        *error = ENOLCK;
    }
    return holding;
}

/* Takes up what an earlier worker held; before the session is opened. */
EXPORTED int bowerbird_take_lock(int kind, uint64_t node, uint64_t owner, uint64_t handle, int fd)
{
    struct holding values = {.node = node, .owner = owner, .kind = (enum kind)kind, .handle = handle, .fd = fd};

    return add(&values) ? 0 : ENOMEM;
}

struct holding *hold(fuse_ino_t node, const struct fuse_file_info *file, enum kind kind, bool make, int *error)
{
    struct holding *holding = find(node, file->lock_owner, kind);

    *error = 0;
    return holding || !make ? holding : make_holding(node, file, kind, error);
}

static int ask_private(fuse_ino_t node, struct flock *range)
{
    int error, fd;

    if (!any_of(node)) {
        range->l_type = F_UNLCK;
        return 0;
    }
    fd = open_private(node);
    if (fd < 0)
        return -fd;
    error = fcntl(fd, F_OFD_GETLK, range) ? errno : 0;
    close(fd);
    return error;
}

int ask(fuse_ino_t node, const struct fuse_file_info *file, struct flock *range)
{
    struct holding *holding = find(node, file->lock_owner, RANGE);
    /* Who holds nothing may ask by any description. */
    int64_t fd = holding ? holding->fd : python.descriptor(file->fh);

    if (fd == PRIVATE)
        return ask_private(node, range);
    if (fd < 0)
        return (int)-fd;
    return fcntl((int)fd, F_OFD_GETLK, range) ? errno : 0;
}

/* Unlocks first: duplicates of the description may lie elsewhere. */
static void let_go(struct holding **link)
{
    struct holding *holding = *link;
    struct flock everything = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    struct wish nothing = holding->kind == RANGE ? wish_for_range(&everything) : wish_for_whole(LOCK_UN);
    bool waited;

    lock(holding->fd, &nothing, false);
    pthread_mutex_lock(&lock_of_waits);
    waited = holding->waits > 0;
    pthread_mutex_unlock(&lock_of_waits);
    if (waited) {
        /* A thread of the owner still waits, by another handle: what it gets is the owner's, whose flush will come. */
        holding->outlives_handle = true;
        return;
    }
    *link = holding->next;
    python.unshelve((int)holding->kind, holding->node, holding->owner, holding->handle);
    close(holding->fd);
    free(holding);
}

void drop_owner(fuse_ino_t node, uint64_t owner)
{
    struct holding **link = bucket(node);

    while (*link) {
        struct holding *holding = *link;
        if (holding->node == node && holding->owner == owner && holding->kind == RANGE) {
            let_go(link);
            return;
        }
        link = &holding->next;
    }
}

void drop_handle(fuse_ino_t node, uint64_t handle)
{
    struct holding **link = bucket(node);

    while (*link) {
        struct holding *holding = *link;
        if (holding->node == node && holding->handle == handle && !holding->outlives_handle)
            let_go(link);
        if (*link == holding)
            link = &holding->next;
    }
}

void begin_wait(struct holding *holding)
{
    pthread_mutex_lock(&lock_of_waits);
    holding->waits++;
    pthread_mutex_unlock(&lock_of_waits);
}

void end_wait(struct holding *holding)
{
    pthread_mutex_lock(&lock_of_waits);
    holding->waits--;
    pthread_mutex_unlock(&lock_of_waits);
}
