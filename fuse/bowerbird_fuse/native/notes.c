/* Our lines of the journal (journal.py says what they mean): a worker's successor must know what the kernel does. */

#include "released.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { ROOM = 1 << 16, LONGEST = 512 };

static char lines[ROOM];
static size_t used;
static bool failed;
static int journal = -1;
static uint64_t written, most;

/* Says where the journal is; nothing is answered before. */
EXPORTED void bowerbird_note_in(int fd)
{
    journal = fd;
}

/* Says that the journal was written anew, and after how many bytes more it will have to be again. */
EXPORTED void bowerbird_note_at_most(uint64_t bytes)
{
    written = 0;
    most = bytes;
}

/* Returns how many bytes were written since. */
EXPORTED uint64_t bowerbird_noted(void)
{
    return written;
}

bool is_journal_full(void)
{
    return failed || journal < 0 || written > most;
}

EXPORTED bool bowerbird_write_notes(void)
{
    if (used && write(journal, lines, used) != (ssize_t)used)
        failed = true;
    written += used;
    used = 0;
    return !failed;
}

bool write_notes(void)
{
    return bowerbird_write_notes();
}

static void make_room(void)
{
    if (used > ROOM - LONGEST)
        write_notes();
}

void note_node(const struct node *node)
{
    make_room();
    used += (size_t)snprintf(lines + used, LONGEST, "[\"N\",%" PRIu64 ",%" PRIu64 ",\"%s\",%" PRIu64 ",%" PRIu64 "]\n",
                             node->number, node->parent, node->name, node->device, node->number);
}

void note(char mark, uint64_t number)
{
    make_room();
    used += (size_t)snprintf(lines + used, LONGEST, "[\"%c\",%" PRIu64 "]\n", mark, number);
}

void note_open(uint64_t handle, uint64_t node, uint32_t flags)
{
    make_room();
    used += (size_t)snprintf(lines + used, LONGEST, "[\"O\",%" PRIu64 ",%" PRIu64 ",%" PRIu32 "]\n", handle, node, flags);
}
