"""SOMs on virtual time: what a press or a level does to them (nanocluster.md, section 3.2)."""

import pytest

from hardware.clock import VirtualClock
from hardware.simulator.boot_text import boot_script
from hardware.simulator.som import KINDS, BootStage, Power, Som
from hardware.simulator.testing import ClockScheduler
from hardware.simulator.usb import Face
from hardware.som import PowerState


class Bench:
    """One SOM with nothing around it but ears."""

    def __init__(self, kind: str) -> None:
        self.clock = VirtualClock()
        self.powers: list[str] = []
        self.links: list[int] = []
        self.text = ""
        self.faces: list[str | None] = []
        self.system: str | None = "host"
        self.som = Som(KINDS[kind], "host", ClockScheduler(self.clock), self)

    def power_changed(self, power: Power) -> None:
        self.powers.append(power)

    def link_changed(self, mbps: int) -> None:
        self.links.append(mbps)

    def say(self, text: str) -> None:
        self.text += text

    def face_changed(self, face: Face | None) -> None:
        self.faces.append(face and face.ids)

    def find_system(self) -> str | None:
        return self.system

    def press(self, seconds: float) -> None:
        self.som.line_changed(0)
        self.clock.wait(seconds)
        self.som.line_changed(1)

    def boot(self) -> None:
        self.som.start()
        self.clock.wait(30)
        assert self.som.stage is BootStage.LOGIN


@pytest.fixture
def cm4() -> Bench:
    return Bench("CM4")


@pytest.fixture
def cm5() -> Bench:
    return Bench("CM5")


@pytest.fixture
def lm3h() -> Bench:
    return Bench("LM3H")


def test_power_words_are_those_of_the_portal() -> None:
    assert set(Power) <= set(PowerState)


@pytest.mark.parametrize("kind", ["CM4", "M4N"])
def test_a_level_som_is_off_while_its_line_is_low_and_boots_when_it_rises(kind: str) -> None:
    bench = Bench(kind)
    bench.som.line_changed(0)
    bench.clock.wait(60)
    assert bench.powers == []
    bench.som.line_changed(1)
    assert bench.powers == ["On"]
    bench.som.line_changed(0)
    assert bench.powers == ["On", "Off"]


def test_a_pulse_restarts_a_level_som(cm4: Bench) -> None:
    cm4.boot()
    cm4.press(1)
    assert cm4.powers == ["On", "Off", "On"]
    assert cm4.som.stage is BootStage.BOOT_LOADER


@pytest.mark.parametrize("kind", ["CM5", "LM3H"])
def test_a_press_of_one_second_starts_a_button_som_that_is_off(kind: str) -> None:
    bench = Bench(kind)
    bench.press(1)
    assert bench.powers == ["On"]
    bench.clock.wait(60)
    assert bench.powers == ["On"], "the press that started it does not also shut it down"


def test_a_bounce_starts_nothing(cm5: Bench) -> None:
    cm5.press(0.1)
    cm5.clock.wait(10)
    assert cm5.powers == []


def test_a_short_press_asks_a_running_cm5_to_shut_down_in_about_twelve_seconds(cm5: Bench) -> None:
    cm5.boot()
    cm5.press(1)
    assert cm5.powers == ["On", "PoweringOff"]
    cm5.clock.wait(11)
    assert cm5.som.power is Power.POWERING_OFF
    cm5.clock.wait(2)
    assert cm5.powers == ["On", "PoweringOff", "Off"]
    assert not cm5.som.is_latched
    cm5.press(1)
    assert cm5.som.power is Power.ON


def test_a_press_while_a_cm5_still_boots_is_not_heard(cm5: Bench) -> None:
    cm5.som.start()
    cm5.clock.wait(3)
    cm5.press(1)
    assert cm5.powers == ["On"]


def test_a_press_during_the_shutdown_of_a_cm5_starts_it_again(cm5: Bench) -> None:
    cm5.boot()
    cm5.press(1)
    cm5.clock.wait(2)
    cm5.press(1)
    cm5.clock.wait(20)
    assert cm5.powers == ["On", "PoweringOff", "Off", "On"]


def test_eight_seconds_latch_a_cm5_off_until_power_is_lost(cm5: Bench) -> None:
    cm5.boot()
    cm5.press(8)
    assert cm5.powers == ["On", "Off"]
    assert cm5.som.is_latched
    for _ in range(3):
        cm5.press(1)
        cm5.clock.wait(5)
    assert cm5.powers == ["On", "Off"]
    cm5.som.lose_power()
    cm5.press(1)
    assert cm5.powers == ["On", "Off", "On"]


