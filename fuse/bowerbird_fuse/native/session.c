/* Adds our handlers: libfuse's fuse_session_new is found here first, since this object is loaded before pyfuse3. */

#include "native.h"

#include <dlfcn.h>
#include <string.h>

struct calls python;
struct fuse_session *session;
static int opened;

/* The hash of the sources that this was built of: who loads it goes without it where that is another. */
EXPORTED const char bowerbird_sources[] = SOURCES;

/* Says what Python answers; to be called before the session is opened. */
EXPORTED void bowerbird_answer_by(const struct calls *calls)
{
    python = *calls;
}

/* Returns how many sessions were opened through here: none where pyfuse3 has found another fuse_session_new. */
EXPORTED int bowerbird_sessions(void)
{
    return opened;
}

EXPORTED struct fuse_session *fuse_session_new(struct fuse_args *arguments, const struct fuse_lowlevel_ops *given,
                                               size_t size, void *data)
{
    struct fuse_session *(*original)(struct fuse_args *, const struct fuse_lowlevel_ops *, size_t, void *);
    /* libfuse copies them. */
    struct fuse_lowlevel_ops operations = {0};

    *(void **)&original = dlsym(RTLD_NEXT, "fuse_session_new");
    if (!original)
        return NULL;
    memcpy(&operations, given, size < sizeof operations ? size : sizeof operations);
    if (python.figures) {
        add_answers(&operations);
        add_locks(&operations);
        add_numbers(&operations);
        add_writes(&operations);
        add_reads(&operations);
        opened++;
    }
    session = original(arguments, &operations, sizeof operations, data);
    return session;
}
