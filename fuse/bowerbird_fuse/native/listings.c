/* Listing directories, by names that Python has read and sorted when the listing began. */

#include "released.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, LARGEST = 1 << 20 };

struct listing {
    struct listing *next;
    uint64_t handle, node, parent;
    uint32_t count;
    /* Where each name begins. */
    uint32_t *starts;
    char *names;
};

static struct listing *table[BUCKETS];

static struct listing **find(uint64_t handle)
{
    struct listing **link = &table[handle % BUCKETS];

    while (*link && (*link)->handle != handle)
        link = &(*link)->next;
    return link;
}

/* Says that this handle is listed by Python again. */
EXPORTED void bowerbird_list_no_more(uint64_t handle)
{
    struct listing **link = find(handle), *listing = *link;

    if (!listing)
        return;
    *link = listing->next;
    free(listing->starts);
    free(listing->names);
    free(listing);
}

/* Says what stands in a directory: so many names, each with its end; the dots first. */
EXPORTED int bowerbird_list_by(uint64_t handle, uint64_t node, uint64_t parent, const char *names, size_t size, uint32_t count)
{
    struct listing *listing = calloc(1, sizeof *listing);

    bowerbird_list_no_more(handle);
    if (!listing || !(listing->starts = malloc(count * sizeof *listing->starts)) || !(listing->names = malloc(size))) {
        if (listing)
            free(listing->starts);
        free(listing);
        return -1;
    }
    memcpy(listing->names, names, size);
    for (uint32_t index = 0, at = 0; index < count; index++) {
        listing->starts[index] = at;
        at += (uint32_t)strlen(listing->names + at) + 1;
    }
    listing->handle = handle;
    listing->node = node;
    listing->parent = parent;
    listing->count = count;
    listing->next = *find(handle);
    *find(handle) = listing;
    return 0;
}

/* Fills in one name; what is Python's to tell is listed, and looked up by whoever asks for more. */
static void fill(const struct listing *listing, const struct stand *stand, const char *name, struct fuse_direntplus *out)
{
    struct stat found;
    const struct node *node;

    if (!strcmp(name, ".") || !strcmp(name, "..")) {
        out->dirent.ino = name[1] ? listing->parent : listing->node;
        out->dirent.type = S_IFDIR >> 12;
        return;
    }
    if (fstatat(stand->fd, name, &found, AT_SYMLINK_NOFOLLOW))
        return;
    out->dirent.ino = found.st_ino;
    out->dirent.type = (found.st_mode & S_IFMT) >> 12;
    node = is_plain(name) ? see(listing->node, name, &found) : NULL;
    if (node)
        fill_entry(node, stand, &found, &out->entry_out);
}

static size_t fill_all(const struct listing *listing, const struct stand *stand, uint64_t start, char *bytes, size_t size)
{
    size_t used = 0;

    for (uint64_t index = start; index < listing->count; index++) {
        const char *name = listing->names + listing->starts[index];
        struct fuse_direntplus *out = (void *)(bytes + used);
        size_t length = strlen(name), whole = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + length);

        if (used + whole > size)
            break;
        memset(out, 0, whole);
        fill(listing, stand, name, out);
        /* It went while the listing was read. */
        if (!out->dirent.ino)
            continue;
        out->dirent.off = index + 1;
        out->dirent.namelen = (uint32_t)length;
        memcpy(out->dirent.name, name, length);
        used += whole;
    }
    return used;
}

bool answer_listing(const struct fuse_in_header *header, const struct fuse_read_in *asked)
{
    static _Alignas(8) char bytes[LARGEST];
    const struct listing *listing;
    const struct node *directory;
    const struct node *known = node_of(header->nodeid);

    if (!known || !known->is_stood_in || is_journal_full())
        return false;
    if (!asked->offset && python.list(asked->fh))
        return false;
    listing = *find(asked->fh);
    directory = listing ? directory_of(header->nodeid) : NULL;
    if (!directory)
        return false;
    size_t used = fill_all(listing, directory->stand, asked->offset, bytes, asked->size < LARGEST ? asked->size : LARGEST);
    write_notes();
    reply(header, 0, bytes, used);
    return true;
}
