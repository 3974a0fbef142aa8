#!/bin/sh
# The first process of the virtual machine (see machine.py). The root is the host's file system, read-only.
# FAIRSLICE_VM, from the kernel's command line, is the directory shared with the host: settings.sh and command.sh
# come in, status goes out.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
release=$(uname -r)

fail() {
    echo "fairslice vm: $*" >&2
    halt_machine
}

halt_machine() {
    sync
    # Not every Debian has halt(8); reboot(2) with RB_HALT_SYSTEM is what it would call.
    /usr/bin/python3 -S -c 'import ctypes; ctypes.CDLL(None).reboot(0xCDEF0123)'
    sleep 1
    exit 1
}

mount -t proc proc /proc || fail "no /proc"
mount -t tmpfs -o mode=755 fairslice /run || fail "no tmpfs"
mkdir -p /run/host/lib/modules /run/upper /run/work /run/root
# What depmod wrote lies beside the modules, which the package keeps outside of /lib/modules.
ln -s "/usr/lib/uml/modules/$release" "/run/host/lib/modules/$release"
modprobe -d /run/host overlay || fail "no overlay file system in /usr/lib/uml/modules/$release"

# All that is written goes to memory and vanishes with the machine.
mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root || fail "no overlay"
mount -t hostfs -o "$FAIRSLICE_VM" host /run/root/mnt || fail "no $FAIRSLICE_VM"
# VM_* below, and a call of `output` for each directory that is to be written on the host.
output() {
    mount -t hostfs -o "$1" host "/run/root$1" || fail "can't write into $1"
}
. /run/root/mnt/settings.sh
exchange=/run/exchange
mkdir -p /run/root/oldroot /run/root/lib/modules
[ -e "/run/root/lib/modules/$release" ] || ln -s "/usr/lib/uml/modules/$release" "/run/root/lib/modules/$release"
cd /run/root && pivot_root . oldroot && cd / || fail "pivot_root failed"

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/exchange /run/lock
mount --move /mnt /run/exchange
umount -l /oldroot
rmdir /oldroot
ln -sf /proc/self/fd /dev/fd
ip link set lo up
hostname fairslice-vm 2>/dev/null || echo fairslice-vm >/proc/sys/kernel/hostname

for module in $VM_MODULES; do
    modprobe "$module" || fail "no kernel module $module in /usr/lib/uml/modules/$release"
done

# What arrives before its line is open waits for the next byte: the host sends once this file is there.
exec 3<"/dev/$VM_INPUT"
for line in ttyS0 ttyS1; do
    stty -F "/dev/$line" raw -echo
done
for line in $VM_TERMINALS; do
    stty -F "/dev/$line" sane rows "$VM_ROWS" cols "$VM_COLUMNS"
done
: >"$exchange/listening"

# Where the host has no terminal a pipe is in between, so that the command sees none either.
copies=
through() {
    case " $VM_TERMINALS " in
    *" $2 "*) ln -s "/dev/$2" "$1" ;;
    *)
        mkfifo "$1"
        cat "$1" >"/dev/$2" &
        copies="$copies $!"
        ;;
    esac
}
if [ "$VM_INPUT" = ttyS0 ]; then
    setsid -c -w sh "$exchange/command.sh" </dev/ttyS0 >/dev/ttyS0 2>&1
    status=$?
else
    through /run/out ttyS0
    through /run/err ttyS1
    mkfifo /run/in
    # In base 64 a line can say where the input ends.
    base64 -d <&3 >/run/in 2>/dev/null &
    setsid -w sh "$exchange/command.sh" </run/in >/run/out 2>/run/err
    status=$?
fi
# What the command left behind ends with it, and holds the pipes no longer.
for process in /proc/[0-9]*; do
    case " 1$copies " in
    *" ${process#/proc/} "*) ;;
    *) [ -z "$(tr -d '\0' <"$process/cmdline")" ] || kill -KILL "${process#/proc/}" ;;
    esac
done 2>/dev/null
wait $copies
echo "$status" >"$exchange/status"
halt_machine
