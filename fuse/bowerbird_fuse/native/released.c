/* Requests about names and files of a release or a space that need nothing but the disk and a line in the journal.
 *
 * In a release nothing changes. In a space another view may have put something else in the place of what was looked up: it
 * is held for a moment, as Python does (recent.py), and where that was not enough Python tells what has become of it.
 */

#include "released.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BLOCK = 4096 };

void reply(const struct fuse_in_header *header, int error, const void *body, size_t size)
{
    struct fuse_out_header out = {(uint32_t)(sizeof out + size), -error, header->unique};
    struct iovec parts[] = {{&out, sizeof out}, {(void *)body, size}};

    /* Where it fails the caller was interrupted, or the mount is gone. */
    if (writev(fuse_session_fd(session), parts, size ? 2 : 1) < 0)
        return;
}

bool is_plain(const char *name)
{
    if (!strcmp(name, ".") || !strcmp(name, ".."))
        return false;
    for (; *name; name++)
        if (*name < ' ' || *name > '~' || *name == '"' || *name == '\\' || *name == '/')
            return false;
    return true;
}

/* While Python waits for the kernel to forget where a directory was, it is asked about every name (strayed.py). */
EXPORTED int bowerbird_settling;

static uint32_t released_mode(mode_t mode)
{
    uint32_t executable = mode & 0111 ? 0110 : 0;

    if (S_ISLNK(mode))
        return mode;
    return (mode & S_IFMT) | (S_ISDIR(mode) ? 0550 : 0440 | executable);
}

static void fill_attributes(const struct node *node, const struct stand *stand, const struct stat *found, struct fuse_attr *shown)
{
    *shown = (struct fuse_attr){
        .ino = node->number,
        .size = (uint64_t)found->st_size,
        .blocks = (uint64_t)found->st_blocks,
        .atime = (uint64_t)found->st_atim.tv_sec,
        .mtime = (uint64_t)found->st_mtim.tv_sec,
        .ctime = (uint64_t)found->st_ctim.tv_sec,
        .atimensec = (uint32_t)found->st_atim.tv_nsec,
        .mtimensec = (uint32_t)found->st_mtim.tv_nsec,
        .ctimensec = (uint32_t)found->st_ctim.tv_nsec,
        .mode = released_mode(found->st_mode),
        .nlink = (uint32_t)found->st_nlink,
        .gid = stand->group,
        .rdev = (uint32_t)found->st_rdev,
        .blksize = BLOCK,
    };
    if (!stand->space)
        return;
    shown->mode = found->st_mode & ~stand->hidden;
    shown->uid = found->st_uid;
    if (found->st_gid != stand->own)
        shown->gid = found->st_gid;
}

void fill_entry(const struct node *node, const struct stand *stand, const struct stat *found, struct fuse_entry_out *entry)
{
    entry->nodeid = node->number;
    entry->entry_valid = entry->attr_valid = stand->seconds;
    entry->attr_valid_nsec = stand->moment;
    fill_attributes(node, stand, found, &entry->attr);
}

