/* The flags of the open file that is written: the kernel tells them at each write, pyfuse3 does not hand them on. */

#include "native.h"

EXPORTED int bowerbird_write_flags;

static void (*next_write)(fuse_req_t, fuse_ino_t, const char *, size_t, off_t, struct fuse_file_info *);
static void (*next_write_buf)(fuse_req_t, fuse_ino_t, struct fuse_bufvec *, off_t, struct fuse_file_info *);

static void write_bytes(fuse_req_t request, fuse_ino_t node, const char *data, size_t size, off_t offset,
                        struct fuse_file_info *file)
{
    bowerbird_write_flags = file->flags;
    next_write(request, node, data, size, offset, file);
}

static void write_buffers(fuse_req_t request, fuse_ino_t node, struct fuse_bufvec *data, off_t offset, struct fuse_file_info *file)
{
    bowerbird_write_flags = file->flags;
    next_write_buf(request, node, data, offset, file);
}

void add_writes(struct fuse_lowlevel_ops *operations)
{
    next_write = operations->write;
    next_write_buf = operations->write_buf;
    if (next_write)
        operations->write = write_bytes;
    if (next_write_buf)
        operations->write_buf = write_buffers;
}
