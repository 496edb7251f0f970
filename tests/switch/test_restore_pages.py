"""After a reset of the switch chip: the pages offer what was confirmed last, and an administrator lets it come back."""

import pytest

from operations.models import Operation
from switch.models import SwitchState, VlanChange
from switch.services import recovering
from tests.images.rig import person
from tests.switch import rig
from tests.switch.rig import HOME, State

BOARD = f"/boards/{rig.SLUG}/switch"
PANEL = f"{BOARD}/recovery"


@pytest.fixture
def lost(home, monkeypatch):
    """The chip was reset, which the worker has noticed; then its table was read."""
    monkeypatch.setattr(recovering, "_tries", {})
    home.reset()
    home.have_few_entries()
    recovering.look()
    Operation.objects.get().delete()
    rig.know(home)
    return home


def page(client, path: str = PANEL) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_nothing_is_offered_while_the_switch_holds_what_was_confirmed(home):
    shown = page(person("nina", "network-engineer"))
    assert "when somebody asks for it" in shown
    assert 'id="restore-last"' not in shown
    assert 'id="restore-last"' not in page(person("nina", "network-engineer"), f"{BOARD}/")


def test_what_a_reset_took_is_put_back_by_a_button_on_the_page_of_the_vlans(lost):
    nina = person("nina", "network-engineer")
    assert "The switch chip was reset" in page(nina)
    assert "Restore revision 1" in page(nina)
    assert "Restore revision 1" in page(nina, f"{BOARD}/")
    answer = nina.post(f"{PANEL}/restore")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{BOARD}/")
    assert "waits for its end" in page(nina)
    assert "Revision 1 is written to the switch again" in page(nina, f"{BOARD}/")
    assert rig.run(VlanChange.objects.get()).state == State.RESTORED
    assert lost.holds(HOME)
    assert 'id="restore-last"' not in page(nina)
    assert "Running table is revision 1" in page(nina, f"{BOARD}/")


def test_who_may_not_is_told_why_and_cannot(lost):
    vera = person("vera", "viewer")
    assert "needs the role network engineer" in page(vera)
    assert 'id="restore-last"' not in page(vera, f"{BOARD}/")
    assert vera.post(f"{PANEL}/restore").status_code == 403
    assert vera.post(f"{PANEL}/by-itself", {"by_itself": "yes"}).status_code == 403
    assert not VlanChange.objects.exists()


def test_an_administrator_lets_it_come_back_by_itself_and_takes_that_back(home):
    alice, nina = person("alice", "administrator"), person("nina", "network-engineer")
    assert 'id="let-restore"' not in page(nina)
    assert nina.post(f"{PANEL}/by-itself", {"by_itself": "yes"}).status_code == 403
    assert alice.post(f"{PANEL}/by-itself", {"by_itself": "yes"}).status_code == 302
    assert SwitchState.objects.get().restores_by_itself
    assert "<b>by itself</b>" in page(alice)
    alice.post(f"{PANEL}/by-itself", {"by_itself": "no"})
    assert not SwitchState.objects.get().restores_by_itself
