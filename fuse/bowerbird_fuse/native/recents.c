/* What was just looked up in a space, held for a moment: what is opened next is that very file (recent.py says why). */

#include "released.h"

#include <time.h>
#include <unistd.h>

enum { PLACES = 256 };

/* A node takes the place of an earlier one of the same remainder. */
static struct {
    uint64_t node;
    off_t size;
    int fd;
    time_t since;
} held[PLACES];

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time.tv_sec;
}

static void let_go(size_t place)
{
    if (held[place].node)
        close(held[place].fd);
    held[place].node = 0;
}

void hold_for_a_moment(uint64_t node, int fd, off_t size)
{
    size_t place = node % PLACES;

    let_go(place);
    held[place].node = node;
    held[place].size = size;
    held[place].fd = fd;
    held[place].since = now();
}

/* Returns a descriptor of what is held of a node, which stays ours; -1 where nothing is. */
EXPORTED int bowerbird_held(uint64_t node)
{
    return held[node % PLACES].node == node ? held[node % PLACES].fd : -1;
}

int held_of(uint64_t node)
{
    return bowerbird_held(node);
}

bool is_told(uint64_t node, off_t size)
{
    return held_of(node) >= 0 && held[node % PLACES].size == size;
}

/* Holds a node no more. */
EXPORTED void bowerbird_let_go(uint64_t node)
{
    if (held[node % PLACES].node == node)
        let_go(node % PLACES);
}

/* Holds no more what has been held for longer than so many seconds. */
EXPORTED void bowerbird_let_go_older(int seconds)
{
    const time_t oldest = now() - seconds;

    for (size_t place = 0; place < PLACES; place++)
        if (held[place].since < oldest)
            let_go(place);
}