def test_a_cm5_goes_off_while_the_button_is_still_held(cm5: Bench) -> None:
    cm5.boot()
    cm5.som.line_changed(0)
    cm5.clock.wait(7)
    assert cm5.som.power is Power.ON
    cm5.clock.wait(1)
    assert cm5.som.power is Power.OFF


def test_a_press_cut_short_before_the_force_off_acts_as_a_short_one(cm5: Bench) -> None:
    cm5.boot()
    cm5.press(6)
    assert cm5.powers == ["On", "PoweringOff"]


def test_eight_seconds_force_an_lm3h_off_and_it_starts_again(lm3h: Bench) -> None:
    lm3h.boot()
    lm3h.press(8)
    assert lm3h.powers == ["On", "Off"]
    assert not lm3h.som.is_latched
    lm3h.press(1)
    assert lm3h.powers == ["On", "Off", "On"]


def test_a_short_press_on_a_running_lm3h_is_ignored_unless_asked_otherwise(lm3h: Bench) -> None:
    lm3h.boot()
    lm3h.press(1)
    assert lm3h.powers == ["On"]
    lm3h.som.press_shuts_down = True
    lm3h.press(1)
    assert lm3h.powers == ["On", "PoweringOff"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_boot_goes_from_loader_to_login_with_a_link_after_seconds(kind: str) -> None:
    bench = Bench(kind)
    bench.som.start()
    assert bench.som.stage is BootStage.BOOT_LOADER
    bench.clock.wait(1)
    assert kind in bench.text
    assert bench.links == []
    bench.clock.wait(7)
    assert bench.links == [100 if kind == "LM3H" else 1000]
    bench.clock.wait(15)
    assert bench.som.stage is BootStage.LOGIN
    assert bench.text.endswith("host login: ")
    assert bench.text.isascii()
    quiet = bench.text
    bench.clock.wait(600)
    assert bench.text == quiet


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_boot_steps_come_in_order_and_name_known_stages(kind: str) -> None:
    steps = boot_script(kind, "host")
    assert [seconds for seconds, _, _ in steps] == sorted(seconds for seconds, _, _ in steps)
    assert [BootStage(stage) for _, stage, _ in steps][-1] is BootStage.LOGIN


def test_off_takes_link_and_boot_text_away_at_once(cm4: Bench) -> None:
    cm4.som.start()
    cm4.clock.wait(5)
    cm4.som.line_changed(0)
    assert cm4.links == [1000, 0]
    text = cm4.text
    cm4.clock.wait(60)
    assert cm4.text == text
    assert cm4.links == [1000, 0]


def test_a_system_that_hangs_ignores_a_short_press_and_keeps_its_link(cm5: Bench) -> None:
    cm5.boot()
    assert cm5.som.stop_system(panic=False)
    cm5.press(1)
    cm5.clock.wait(60)
    assert cm5.powers == ["On"]
    assert cm5.links == [1000]
    cm5.press(8)
    assert cm5.powers == ["On", "Off"]


def test_a_panic_says_so_and_stops_a_shutdown_half_way(cm5: Bench) -> None:
    cm5.boot()
    cm5.som.ask_for_shutdown()
    cm5.som.stop_system(panic=True)
    assert "panic" in cm5.text
    cm5.clock.wait(60)
    assert cm5.powers == ["On", "PoweringOff", "On"]


def test_a_system_that_shut_down_by_itself_leaves_a_level_som_off_until_a_pulse(cm4: Bench) -> None:
    cm4.boot()
    assert cm4.som.ask_for_shutdown()
    cm4.clock.wait(20)
    assert cm4.powers == ["On", "PoweringOff", "Off"]
    cm4.press(1)
    assert cm4.som.power is Power.ON


def test_nothing_can_be_asked_of_a_som_that_is_off(cm5: Bench) -> None:
    assert not cm5.som.ask_for_shutdown()
    assert not cm5.som.stop_system(panic=True)


def test_losing_power_ends_a_press_without_effect(cm5: Bench) -> None:
    cm5.som.line_changed(0)
    cm5.clock.wait(0.1)
    cm5.som.lose_power()
    cm5.clock.wait(20)
    cm5.som.line_changed(1)
    assert cm5.powers == []
