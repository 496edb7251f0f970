"""Who may do what, as one table."""

import pytest

from operations import roles
from operations.refusals import NotPermitted
from operations.roles import Actor, may

pytestmark = pytest.mark.django_db  # a console may ask for more than the table says

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "administrator"
EVERYBODY = (VIEWER, OPERATOR, ADMINISTRATOR)
TABLE = {
    "view": EVERYBODY,
    "audit.view": EVERYBODY,
    "console.read": EVERYBODY,
    "console.write": (OPERATOR, ADMINISTRATOR),
    "console.edit": (ADMINISTRATOR,),
    "image.view": EVERYBODY,
    "image.upload": (OPERATOR, ADMINISTRATOR),
    "image.edit": (OPERATOR, ADMINISTRATOR),
    "image.delete": (ADMINISTRATOR,),
    "flash": (OPERATOR, ADMINISTRATOR),
    "flash.unverified": (ADMINISTRATOR,),
    "profile.view": EVERYBODY,
    "profile.edit": (OPERATOR, ADMINISTRATOR),
    "power": (OPERATOR, ADMINISTRATOR),
    "slot.mark": (OPERATOR, ADMINISTRATOR),
    "slot.edit": (OPERATOR, ADMINISTRATOR),
    "board.edit": (ADMINISTRATOR,),
    "switch.view": EVERYBODY,
    "switch.edit": (OPERATOR, ADMINISTRATOR),
    "switch.scan": (OPERATOR, ADMINISTRATOR),
    "switch.commit": (OPERATOR, ADMINISTRATOR),
    "switch.override": (ADMINISTRATOR,),
    "switch.reset": (ADMINISTRATOR,),
    "controller.restart": (ADMINISTRATOR,),
    "audit.verify": (ADMINISTRATOR,),
    "people.edit": (ADMINISTRATOR,),
}


@pytest.mark.parametrize("role", [*EVERYBODY, "", "superuser"])
@pytest.mark.parametrize("action", TABLE)
def test_each_role_may_do_what_the_table_says_and_nothing_else(action, role):
    assert bool(may(Actor("pat", role), action, "b1/slot:3")) == (role in TABLE[action])


def test_the_table_knows_every_action():
    assert set(TABLE) == set(roles.LEAST_ROLE)


def test_an_action_that_nobody_defined_is_a_bug_and_not_a_yes():
    with pytest.raises(KeyError):
        may(Actor("alice", ADMINISTRATOR), "power.everything", "b1")


@pytest.mark.parametrize(
    ("actor", "sentence"),
    [
        (Actor("vera", VIEWER), "This needs the role operator; vera is viewer."),
        (Actor("nemo", ""), "This needs the role operator; nemo has no role."),
        (Actor("", ""), "This needs the role operator; nobody has no role."),
    ],
)
def test_a_no_says_which_role_is_needed_and_which_one_is_there(actor, sentence):
    with pytest.raises(NotPermitted) as refusal:
        roles.require(actor, "power", "b1/slot:3")
    assert str(refusal.value) == sentence


def test_the_portal_itself_may_do_everything():
    assert all(may(roles.PORTAL, action, "b1") for action in TABLE)
