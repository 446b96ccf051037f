/* Requests for locks: each is a lock on the file below, so that all views of it and every program beside them agree. */

#include "native.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { MOST_DISKS = 64 };

static void (*next_release)(fuse_req_t, fuse_ino_t, struct fuse_file_info *);

/* The disks on which a lock was seen to keep another out, by kind of lock. */
static dev_t proven[2][MOST_DISKS];
static int proofs[2];

static bool is_proven(dev_t disk, enum kind kind)
{
    int index = 0;

    while (index < proofs[kind] && proven[kind][index] != disk)
        index++;
    return index < proofs[kind];
}

/* Proves at the first lock on a disk that it keeps others out. */
static bool prove(int fd, enum kind kind)
{
    struct stat found;

    if (fstat(fd, &found))
        return false;
    if (is_proven(found.st_dev, kind))
        return true;
    if (!keeps_out(fd, kind))
        return false;
    if (proofs[kind] < MOST_DISKS)
        proven[kind][proofs[kind]++] = found.st_dev;
    return true;
}

static int undo(struct holding *holding, const struct wish *wish)
{
    struct wish undone = *wish;

    undone.range.l_type = F_UNLCK;
    undone.operation = LOCK_UN;
    lock(holding->fd, &undone, false);
    return ENOLCK;
}

void forget_attributes(fuse_ino_t node)
{
    /* Takes no lock of a page; of pages the kernel drops by itself what no longer fits size and time. */
    fuse_lowlevel_notify_inval_inode(session, node, -1, 0);
}

/* What was granted is answered at once, or by a thread where pages have to be forgotten too; tells an errno, or -1 for that. */
static int grant(fuse_req_t request, struct holding *holding, const struct wish *wish, uint64_t handle)
{
    if (!prove(holding->fd, wish->kind)) {
        /* A lock that excludes nobody is worse than none. */
        python.unsound(handle);
        return undo(holding, wish);
    }
    if (is_settled(holding->fd)) {
        forget_attributes(holding->node);
        return 0;
    }
    return wait_for(request, holding, wish) ? undo(holding, wish) : -1;
}

static void answer(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, const struct wish *wish, bool wait)
{
    int error;
    struct holding *holding = hold(node, file, wish->kind, !wish->release, &error);

    if (holding)
        error = lock(holding->fd, wish, false);
    if (is_conflict(error) && holding && wait) {
        error = wait_for(request, holding, wish);
        if (!error)
            return;
    } else if (!error && !wish->release) {
        error = grant(request, holding, wish, file->fh);
    }
    if (error >= 0)
        fuse_reply_err(request, error);
}

static void set_range(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, struct flock *range, int wait)
{
    struct wish wish = wish_for_range(range);

    answer(request, node, file, &wish, wait != 0);
}

static void set_whole(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, int operation)
{
    struct wish wish = wish_for_whole(operation);

    answer(request, node, file, &wish, !(operation & LOCK_NB));
}

static void get_range(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, struct flock *range)
{
    struct wish wish = wish_for_range(range);
    int error = ask(node, file, &wish.range);

    if (error) {
        fuse_reply_err(request, error);
        return;
    }
    /* A description has no process: nobody's number is told. */
    if (wish.range.l_pid < 0)
        wish.range.l_pid = 0;
    fuse_reply_lock(request, &wish.range);
}

/* Comes at each close, of any descriptor of the file: as POSIX has it, all that the owner has locked ends. Python has nothing
 * to add: every write was handed to the store as it came. */
static void flush(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    drop_owner(node, file->lock_owner);
    fuse_reply_err(request, 0);
}

static void release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    drop_handle(node, file->fh);
    next_release(request, node, file);
}

void add_locks(struct fuse_lowlevel_ops *operations)
{
    prepare_waits();
    next_release = operations->release;
    operations->flush = flush;
    operations->release = release;
    operations->setlk = set_range;
    operations->getlk = get_range;
    operations->flock = set_whole;
}
