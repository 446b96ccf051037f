/* Turns: for so long the lane goes on without looking after the others in the process, tasks and threads of Python's.
 *
 * A timer runs for the whole of a turn, not for each wait in it: setting one costs more than answering a request.
 */

#include "native.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TURN_NANOSECONDS = 10000000 };

/* Python's, where the process has one. */
extern void *PyEval_SaveThread(void) __attribute__((weak));
extern void PyEval_RestoreThread(void *state) __attribute__((weak));

static int timer = -1;
/* Tells whether a turn is on: then nobody but the lane need wait for the device. */
EXPORTED uint32_t bowerbird_turn;

/* Takes turns from now on; -1 where there is no timer, and each request is waited for by Python. */
EXPORTED int bowerbird_take_turns(void)
{
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return timer < 0 ? -1 : 0;
}

static void begin(void)
{
    const struct itimerspec turn = {.it_value.tv_nsec = TURN_NANOSECONDS};

    bowerbird_turn = timer >= 0 && !timerfd_settime(timer, 0, &turn, NULL);
}

/* Others may go on in Python while nothing is asked. */
static int wait(struct pollfd *waited, nfds_t count)
{
    void *state = PyEval_SaveThread && PyEval_RestoreThread ? PyEval_SaveThread() : NULL;
    int found = poll(waited, count, -1);
    int error = errno;

    if (state)
        PyEval_RestoreThread(state);
    errno = error;
    return found;
}

bool is_asked_in_turn(int device)
{
    struct pollfd waited[] = {{.fd = device, .events = POLLIN}, {.fd = timer, .events = POLLIN}};

    /* Who begins one has waited. */
    if (!bowerbird_turn) {
        begin();
        return true;
    }
    if (wait(waited, 2) < 0)
        return false;
    bowerbird_turn = !waited[1].revents;
    return bowerbird_turn;
}
