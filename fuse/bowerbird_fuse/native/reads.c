/* Reading on: what Python has opened and read once is read here from then on, until Python says that it is to be no more.
 *
 * Of a file that others may write the kernel asks for the attributes at each read: these are answered here as well.
 */

#include "native.h"

#include <errno.h>
#include <unistd.h>

/* A handle takes the place of an earlier one of the same remainder, which is then read by Python once more. */
enum { PLACES = 4096, LARGEST = 1 << 20, BLOCK = 4096 };

static struct {
    uint64_t handle;
    struct reading by;
} known[PLACES];

static void (*next_getattr)(fuse_req_t, fuse_ino_t, struct fuse_file_info *);
static void (*next_read)(fuse_req_t, fuse_ino_t, size_t, off_t, struct fuse_file_info *);

/* Says how this handle may be read (they are counted from 1); the descriptor stays open. */
EXPORTED void bowerbird_read_by(uint64_t handle, const struct reading *reading)
{
    known[handle % PLACES].handle = handle;
    known[handle % PLACES].by = *reading;
}

/* Says that this handle is Python's again; must come before its descriptor is closed. */
EXPORTED void bowerbird_read_no_more(uint64_t handle)
{
    if (is_known(handle))
        known[handle % PLACES].handle = 0;
}

bool is_known(uint64_t handle)
{
    return handle && known[handle % PLACES].handle == handle;
}

bool is_known_with_attributes(uint64_t handle)
{
    return is_known(handle) && known[handle % PLACES].by.space;
}

static void read_file(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file)
{
    static char bytes[LARGEST];
    ssize_t got;

    if (!is_known(file->fh) || size > sizeof bytes) {
        next_read(request, node, size, offset, file);
        return;
    }
    got = pread(known[file->fh % PLACES].by.fd, bytes, size, offset);
    if (got < 0)
        fuse_reply_err(request, errno);
    else
        fuse_reply_buf(request, bytes, (size_t)got);
}

static void getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file)
{
    const struct reading *by;
    struct stat st;

    if (!file || !is_known_with_attributes(file->fh)) {
        next_getattr(request, node, file);
        return;
    }
    by = &known[file->fh % PLACES].by;
    if (fstat(by->fd, &st)) {
        fuse_reply_err(request, errno);
        return;
    }
    st.st_ino = node;
    st.st_mode &= ~by->hidden;
    if (st.st_gid == by->group)
        st.st_gid = by->shown;
    st.st_blksize = BLOCK;
    fuse_reply_attr(request, &st, by->moment / 1e9);
}

void add_reads(struct fuse_lowlevel_ops *operations)
{
    next_getattr = operations->getattr;
    operations->getattr = getattr;
    next_read = operations->read;
    operations->read = read_file;
}
