"""The socket of a console: every byte once and in order, or a gap of exact size; and who may type."""

import asyncio
import time
from typing import Any

import pytest

from consoles import consumers, journal, presence, tail
from consoles.flow import JOIN_SECONDS
from consoles.services import attending
from tests.consoles.visit import Line, Visit, in_thread

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_visitor_gets_what_came_before_and_what_comes(line: Line, visit: Visit):
    line.write(b"U-Boot 2023.01\r\n")
    page = await visit()
    await page.until_data(b"U-Boot 2023.01\r\n")
    assert page.said[0]["type"] == "hello"
    assert page.said[0]["epoch"] == line.epoch
    line.write(b"=> ")
    await page.until_data(bytes(line.sent))
    assert page.gaps() == []


async def test_markers_stand_where_they_belong(line: Line, visit: Visit):
    line.write(b"before")
    line.mark(words="A break was sent by olga.")
    line.write(b"after")
    page = await visit()
    await page.until_data(b"beforeafter")
    marker = page.of("marker")[-1]
    assert (marker["at"], marker["cursor"], marker["words"]) == (6, "6-1", "A break was sent by olga.")


async def test_a_reload_in_the_middle_of_output_loses_nothing_and_repeats_nothing(line: Line, visit: Visit):
    line.write(b"one two ")
    line.mark()
    page = await visit()
    await page.until(lambda: str(page.cursor) == "8-1")
    await page.close()
    line.mark()
    line.write(b"three ")
    again = await visit(resume=page.resume)
    line.write(b"four")
    await again.until_data(b"three four")
    assert [row["cursor"] for row in again.of("marker")] == ["8-2"]
    assert again.gaps() == []


async def test_a_place_in_the_middle_of_an_entry_is_a_place(line: Line, visit: Visit):
    line.write(b"0123456789")
    page = await visit(resume=f"?epoch={line.epoch}&after=4")
    await page.until_data(b"456789")


async def test_missing_bytes_are_a_gap_of_exact_size(line: Line, visit: Visit):
    line.write(b"here")
    line.lose(b"x" * 1000)
    line.write(b"there")
    page = await visit()
    await page.until_data(b"herethere")
    assert page.gaps() == [1000]


async def test_what_the_journal_no_longer_holds_is_a_gap_for_who_comes_back_late(line: Line, visit: Visit):
    for _ in range(10):
        line.write(b"0123456789")
    line.client.xtrim(line.keys.stream(line.epoch), minid="80-0", approximate=False)
    page = await visit(resume=f"?epoch={line.epoch}&after=25")
    await page.until(lambda: len(page.data) == 30)
    assert page.gaps() == [45]


async def test_history_longer_than_the_ring_comes_whole(line: Line, visit: Visit):
    for number in range(700):
        line.write(f"{number:>999}\n".encode())
    first, second = await visit(), await visit("vera", "viewer")
    for page in (first, second):
        await page.until_data(line.sent, seconds=20)
        assert max(map(len, page.frames)) > 10_000, "pieces are joined"


async def test_the_daemons_restart_goes_on_in_a_new_epoch(line: Line, visit: Visit):
    line.write(b"old")
    page = await visit()
    await page.until_data(b"old")
    before = line.epoch
    for _ in range(700):  # more than is read at once
        line.write(b".")
    line.begin()
    line.write(b" new")
    await page.until_data(line.sent)
    assert [row["epoch"] for row in page.of("hello")] == [before, line.epoch]
    assert [row["kind"] for row in page.of("marker")] == ["daemon-away", "daemon-away"]
    assert page.gaps() == []


async def test_who_was_away_for_two_epochs_finishes_each_before_the_next(line: Line, visit: Visit):
    line.write(b"one ")
    page = await visit()
    await page.until_data(b"one ")
    await page.close()
    line.write(b"two ")
    line.begin()
    line.write(b"three ")
    line.begin()
    line.write(b"four")
    again = await visit(resume=page.resume)
    await again.until_data(b"two three four")
    assert again.gaps() == []


async def test_a_count_that_goes_on_behind_lost_bytes_makes_an_exact_gap(line: Line, visit: Visit):
    line.write(b"kept")
    page = await visit()
    await page.until_data(b"kept")
    line.lose(b"x" * 77)
    line.begin(journal.BROKER_LOST, lost=77)
    line.write(b"kept again")
    await page.until_data(b"keptkept again")
    assert page.gaps() == [77]


async def test_a_count_that_began_again_is_not_mistaken_for_the_old_one(line: Line, visit: Visit):
    line.write(b"a long story that nobody remembers")
    page = await visit()
    await page.until_data(bytes(line.sent))
    line.client.delete(line.keys.epochs, line.keys.stream(line.epoch))
    line.epoch = ""
    line.begin(first=0)
    line.write(b"short")
    again = await visit(resume=page.resume)
    await again.until_data(b"short")
    assert again.gaps() == [None]


async def test_a_daemon_that_counts_from_below_again_is_not_waited_for(line: Line, visit: Visit):
    line.write(b"a long story")
    page = await visit()
    await page.until_data(b"a long story")
    line.begin(first=0)
    line.write(b"short")
    await page.until_data(b"a long storyshort")
    assert page.gaps() == [None]


