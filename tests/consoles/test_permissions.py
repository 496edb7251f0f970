"""Who may look at a console and who may type, also while the socket lives; and what of it is on record."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import places
from accounts.actors import actor_for
from accounts.models import RightGrant, Session
from accounts.services import people
from operations.models import AuditEntry
from operations.restrictions import restrict
from operations.roles import Actor
from reservations.services import booking
from tests.consoles.visit import Line, Visit, in_thread, make_slot

pytestmark = pytest.mark.django_db(transaction=True)
ALICE = Actor(name="alice", role="administrator")
LOST_SECONDS = 3.0


async def closed(page, seconds: float = LOST_SECONDS) -> int:
    await page.until(lambda: page.code, seconds)
    return page.code


def acts(board: str) -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(target__startswith=f"{board}/uart:").order_by("seq")
    return [(row.actor, row.action, row.outcome) for row in rows]


@pytest.mark.parametrize(
    ("name", "slot", "code", "sentence"),
    [
        ("", 3, 4403, "Sign in to see a console."),
        ("vera", 9, 4404, "Slot 9 of {board} has no serial port."),
    ],
)
async def test_who_may_not_come_in_is_told_why(line: Line, visit: Visit, name, slot, code, sentence):
    page = await visit(name, "viewer", slot=slot)
    refused = await page.until_said("refused", what="attach")
    assert refused["message"] == sentence.format(board=line.keys.board)
    assert await closed(page) == code
    assert page.data == b""


async def test_a_restricted_console_shows_nothing_and_the_refusal_is_on_record(line: Line, visit: Visit):
    line.write(b"root password: hunter2")
    await in_thread(restrict)(f"{line.keys.board}/uart:3", "console.read", "operator", ALICE)
    page = await visit("vera", "viewer")
    assert await closed(page) == 4403
    assert page.data == b""
    assert (await in_thread(acts)(line.keys.board))[-1] == ("vera", "console.attached", "refused")


async def test_a_page_of_another_site_gets_no_socket(line: Line, visit: Visit):
    with pytest.raises(AssertionError):
        await visit(origin="http://evil.example")
    with pytest.raises(AssertionError):
        await visit(origin="http://localhost:8001")  # another port of this very machine


async def test_losing_the_right_to_see_closes_the_console(line: Line, visit: Visit):
    make = await in_thread(make_slot)(line.keys.board, 4)
    assert make is None
    page, other = await visit("vera", "viewer"), await visit("vera", "viewer", slot=4)
    await page.until_said("hello")
    await in_thread(restrict)(f"{line.keys.board}/uart:3", "console.read", "administrator", ALICE)
    assert await closed(page) == 4403
    await other.until_said("hello")
    assert await other.quiet()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("how", ["sign out", "switch off", "new password"])
async def test_whoever_leaves_the_portal_leaves_its_consoles(line: Line, visit: Visit, how: str):
    page = await visit()
    await page.until_said("hello")

    def leave() -> None:
        if how == "sign out":
            Session.objects.get().delete()
        elif how == "switch off":
            people.switch_off(ALICE, visit.people["olga"])
        else:
            people.set_password(ALICE, visit.people["olga"], "another long password")

    await in_thread(leave)()
    assert await closed(page) == 4403


@pytest.mark.usefixtures("eager")
async def test_losing_the_right_to_type_takes_the_keyboard_and_leaves_the_view(line: Line, visit: Visit):
    page = await visit()
    await page.say("take")
    await page.until_said("lease", yours=True)
    await in_thread(restrict)(f"{line.keys.board}/uart:3", "console.write", "administrator", ALICE)
    lost = await page.until_said("lease", LOST_SECONDS, may_type=False)
    why = "You may no longer type here. Typing on the console of slot 3 needs the role administrator; olga is operator."
    assert (lost["yours"], lost["typist"], lost["why"]) == (False, None, why)
    await page.type(b"reboot\r")
    await page.until_said("refused", what="keys", code="not-permitted")
    await page.say("take")
    await page.until_said("refused", what="take", code="not-permitted")
    assert line.typed() == []
    line.write(b"still to be seen")
    await page.until_data(b"still to be seen")
    await in_thread(restrict)(f"{line.keys.board}/uart:3", "console.write", None, ALICE)
    await page.until_said("lease", LOST_SECONDS, may_type=True, why="You may type here now.")


@pytest.mark.usefixtures("eager")
async def test_a_reservation_takes_the_keyboard_from_others_and_its_end_gives_it_back(line: Line, visit: Visit):
    """When the time that was planned comes: here no worker runs, who would write down that it has begun."""
    page, mine = await visit("olga"), await visit("bob")
    await page.say("take")
    await page.until_said("lease", yours=True)
    await page.until_said("hello")

    bob = await in_thread(actor_for)(visit.people["bob"])
    place = await in_thread(places.find)(line.keys.board, 3)
    soon = timezone.now() + timedelta(seconds=0.2)
    row = await in_thread(booking.reserve)(place, booking.Wish("swap SSD", 3600, soon), bob)
    lost = await page.until_said("lease", LOST_SECONDS, may_type=False)
    assert (lost["yours"], lost["typist"]) == (False, None)
    assert lost["why"].startswith("You may no longer type here. bob has reserved slot 3 until ")
    await page.type(b"x")
    refused = await page.until_said("refused", what="keys")
    assert "bob has reserved slot 3" in refused["message"]
    await page.say("take")
    assert (await page.until_said("refused", what="take"))["code"] == "reserved"
    await mine.say("take")
    await mine.until_said("lease", yours=True)
    await in_thread(booking.release)(row.pk, bob)
    await page.until_said("lease", LOST_SECONDS, may_type=True, why="You may type here now.")
    assert line.typed() == []


async def test_a_viewer_watches_and_does_not_type(line: Line, visit: Visit):
    page = await visit("vera", "viewer")
    assert (await page.until_said("hello"))["may_type"] is False
    await page.type(b"ls\r")
    await page.until_said("refused", what="keys", code="not-permitted")
    for kind in ("take", "take-over", "break"):
        await page.say(kind)
        await page.until_said("refused", what=kind, code="not-permitted")
    assert line.typed() == []


async def test_a_break_needs_the_keyboard_and_a_sysrq_is_a_break_with_a_key(line: Line, visit: Visit):
    page = await visit()
    await page.say("break")
    await page.until_said("refused", what="break", code="not-typing")
    await page.say("take")
    await page.until_said("lease", yours=True)
    await page.say("break")
    await page.say("sysrq", key="s")
    async with asyncio.timeout(5):
        while len(line.typed()) < 2:
            await asyncio.sleep(0.02)
    assert [(row["k"], row["d"]) for row in line.typed()] == [(b"break", b""), (b"break", b"s")]


async def test_everything_but_the_keystrokes_is_on_record(line: Line, visit: Visit):
    page = await visit()
    await page.say("take", why="to mend it")
    await page.until_said("lease", yours=True)
    await page.type(b"hunter2\r")
    await page.say("sysrq", key="s")
    await page.say("release")
    await page.until_said("lease", yours=False)
    await page.close()
    told = await in_thread(acts)(line.keys.board)
    names = ["attached", "taken", "sysrq", "released", "detached"]
    assert told == [("olga", f"console.{name}", "done") for name in names]
    assert not await in_thread(AuditEntry.objects.filter(text__contains="hunter2").exists)()


async def test_nobody_fills_the_record_by_holding_a_button(line: Line, visit: Visit):
    page = await visit()
    for _ in range(12):
        await page.say("take")
    await page.until_said("refused", what="take", code="too-fast")
    assert len([act for act in await in_thread(acts)(line.keys.board) if act[1] == "console.taken"]) <= 11


async def grant(visit: Visit, name: str, board: str, until: timedelta | None = None) -> RightGrant:
    """A right on slot 3 for somebody who is nothing else."""

    def give() -> RightGrant:
        visit.known(name, "")
        person = visit.people[name]
        now = timezone.now()
        end = now + until if until else None
        scope = f"{board}/slot:3"
        return RightGrant.objects.create(
            user=person, role="operator", scope=scope, until=end, given_by="alice", given_at=now
        )

    return await in_thread(give)()


async def test_a_right_on_a_slot_opens_its_console_and_no_other_one(line: Line, visit: Visit):
    assert await in_thread(make_slot)(line.keys.board, 4) is None
    await grant(visit, "carol", line.keys.board)
    page = await visit("carol", "")
    await page.say("take")
    await page.until_said("lease", yours=True)
    other = await visit("carol", "", slot=4)
    refused = await other.until_said("refused", what="attach")
    assert refused["code"] == "unknown-slot"
    assert await closed(other) == 4404
    refusals = [act for act in await in_thread(acts)(line.keys.board) if act[2] == "refused"]
    assert refusals == [("carol", "console.attached", "refused")]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("granted", "hours", "stays"), [(2, 1, True), (2, 3, False), (48, 13, False)])
async def test_a_console_closes_when_right_or_session_runs_out_though_nobody_changes_anything(
    line: Line, visit: Visit, monkeypatch, granted: int, hours: int, stays: bool
):
    await grant(visit, "carol", line.keys.board, timedelta(hours=granted))
    page = await visit("carol", "")
    await page.until_said("hello")
    later = timezone.now() + timedelta(hours=hours)
    monkeypatch.setattr(timezone, "now", lambda: later)
    if stays:
        await asyncio.sleep(0.3)
        line.write(b"still here")
        await page.until_data(b"still here")
    else:
        assert await closed(page) == 4403


@pytest.mark.usefixtures("eager")
async def test_a_right_that_is_taken_away_closes_the_console(line: Line, visit: Visit):
    right = await grant(visit, "carol", line.keys.board)
    page = await visit("carol", "")
    await page.until_said("hello")
    await in_thread(right.delete)()
    assert await closed(page) == 4403
