// The client of `bowerbird bench fuse`: one kind of work on files, told as "MICROSECONDS_AN_OPERATION OPERATIONS SUM".
// The sum is of all that was seen (bytes read, sizes, names), so that two runs that saw the same thing can be told to have.
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LARGEST (1 << 20)
#define SMALL 4096

static char buffer[LARGEST];
static uint64_t sum;
static long operations;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int opened(const char *path, int flags) {
    int fd = open(path, flags, 0644);
    if (fd < 0) err(1, "%s", path);
    return fd;
}

// Of what was read, a word every 512 bytes: enough to tell other bytes, and next to nothing beside the reading.
static void saw(const char *bytes, long length) {
    uint64_t word;
    if (length < 0) err(1, "read");
    for (long at = 0; at + 8 <= length; at += 512) {
        memcpy(&word, bytes + at, 8);
        sum += word;
    }
    sum += length;
    operations++;
}

static void list(const char *path, int with_attributes) {
    struct stat st;
    struct dirent *entry;
    DIR *directory = opendir(path);
    if (!directory) err(1, "%s", path);
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.') continue;
        if (with_attributes && fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) err(1, "%s", entry->d_name);
        sum += with_attributes ? st.st_size : strlen(entry->d_name);
        operations++;
    }
    closedir(directory);
}

static int visit(const char *path, const struct stat *st, int kind, struct FTW *where) {
    sum += kind == FTW_F ? st->st_size : 0;
    operations++;
    return 0;
}

static void each_file(const char *directory, long count, void (*act)(const char *)) {
    char path[4096];
    for (long number = 0; number < count; number++) {
        snprintf(path, sizeof path, "%s/%06ld", directory, number);
        act(path);
    }
}

static void look(const char *path) {
    struct stat st;
    if (stat(path, &st)) err(1, "%s", path);
    sum += st.st_size;
    operations++;
}

static void read_small(const char *path) {
    int fd = opened(path, O_RDONLY);
    saw(buffer, read(fd, buffer, SMALL));
    close(fd);
}

static void make(const char *path) {
    int fd = opened(path, O_WRONLY | O_CREAT | O_EXCL);
    if (write(fd, buffer, SMALL) != SMALL) err(1, "%s", path);
    close(fd);
    operations++;
}

static void take_away(const char *path) {
    if (unlink(path)) err(1, "%s", path);
}

static void read_in_order(const char *path) {
    int fd = opened(path, O_RDONLY);
    long got;
    while ((got = read(fd, buffer, LARGEST)) > 0) saw(buffer, got);
    close(fd);
}

static void read_anywhere(const char *path, long count, long bytes, uint32_t seed) {
    struct stat st;
    int fd = opened(path, O_RDONLY);
    fstat(fd, &st);
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    for (long number = 0; number < count; number++) {
        seed = seed * 1664525u + 1013904223u;
        saw(buffer, pread(fd, buffer, bytes, (seed >> 4) % (st.st_size / bytes) * bytes));
    }
    close(fd);
}

static void work(const char *what, const char *path, long count, long bytes, uint32_t seed) {
    if (!strcmp(what, "ls")) list(path, 1);
    else if (!strcmp(what, "names")) list(path, 0);
    else if (!strcmp(what, "walk")) nftw(path, visit, 20, FTW_PHYS);
    else if (!strcmp(what, "stat")) each_file(path, count, look);
    else if (!strcmp(what, "small")) each_file(path, count, read_small);
    else if (!strcmp(what, "create")) each_file(path, count, make);
    else if (!strcmp(what, "sequential")) read_in_order(path);
    else if (!strcmp(what, "random")) read_anywhere(path, count, bytes, seed);
    else errx(2, "%s: no such work", what);
}

int main(int argc, char **argv) {
    if (argc != 6) errx(2, "usage: %s WORK PATH COUNT BYTES READERS", argv[0]);
    long count = atol(argv[3]), bytes = atol(argv[4]), readers = atol(argv[5]);
    int status, failed = 0;
    double start = now();
    // One reader is this process itself; of several each is its own, with its own dice.
    for (long reader = 1; reader < readers; reader++)
        if (!fork()) {
            work(argv[1], argv[2], count, bytes, 12345 + reader);
            _exit(0);
        }
    work(argv[1], argv[2], count, bytes, 12345);
    while (wait(&status) > 0) failed |= status;
    if (failed) errx(1, "a reader failed");
    double took = now() - start;
    if (!strcmp(argv[1], "create")) each_file(argv[2], count, take_away);
    printf("%.4f %ld %lu\n", took * 1e6 / (operations * readers), operations * readers, sum);
    return 0;
}
