"""What the commands show: a table for people, one JSON document for scripts, and nothing that upsets a terminal."""

import json

import pytest

from accounts.models import User
from accounts.services import notices
from images.models import FirmwareImage
from nanoportal_client.problems import Exit
from operations.models import AuditEntry, Reservation
from slots.models import Som
from tests.client.rig import CommandLine
from tests.slots.rig import OFF, ON, believe

CM4 = 2


def test_the_boards_and_the_slots_of_the_only_one(vera: CommandLine) -> None:
    assert vera("boards").out.splitlines()[1].split()[:2] == ["demo", "demo"]
    believe(CM4, ON)
    lines = vera("slots").out.splitlines()
    assert lines[0].split() == ["SLOT", "SOM", "NAME", "POWER", "BASIS", "SINCE", "RESERVED", "BY", "NOTE"]
    assert lines[2].split()[:5] == ["2", "CM4", "heron", "On", "observed"]
    assert [line.split()[0] for line in lines[1:]] == list("1234567")
    assert "controller" in lines[1]


def test_one_slot_with_what_may_be_asked_of_it(vera: CommandLine) -> None:
    believe(CM4, OFF)
    out = vera("slots", "2").out
    assert "ForceOff" in out
    assert "EVIDENCE" not in out, "nothing was seen yet"


@pytest.mark.parametrize(
    "words",
    [
        *(["boards"], ["slots"], ["slots", "2", "3"], ["images", "list"], ["reservations"], ["reservations", "--mine"]),
        *(["operations"], ["audit"], ["tokens", "list"], ["notices"]),
    ],
    ids=" ".join,
)
def test_a_list_is_a_list_in_json_wherever_json_is_said(vera: CommandLine, words: list[str]) -> None:
    after, before = vera(*words, "--json"), vera("--json", *words)
    assert (after.code, before.code, after.err) == (0, 0, "")
    assert isinstance(after.json, list)
    if words != ["audit"]:
        assert [set(row) for row in before.json] == [set(row) for row in after.json]


def test_me(as_) -> None:
    said = as_("otto", "operator", ("read", "power"))("me").out
    assert said.startswith("otto, operator; token ")
    assert "for power, read" in said
    assert said.splitlines()[-1] == "No rights on single boards or slots."


def test_several_boards_have_to_be_named(vera: CommandLine, data_dir) -> None:
    from slots.services import catalogue

    text = (data_dir / "boards" / "demo.toml").read_text()
    (data_dir / "boards" / "lab.toml").write_text(text)
    catalogue.sync_boards()
    ended = vera("slots")
    assert ended.code == Exit.USAGE
    assert "Which board? There are demo, lab" in ended.err
    for words in (["slots", "--board", "lab"], ["-b", "lab", "slots"], ["slots", "lab/2"]):
        assert vera(*words).code == Exit.DONE


def test_a_reservation_from_its_beginning_to_its_end(olga: CommandLine, as_) -> None:
    made = olga("reserve", "2", "--for", "2h", "-p", "swap SSD")
    assert made.out.startswith("Slot 2 of demo is yours until ")
    row = Reservation.objects.get()
    assert (row.purpose, row.wanted_seconds, row.holder) == ("swap SSD", 7200, "olga")
    waits = as_("otto", "operator")("reserve", "2", "--for", "1h", "-p", "after olga", "--queue")
    assert "number 1 in the queue" in waits.out
    assert "olga" in olga("slots", "2").out
    listed = olga("reservations").out
    assert [line.split()[2:4] for line in listed.splitlines()[1:]] == [["olga", "active"], ["otto", "waiting"]]
    assert olga("extend", str(row.pk), "--for", "10m").code == Exit.REFUSED, "somebody waits"
    assert olga("extend", str(row.pk)).code == Exit.USAGE
    assert olga("release", str(row.pk)).out.endswith(" is over: it was given back.\n")
    assert olga("reservations", "--mine").out == "Nothing is reserved.\n"


def test_a_reservation_is_extended_and_planned_and_notices_are_told(olga: CommandLine) -> None:
    olga("reserve", "2", "--for", "2h", "-p", "swap SSD")
    row = Reservation.objects.get()
    assert olga("extend", str(row.pk), "--for", "1h").code == Exit.DONE
    longer = Reservation.objects.get()
    assert round((longer.ends_at - row.ends_at).total_seconds()) == 3600
    assert "yours from" in olga("reserve", "3", "--for", "1h", "-p", "later", "--at", "23:59").out
    notices.tell(User.objects.get(username="olga").pk, "The fan is on fire.", "/")
    assert "The fan is on fire." in olga("notices").out
    assert olga("notices", "--seen").code == Exit.DONE
    assert olga("notices").out == "There is nothing.\n"


