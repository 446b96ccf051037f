"""The demo releases, in the order of their making: the small ones first."""

from demo_releases import a370, a478, gaia_bright, hdfs, ngc, qso
from demo_releases.release import Release

RELEASES: tuple[Release, ...] = (
    ngc.RELEASE,
    hdfs.RELEASE,
    a370.RELEASE,
    qso.RELEASE,
    gaia_bright.RELEASE,
    a478.RELEASE,
)
