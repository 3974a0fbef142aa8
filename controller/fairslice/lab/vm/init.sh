#!/bin/sh
# The first process of the virtual machine (see machine.py). The root is the host's file system, read-only.
# FAIRSLICE_VM and FAIRSLICE_MODULES come from the kernel's command line. The first is the directory
# shared with the host: settings.sh, fstab and command.sh come in, status goes out.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
IFS=,
modules=$(printf '%s ' $FAIRSLICE_MODULES)
unset IFS

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

missing=
for program in base64 cat env ip ln mkdir mkfifo modprobe mount pivot_root python3 rmdir setsid stty sync umount uname; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || fail "not found in $PATH:$missing; install coreutils, iproute2, kmod, mount, python3 and util-linux"

release=$(uname -r)
again="install the package user-mode-linux again"
# Starting a program takes some 40 ms in here: as few as possible.
mount -t proc proc /proc || fail "no /proc can be mounted; $again"
mount -t tmpfs -o mode=755 fairslice /run || fail "no tmpfs can be mounted; $again"
mkdir -p /run/host/lib/modules /run/upper/oldroot /run/work /run/root
# What depmod wrote lies beside the modules, which the package keeps outside of /lib/modules.
ln -s "/usr/lib/uml/modules/$release" "/run/host/lib/modules/$release"
modprobe -d /run/host -a overlay $modules ||
    fail "one of the modules overlay ${modules% } can't be loaded from /usr/lib/uml/modules/$release; $again"

# All that is written goes to memory and vanishes with the machine.
mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root ||
    fail "no overlay can be mounted; $again"
mount -t hostfs -o "$FAIRSLICE_VM" host /run/root/mnt ||
    fail "the host's $FAIRSLICE_VM can't be mounted; set TMPDIR to another directory"
# VM_* below, and a call of `output` for each directory that is to be written on the host.
output() {
    mount -t hostfs -o "$1" host "/run/root$1" ||
        fail "the host's $1 can't be mounted; name another directory as --out"
}
. /run/root/mnt/settings.sh
cd /run/root && pivot_root . oldroot && cd / || fail "the root can't be changed; $again"
exchange=/run/exchange
mount -a -T /mnt/fstab || fail "not all of its own file systems can be mounted; $again"
mkdir -p "$exchange" /run/lock "/lib/modules"
mount --move /mnt "$exchange"
umount -l /oldroot
rmdir /oldroot
[ -e "/lib/modules/$release" ] || ln -s "/usr/lib/uml/modules/$release" "/lib/modules/$release"
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
ip link set lo up
echo fairslice-vm >/proc/sys/kernel/hostname

# What arrives before its line is open waits for the next byte: the host sends once this file is there.
exec 3<"/dev/$VM_INPUT"
for line in ttyS0 ttyS1; do
    case " $VM_TERMINALS " in
    *" $line "*) stty -F "/dev/$line" sane rows "$VM_ROWS" cols "$VM_COLUMNS" ;;
    *) stty -F "/dev/$line" raw -echo ;;
    esac
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
    *)
        # The kernel's own have no command line.
        line=
        IFS= read -r line <"$process/cmdline"
        [ -z "$line" ] || kill -KILL "${process#/proc/}"
        ;;
    esac
done 2>/dev/null
wait $copies
echo "$status" >"$exchange/status"
halt_machine
