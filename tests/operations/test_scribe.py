"""The two threads of a running operation: what is told is written in order, and nothing waits for it but questions."""

import threading

import pytest

from operations.scribe import Scribe


def test_work_goes_on_while_what_it_told_is_still_being_written():
    scribe, written = Scribe(), threading.Event()

    def work() -> bool:
        scribe.tell(lambda: assert_true(written.wait(10)))
        went_on = not written.is_set()
        written.set()
        return went_on

    assert scribe.attend(work)


def test_everything_is_done_by_the_thread_that_attends_and_in_order():
    scribe, done = Scribe(), []

    def work() -> int:
        for number in range(3):
            scribe.tell(lambda number=number: done.append((number, threading.current_thread())))
        return scribe.ask(lambda: len(done))

    assert scribe.attend(work) == 3
    assert done == [(number, threading.current_thread()) for number in range(3)]


def test_what_cannot_be_written_is_logged_and_the_rest_goes_on(caplog):
    scribe, done = Scribe(), []

    def work() -> None:
        scribe.tell(lambda: 1 / 0)
        scribe.tell(lambda: done.append("the next"))

    scribe.attend(work)
    assert done == ["the next"]
    assert "could not be written down" in caplog.text


@pytest.mark.parametrize("place", ["work", "question"])
def test_an_error_of_the_work_or_of_a_question_reaches_the_caller(place: str):
    scribe = Scribe()
    raising = {"work": lambda: 1 / 0, "question": lambda: scribe.ask(lambda: 1 / 0)}[place]
    with pytest.raises(ZeroDivisionError):
        scribe.attend(raising)


def assert_true(value: bool) -> None:
    assert value