/* Returns what has that name in a directory, seen as a node; NULL where that is Python's to tell. */
static const struct node *look(uint64_t parent, const struct stand *stand, const char *name, struct stat *found)
{
    const struct node *node;
    int fd;

    if (!stand->space)
        return fstatat(stand->fd, name, found, AT_SYMLINK_NOFOLLOW) ? NULL : see(parent, name, found);
    fd = openat(stand->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    node = fstat(fd, found) ? NULL : see(parent, name, found);
    if (node)
        hold_for_a_moment(node->number, fd, found->st_size);
    else
        close(fd);
    return node;
}

static bool answer_lookup(const struct fuse_in_header *header, const char *name)
{
    const struct node *above, *node;
    struct fuse_entry_out entry = {0};
    struct stat found;

    if (!is_plain(name) || is_journal_full() || !(above = directory_of(header->nodeid)))
        return false;
    if (above->stand->space && bowerbird_settling)
        return false;
    errno = 0;
    node = look(header->nodeid, above->stand, name, &found);
    if (!node && errno != ENOENT)
        return false;
    if (node)
        fill_entry(node, above->stand, &found, &entry);
    else if (above->number >= made_from && !above->stand->space)
        return false; /* the README beside the data is none of the disk's */
    else
        entry.entry_valid = above->stand->seconds; /* without a node: there is nothing of that name, for so long */
    write_notes();
    reply(header, 0, &entry, sizeof entry);
    return true;
}

/* Looks at a node whose parent is stood in, by what is held of it or by its name; tells whether it is still that. */
static bool is_there(const struct node *node, const struct stand *stand, struct stat *found)
{
    int held = stand->space ? held_of(node->number) : -1;

    if (held >= 0 ? fstat(held, found) : fstatat(stand->fd, node->name, found, AT_SYMLINK_NOFOLLOW))
        return false;
    return found->st_ino == node->number && found->st_dev == node->device;
}

/* Returns how the directory is stood in that the node lies in, or that it is itself, as the top of a space; NULL elsewhere. */
static const struct stand *stand_for(uint64_t number, struct stat *found)
{
    const struct node *node = node_of(number), *above;

    if (!node)
        return NULL;
    if (node->stand && node->stand->space && number >= made_from) {
        above = directory_of(number);
        return above && !fstat(above->stand->fd, found) ? above->stand : NULL;
    }
    if (!*node->name)
        return NULL;
    above = directory_of(node->parent);
    node = node_of(number);
    if (!above || !node || !is_there(node, above->stand, found))
        return NULL;
    return above->stand;
}

static bool answer_getattr(const struct fuse_in_header *header)
{
    struct fuse_attr_out answer = {0};
    struct stat found;
    const struct stand *stand = stand_for(header->nodeid, &found);

    if (!stand)
        return false;
    answer.attr_valid = stand->seconds;
    answer.attr_valid_nsec = stand->moment;
    fill_attributes(node_of(header->nodeid), stand, &found, &answer.attr);
    reply(header, 0, &answer, sizeof answer);
    return true;
}

/* The kernel asks for security.capability before each write: only a user's own attributes are told, and those by Python. */
static bool answer_attribute(const struct fuse_in_header *header, const struct fuse_getxattr_in *asked, size_t size)
{
    const char *name = (const char *)(asked + 1);

    if (size <= sizeof *asked || !memchr(name, 0, size - sizeof *asked) || !strncmp(name, "user.", 5))
        return false;
    reply(header, ENODATA, NULL, 0);
    return true;
}

/* Leaves in the request what is Python's; tells whether nothing is. */
static bool forget_all(struct fuse_batch_forget_in *asked, size_t size)
{
    struct fuse_forget_one *each = (void *)(asked + 1);
    uint32_t left = 0, count = asked->count;

    if (sizeof *asked + count * sizeof *each > size)
        return false;
    for (uint32_t index = 0; index < count; index++) {
        uint64_t pythons = forget(each[index].nodeid, each[index].nlookup);
        if (pythons)
            each[left++] = (struct fuse_forget_one){each[index].nodeid, pythons};
    }
    asked->count = left;
    write_notes();
    return !left;
}

static bool answer_forget(const struct fuse_in_header *header, struct fuse_forget_in *asked)
{
    asked->nlookup = forget(header->nodeid, asked->nlookup);
    write_notes();
    return !asked->nlookup;
}

bool answer_released(const struct fuse_in_header *header, void *body, size_t size)
{
    switch (header->opcode) {
    case FUSE_LOOKUP:
        return size && memchr(body, 0, size) && answer_lookup(header, body);
    case FUSE_GETATTR:
        return answer_getattr(header);
    case FUSE_GETXATTR:
        return answer_attribute(header, body, size);
    case FUSE_OPEN:
        return size >= sizeof(struct fuse_open_in) && answer_open(header, body);
    case FUSE_RELEASE:
        return size >= sizeof(struct fuse_release_in) && answer_release(header, body);
    case FUSE_READDIRPLUS:
        return size >= sizeof(struct fuse_read_in) && answer_listing(header, body);
    case FUSE_FORGET:
        return size >= sizeof(struct fuse_forget_in) && answer_forget(header, body);
    case FUSE_BATCH_FORGET:
        return size >= sizeof(struct fuse_batch_forget_in) && forget_all(body, size);
    default:
        return false;
    }
}
