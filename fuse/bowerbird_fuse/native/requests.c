/* The number of the request in work, by which a worker knows one that an earlier worker may have carried out. */

#include "native.h"

#include <dlfcn.h>
#include <linux/fuse.h>

/* With the kernel's highest bit where it asks again. */
EXPORTED uint64_t bowerbird_request;

static void (*given_init)(void *data, struct fuse_conn_info *connection);

static void init(void *data, struct fuse_conn_info *connection)
{
    if (given_init)
        given_init(data, connection);
    /* A request that waits in a pipe could not be looked into; and it is copied once more. */
    connection->want &= ~(unsigned)FUSE_CAP_SPLICE_READ;
}

EXPORTED void fuse_session_process_buf(struct fuse_session *in, const struct fuse_buf *buffer)
{
    static void (*original)(struct fuse_session *, const struct fuse_buf *);

    if (!original)
        *(void **)&original = dlsym(RTLD_NEXT, "fuse_session_process_buf");
    bowerbird_request = 0;
    if (!(buffer->flags & FUSE_BUF_IS_FD) && buffer->size >= sizeof(struct fuse_in_header))
        bowerbird_request = ((const struct fuse_in_header *)buffer->mem)->unique;
    original(in, buffer);
}

void add_numbers(struct fuse_lowlevel_ops *operations)
{
    given_init = operations->init;
    operations->init = init;
}
