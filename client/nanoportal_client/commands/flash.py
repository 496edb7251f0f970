"""`flash`: an image onto a slot's storage, once it is certain which slot is meant, with what hands have to do."""

from typing import Any

import click

from nanoportal_client import waiting
from nanoportal_client.commands.images import find
from nanoportal_client.drawing import bar
from nanoportal_client.invocation import Invocation, new_key, with_options
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.waiting import OPEN, Patience
from nanoportal_client.words import size, table

HOLD_BOOT = 1  # the step of rpiboot in which the portal waits for somebody's word
MEASURED = ("writing", "verifying")  # the phases of which it is known how far they are


@click.command(epilog="Example: nanoportal flash 3 lab.img.xz --target kestrel")
@click.argument("slot")
@click.argument("image")
@click.option("--method", default="", help="How its storage is reached; need not be said where there is one way.")
@click.option("--medium", default="", help="Which storage: eMMC, SD, ...; need not be said where there is one.")
@click.option("--address", default="", help="For the way by network: root@10.0.0.3:/dev/mmcblk0")
@click.option("--profile", type=int, help="The number of a first-boot profile.")
@click.option(
    "--target",
    default="",
    help="The SOM's name, or `slot 3` if it has none: says that it is meant, instead of typing it.",
)
@click.option("-r", "--reason", default="", help="Why, for the audit log.")
@click.option("--no-wait", is_flag=True, help="End as soon as it is queued.")
@click.option("--key", default="", help="Idempotency-Key: asking twice with the same one does it once.")
@with_options
def flash(
    invocation: Invocation,
    slot: str,
    image: str,
    method: str,
    medium: str,
    address: str,
    profile: int | None,
    target: str,
    reason: str,
    no_wait: bool,
    key: str,
) -> None:
    """Write an image onto the storage of a slot.

    All that is there is overwritten. IMAGE is an id, the beginning of a hash, or a name. Where hands are needed, the
    command says what to do and when.
    """
    board, number = invocation.slot(slot)
    row = invocation.portal.get(f"/boards/{board}/slots/{number}")
    kept = find(invocation, image)
    chosen = _method(invocation, board, number, method, address)
    medium = medium or _only_medium(chosen)
    body = {
        **{"method": chosen["method"], "medium": medium, "address": address},
        **{"typed": target or _typed(invocation, row, kept, chosen, medium), "image_id": kept["id"]},
        **{"profile_id": profile, "reason": reason},
    }
    run = invocation.portal.act("POST", f"/boards/{board}/slots/{number}/flash", body, key=key or new_key())
    if not no_wait:
        run = _watch(invocation, run)
    job = run["jobs"][0]
    if no_wait or invocation.json or job["operation"]["state"] == "succeeded":
        invocation.show(run, job["operation"]["message"] or f"Queued as operation {job['id']}.")
    if not no_wait:
        waiting.end_of([job["operation"]])


def _method(invocation: Invocation, board: str, number: int, asked: str, address: str) -> dict[str, Any]:
    """The way that was asked for, or the only one that can be taken now. Raises `Problem`."""
    offers = invocation.portal.get(f"/boards/{board}/slots/{number}/flash-methods")["methods"]
    asked = asked or ("network" if address else "")
    fits = [one for one in offers if (one["method"] == asked if asked else one["available"])]
    if len(fits) == 1:
        return dict(fits[0])
    rows = [(one["method"], "yes" if one["available"] else "no", one["words"]) for one in offers]
    invocation.say(table(("METHOD", "NOW", "WHAT IT DOES, OR WHY NOT"), rows, "There is none."))
    if asked or not fits:
        raise Problem(Exit.REFUSED, f"Slot {number} of {board} cannot be flashed{f' by {asked}' if asked else ' now'}.")
    raise Problem(Exit.USAGE, "There are several ways to flash it: say --method.")


def _only_medium(method: dict[str, Any]) -> str:
    media = method["media"]
    if len(media) == 1 or not media:
        return str(media[0]) if media else "disk"
    raise Problem(Exit.USAGE, f"Which storage? There are {', '.join(media)}: say --medium.")


