/* Whether a file's time tells that it was written: a clock that stamps by the tick hides a second write within one.
 *
 * Linux 6.13 stamps more finely whoever was asked about, on the file systems that take part.
 */

#include "native.h"

#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>

enum { XFS_MAGIC = 0x58465342, FINE_SINCE = 6 * 1000 + 13 };

/* Several ticks of the slowest clock. */
static const int64_t settled_after_ns = 50000000;

static bool kernel_is_fine(void)
{
    static int version;
    struct utsname name;
    int major = 0, minor = 0;

    if (!version && !uname(&name) && sscanf(name.release, "%d.%d", &major, &minor) == 2)
        version = major * 1000 + minor;
    return version >= FINE_SINCE;
}

static bool disk_is_fine(int fd)
{
    struct statfs disk;

    if (fstatfs(fd, &disk))
        return false;
    return disk.f_type == EXT4_SUPER_MAGIC || disk.f_type == XFS_MAGIC || disk.f_type == BTRFS_SUPER_MAGIC
           || disk.f_type == TMPFS_MAGIC;
}

bool is_settled(int fd)
{
    struct stat file;
    struct timespec now;
    int64_t age;

    if (kernel_is_fine() && disk_is_fine(fd))
        return true;
    if (fstat(fd, &file) || clock_gettime(CLOCK_REALTIME_COARSE, &now))
        return false;
    age = (now.tv_sec - file.st_mtim.tv_sec) * (int64_t)1000000000 + now.tv_nsec - file.st_mtim.tv_nsec;
    return age > settled_after_ns;
}
