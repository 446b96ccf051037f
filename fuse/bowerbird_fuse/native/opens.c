/* The answer to an open with what neither pyfuse3 nor libfuse has words for: a file that the kernel reads by itself. */

#include "native.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/fuse.h>
#include <sys/uio.h>

static uint32_t next_flags;
static int32_t next_backing;

/* Says by which FOPEN_ flags, and by which number of the kernel's, the request in work is answered. */
EXPORTED void bowerbird_open_by(uint32_t flags, int32_t backing)
{
    next_flags = flags;
    next_backing = backing;
}

EXPORTED int fuse_reply_open(fuse_req_t request, const struct fuse_file_info *file)
{
    static int (*original)(fuse_req_t, const struct fuse_file_info *);
    /* struct fuse_open_out, whose last word older headers call padding. */
    struct {
        uint64_t fh;
        uint32_t open_flags;
        int32_t backing_id;
    } body = {file->fh, next_flags, next_backing};
    struct fuse_out_header header = {sizeof header + sizeof body, 0, bowerbird_request};
    struct iovec parts[] = {{&header, sizeof header}, {&body, sizeof body}};

    bowerbird_open_by(0, 0);
    if (!body.open_flags) {
        if (!original)
            *(void **)&original = dlsym(RTLD_NEXT, "fuse_reply_open");
        return original ? original(request, file) : -ENOSYS;
    }
    int result = writev(fuse_session_fd(session), parts, 2) < 0 ? -errno : 0;
    fuse_reply_none(request);
    return result;
}