@pytest.mark.parametrize("resume", ["?epoch=0123456789abcdef&after=3", "?epoch=x&after=3", "?after=zzz", "?epoch=%00"])
async def test_an_unknown_place_starts_at_the_oldest_entry_and_says_so(line: Line, visit: Visit, resume: str):
    line.write(b"all of it")
    page = await visit(resume=resume)
    await page.until_data(b"all of it")
    assert page.gaps() == [None]


async def test_without_a_daemon_the_page_learns_it_and_goes_on_when_there_is_one(visit: Visit, line: Line):
    line.client.delete(line.keys.epochs, line.keys.stream(line.epoch))
    page = await visit()
    hello = await page.until_said("hello")
    assert hello["epoch"] is None
    assert hello["port"]["reach"] == "daemon-away"
    line.epoch = ""
    line.begin()
    line.say()
    line.write(b"there it is")
    await page.until_data(b"there it is")
    await page.until_said("port", reach="ok", state="open")


# Typing


async def test_everybody_watches_until_they_take_the_keyboard(line: Line, visit: Visit):
    line.say()
    page = await visit()
    await page.until_said("hello", typist=None)
    await page.type(b"ls\r")
    assert (await page.until_said("refused"))["code"] == "not-typing"
    await page.say("take")
    await page.until_said("lease", yours=True)
    await page.type(b"ls\r")
    await page.type(b"exit\r")
    for _ in range(100):
        if len(line.typed()) == 2:
            break
        await asyncio.sleep(0.02)
    assert [(row["s"], row["k"], row["d"], row["p"]) for row in line.typed()] == [
        (b"3", b"data", b"ls\r", b"olga"),
        (b"3", b"data", b"exit\r", b"olga"),
    ]


async def test_what_is_typed_while_there_is_no_daemon_is_refused_in_words_and_not_kept(line: Line, visit: Visit):
    line.say()
    page = await visit()
    await page.say("take")
    await page.until_said("lease", yours=True)
    line.client.delete(line.keys.port)
    line.tell("port")
    await page.until_said("port", reach="daemon-away")
    await page.type(b"reboot\r")
    assert "nothing can be typed" in (await page.until_said("refused", code="daemon-away"))["message"]
    assert line.typed() == []


async def test_a_take_over_tells_the_loser_who_and_why_and_stops_their_keys(line: Line, visit: Visit):
    line.say()
    olga, alice = await visit(), await visit("alice", "administrator")
    await olga.say("take")
    await olga.until_said("lease", yours=True)
    await alice.say("take")
    assert (await alice.until_said("refused", what="take"))["message"] == "olga has the keyboard."
    await alice.say("take-over", why="the SSD is on fire")
    await alice.until_said("lease", yours=True)
    lost = await olga.until_said("lease", yours=False, by="alice")
    assert lost["why"] == "the SSD is on fire"
    await olga.type(b"rm -rf /\r")
    await olga.until_said("refused", code="not-typing")
    assert [row["k"] for row in line.typed()] == [b"taken-over"]


async def test_everybody_sees_who_is_here_and_who_types(line: Line, visit: Visit):
    olga, vera = await visit(), await visit("vera", "viewer")
    await olga.say("take")

    def seen() -> bool:
        rows = vera.of("presence")[-1:] or [{"people": []}]
        return sorted((p["person"], p["mode"]) for p in rows[0]["people"]) == [("olga", "type"), ("vera", "watch")]

    await vera.until(seen)
    await olga.close()
    await vera.until(lambda: [p["person"] for p in vera.of("presence")[-1]["people"]] == ["vera"])
    await vera.until_said("lease", typist=None)


async def test_a_keyboard_that_is_given_back_stays_free_however_long_that_takes_to_write_down(
    line: Line, visit: Visit, monkeypatch: pytest.MonkeyPatch
):
    """Leases are renewed every 10 s, here at every look; the one of somebody who has just given it back is not."""
    monkeypatch.setattr(presence, "RENEW_SECONDS", 0.0)
    write_down = attending._record

    def slowly(action: str, *rest: Any, **more: Any) -> None:
        time.sleep(0.3 if action == "console.released" else 0.0)
        write_down(action, *rest, **more)

    monkeypatch.setattr(attending, "_record", slowly)
    olga, vera = await visit(), await visit("vera", "viewer")
    await olga.say("take")
    await vera.until_said("hello")
    await olga.until_said("lease", yours=True)
    await olga.say("release")
    await vera.until_said("lease", typist=None)
    await asyncio.sleep(0.5)  # longer than what is slow
    assert line.client.get(line.keys.typist) is None


NONSENSE = {
    " ": "bad-message",
    "{": "bad-message",
    "[" * 4000: "bad-message",
    "[]": "bad-message",
    "7": "bad-message",
    '{"type": "fly"}': "unknown-type",
    '{"type": ["take"]}': "unknown-type",
    '{"type": "ack"}': "bad-message",
    '{"type": "ack", "offset": -1}': "bad-message",
    '{"type": "ack", "cursor": {}}': "bad-message",
    '{"type": "sysrq", "key": "reboot"}': "bad-message",
    '{"type": "take", "why": 3}': "bad-message",
    "x" * 5000: "too-long",
}


