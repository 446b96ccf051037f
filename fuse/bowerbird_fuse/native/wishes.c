/* Locks that are asked for, and the system's calls for them.
 *
 * fcntl's locks become those of an open file description (F_OFD_SETLK), which each owner has for itself: so two owners
 * whom this process serves exclude each other, and everybody else on this disk.
 */

#include "native.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

struct wish wish_for_range(const struct flock *range)
{
    struct wish wish = {.kind = RANGE, .range = *range, .release = range->l_type == F_UNLCK};

    wish.range.l_pid = 0; /* fcntl(2) asks for it */
    wish.range.l_whence = SEEK_SET;
    return wish;
}

struct wish wish_for_whole(int operation)
{
    return (struct wish){.kind = WHOLE, .operation = operation & ~LOCK_NB, .release = (operation & LOCK_UN) != 0};
}

int lock(int fd, const struct wish *wish, bool wait)
{
    struct flock range = wish->range;
    int failed;

    if (wish->kind == WHOLE)
        failed = flock(fd, wish->operation | (wait ? 0 : LOCK_NB));
    else
        failed = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
    return failed ? errno : 0;
}

bool is_conflict(int error)
{
    return error == EAGAIN || error == EACCES;
}

static bool is_kept_out(int other, enum kind kind)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (kind == WHOLE)
        return flock(other, LOCK_EX | LOCK_NB) != 0;
    return fcntl(other, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

bool keeps_out(int fd, enum kind kind)
{
    char path[32];
    int other;
    bool kept_out;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    other = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (other < 0)
        return true; /* who may only write cannot be asked so */
    kept_out = is_kept_out(other, kind);
    close(other);
    return kept_out;
}
