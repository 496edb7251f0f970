"""Who may do what, as one table, and what a no says."""

import pytest

from operations import rights, roles
from operations.refusals import NotFound, NotPermitted
from operations.roles import Actor, may

pytestmark = pytest.mark.django_db  # a console may ask for more than the table says

VIEWER, CONSOLE, OPERATOR = "viewer", "console-operator", "operator"
FLASHER, NETWORK, ADMINISTRATOR = "flasher", "network-engineer", "administrator"
EVERYBODY = (VIEWER, CONSOLE, OPERATOR, FLASHER, NETWORK, ADMINISTRATOR)
TYPISTS = (CONSOLE, OPERATOR, FLASHER, NETWORK, ADMINISTRATOR)
OPERATORS = (OPERATOR, FLASHER, ADMINISTRATOR)
FLASHERS = (FLASHER, ADMINISTRATOR)
ENGINEERS = (NETWORK, ADMINISTRATOR)
TABLE = {
    "view": EVERYBODY,
    "audit.view": EVERYBODY,
    "metrics.view": EVERYBODY,
    "console.read": EVERYBODY,
    "console.write": TYPISTS,
    "console.edit": (ADMINISTRATOR,),
    "image.view": EVERYBODY,
    "image.upload": FLASHERS,
    "image.edit": FLASHERS,
    "image.delete": (ADMINISTRATOR,),
    "flash": FLASHERS,
    "flash.unverified": (ADMINISTRATOR,),
    "profile.view": EVERYBODY,
    "profile.edit": FLASHERS,
    "power": OPERATORS,
    "slot.mark": OPERATORS,
    "slot.edit": OPERATORS,
    "board.edit": (ADMINISTRATOR,),
    "switch.view": EVERYBODY,
    "switch.edit": ENGINEERS,
    "switch.scan": ENGINEERS,
    "switch.commit": ENGINEERS,
    "switch.override": (ADMINISTRATOR,),
    "switch.reset": (ADMINISTRATOR,),
    "controller.restart": (ADMINISTRATOR,),
    "reserve": (OPERATOR, FLASHER, NETWORK, ADMINISTRATOR),
    "reserve.break": (ADMINISTRATOR,),
    "audit.verify": (ADMINISTRATOR,),
    "people.edit": (ADMINISTRATOR,),
}


@pytest.mark.parametrize("role", [*EVERYBODY, "", "superuser"])
@pytest.mark.parametrize("action", TABLE)
def test_each_role_may_do_what_the_table_says_and_nothing_else(action, role):
    assert bool(may(Actor("pat", role), action, "b1/slot:3")) == (role in TABLE[action])


def test_the_table_and_the_words_know_every_action():
    assert set(TABLE) == set(rights.ACTIONS) == set().union(*rights.ROLES.values())


def test_an_action_that_nobody_defined_is_a_bug_and_not_a_yes():
    with pytest.raises(KeyError):
        may(Actor("alice", ADMINISTRATOR), "power.everything", "b1")


@pytest.mark.parametrize(
    ("actor", "sentence"),
    [
        (Actor("vera", VIEWER), "Switching slot 3 needs the role operator; vera is viewer."),
        (Actor("nemo", ""), "Switching slot 3 needs the role operator; nemo has no role."),
        (Actor("", ""), "Switching slot 3 needs the role operator; nobody has no role."),
    ],
)
def test_a_no_says_which_role_is_needed_and_which_one_is_there(actor, sentence):
    assert may(actor, "power", "b1/slot:3").reason == sentence


def test_what_is_seen_and_not_allowed_is_refused_and_what_is_not_seen_is_not_there():
    with pytest.raises(NotPermitted):
        roles.require(Actor("vera", VIEWER), "power", "b1/slot:3")
    with pytest.raises(NotFound) as unseen:
        roles.require(Actor("nemo", ""), "power", "b1/slot:3")
    assert (unseen.value.code, unseen.value.message) == ("unknown-board", "There is no board b1.")


def test_the_portal_itself_may_do_everything():
    assert all(may(roles.PORTAL, action, "b1") for action in TABLE)