def test_power_of_several_slots_and_exactly_one_reset(olga: CommandLine) -> None:
    for number in (2, 5):
        believe(number, OFF)
    rows = olga("power", "on", "2,5", "-r", "nightly", "--json").json
    assert [(row["resource"], row["reason"]) for row in rows] == [
        ("demo/slot:2", "nightly"),
        ("demo/slot:5", "nightly"),
    ]
    assert rows[0]["group"] == rows[1]["group"] is not None
    listed = olga("operations", "--open").out
    assert "Power on slot 5" in listed
    assert olga("cancel", rows[1]["id"]).code == Exit.DONE
    believe(6, ON)
    assert olga("power", "force-restart", "6", "--json").json[0]["title"] == "Force restart slot 6"


def test_one_operation_with_its_log_and_a_cancelled_one(olga: CommandLine) -> None:
    believe(CM4, OFF)
    asked = olga("power", "on", "2", "--json").json[0]["id"]
    assert "Power on slot 2" in olga("operations", asked).out
    assert olga("cancel", asked).code == Exit.DONE
    assert olga("wait", asked).code == Exit.FAILED


def test_the_audit_log_names_the_token_and_goes_on_page_by_page(alice: CommandLine, olga: CommandLine) -> None:
    believe(CM4, OFF)
    olga("power", "on", "2", "-r", "nightly build")
    out = alice("audit", "--actor", "olga", "--target", "demo/slot:2").out
    assert "Power on slot 2" in out
    assert f"{olga.token[3:11]} script" in out
    assert "nightly build" in out
    for number in range(3):
        alice("release", str(1000 + number))
    everything = alice("audit", "-n", "1000", "--json").json
    assert [row["seq"] for row in everything] == sorted((row["seq"] for row in everything), reverse=True)
    assert len(everything) == AuditEntry.objects.count()
    assert len(alice("audit", "-n", "2", "--json").json) == 2


def test_tokens_are_listed_and_end_themselves_but_are_never_made(olga: CommandLine, as_) -> None:
    other = as_("olga")
    prefix = other.token[3:11]
    assert prefix in olga("tokens", "list").out
    assert olga("tokens", "revoke", prefix).code == Exit.NOT_PERMITTED
    assert other("tokens", "revoke", prefix).code == Exit.DONE
    assert other("boards").code == Exit.NOT_PERMITTED
    assert olga("tokens", "list", "--everybody").code == Exit.NOT_PERMITTED
    assert olga("tokens", "make").code == Exit.USAGE


@pytest.fixture
def image(db) -> FirmwareImage:
    from django.utils import timezone

    sizes = dict.fromkeys(("stored_bytes", "size_bytes", "mapped_bytes"), 4_000_000)
    return FirmwareImage.objects.create(
        name="Lab",
        file_name="lab.img",
        format="raw",
        sha256="ab" * 32,
        added_at=timezone.now(),
        added_by="olga",
        **sizes,
    )


@pytest.mark.parametrize("named", ["Lab", "lab.img", "ababab", "id", "short"])
def test_an_image_is_found_by_whatever_names_it(alice: CommandLine, image: FirmwareImage, named: str) -> None:
    word = {"id": str(image.pk), "short": image.pk.hex[:8]}.get(named, named)
    assert "is retired" in alice("images", "retire", word).out


def test_an_image_is_deleted_once_it_is_retired_and_somebody_said_yes(alice: CommandLine, image: FirmwareImage) -> None:
    assert alice("images", "delete", "Lab").code == Exit.USAGE, "nobody is there to say yes"
    assert alice("images", "delete", "Lab", "--yes").code == Exit.REFUSED, "it is not retired"
    assert "is retired" in alice("images", "retire", "Lab").out
    assert "is offered again" in alice("images", "bring-back", "Lab").out
    alice("images", "retire", "Lab")
    assert alice("images", "delete", "Lab", "--yes", "--json").json == {"deleted": str(image.pk)}
    assert alice("images", "list").out == "There is no such image.\n"


def test_two_images_of_one_name_have_to_be_told_apart(alice: CommandLine, image: FirmwareImage) -> None:
    image.pk, image.sha256 = None, "cd" * 32
    image.save(force_insert=True)
    ended = alice("images", "retire", "Lab")
    assert ended.code == Exit.USAGE
    assert "2 images are called 'Lab'" in ended.err


def test_names_cannot_speak_to_the_terminal(vera: CommandLine) -> None:
    """A name that sets the title of a window, or hides what stands beside it."""
    Som.objects.filter(slot__number=CM4).update(name="\x1b]0;owned\x07\x9b2Jheron")
    out = vera("slots").out
    assert "heron" in out
    assert not [letter for letter in out if not letter.isprintable() and letter != "\n"]
    assert json.loads(vera("slots", "2", "--json").out)[0]["som"]["name"] == "\x1b]0;owned\x07\x9b2Jheron"
    assert vera("slots", "2", "--json").out.isascii()
