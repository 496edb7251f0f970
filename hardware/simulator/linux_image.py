"""The Linux that `--peer N=linux` runs: Debian's arm64 kernel, busybox and xterm's `resize`, as Debian built them.

`python -m hardware.simulator.linux_image` fetches the packages once and packs an initial root into `DIRECTORY`.
The machine's own package state is neither read nor changed; no privileges are needed.
"""

import gzip
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: Beside the installed Python packages, and as short-lived as they are.
DIRECTORY = Path(sys.prefix) / "peers"
KERNEL, INITIAL_ROOT = DIRECTORY / "linux", DIRECTORY / "initramfs.gz"
USER, PASSWORD = "root", "nanoportal"

_KERNEL_PACKAGE = "linux-image-cloud-arm64"  # the smallest; the `virt` machine's serial port is built in
_OTHER_PACKAGES = ("busybox-static", "xterm", "libc6")
_LIBRARIES = ("ld-linux-aarch64.so.1", "libc.so.6")  # what `resize` is linked to
_SECONDS = 300.0

_FILES = {
    "init": (0o755, "#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexec /bin/busybox init\n"),
    "etc/inittab": (
        0o644,
        "::sysinit:/etc/rc\nttyAMA0::respawn:/bin/getty -L 115200 ttyAMA0 vt220\n::ctrlaltdel:/bin/reboot\n",
    ),
    "etc/rc": (
        0o755,
        "#!/bin/sh\n"
        "mount -t proc proc /proc\nmount -t sysfs sysfs /sys\nmount -t devtmpfs dev /dev\n"
        "hostname peer\n"
        "echo 1 > /proc/sys/kernel/sysrq\n",  # all of SysRq: Debian's default leaves out the crash
    ),
    "etc/issue": (0o644, "Debian's kernel \\r with busybox on \\l\n\n"),
    # `openssl passwd -6 -salt nanoportal nanoportal`
    "etc/passwd": (
        0o644,
        "root:$6$nanoportal$l6y8w14m5KM7CpMsqj2fReSNn3XYnMOAwh9rVY1zU1jiEdmiB4fgiaY4IEzzDq2ecCHtUfhmphCCPzJbkl2tE/"
        ":0:0:root:/root:/bin/sh\n",
    ),
    "etc/group": (0o644, "root:x:0:\n"),
    "etc/profile": (0o644, "export PATH=/bin:/usr/bin\nexport PS1='\\u@\\h:\\w# '\n"),
}
_FOLDERS = ("bin", "dev", "etc", "lib", "proc", "root", "sys", "tmp", "usr", "usr/bin")


class LinuxProblem(Exception):
    """The packages cannot be fetched or unpacked; the text is one sentence."""


def is_there() -> bool:
    """Return True if kernel and initial root have been made."""
    return KERNEL.exists() and INITIAL_ROOT.exists()


def make() -> None:
    """Fetch and pack. Blocks for the download of about 25 MB; raises LinuxProblem and OSError."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as name:
        place = Path(name)
        unpacked = _fetch(place)
        kernel = next((unpacked / "boot").glob("vmlinuz-*"), None)
        if kernel is None:
            raise LinuxProblem(f"The package {_KERNEL_PACKAGE} holds no kernel.")
        root = place / "initramfs.gz"
        with gzip.open(root, "wb", compresslevel=6) as archive:
            for piece in _archive(unpacked):
                archive.write(piece)
        root.replace(INITIAL_ROOT)
        kernel.touch()  # newer than this file, as make sees it, and in place last of all
        kernel.replace(KERNEL)


def _fetch(place: Path) -> Path:
    """Download the packages and return the directory into which all of them were unpacked."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise LinuxProblem(f"The Linux peer is made of Debian packages, and {program} is not here.")
    for folder in ("lists/partial", "cache/archives/partial", "packages", "unpacked"):
        (place / folder).mkdir(parents=True)
    options = {
        **{"APT::Architecture": "arm64", "APT::Architectures": "arm64", "Acquire::Languages": "none"},
        **{"Dir::State": place, "Dir::State::lists": place / "lists", "Dir::State::status": "/dev/null"},
        **{"Dir::Cache": place / "cache", "APT::Sandbox::User": ""},
    }
    apt = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    _run(["apt-get", *apt, "-qq", "update"], place)
    record = _run(["apt-cache", *apt, "show", "--no-all-versions", _KERNEL_PACKAGE], place)
    kernel = record.partition("Depends: ")[2].split()[0]
    _run(["apt-get", *apt, "-qq", "download", kernel, *_OTHER_PACKAGES], place / "packages")
    for package in (place / "packages").glob("*.deb"):
        _run(["dpkg-deb", "-x", str(package), str(place / "unpacked")], place)
    return place / "unpacked"


def _run(command: list[str], place: Path) -> str:
    try:
        ended = subprocess.run(
            command, cwd=place, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LinuxProblem(f"{command[0]} did not end within {_SECONDS:g} s.") from error
    if ended.returncode:
        last = (ended.stderr or ended.stdout).strip().rpartition("\n")[2]
        raise LinuxProblem(f"{command[0]} failed: {last}")
    return ended.stdout


def _archive(unpacked: Path) -> Iterator[bytes]:
    """Yield the initial root as a cpio archive in the `newc` format (the kernel's buffer-format.rst)."""
    for folder in _FOLDERS:
        yield _entry(folder, stat.S_IFDIR | 0o755)
    for path, (mode, text) in _FILES.items():
        yield _entry(path, stat.S_IFREG | mode, text.encode())
    yield _entry("bin/busybox", stat.S_IFREG | 0o755, _find(unpacked, "busybox").read_bytes())
    yield _entry("usr/bin/resize", stat.S_IFREG | 0o755, _find(unpacked, "resize").read_bytes())
    for library in _LIBRARIES:
        yield _entry(f"lib/{library}", stat.S_IFREG | 0o755, _find(unpacked, library).read_bytes())
    yield _entry("TRAILER!!!", 0)


def _find(unpacked: Path, name: str) -> Path:
    """Return the program or library of that name; where it lies differs between Debian's releases."""
    for path in unpacked.rglob(name):
        if path.is_file() and not path.is_symlink() and path.read_bytes().startswith(b"\x7fELF"):
            return path
    raise LinuxProblem(f"No package holds a program {name}.")


def _entry(name: str, mode: int, content: bytes = b"") -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # inode, mode, uid, gid, links, mtime, size, device and its own device (two numbers each), length of name, checksum
    fields = (0, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def main() -> int:
    """Make it; errors are one sentence on standard error."""
    try:
        make()
    except LinuxProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
