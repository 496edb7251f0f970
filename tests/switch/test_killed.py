"""A worker killed while it sets more than VLANs: every word ends as it was, the firmware's mailbox too."""

import os
from dataclasses import replace

import pytest

from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup
from operations.roles import Actor
from operations.worker import Worker
from switch.models import VlanChange
from switch.services import changes, drafts
from tests.switch import rig
from tests.switch.rig import HOME, State, Switch
from tests.switch.test_way_back import die_in, look, next_life

SLOT_3, SLOT_4, SLOT_5 = 5, 4, 3  # switch ports
SETUP = SwitchSetup(HOME)
#: What takes the firmware's leave: isolation, forced flow control, a negotiation anew.
APART = replace(SETUP, apart=frozenset({(SLOT_4, SLOT_3), (SLOT_5, SLOT_3)}))
LINKS = replace(SETUP, ports={SLOT_4: PortSetup(flow_control=FlowControl.ON), SLOT_5: PortSetup(mbps=100)})
COPIES = replace(SETUP, mirror=Mirror(to=SLOT_3, entering=frozenset({SLOT_4}), leaving=frozenset({SLOT_5})))


def commit(setup: SwitchSetup, actor: Actor) -> VlanChange:
    drafts.save_setup(rig.row(), setup, actor)
    shown = changes.preview(rig.row(), actor)
    codes = tuple(one.code for one in shown.plan.unsafe)
    return changes.commit(rig.row(), shown.plan.fingerprint, actor, overrides=codes)


def image(switch: Switch) -> dict[int, list[int]]:
    """Every word that differs from the chip's reset, but for what tells that a link came or went (section 19)."""
    volatile = [0x142004 + 0x400 * index for index in range(8)]
    return {at: words for at, words in switch.model.memory.differences().items() if at not in volatile}


@pytest.mark.parametrize(
    "transfers", [17, 30, 70, 110, 10_000, *(pytest.param(place, marks=pytest.mark.soak) for place in range(1, 300, 3))]
)
@pytest.mark.parametrize("setup", [APART, LINKS, COPIES], ids=["apart", "links", "copies"])
def test_killed_anywhere_every_word_is_as_it_was(
    home: Switch, me: Worker, administrator: Actor, monkeypatch: pytest.MonkeyPatch, setup: SwitchSetup, transfers: int
) -> None:
    before = image(home)
    change = commit(setup, administrator)
    assert die_in(home, me, change, monkeypatch, look(home) + transfers)
    new = next_life(me, monkeypatch)
    home.clock.wait(10)  # links that were begun anew are there again
    assert rig.again(change).state in (State.ROLLED_BACK, State.NOT_APPLIED)
    assert image(home) == before
    assert home.holds(SETUP)
    assert home.chip.read_hands_off() == 0x0FFE0000
    os.close(new._lock)
