# What hardware.flash.network has a SOM's Linux run: POSIX sh, dd, flock and what every busybox has besides.
#
# Commands come on standard input, a line each; answers go to standard output, in the order of the commands:
#   disks                      a line for each disk (name, bytes, write-protected, serial, model, uses; tabs), then "."
#   open NAME BYTES SERIAL     opens that disk and nothing else; answers how it is read back
#   rewind | skip BYTES        where the next write goes: to the start, or so much further on; no answer
#   write BYTES | zero BYTES   "ok" once taken; with write the bytes follow the line
#   sync                       "ok" once all of it is on the device
#   read OFFSET BYTES          the bytes
# Whatever goes wrong is a line "nanoportal CODE WORDS" on standard error, and then the end.
#
# The shell must never read further than a line, nor dd than its block: that is why this text is not read from standard
# input as a script, and why dd is asked for full blocks. The disk is opened once, as 9, which holds its lock too; 3 has
# the place of the next write. dd is given these open files and not the disk's name: that may be another's by now.

LC_ALL=C
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
sys=/sys
proc=/proc

fail() {
    code=$1
    shift
    printf 'nanoportal %s %s\n' "$code" "$*" >&2
    exit 1
}

# The reason in what dd said, which is the end of its first line.
reason() {
    line=${1%%
*}
    printf '%s' "${line##*: }"
}

# What the first of these files that says something says: printable, and with single spaces.
text() (
    set -f
    for file; do
        line=
        [ -r "$file" ] && read -r line <"$file" 2>/dev/null
        [ -n "$line" ] && break
    done
    # shellcheck disable=SC2046,SC2086 # its words are what is wanted
    set -- $(printf '%s' "$line" | tr -cd ' -~')
    printf '%s' "$*"
)

bytes_of() { echo "$(($(text "$1/size") * 512))"; }

serial_of() { text "$1/device/serial" "$1/serial" "$1/device/cid" "$1/device/wwid" "$1/wwid"; }

# Whether a device's node is one of $names, whatever links lead to it.
is_ours() {
    case $1 in /dev/*) real=$(readlink -f "$1") && case $names in *" ${real##*/} "*) return 0 ;; esac ;; esac
    return 1
}

# Everything that is mounted: for all processes, since a container may have mounted what nobody else sees.
look() { mounts=$(cat "$proc"/[0-9]*/mountinfo 2>/dev/null | sort -u); }

# Why a disk must not be written to: reasons that complete "the disk ...", each with "; " behind it.
uses() {
    numbers=' ' names=' '
    for entry in "$1" "$1/${1##*/}"*; do
        [ -r "$entry/dev" ] || continue
        numbers="$numbers$(text "$entry/dev") " names="$names${entry##*/} "
        for holder in "$entry"/holders/*; do
            [ -e "$holder" ] && printf 'belongs to %s; ' "${holder##*/}"
        done
    done
    printf '%s\n' "$mounts" | while read -r _ _ device _ point rest; do
        source=${rest#* - }
        source=${source#* }
        # btrfs and the like have numbers of their own, but name their device.
        case $numbers in *" $device "*) ;; *) is_ours "${source%% *}" || continue ;; esac
        case $point in
            /) printf 'holds the system that runs there; ' ;;
            *) printf 'is mounted on %s; ' "$point" ;;
        esac
    done
    while read -r area _; do
        is_ours "$area" && printf 'is swap space (%s); ' "$area"
    done <"$proc/swaps"
}

disks() {
    look
    for disk in "$sys"/block/*; do
        name=${disk##*/}
        case $name in ram* | zram* | dm-* | md* | sr* | fd* | *boot[0-9] | *rpmb | *!*) continue ;; esac
        [ "$(text "$disk/size")" -gt 0 ] 2>/dev/null || continue
        printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$(bytes_of "$disk")" "$(text "$disk/ro")" "$(serial_of "$disk")" \
            "$(text "$disk/device/model" "$disk/device/name")" "$(uses "$disk")"
    done
    echo .
}

# The disk that is open must still be there, be the one that was planned for, and be in nobody's use.
check() {
    disk=$sys/dev/block/$number
    [ -r "$disk/size" ] || fail gone
    [ "$(bytes_of "$disk") $(serial_of "$disk")" = "$wanted" ] ||
        fail changed "$(bytes_of "$disk") bytes, serial $(serial_of "$disk")"
    [ "$(text "$disk/ro")" = 0 ] || fail refused "is write-protected"
    # By its own name: that of the link to it is its number.
    disk=$(readlink -f "$disk")
    look
    used=$(uses "$disk")
    [ -z "$used" ] || fail busy "$used"
}

