/* The native companion of a worker: handlers that pyfuse3 has not, added to its own when libfuse opens the session.
 *
 * One concern a file:  session.c  what is added, and where      answers.c  what Python answers: figures, room, holes, copies
 *
 * Handlers run in the one thread that serves the session.
 */
#ifndef BOWERBIRD_NATIVE_H
#define BOWERBIRD_NATIVE_H

#define _GNU_SOURCE
#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>
#include <stdint.h>

/* The only names that others see. */
#define EXPORTED __attribute__((visibility("default")))

enum { FIGURES = 9 };

/* What Python answers: a result from 0 on, or a negated errno. Called in the session's own thread alone. */
struct calls {
    /* f_bsize, f_frsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_favail, f_namemax */
    int64_t (*figures)(uint64_t node, uint64_t *answer);
    int64_t (*allocate)(uint64_t handle, int mode, int64_t offset, int64_t length);
    int64_t (*seek)(uint64_t handle, int64_t offset, int whence);
    int64_t (*copy)(uint64_t from, int64_t offset, uint64_t to, int64_t to_offset, uint64_t length);
};

/* Valid from before the session is opened until the process ends. */
extern struct calls python;

void add_answers(struct fuse_lowlevel_ops *operations);

#endif
