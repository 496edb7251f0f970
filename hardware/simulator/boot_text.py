"""What the simulated SOMs write to their UARTs. All texts are ours, in the manner of boot loaders and kernels."""

#: One step of a boot: seconds after power came, the stage that it reaches, the text.
Step = tuple[float, str, str]


def _lines(*lines: str) -> str:
    return "".join(line + "\r\n" for line in lines)


_LOADERS = {
    "LM3H": _lines(
        "", "SPL: DRAM 2048 MiB", "Boot loader (simulated LM3H)", "eMMC: 29.1 GiB, partition 1", "Loading kernel"
    ),
    "M4N": _lines("", "ROM: boot from eMMC", "Boot loader (simulated M4N)", "DDR: 8192 MiB", "Loading kernel"),
    "CM4": _lines(
        "", "RPi: BOOTLOADER (simulated CM4)", "board: CM4 4 GB", "boot mode: SD/EMMC", "partition 1: kernel8.img"
    ),
    "CM5": _lines("", "RPi: BOOTLOADER (simulated CM5)", "board: CM5 8 GB", "boot mode: SD/EMMC", "kernel_2712.img"),
}
_MACHINES = {
    "LM3H": ("Longan Module 3H", 4, "end0: 100 Mb/s full duplex"),
    "M4N": ("Maix 4 N", 8, "eth0: 1000 Mb/s full duplex"),
    "CM4": ("Compute Module 4", 4, "eth0: 1000 Mb/s full duplex"),
    "CM5": ("Compute Module 5", 4, "eth0: 1000 Mb/s full duplex"),
}
#: Seconds from power to boot loader, kernel, services, login prompt [inferred].
_TIMES = {
    "LM3H": (0.6, 3.0, 7.0, 12.0),
    "M4N": (0.8, 3.5, 7.0, 12.0),
    "CM4": (0.5, 2.5, 6.0, 10.0),
    "CM5": (0.4, 2.0, 4.5, 8.0),
}


def boot_script(kind: str, hostname: str | None) -> list[Step]:
    """Return the steps of a boot of this type of SOM, the earliest first; a host name of None finds nothing to boot."""
    loader, kernel, services, login = _TIMES[kind]
    if hostname is None:
        # All but the last line: that one says what it loads.
        found = "".join(_LOADERS[kind].splitlines(keepends=True)[:-1])
        return [(loader, "boot-loader", found), (kernel, "stopped", _lines("No bootable device", "System halted"))]
    machine, cores, link = _MACHINES[kind]
    kernel_text = _lines(
        f"[    0.000000] Booting Linux on {machine} (simulated)",
        f"[    0.071204] smp: {cores} CPUs up",
        "[    0.402118] Serial: console enabled, 115200 8N1",
        "[    1.113027] mmc0: new high speed card",
        "[    1.480915] EXT4-fs (mmcblk0p2): mounted read-only",
    )
    services_text = _lines(
        f"[    3.914402] {link}",
        "[  OK  ] Mounted file systems.",
        "[  OK  ] Started network.",
        "[  OK  ] Reached target multi-user.",
    )
    return [
        (loader, "boot-loader", _LOADERS[kind]),
        (kernel, "kernel", kernel_text),
        (services, "kernel", services_text),
        (login, "login", _lines("", f"Simulated Linux on {hostname}, console 0", "") + login_prompt(hostname)),
    ]


def login_prompt(hostname: str) -> str:
    """Return what a system that waits for somebody shows."""
    return f"{hostname} login: "


SHUTDOWN_TEXT = (
    _lines("", "The system will power off now!", "[  OK  ] Stopped session."),
    _lines("[  OK  ] Stopped network.", "[  OK  ] Unmounted file systems."),
    _lines("[  OK  ] Reached target power off."),
    _lines("reboot: Power down"),
)


def panic_text() -> str:
    """Return the last words of a kernel."""
    return _lines(
        "",
        "[  612.004411] Kernel panic - not syncing: attempted to kill init (simulated)",
        "[  612.004902] CPU: 0 PID: 1 Comm: init",
        "[  612.005377] ---[ end Kernel panic ]---",
    )
