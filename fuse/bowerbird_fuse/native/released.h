/* What is answered of releases without Python.
 *
 * Each node and each open file is either ours or Python's, never both. Python takes over what it needs to know of (take),
 * for good; what it has never heard of is ours, and stands in the same journal. Nodes of ours are numbered by their inode, so
 * a number that Python has is left to it. Only the session's thread comes here.
 */
#ifndef BOWERBIRD_RELEASED_H
#define BOWERBIRD_RELEASED_H

#include "native.h"

#include <linux/fuse.h>
#include <sys/stat.h>

/* A directory of a release as Python stands in it: by that descriptor, until Python says otherwise. */
struct stand {
    int32_t fd;
    /* Shown as the owner of all that lies there. */
    uint32_t group;
    /* How long names and attributes are kept. */
    uint32_t seconds;
    /* Python's number of the right by which files are opened there, and from which size on they are Python's. */
    uint32_t grant;
    uint64_t large;
};

struct node {
    struct node *next;
    uint64_t number;
    /* Of Python's only the number is known; and where one is a directory of a release, how it is stood in. */
    bool is_pythons;
    bool is_released;
    uint16_t length;
    struct stand *stand;
    uint64_t parent;
    uint64_t device;
    uint64_t lookups;
    char name[];
};

struct node *node_of(uint64_t number);
/* Returns what was found under that name as a node of ours, noted where it is new; NULL where it is Python's to tell. */
struct node *see(uint64_t parent, const char *name, const struct stat *found);
/* Takes lookups away, and the node with the last of them; tells whether it was ours. */
bool forget(uint64_t number, uint64_t count);
/* Returns the directory of a release, with a place to stand, or NULL; Python is asked where it stands nowhere. */
struct node *released_directory(uint64_t number);

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
