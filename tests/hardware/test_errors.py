"""Errors are words: every one has a code of its own and is one sentence."""

import pytest

from hardware import errors, program_errors, switch_errors
from hardware.errors import HardwareError

EXAMPLES = [
    errors.BusError(0x18, 3, "the transfer timed out"),
    errors.BusError(0x5C, None, "the device did not answer (NACK)", nack=True),
    errors.BusUnavailable("/dev/i2c-1", "No such file or directory"),
    errors.LineUnavailable(3, "Device or resource busy"),
    errors.VerifyMismatch("output", 0x08, 0x00),
    errors.LineStuck(3, 0, 1),
    errors.PortUnavailable("/dev/ttyUSB0", "another program holds it"),
    errors.DeviceNotFound("A GPIO chip labelled pca9557"),
    errors.ChipRefused("its firmware is not up"),
    switch_errors.RegistersDiffer((switch_errors.RegisterDifference("SWCORE_VLAN_TABLE[10]", 0x10654C, 0x204, 0x7FF),)),
    switch_errors.VlanTableInvalid("VLAN 10 is in the table twice."),
    switch_errors.SetupInvalid("Slot 3 cannot be kept apart from itself."),
    switch_errors.AddressTableFull("The switch has no room for 02:50:b6:11:22:33."),
    switch_errors.VlanTableRefused((switch_errors.Refusal("both-ways", 10, (7, 8), "It is", "that"),)),
    errors.BoardFileError("b1.toml", "i2c.bus", "is missing"),
    errors.BoardFileError("b1.toml", "", "it is not TOML"),
    errors.TraitsError("CM9", "baud", "is missing"),
    errors.RecordUnwritable("/var/holds/b1-3.json", "No space left on device"),
    errors.ObservationTimeout("Off", 90.0),
    errors.SequenceRefused("No."),
    errors.AmbiguousPowerState("Perhaps."),
    errors.NotSupported("Never."),
    errors.LatchedOff("Not until the power is cut."),
    errors.AlreadyInState("It is."),
    errors.ImageError("The image could not be read: Input/output error."),
    errors.ImageTruncated("The image is cut short: its xz data breaks off."),
    errors.ImageCorrupt("The image's xz data is damaged: corrupt input data."),
    errors.ImageUnsupported("The image is empty."),
    errors.ImageNeedsMemory("Expanding this image takes too much memory."),
    errors.ImageTooLarge("The image expands to more than the limit."),
    errors.BlockMapInvalid("The block map is not a bmap file."),
    errors.Stopped("Reading the image"),
    errors.TargetRefused("The path /dev/null is not a disk."),
    errors.TargetInUse("The disk sda is mounted on /mnt."),
    errors.TargetChanged("The disk in USB port 1-1.2 is another one."),
    errors.TargetAmbiguous("Two disks could be meant."),
    errors.TargetTooSmall("The image does not fit."),
    errors.WriteError("sda", 4096, "Input/output error"),
    errors.ReadError("sda", 4096, "Input/output error"),
    errors.VerifyError("sda", 4096, 1024),
    errors.BootModeTimeout("Nothing answers at USB 1-1.2.", 600.0),
    errors.RemoteUnavailable("root@slot3.local", "Connection refused"),
    errors.RemoteRefused("The disk sda is mounted there."),
    errors.HostKeyUnknown("root@slot3.local"),
    errors.HostKeyChanged("root@slot3.local"),
    program_errors.ProgramMissing("rpiboot", "the package rpiboot"),
    program_errors.ProgramFailed("rpiboot", 255, "it may not open the device"),
    program_errors.ProgramTimeout("rpiboot", 60.0, "Waiting for BCM2711"),
]


def kinds() -> list[type[HardwareError]]:
    named = {**vars(errors), **vars(program_errors), **vars(switch_errors)}.values()
    return [kind for kind in named if isinstance(kind, type) and issubclass(kind, HardwareError)]


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in kinds()]
    assert len(set(codes)) == len(codes)
    assert all("code" in vars(kind) for kind in kinds())


def test_every_kind_of_error_has_an_example_here() -> None:
    assert {type(example) for example in EXAMPLES} == set(kinds()) - {HardwareError}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)
def test_every_error_is_one_sentence(example: HardwareError) -> None:
    text = str(example)
    assert text[0].isupper()
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text


def test_only_what_may_pass_by_itself_is_worth_trying_again() -> None:
    assert {kind.code for kind in kinds() if kind.retryable} == {
        "boot-mode-timeout",
        "bus-error",
        "bus-unavailable",
        "line-unavailable",
        "port-unavailable",
        "program-failed",
        "program-timeout",
        "record-unwritable",
        "remote-unavailable",
        "stopped",
    }