def _typed(
    invocation: Invocation, row: dict[str, Any], image: dict[str, Any], method: dict[str, Any], medium: str
) -> str:
    """What somebody types after having read what will be overwritten. Raises `Problem` if nobody is there."""
    som = row["som"] or {}
    name = som.get("name") or f"slot {row['number']}"
    if not invocation.asks:
        raise Problem(Exit.USAGE, "Nobody is there to say that this SOM is meant: give its name with --target.")
    invocation.say(
        f"Slot {row['number']}: {som.get('type', 'empty')} {som.get('name', '')} {som.get('serial_number', '')}\n"
        f"Image: {image['name']}, {size(image['size_bytes'])}, sha256 {image['sha256'][:12]}\n"
        f"{method['words']}\nEverything on its {medium} is overwritten."
    )
    typed = click.prompt(f"Type {name!r} if that is meant", err=True, default="", show_default=False)
    if typed != name:
        raise Problem(Exit.USAGE, f"That is not {name!r}: nothing was asked for.")
    return str(typed)


def _watch(invocation: Invocation, run: dict[str, Any]) -> dict[str, Any]:
    """The run, once it has ended. What hands have to do is said, and their word asked for. Ctrl-C leaves it alone."""
    watching = _Watching(invocation, run)
    try:
        while watching.job["operation"]["state"] in OPEN:
            if watching.job["phase"] in MEASURED:
                watching.draw()
            else:
                watching.tell_hands()
                watching.look()
    except KeyboardInterrupt:
        words = f"It goes on without you; to stop it: nanoportal cancel {watching.job['id']}"
        raise Problem(Exit.INTERRUPTED, words) from None
    return watching.run


class _Watching:
    """A run of one job, looked at again and again."""

    def __init__(self, invocation: Invocation, run: dict[str, Any]) -> None:
        self.invocation, self.run = invocation, run
        self._patience, self._seen, self._told = Patience(invocation.clock), 0, 0

    @property
    def job(self) -> dict[str, Any]:
        return dict(self.run["jobs"][0])

    def look(self) -> None:
        """Wait a little, and see how far it is."""
        self._patience.rest("The flash")
        path = f"/flash-runs/{self.run['id']}"
        self.run = self._patience.look(lambda: self.invocation.portal.get(path, after=self._seen)) or self.run
        for line in self.run.get("log", ()):
            if line["number"] > self._seen:
                self._seen = line["number"]
                self._patience.hurry()
                if not self.invocation.json:
                    self.invocation.say(line["text"])

    def draw(self) -> None:
        """A bar for as long as this phase lasts."""
        phase, done = self.job["phase"], 0
        with bar(self.invocation, phase.capitalize(), self.job["total_bytes"]) as advance:
            while self.job["phase"] == phase and self.job["operation"]["state"] in OPEN:
                advance(self.job["done_bytes"] - done)
                done = max(done, self.job["done_bytes"])
                self.look()
            if self.job["operation"]["state"] in (*OPEN, "succeeded"):  # then this phase has come to its end
                advance(self.job["total_bytes"] - done)

    def tell_hands(self) -> None:
        """Say each thing that hands have to do, and ask for their word where the portal waits for one."""
        job = self.job
        if job["hands_step"] == self._told:
            return
        self._told = job["hands_step"]
        if self._told:
            self.invocation.say(f"Slot {job['slot']}: {job['operation']['progress']} (USB: {job['usb'] or 'not seen'})")
        if self._told == HOLD_BOOT and job["method"] == "rpiboot":
            self._ask_for_boot(job)

    def _ask_for_boot(self, job: dict[str, Any]) -> None:
        if not self.invocation.asks:
            self.invocation.say("Waiting for somebody to say, on the page, that BOOT is held.")
            return
        click.prompt("Press Enter while you hold BOOT", err=True, default="", show_default=False, prompt_suffix="")
        try:
            self.invocation.portal.act("POST", f"/flash-jobs/{job['id']}/holding")
        except Problem as problem:
            if problem.code != "not-waiting":
                raise
            self.invocation.say(problem.message)


COMMANDS = (flash,)
