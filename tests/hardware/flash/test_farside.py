"""What runs on a SOM judges its disks as the portal judges its own; here with a made-up /sys, under both shells."""

import subprocess
from pathlib import Path

import pytest

from hardware.flash import network

GIB = 1024**3
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}


class Machine:
    """A made-up /sys and /proc."""

    def __init__(self, directory: Path) -> None:
        self.sys, self.proc = directory / "sys", directory / "proc"
        (self.sys / "block").mkdir(parents=True)
        self.proc.mkdir()
        (self.proc / "swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n")

    def add(self, name: str, number: str, *parts: str, size: int = GIB, **texts: str) -> None:
        """A disk, its partitions ("sda1=8:1"), and what its files say ("device__serial")."""
        entry = self.sys / "block" / name
        self._entry(entry, number)
        for path, text in {"size": str(size // 512), "ro": "0", **texts}.items():
            file = entry / path.replace("__", "/")
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{text}\n")
        for part in parts:
            self._entry(entry / part.partition("=")[0], part.partition("=")[2])

    def mount(self, process: int, number: str, point: str, source: str) -> None:
        (self.proc / str(process)).mkdir(exist_ok=True)
        with (self.proc / str(process) / "mountinfo").open("a") as file:
            file.write(f"36 35 {number} / {point} rw,noatime shared:1 - ext4 {source} rw\n")

    def disks(self, shell: list[str]) -> dict[str, tuple[str, str, str, str, str]]:
        """What the far side lists here: size, write-protection, serial, model and uses of each disk by name."""
        program = network._FAR_SIDE.read_text()
        program = program.replace("sys=/sys\n", f"sys={self.sys}\n").replace("proc=/proc\n", f"proc={self.proc}\n")
        done = subprocess.run([*shell, "-c", program], input="disks\n", capture_output=True, text=True, timeout=30)
        greeting, *lines, end = done.stdout.splitlines()
        assert (greeting.startswith("nanoportal far side "), end, done.stderr, done.returncode) == (True, ".", "", 0)
        return {fields[0]: tuple(fields[1:]) for fields in (line.split("\t") for line in lines)}  # type: ignore[misc]

    def _entry(self, entry: Path, number: str) -> None:
        (entry / "holders").mkdir(parents=True)
        (entry / "dev").write_text(f"{number}\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    return SHELLS[request.param]


def test_disks_are_told_by_size_serial_and_model(machine: Machine, shell: list[str]) -> None:
    machine.add("mmcblk0", "179:0", device__cid="1501", device__name="BJTD4R", size=29 * GIB)
    machine.add("nvme0n1", "259:0", wwid="eui.0025", device__model="  Some   SSD\t", size=2000 * GIB)
    machine.add("sda", "8:0", device__serial=" A  1\x07 ", ro="1")
    assert machine.disks(shell) == {
        "mmcblk0": (str(29 * GIB), "0", "1501", "BJTD4R", ""),
        "nvme0n1": (str(2000 * GIB), "0", "eui.0025", "Some SSD", ""),
        "sda": (str(GIB), "1", "A 1", "", ""),
    }


def test_what_nobody_would_flash_is_not_listed(machine: Machine, shell: list[str]) -> None:
    for name in ("ram0", "zram0", "dm-0", "md127", "sr0", "mmcblk0boot0", "mmcblk0rpmb"):
        machine.add(name, "1:1")
    machine.add("sda", "8:0", size=0)  # a card reader without a card
    assert machine.disks(shell) == {}


def test_a_disk_is_in_use_if_one_of_its_partitions_is(machine: Machine, shell: list[str]) -> None:
    machine.add("mmcblk0", "179:0", "mmcblk0p1=179:1", "mmcblk0p2=179:2")
    machine.add("sda", "8:0", "sda1=8:1")
    machine.add("sdaa", "65:160", "sdaa1=65:161")
    machine.add("sdb", "8:16", "sdb1=8:17")
    machine.mount(1, "179:2", "/", "/dev/root")
    machine.mount(1, "179:1", "/boot/firmware", "/dev/mmcblk0p1")
    machine.mount(42, "179:2", "/", "/dev/root")  # twice the same is said once
    machine.mount(42, "65:161", "/data", "/dev/sdaa1")  # in a container alone
    (machine.sys / "block/sdb/sdb1/holders/dm-0").mkdir()
    uses = {name: fields[-1] for name, fields in machine.disks(shell).items()}
    assert set(uses["mmcblk0"].split("; ")) == {"is mounted on /boot/firmware", "holds the system that runs there", ""}
    assert uses["mmcblk0"].count("; ") == 2
    assert uses["sda"] == ""
    assert uses["sdaa"] == "is mounted on /data; "
    assert uses["sdb"] == "belongs to dm-0; "


def test_what_is_mounted_under_a_number_of_its_own_is_found_by_its_device(machine: Machine, shell: list[str]) -> None:
    """As btrfs is."""
    device = next(path for path in Path("/dev").iterdir() if path.name in ("null", "zero"))  # one that is there
    machine.add(device.name, "8:32")
    machine.mount(1, "0:35", "/srv", str(device))
    assert machine.disks(shell)[device.name][-1] == "is mounted on /srv; "


def test_swap_space_is_in_use(machine: Machine, shell: list[str]) -> None:
    machine.add("null", "8:48")
    with (machine.proc / "swaps").open("a") as file:
        file.write("/dev/null partition\t524284\t0\t-2\n/swapfile file\t1024\t0\t-3\n")
    assert machine.disks(shell)["null"][-1] == "is swap space (/dev/null); "


def test_what_it_was_not_taught_ends_it(shell: list[str]) -> None:
    program = network._FAR_SIDE.read_text()
    done = subprocess.run([*shell, "-c", program], input="format\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "nanoportal refused was told something that it does not know\n"


def test_it_ends_when_nobody_is_there_any_more_and_leaves_nothing_behind(shell: list[str]) -> None:
    program = network._FAR_SIDE.read_text()
    with subprocess.Popen(
        [*shell, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        process.stdin.close()
        assert process.stderr
        assert process.stderr.read() == b""  # its end: whoever gives signs of life has ended too
        assert process.wait(5) == 0
