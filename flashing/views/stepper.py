"""The seven steps at the head of every page of a flash: which are behind, which is now, and what was answered."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from flashing.models import Method
from flashing.views.choices import WITHOUT, Choices

ASKED = ("slots", "image", "method", "first-boot", "review")
TITLES = ("Slots", "Image", "Method", "First boot", "Review", "Boot mode", "Write, verify")


@dataclass(frozen=True)
class Step:
    """A step as it is drawn; one with a `url` can be gone back to."""

    title: str
    note: str = ""
    at: str = ""  # "done", "now", or "" for what is to come
    url: str = ""


def numbers_in_words(numbers: Iterable[int]) -> str:
    """`3`, `3 and 4`, `2, 3 and 4`."""
    words = [str(number) for number in numbers]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def slots_in_words(numbers: Iterable[int]) -> str:
    """`slot 3`, `slots 3 and 4`."""
    several = list(numbers)
    return f"slot{'s' if len(several) > 1 else ''} {numbers_in_words(several)}"


def methods_in_words(methods: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(str(Method(method).label) for method in methods))


def of_wizard(now: str, board: str, choices: Choices, *, image: str = "", profile: str = "") -> list[Step]:
    """The steps while things are being chosen: those before `now` lead back to their page."""
    chosen_profile = "none" if choices.profile == WITHOUT else profile
    methods = methods_in_words(aim.method for aim in choices.aims.values())
    notes = (numbers_in_words(choices.slots), image, methods, chosen_profile, "", "", "")
    here = ASKED.index(now)
    steps = []
    for index, (title, note) in enumerate(zip(TITLES, notes, strict=True)):
        if index < here:
            url = f"{reverse(f'flashing:{ASKED[index]}', args=[board])}?{choices.query}"
            steps.append(Step(title, note, "done", url))
        else:
            steps.append(Step(title, "", "now" if index == here else ""))
    return steps


def of_run(notes: tuple[str, str, str, str, str], *, hands: str, writing: bool) -> list[Step]:
    """The steps once it was asked for: five behind, then boot mode (with `hands` as its note) or writing."""
    behind = [Step(title, note, "done") for title, note in zip(TITLES[:5], notes, strict=True)]
    boot_mode = Step(TITLES[5], hands, "done" if writing else "now")
    return [*behind, boot_mode, Step(TITLES[6], "", "now" if writing else "")]
