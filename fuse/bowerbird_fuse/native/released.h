/* What is answered of releases and spaces without Python.
 *
 * Each node and each open file is either ours or Python's, never both. Python takes over what it needs to know of (take),
 * for good; what it has never heard of is ours, and stands in the same journal. Nodes of ours are numbered by their inode.
 * Of a node of Python's we know where it lies, and how often we answered a lookup with it: it is forgotten as often here
 * before Python hears of it. Only the session's thread comes here.
 */
#ifndef BOWERBIRD_RELEASED_H
#define BOWERBIRD_RELEASED_H

#include "native.h"

#include <linux/fuse.h>
#include <sys/stat.h>

/* A directory as Python stands in it: by that descriptor, until Python says otherwise, or until that time in ns (0: for ever). */
struct stand {
    int32_t fd;
    /* Shown as the owner of all that lies there in a release; in a space shown instead of `own`. */
    uint32_t group;
    /* How long names and attributes are kept. */
    uint32_t seconds;
    /* Python's number of the right by which files are opened there, and from which size on they are Python's. */
    uint32_t grant;
    uint64_t large;
    uint64_t until;
    /* A space: it is written at any moment, also beside this view; permissions that are not shown. */
    uint32_t space;
    /* For so many ns beyond `seconds` attributes are kept. */
    uint32_t moment;
    uint32_t own;
    uint32_t hidden;
};

/* A file as it was when it was last opened, if it had been left alone for a while then. */
struct settled {
    int64_t size;
    struct timespec written, changed;
};

struct node {
    struct node *next;
    uint64_t number;
    bool is_pythons;
    /* Python stood in it: it is asked to again. */
    bool is_stood_in;
    uint16_t length;
    struct stand *stand;
    struct settled *settled;
    uint64_t parent;
    uint64_t device;
    uint64_t lookups;
    /* How many of its openings are ours, and how many are Python's. */
    uint32_t openings, pythons_openings;
    /* The kernel was given all pages of it, which do not change. */
    bool has_pages;
    /* Empty where it has none, or is none of a disk's. */
    char name[];
};

/* From here on the view's own nodes are numbered. */
static const uint64_t made_from = UINT64_C(1) << 62;

struct node *node_of(uint64_t number);
/* Returns the node of what was found under that name, noted where it is new; NULL where it is Python's to tell. */
struct node *see(uint64_t parent, const char *name, const struct stat *found);
/* Takes lookups away, and a node of ours with the last of them; returns how many are Python's to take. */
uint64_t forget(uint64_t number, uint64_t count);
/* Returns the directory, with a place to stand, or NULL; Python is asked where it stands nowhere. */
struct node *directory_of(uint64_t number);

/* What was just looked up in a space is held for a moment, by an O_PATH descriptor that is taken over; -1 where nothing is. */
void hold_for_a_moment(uint64_t node, int fd, off_t size);
int held_of(uint64_t node);
/* Tells whether a node was just looked up and the kernel was told that size. */
bool is_told(uint64_t node, off_t size);

/* Gives the kernel all pages of a file that nobody has open, if it is small; tells whether it did. */
bool give_pages(const struct node *node, int fd, off_t size);

/* Lines of the journal: noted, then written before the answer. */
void note_node(const struct node *node);
void note(char mark, uint64_t number);
void note_open(uint64_t handle, uint64_t node, uint32_t flags);
bool write_notes(void);
/* Tells whether Python has to write the journal anew before more is added. */
bool is_journal_full(void);

/* Answers, as far as nothing of Python's is asked for; false where the request goes on to Python untouched. */
bool answer_open(const struct fuse_in_header *header, const struct fuse_open_in *asked);
bool answer_release(const struct fuse_in_header *header, const struct fuse_release_in *asked);
bool answer_listing(const struct fuse_in_header *header, const struct fuse_read_in *asked);
bool answer_released(const struct fuse_in_header *header, void *body, size_t size);

/* Tells whether a name stands in the journal as it is. */
bool is_plain(const char *name);
void reply(const struct fuse_in_header *header, int error, const void *body, size_t size);
void fill_entry(const struct node *node, const struct stand *stand, const struct stat *found, struct fuse_entry_out *entry);

#endif
