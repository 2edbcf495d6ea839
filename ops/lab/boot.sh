#!/bin/sh
# Runs one lab host until it is switched off; started in the host's folder (upper, work, root, lower).
#   boot.sh outer CGROUP-PROCS… -- ARGUMENTS    enters its control groups, then shuts itself into namespaces
#   boot.sh inner BRIDGE MACHINE HOSTNAME       mounts the overlay and boots, again after each reboot
# A folder "outside" of the host is its /srv/second: a place that outlives its disk.
# Whatever kills the outer process takes all that is inside with it: processes, mounts, ports.
set -eu

stage=$1
shift

if [ "$stage" = outer ]; then
    while [ "$1" != -- ]; do
        echo $$ >"$1"
        shift
    done
    shift
    exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc -- /bin/sh "$0" inner "$@"
fi

mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root
outside=
if [ -d outside ]; then
    mount -t overlay overlay -o lowerdir=outside/lower,upperdir=outside/upper,workdir=outside/work outside/root
    outside=--bind=$PWD/outside/root:/srv/second
fi
# What nspawn keeps under /run goes away with this namespace.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn

export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_LOCK=0
reboot=133
status=$reboot
while [ "$status" = "$reboot" ]; do
    status=0
    systemd-nspawn --quiet --directory=root --boot --register=no --keep-unit --console=pipe \
        --network-bridge="$1" --machine="$2" --hostname="$3" ${outside:+"$outside"} \
        --resolv-conf=off --timezone=off --link-journal=no </dev/null || status=$?
done
exit "$status"
