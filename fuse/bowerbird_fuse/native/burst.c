/* Requests that need no Python are answered one after the other, before pyfuse3 is given one that does.
 *
 * pyfuse3 asks libfuse for a request: its question ends here, as fuse_session_new does.
 */

#include "released.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

static bool needs_no_python(const struct fuse_buf *buffer)
{
    struct {
        struct fuse_in_header header;
        union {
            struct fuse_read_in read;
            struct fuse_getattr_in getattr;
        };
    } request = {0};

    if (buffer->flags & FUSE_BUF_IS_FD)
        return false;
    memcpy(&request, buffer->mem, buffer->size < sizeof request ? buffer->size : sizeof request);
    switch (request.header.opcode) {
    case FUSE_FLUSH:
        return true;
    case FUSE_READ:
        return is_known(request.read.fh);
    case FUSE_GETATTR:
        return request.getattr.getattr_flags & FUSE_GETATTR_FH && is_known_with_attributes(request.getattr.fh);
    default:
        return false;
    }
}

/* Answers a request about a release, if Python has nothing to do with it. */
static bool is_answered(const struct fuse_buf *buffer)
{
    const struct fuse_in_header *header = buffer->mem;

    if (buffer->flags & FUSE_BUF_IS_FD || buffer->size < sizeof *header || !python.stand)
        return false;
    /* What Python is asked about it, it is asked within this request. */
    bowerbird_request = header->unique;
    return answer_released(header, (char *)buffer->mem + sizeof *header, buffer->size - sizeof *header);
}

EXPORTED int fuse_session_receive_buf(struct fuse_session *asked, struct fuse_buf *buffer)
{
    static int (*original)(struct fuse_session *, struct fuse_buf *);
    int result;

    if (!original)
        *(void **)&original = dlsym(RTLD_NEXT, "fuse_session_receive_buf");
    if (!original)
        return -ENOSYS;
    /* What an open that failed was to be answered by is nothing to the next one. */
    bowerbird_open_by(0, 0);
    if (!is_asked_in_turn(fuse_session_fd(asked)))
        return -EINTR;
    do {
        result = original(asked, buffer);
        if (result <= 0)
            return result;
        if (needs_no_python(buffer))
            fuse_session_process_buf(asked, buffer);
        else if (!is_answered(buffer))
            return result;
    } while (bowerbird_turn && is_asked_in_turn(fuse_session_fd(asked)));
    /* pyfuse3 then asks its lane once more. */
    return -EINTR;
}
