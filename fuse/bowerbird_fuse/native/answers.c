/* Requests that go on to Python: statfs with the node it asks about, fallocate, lseek, copy_file_range. */

#include "native.h"

#include <sys/statvfs.h>

static void statfs(fuse_req_t request, fuse_ino_t node)
{
    uint64_t figures[FIGURES] = {0};
    int64_t result = python.figures(node, figures);
    struct statvfs answer = {
        .f_bsize = figures[0],
        .f_frsize = figures[1],
        .f_blocks = figures[2],
        .f_bfree = figures[3],
        .f_bavail = figures[4],
        .f_files = figures[5],
        .f_ffree = figures[6],
        .f_favail = figures[7],
        .f_namemax = figures[8],
    };

    if (result < 0)
        fuse_reply_err(request, (int)-result);
    else
        fuse_reply_statfs(request, &answer);
}

static void allocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length, struct fuse_file_info *file)
{
    (void)node;
    int64_t result = python.allocate(file->fh, mode, offset, length);
    fuse_reply_err(request, result < 0 ? (int)-result : 0);
}

static void seek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, struct fuse_file_info *file)
{
    (void)node;
    int64_t result = python.seek(file->fh, offset, whence);

    if (result < 0)
        fuse_reply_err(request, (int)-result);
    else
        fuse_reply_lseek(request, result);
}

static void copy(fuse_req_t request, fuse_ino_t from, off_t offset, struct fuse_file_info *file, fuse_ino_t to, off_t to_offset,
                 struct fuse_file_info *to_file, size_t length, int flags)
{
    (void)from;
    (void)to;
    (void)flags;
    int64_t result = python.copy(file->fh, offset, to_file->fh, to_offset, length);

    if (result < 0)
        fuse_reply_err(request, (int)-result);
    else
        fuse_reply_write(request, (size_t)result);
}

void add_answers(struct fuse_lowlevel_ops *operations)
{
    operations->statfs = statfs;
    operations->fallocate = allocate;
    operations->lseek = seek;
    operations->copy_file_range = copy;
}
