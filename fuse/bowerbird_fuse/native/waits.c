/* Locks that are waited for: only a conflict that may sleep gets a thread, and the session serves on.
 *
 * A wait ends with the lock, or with the caller's interrupt, which wakes the thread by a signal: sent again until it is
 * heard, since one that comes before the thread sleeps would be lost.
 */

#include "native.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_WAITS = 256, STACK_BYTES = 1 << 16 };

struct wait {
    fuse_req_t request;
    struct holding *holding;
    struct wish wish;
    pthread_t thread;
    atomic_bool given_up, done;
};

static atomic_int waiting;

static int wake_signal(void)
{
    return SIGRTMIN + 6;
}

static void wake(int number)
{
    (void)number;
}

void prepare_waits(void)
{
    /* Without SA_RESTART: the call that waits returns. */
    struct sigaction action = {.sa_handler = wake};

    sigaction(wake_signal(), &action, NULL);
}

/* libfuse calls it with the request's own lock held, which the thread takes before it goes: so the thread is there. */
static void give_up(fuse_req_t request, void *data)
{
    struct wait *wait = data;
    struct timespec moment = {.tv_nsec = 100000};

    (void)request;
    wait->given_up = true;
    if (pthread_equal(pthread_self(), wait->thread))
        return;
    while (!wait->done) {
        pthread_kill(wait->thread, wake_signal());
        nanosleep(&moment, NULL);
    }
}

static int sleep_until_locked(struct wait *wait)
{
    int error = EINTR;

    while (error == EINTR && !wait->given_up)
        error = lock(wait->holding->fd, &wait->wish, true);
    return error;
}

/* Only in a thread: pages that are being read or written are waited for, and the session serves that. */
static void forget(const struct holding *holding)
{
    forget_attributes(holding->node);
    if (!is_settled(holding->fd))
        fuse_lowlevel_notify_inval_inode(session, holding->node, 0, 0);
}

static void *run(void *data)
{
    struct wait *wait = data;
    sigset_t signals;
    int error;

    wait->thread = pthread_self();
    sigemptyset(&signals);
    sigaddset(&signals, wake_signal());
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    /* Calls give_up at once where the interrupt has come already. */
    fuse_req_interrupt_func(wait->request, give_up, wait);
    error = sleep_until_locked(wait);
    wait->done = true;
    fuse_req_interrupt_func(wait->request, NULL, NULL);
    if (!error)
        forget(wait->holding);
    end_wait(wait->holding);
    fuse_reply_err(wait->request, error);
    waiting--;
    free(wait);
    return NULL;
}

/* No signal but the one that wakes: all others are the main thread's. */
static int start(struct wait *wait)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, run, wait);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

int wait_for(fuse_req_t request, struct holding *holding, const struct wish *wish)
{
    struct wait *wait = waiting < MOST_WAITS ? calloc(1, sizeof *wait) : NULL;

    if (!wait)
        return ENOLCK;
    wait->request = request;
    wait->holding = holding;
    wait->wish = *wish;
    waiting++;
    begin_wait(holding);
    if (!start(wait))
        return 0;
    end_wait(holding);
    waiting--;
    free(wait);
    return ENOLCK;
}
