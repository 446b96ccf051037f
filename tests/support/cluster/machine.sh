#!/bin/bash
# Pid 1 of a machine: machine.sh ROOT NAME PROGRAMS IMAGES STORAGE
# ROOT is its disk, and STORAGE what all machines reach. The host's programs are seen read-only, and of the host's other files nothing.
set -eu
root=$1 name=$2 programs=$3 images=$4 storage=$5
mount --make-rprivate / # what follows is seen by nobody else
mount --bind "$root" "$root"
cd "$root"
mkdir -p usr proc sys dev run tmp var/log old
mount --bind /usr usr
mount -o remount,bind,ro usr
for folder in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$folder" ]; then
        [ -e "$folder" ] || cp -a "/$folder" .
    elif [ -d "/$folder" ]; then
        mkdir -p "$folder"
        mount --bind "/$folder" "$folder"
    fi
done
mount -t proc proc proc
mount -t sysfs sysfs sys # our own network's; one that shows the host's would hide no cgroups, but its interfaces
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p run/lock run/programs run/images
mount --bind "$programs" run/programs
mount --bind "$images" run/images
mkdir -p "$storage" srv/bowerbird
mount --bind "$storage" srv/bowerbird
pivot_root . old
umount -l /old # and with it every mount of the host, so that none is kept alive here
mount --make-rshared /
hostname "$name"
export PATH=/run/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
echo 1 >/proc/sys/net/ipv4/ip_forward

# serve NAME COMMAND: runs it for ever, as systemd would. Who depends on another that is not there yet ends and tries again.
serve() {
    local log=/var/log/$1.log
    shift
    while :; do "$@" >>"$log" 2>&1 || sleep 0.2; done &
}

until ip -4 address show eth0 2>/dev/null | grep -q inet; do sleep 0.02; done
# shellcheck source=/dev/null
. /etc/machine/services
while :; do wait -n || sleep 1; done
