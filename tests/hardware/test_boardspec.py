"""Board files: what may be left out, and the sentence for everything that cannot be."""

from pathlib import Path

import pytest

from hardware.boardspec import SWITCH_RESET_LINE, SwitchWiring, load_board
from hardware.errors import BoardFileError

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "hardware" / "boards").glob("*.toml"))
MINIMAL = '[i2c]\nbus = "/dev/i2c-1"\nexpander = "0x18"\n'


def write(tmp_path: Path, text: str, name: str = "b1.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_bus_and_expander_are_enough(tmp_path: Path) -> None:
    spec = load_board(write(tmp_path, MINIMAL))
    assert (spec.slug, spec.name, spec.bus, spec.expander) == ("b1", "b1", "/dev/i2c-1", "0x18")
    assert (spec.supply, spec.supply_watts, spec.simulated, spec.controller_slot) == ("usb-c-60", 60.0, False, 1)
    assert spec.switch is None
    assert spec.controller_restart == ()


def test_what_the_baseboard_fixes_is_the_default(tmp_path: Path) -> None:
    spec = load_board(write(tmp_path, MINIMAL))
    assert {slot: wiring.line for slot, wiring in spec.slots.items()} == {slot: slot for slot in range(1, 8)}
    assert {slot: wiring.port for slot, wiring in spec.slots.items()} == {7: 1, 6: 2, 5: 3, 4: 4, 3: 5, 2: 6, 1: 7}
    assert spec.uplink_port == 8
    assert SWITCH_RESET_LINE == 0


def test_every_key_is_read(tmp_path: Path) -> None:
    spec = load_board(
        write(
            tmp_path,
            """
            name = "Rack 3, left"
            supply = "poe"
            simulated = true
            controller_slot = 2
            uplink_port = 8
            verified = true
            i2c = {bus = "sim:/tmp/i2c.sock", expander = "gpiochip:pca9557"}
            switch = {bus = "/dev/i2c-3", address = "0x5D", mode = "lsb"}
            controller = {restart = ["systemctl", "reboot"]}
            rpiboot = {gadget = "/opt/usbboot/mass-storage-gadget64"}
            [slots.3]
            line = 4
            port = 4
            uart = "/dev/serial/by-path/x"
            usb = "1-1.2"
            probe = "slot3.local:22"
            storage = "/srv/slot3.img"
            [slots.4]
            line = 3
            port = 5
            """,
        )
    )
    assert (spec.name, spec.supply, spec.supply_watts) == ("Rack 3, left", "poe", 60.0)
    assert (spec.simulated, spec.verified, spec.controller_slot) == (True, True, 2)
    assert (spec.bus, spec.expander) == ("sim:/tmp/i2c.sock", "gpiochip:pca9557")
    assert spec.switch == SwitchWiring("/dev/i2c-3", 0x5D, "lsb")
    assert spec.controller_restart == ("systemctl", "reboot")
    third = spec.slots[3]
    assert (third.line, third.port, third.uart, third.usb) == (4, 4, "/dev/serial/by-path/x", "1-1.2")
    assert (third.probe, third.storage) == ("slot3.local:22", "/srv/slot3.img")
    assert spec.rpiboot_gadget == "/opt/usbboot/mass-storage-gadget64"


@pytest.mark.parametrize("usb", ["1-1", "1-1.2.4", "10-4", "sim:/var/x/sim/demo#1-1.2"])
def test_a_usb_path_is_the_kernels_here_or_on_a_simulated_board(tmp_path: Path, usb: str) -> None:
    spec = load_board(write(tmp_path, MINIMAL + f'[slots.3]\nusb = "{usb}"\n[slots.4]\nusb = "{usb}"\n'))
    assert (spec.slots[3].usb, spec.slots[4].usb, spec.slots[5].usb) == (usb, usb, None)


def test_a_supply_may_be_given_in_watts(tmp_path: Path) -> None:
    spec = load_board(write(tmp_path, "supply = {watts = 45}\n" + MINIMAL))
    assert (spec.supply, spec.supply_watts) == ("custom", 45.0)


def test_the_switch_has_its_usual_address_unless_told_otherwise(tmp_path: Path) -> None:
    spec = load_board(write(tmp_path, MINIMAL + '[switch]\nbus = "/dev/i2c-1"\n'))
    assert spec.switch == SwitchWiring("/dev/i2c-1", 0x5C, "auto")


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("name = 3\n" + MINIMAL, "name", "must be a text, not 3"),
        ('name = " "\n' + MINIMAL, "name", "must not be empty"),
        ("colour = 1\n" + MINIMAL, "colour", "is not known"),
        ('simulated = "yes"\n' + MINIMAL, "simulated", "must be true or false, not 'yes'"),
        ("controller_slot = 8\n" + MINIMAL, "controller_slot", "must be 1 to 7, not 8"),
        ("controller_slot = true\n" + MINIMAL, "controller_slot", "must be a whole number, not True"),
        ('supply = "battery"\n' + MINIMAL, "supply", 'must be "usb-c-60", "usb-c-65", "poe" or {watts = NUMBER}'),
        ("supply = true\n" + MINIMAL, "supply", "must be"),
        ("supply = {watts = 0}\n" + MINIMAL, "supply", "must be"),
        ("supply = {watts = 45, volts = 20}\n" + MINIMAL, "supply", "must be"),
        ("", "i2c", "is missing"),
        ("i2c = 3", "i2c", "must be a table, not 3"),
        ('[i2c]\nexpander = "0x18"\n', "i2c.bus", "is missing"),
        ('[i2c]\nbus = "/dev/i2c-1"\n', "i2c.expander", "is missing"),
        ('[i2c]\nbus = "i2c-1"\nexpander = "0x18"\n', "i2c.bus", 'must be "/dev/i2c-N"'),
        ('[i2c]\nbus = "/dev/i2c-1"\nexpander = "18"\n', "i2c.expander", 'must be "0x18" or "gpiochip:LABEL"'),
        ('[i2c]\nbus = "/dev/i2c-1"\nexpander = "0x78"\n', "i2c.expander", "must be"),
        ('[i2c]\nbus = "/dev/i2c-1"\nexpander = "gpiochip:"\n', "i2c.expander", "must be"),
        (MINIMAL + "speed = 400\n", "i2c.speed", "is not known"),
        (MINIMAL + "[switch]\n", "switch.bus", "is missing"),
        (MINIMAL + '[switch]\nbus = "/dev/i2c-1"\naddress = "5C"\n', "switch.address", "must be a 7-bit I2C address"),
        (MINIMAL + '[switch]\nbus = "/dev/i2c-1"\nmode = "lite"\n', "switch.mode", "must be one of auto, msb, lsb"),
        (MINIMAL + '[switch]\nbus = "/dev/i2c-1"\nport = 1\n', "switch.port", "is not known"),
        (MINIMAL + "[slots.8]\nline = 1\n", "slots.8", "is not a slot: a board has slots 1 to 7"),
        (MINIMAL + "[slots.3]\nline = 0\n", "slots.3.line", "must be 1 to 7, not 0"),
        (MINIMAL + "[slots.3]\nport = 9\n", "slots.3.port", "must be 1 to 8, not 9"),
        (MINIMAL + "[slots.3]\nline = 2\n", "slots.3.line", "is line 2, which slot 2 has already"),
        (MINIMAL + "[slots.3]\nport = 6\n", "slots.3.port", "is port 6, which slot 2 has already"),
        (MINIMAL + "[slots.3]\nport = 8\n", "slots.3.port", "is port 8, which the uplink has already"),
        ("uplink_port = 5\n" + MINIMAL, "slots.3.port", "is port 5, which the uplink has already"),
        (MINIMAL + '[slots.3]\nuart = "ttyUSB0"\n', "slots.3.uart", "must be an absolute path"),
        (MINIMAL + '[slots.3]\nusb = "sda"\n', "slots.3.usb", "must be a USB path as in /sys/bus/usb/devices"),
        (MINIMAL + '[slots.3]\nusb = "1-1.2/../1-1.3"\n', "slots.3.usb", "must be a USB path"),
        (MINIMAL + '[slots.3]\nusb = "sim:/tmp/board"\n', "slots.3.usb", "must be a USB path"),
        (MINIMAL + '[slots.3]\nstorage = "slot3.img"\n', "slots.3.storage", "must be an absolute path"),
        (MINIMAL + '[rpiboot]\ngadget = "gadget"\n', "rpiboot.gadget", "must be an absolute path"),
        (MINIMAL + '[rpiboot]\nprogram = "x"\n', "rpiboot.program", "is not known"),
        (MINIMAL + '[slots.3]\nprobe = "slot3"\n', "slots.3.probe", 'must be "host:port"'),
        (MINIMAL + "[slots.3]\nled = 1\n", "slots.3.led", "is not known"),
        (MINIMAL + '[controller]\nrestart = "reboot"\n', "controller.restart", "must be a list"),
        (MINIMAL + '[controller]\nrestart = ["reboot", 3]\n', "controller.restart", "must be a list of texts"),
    ],
)
def test_one_sentence_names_the_file_and_the_key(tmp_path: Path, text: str, key: str, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BoardFileError) as caught:
        load_board(path)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"Board file {path}, key {key}: {problem}")
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("text", ["[i2c", "name = 'a' 'b'"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(BoardFileError, match=r"Board file .*b1\.toml: it is not TOML"):
        load_board(write(tmp_path, text))


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "b1.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BoardFileError, match="it is not TOML"):
        load_board(tmp_path / "b1.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoardFileError, match="it cannot be read"):
        load_board(tmp_path / "b1.toml")


@pytest.mark.parametrize("name", ["B1.toml", "-b.toml", "rack 3.toml", f"{'b' * 64}.toml"])
def test_a_name_that_could_not_be_a_slug_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BoardFileError, match="its name must have lower-case letters"):
        load_board(write(tmp_path, MINIMAL, name))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_files_are_good_name_their_sources_and_claim_nothing(path: Path) -> None:
    spec = load_board(path)
    assert not spec.verified
    assert not spec.simulated
    text = path.read_text()
    assert text.count("vendor") >= 4
    # Each line with a number or an address says where it is from, the seven slots in the words above them.
    head = text.split("[slots.1]")[0].splitlines()
    facts = [line for line in head if "=" in line and not line.startswith(("#", "name", "verified"))]
    assert facts
    assert all("#" in line for line in facts)


def test_there_is_a_template_for_each_som_that_can_be_the_controller() -> None:
    assert [path.stem for path in SHIPPED] == ["nanocluster-cm4", "nanocluster-cm5", "nanocluster-lm3h"]