async def test_nonsense_is_refused_in_one_sentence_and_changes_nothing(line: Line, visit: Visit):
    page = await visit()
    await page.until_said("hello")
    for count, (text, code) in enumerate(NONSENSE.items(), 1):
        await page.socket.send_to(text_data=text)
        await page.until(lambda count=count: len(page.of("refused")) == count)
        refused = page.of("refused")[-1]
        assert (refused["code"], refused["message"].count(".")) == (code, 1), text
    line.write(b"still here")
    await page.until_data(b"still here")
    assert line.typed() == []


async def test_too_much_at_once_is_not_typed(line: Line, visit: Visit):
    page = await visit()
    await page.say("take")
    await page.until_said("lease", yours=True)
    await page.type(b"x" * 4097)
    await page.until_said("refused", what="keys", code="too-long")
    assert line.typed() == []


# Slow ones, and brokers that come and go


async def test_a_stalled_viewer_is_bounded_then_closed_and_delays_nobody(line: Line, visit: Visit, settings):
    settings.TIME_SCALE = 60  # a minute is a second
    stalled, prompt = await visit(), await visit("vera", "viewer")
    stalled.acknowledges = False
    for page in (stalled, prompt):
        await page.until_said("hello")
    for _ in range(25):
        line.write(b"x" * 4096)
        await prompt.until_data(line.sent)
    await stalled.until(lambda: stalled.code)
    assert stalled.code == 4408
    assert 48 * 1024 < len(stalled.data) <= 64 * 1024
    again = await visit(resume=stalled.resume)
    await again.until(lambda: len(stalled.data) + len(again.data) == len(line.sent))
    assert again.gaps() == []


async def test_a_journal_that_makes_no_sense_ends_a_visit_once_with_a_code_that_browsers_get(line: Line, visit: Visit):
    page = await visit()
    await page.until_said("hello")
    line.client.xadd(line.keys.stream(line.epoch), {"neither": "data nor marker"}, id=f"{line.end + 1}-0")
    await page.until(lambda: page.code)
    assert 3000 <= page.code < 5000, "Autobahn sends no other"
    assert [said["what"] for said in page.of("refused")] == ["socket"]


async def test_a_lone_keystrokes_echo_is_not_held_back_to_be_joined(line: Line, visit: Visit):
    page = await visit()
    await page.until(lambda: page.cursor is not None)
    delays = []
    for _ in range(20):
        await asyncio.sleep(0.03)
        began = asyncio.get_running_loop().time()
        line.write(b"x")
        await page.until_data(line.sent)
        delays.append(asyncio.get_running_loop().time() - began)
    assert sorted(delays)[10] < JOIN_SECONDS / 2


async def test_a_flood_is_joined_to_few_frames(line: Line, visit: Visit):
    page = await visit()
    await page.until(lambda: page.cursor is not None)
    for _ in range(100):
        line.write(b"x" * 460)
        await asyncio.sleep(0.005)
    await page.until_data(line.sent)
    assert len(page.frames) < 50


async def test_the_socket_outlives_the_broker_and_says_what_its_memory_held(
    line: Line, visit: Visit, settings, private_broker
):
    settings.JOURNAL_URL = private_broker.url
    there = Line(line.keys.board, url=private_broker.url)
    there.begin()
    there.say()
    there.write(b"before ")
    page = await visit()
    await page.say("take")
    await page.until_said("lease", yours=True)
    await page.until_data(b"before ")
    await in_thread(private_broker.kill)()
    await page.until_said("port", reach="broker-away")
    await page.type(b"ls\r")
    await page.until_said("refused", what="keys", code="broker-unavailable")
    there.lose(b"nobody keeps this")
    await in_thread(private_broker.start)()
    there.begin(journal.BROKER_LOST, lost=17)
    there.say()
    there.write(b"after")
    await page.until_data(b"before after")
    assert page.gaps() == [17]
    await page.until(lambda: page.of("port")[-1]["reach"] == "ok")
    async with asyncio.timeout(5):
        while not there.typed():  # the keyboard is still theirs
            await page.type(b"exit\r")
            await asyncio.sleep(0.1)
    there.close()


async def test_a_broker_that_hangs_is_waited_for(line: Line, visit: Visit, settings, private_broker, monkeypatch):
    monkeypatch.setattr(tail, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(tail, "BLOCK_SECONDS", 0.1)
    monkeypatch.setattr(consumers, "TYPE_SECONDS", 0.2)
    settings.JOURNAL_URL = private_broker.url
    there = Line(line.keys.board, url=private_broker.url)
    there.begin()
    there.write(b"before ")
    page = await visit()
    await page.until_data(b"before ")
    with private_broker.hung():
        await page.until_said("port", reach="broker-away")
        await page.type(b"ls\r")
        await page.until_said("refused", what="keys", code="broker-unavailable")
    there.write(b"after")
    await page.until_data(b"before after")
    assert page.gaps() == []
    there.close()