# The kernel's own word, which knows users that the lists above do not show: it reads no partitions anew while one is in
# use. Only under our lock, which keeps udev from assembling anything of the partitions that it is told of then.
ask_kernel() {
    case $(blockdev --rereadpt "/dev/${disk##*/}" 2>&1) in *[Bb]usy*) fail busy "is held by another program; " ;; esac
}

open_disk() {
    node=/dev/$1 wanted="$2 $3"
    for program in cat dd flock ls readlink sort tr; do
        command -v "$program" >/dev/null || fail lacks "$program"
    done
    [ "$(printf xy | dd bs=2 count=1 iflag=fullblock 2>/dev/null)" = xy ] || fail lacks "dd with iflag=fullblock"
    number=$(text "$sys/block/$1/dev")
    if [ -z "$number" ] || [ ! -b "$node" ]; then fail gone; fi
    check
    said=$({ : 9<>"$node"; } 2>&1) || fail refused "could not be opened: ${said##*: }"
    exec 9<>"$node"
    flock -n 9 || fail busy "is held by another program; "
    # shellcheck disable=SC2046 # its words are what is wanted
    set -- $(ls -lL /proc/self/fd/9)
    [ "${5%,}:$6" = "$number" ] || fail changed "the number ${5%,}:$6"
    ask_kernel
    exec 3<>/proc/self/fd/9
    direct=
    dd if=/dev/null oflag=direct conv=notrunc 2>/dev/null >&3 && direct=oflag=direct
    reading=skip_bytes
    if dd if=/proc/self/fd/9 bs=4096 count=1 iflag=direct,skip_bytes skip=0 2>/dev/null >/dev/null; then
        reading=direct,skip_bytes
    elif ! dd if=/dev/null iflag=skip_bytes skip=0 2>/dev/null; then
        fail lacks "dd with iflag=skip_bytes"
    elif ! command -v blockdev >/dev/null || ! blockdev --flushbufs /proc/self/fd/9; then
        fail lacks "a way to read past its cache (dd with iflag=direct, or blockdev)"
    fi
    echo "$reading"
}

# One block from standard input, or from where else it says, to the place of the next write.
put() {
    length=$1
    shift
    [ -n "$checked" ] || { check && ask_kernel; }
    checked=1
    # shellcheck disable=SC2086 # without O_DIRECT it is no word at all
    said=$(dd "$@" bs="$length" count=1 iflag=fullblock conv=notrunc $direct 2>&1 >&3)
    case $said in *"1+0 records out"*) echo ok ;; *) fail write "$(reason "$said")" ;; esac
}

get() {
    [ "$reading" != skip_bytes ] || blockdev --flushbufs /proc/self/fd/9 || fail read "its cache cannot be dropped"
    said=$(dd if=/proc/self/fd/9 skip="$1" bs="$2" count=1 iflag="fullblock,$reading" 2>&1 >&6)
    case $said in *"1+0 records out"*) ;; *) fail read "$(reason "$said")" ;; esac
}

# A sign of life, so that the kernel finds out if nobody is there any more, and lets go of the disk.
(while sleep 10 2>/dev/null; do echo >&2; done) </dev/null >/dev/null &
beat=$!
trap 'kill "$beat" 2>/dev/null' EXIT

exec 6>&1
echo "nanoportal far side $(id -u)"
checked=
while read -r verb a b c; do
    case $verb in
        disks) disks ;;
        open) open_disk "$a" "$b" "$c" ;;
        write) put "$a" ;;
        zero) put "$a" if=/dev/zero ;;
        rewind) exec 3<>/proc/self/fd/9 ;;
        skip)
            said=$(dd if=/dev/null bs=1 seek="$a" conv=notrunc 2>&1 >&3) || fail write "$(reason "$said")"
            ;;
        sync)
            said=$(dd if=/dev/null conv=notrunc,fsync 2>&1 >&9) || fail write "$(reason "$said")"
            echo ok
            ;;
        read) get "$a" "$b" ;;
        *) fail refused "was told something that it does not know" ;;
    esac
done
exit 0
