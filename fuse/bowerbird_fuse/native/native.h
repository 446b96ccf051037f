/* The native companion of a worker: handlers that pyfuse3 has not, added to its own when libfuse opens the session.
 *
 * One concern a file:
 *   session.c   what is added, and where        answers.c   what Python answers: figures, room, holes, copies
 *   locks.c     fcntl's and flock's requests    holdings.c  whose locks lie on which descriptor
 *   stamps.c    whether a file's time tells all
 *   waits.c     locks that are waited for       wishes.c    a lock that is asked for, and what the system makes of it
 *   requests.c  the number of the request in work
 *   writes.c    the flags of the file that is written
 *   opens.c     answers to an open
 *   reads.c     reading on without Python       burst.c     what needs no Python, one after the other
 *   turns.c     how long the lane goes on so
 *   released.h  names and files without Python: nodes.c, notes.c (the journal), released.c, openings.c, pages.c, listings.c, recents.c
 *
 * Handlers run in the one thread that serves the session; beside it there are only the threads of waits.c.
 */
#ifndef BOWERBIRD_NATIVE_H
#define BOWERBIRD_NATIVE_H

#define _GNU_SOURCE
#define FUSE_USE_VERSION 312

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
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
    /* The descriptor of the file that an open handle is of; PRIVATE for a file that no other view can write. */
    int64_t (*descriptor)(uint64_t handle);
    /* Says that locks on the disk of that file exclude nobody. */
    int64_t (*unsound)(uint64_t handle);
    /* Keeps a duplicate of the descriptor of a holding for the next worker; and keeps it no longer. */
    int64_t (*shelve)(int kind, uint64_t node, uint64_t owner, uint64_t handle, int fd);
    int64_t (*unshelve)(int kind, uint64_t node, uint64_t owner, uint64_t handle);
    /* Stands in a directory (bowerbird_stand), or fails. */
    int64_t (*stand)(uint64_t node);
    /* Begins the listing of a directory anew (bowerbird_list_by), or fails. */
    int64_t (*list)(uint64_t handle);
};

enum { PRIVATE = -4096 };

/* Valid from before the session is opened until the process ends. */
extern struct calls python;

extern struct fuse_session *session;

void add_answers(struct fuse_lowlevel_ops *operations);
void add_numbers(struct fuse_lowlevel_ops *operations);
void add_locks(struct fuse_lowlevel_ops *operations);
void add_writes(struct fuse_lowlevel_ops *operations);
void add_reads(struct fuse_lowlevel_ops *operations);

/* The kernel's number of the request in work. */
extern uint64_t bowerbird_request;

/* Tells whether a turn is on. */
extern uint32_t bowerbird_turn;
/* Returns once something is asked, or false once the turn is over; begins one where none is on. */
bool is_asked_in_turn(int device);

void bowerbird_open_by(uint32_t flags, int32_t backing);

/* How a handle is read without Python; `space` says that its attributes are shown as follows, and kept for so many ns. */
struct reading {
    int fd;
    uint32_t space;
    uint32_t moment;
    /* The group that is shown as another, and permissions that are not shown. */
    uint32_t group;
    uint32_t shown;
    uint32_t hidden;
};

void bowerbird_read_by(uint64_t handle, const struct reading *reading);
void bowerbird_read_no_more(uint64_t handle);

/* Tells whether this handle is read without Python, and whether its attributes are told without it. */
bool is_known(uint64_t handle);
bool is_known_with_attributes(uint64_t handle);

/* A lock that somebody asks for: fcntl's on a range, or flock's on the whole file. The two do not see each other. */
enum kind { RANGE, WHOLE };

struct wish {
    enum kind kind;
    struct flock range;
    int operation;
    bool release;
};

struct wish wish_for_range(const struct flock *range);
struct wish wish_for_whole(int operation);
/* Lock as wished by that descriptor, waiting for it or not; returns 0 or an errno. */
int lock(int fd, const struct wish *wish, bool wait);
bool is_conflict(int error);
/* Tells whether another description of the same file is kept out by what was just locked. */
bool keeps_out(int fd, enum kind kind);

/* One description of the file below: it holds what one owner has locked of one node. */
struct holding {
    struct holding *next;
    fuse_ino_t node;
    uint64_t owner;
    enum kind kind;
    /* By which it was first asked for: where no flush comes for the owner, this handle's release ends it. */
    uint64_t handle;
    bool outlives_handle;
    int fd;
    /* How many threads wait on it, under the lock of holdings.c. */
    int waits;
};

/* Returns the holding, made where there is none and `make` says so; without one NULL and an errno, 0 where nothing is held. */
struct holding *hold(fuse_ino_t node, const struct fuse_file_info *file, enum kind kind, bool make, int *error);
/* Leaves in `range` who stands in the way of it; returns 0 or an errno. */
int ask(fuse_ino_t node, const struct fuse_file_info *file, struct flock *range);
void drop_owner(fuse_ino_t node, uint64_t owner);
void drop_handle(fuse_ino_t node, uint64_t handle);
void begin_wait(struct holding *holding);
void end_wait(struct holding *holding);

/* Answers the request once the lock is granted or the caller gives up; an errno where it cannot be waited for. */
int wait_for(fuse_req_t request, struct holding *holding, const struct wish *wish);
/* Before a lock's answer: lets the kernel ask for the attributes again, and so see what others have written. */
void forget_attributes(fuse_ino_t node);
/* Tells whether the file's time has told of all writes up to now. */
bool is_settled(int fd);
void prepare_waits(void);

#endif
