/* Requests about releases: nothing in them changes, so most need nothing but the disk and a line in the journal. */

#include "released.h"

#include <string.h>
#include <sys/uio.h>

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

static uint32_t shown_mode(mode_t mode)
{
    uint32_t executable = mode & 0111 ? 0110 : 0;

    if (S_ISLNK(mode))
        return mode;
    return (mode & S_IFMT) | (S_ISDIR(mode) ? 0550 : 0440 | executable);
}

static void fill_attributes(const struct stand *stand, const struct stat *found, struct fuse_attr *shown)
{
    *shown = (struct fuse_attr){
        .ino = found->st_ino,
        .size = (uint64_t)found->st_size,
        .blocks = (uint64_t)found->st_blocks,
        .atime = (uint64_t)found->st_atim.tv_sec,
        .mtime = (uint64_t)found->st_mtim.tv_sec,
        .ctime = (uint64_t)found->st_ctim.tv_sec,
        .atimensec = (uint32_t)found->st_atim.tv_nsec,
        .mtimensec = (uint32_t)found->st_mtim.tv_nsec,
        .ctimensec = (uint32_t)found->st_ctim.tv_nsec,
        .mode = shown_mode(found->st_mode),
        .nlink = (uint32_t)found->st_nlink,
        .gid = stand->group,
        .rdev = (uint32_t)found->st_rdev,
        .blksize = BLOCK,
    };
}

void fill_entry(const struct node *node, const struct stand *stand, const struct stat *found, struct fuse_entry_out *entry)
{
    entry->nodeid = node->number;
    entry->entry_valid = entry->attr_valid = stand->seconds;
    fill_attributes(stand, found, &entry->attr);
}

static bool answer_lookup(const struct fuse_in_header *header, const char *name)
{
    const struct node *above, *node;
    struct fuse_entry_out entry = {0};
    struct stat found;

    if (!is_plain(name) || is_journal_full() || !(above = released_directory(header->nodeid)))
        return false;
    if (fstatat(above->stand->fd, name, &found, AT_SYMLINK_NOFOLLOW) || !(node = see(header->nodeid, name, &found)))
        return false;
    fill_entry(node, above->stand, &found, &entry);
    write_notes();
    reply(header, 0, &entry, sizeof entry);
    return true;
}

static bool answer_getattr(const struct fuse_in_header *header)
{
    const struct node *node = node_of(header->nodeid), *above;
    struct fuse_attr_out answer = {0};
    struct stat found;

    if (!node || node->is_pythons)
        return false;
    above = released_directory(node->parent);
    node = node_of(header->nodeid);
    if (!above || !node || node->is_pythons || fstatat(above->stand->fd, node->name, &found, AT_SYMLINK_NOFOLLOW))
        return false;
    if (found.st_ino != node->number || found.st_dev != node->device)
        return false;
    answer.attr_valid = above->stand->seconds;
    fill_attributes(above->stand, &found, &answer.attr);
    reply(header, 0, &answer, sizeof answer);
    return true;
}

/* Leaves in the request what is Python's; tells whether nothing is. */
static bool forget_all(struct fuse_batch_forget_in *asked, size_t size)
{
    struct fuse_forget_one *each = (void *)(asked + 1);
    uint32_t left = 0, count = asked->count;

    if (sizeof *asked + count * sizeof *each > size)
        return false;
    for (uint32_t index = 0; index < count; index++)
        if (!forget(each[index].nodeid, each[index].nlookup))
            each[left++] = each[index];
    asked->count = left;
    write_notes();
    return !left;
}

static bool answer_forget(const struct fuse_in_header *header, const struct fuse_forget_in *asked)
{
    bool ours = forget(header->nodeid, asked->nlookup);

    write_notes();
    return ours;
}

bool answer_released(const struct fuse_in_header *header, void *body, size_t size)
{
    switch (header->opcode) {
    case FUSE_LOOKUP:
        return size && memchr(body, 0, size) && answer_lookup(header, body);
    case FUSE_GETATTR:
        return answer_getattr(header);
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
