"""`manage.py audit verify | export | retain`: check the audit log's chain, write it out, move old entries to files."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from operations import audit, exporting, retention, searching, verifying
from operations.models import AuditEntry
from operations.refusals import Refused
from operations.verifying import Place, Verdict


class Command(BaseCommand):
    help = "Check the audit log's chain, write it out, or move old entries to files."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="name the first broken entry, exit 1; with files, check those instead")
        verify.add_argument("files", nargs="*", type=Path, help="JSON lines that export or retain wrote, oldest first")
        export = verbs.add_parser("export", help="write entries to standard output, oldest first")
        export.add_argument("--format", choices=list(exporting.FORMATS), default="jsonl")
        for name, words in FILTERS.items():
            export.add_argument(f"--{name}", default="", help=words)
        retain = verbs.add_parser("retain", help="move the entries of the time before to files, leave a checkpoint")
        age = retain.add_mutually_exclusive_group(required=True)
        age.add_argument("--before", type=_day, metavar="DATE", help="like 2026-01-31; UTC")
        age.add_argument("--keep-days", type=_days, metavar="DAYS", help="keep this many")
        retain.add_argument("--to", type=Path, required=True, metavar="DIRECTORY", help="where the files go")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["verb"] == "verify":
                self.verify(options["files"])
            elif options["verb"] == "export":
                self.export(options)
            else:
                self.retain(options["before"] or options["keep_days"], options["to"])
        except Refused as refusal:
            raise CommandError(refusal.message, returncode=1) from refusal
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{error}.", returncode=1) from error

    def verify(self, files: list[Path]) -> None:
        if files:
            return self.verify_files(files)
        verdict = verifying.verify()
        verifying.remember(verdict)
        self.say(verdict)
        self.stdout.write(f"The audit log is whole: {verdict.checked} entries, chain and head agree.")

    def verify_files(self, files: list[Path]) -> None:
        """Files that follow each other, and, where the log knows what comes after them, that they end there."""
        streams = [file.open(encoding="utf-8") for file in files]
        found = verifying.verify_lines(chain.from_iterable(streams), Place())
        for stream in streams:
            stream.close()
        if isinstance(found, Verdict):
            return self.say(found)
        known = _known_mac(found.last)
        if known is not None and known != found.mac:
            self.say(Verdict(found.last, found.last, f"entry {found.last} is another one in the database"))
        words = "the log has the same entry" if known else "the log does not know the last of them"
        self.stdout.write(f"The files are whole: {found.checked} entries up to {found.last}; {words}.")

    def say(self, verdict: Verdict) -> None:
        if not verdict.whole:
            raise CommandError(f"Broken at entry {verdict.broken_at}: {verdict.problem}.", returncode=1)

    def export(self, options: dict[str, Any]) -> None:
        asked = searching.asked_for({name: options[name.replace("-", "_")] for name in FILTERS})
        for piece in exporting.pieces(searching.narrowed(AuditEntry.objects.all(), asked), options["format"]):
            self.stdout.write(piece, ending="")

    def retain(self, since: datetime, folder: Path) -> None:
        if since > timezone.now():
            raise CommandError("That day has not come yet; nothing was taken out.")
        if not folder.is_dir():
            raise CommandError(f"{folder} is no directory; make it, or name another one.")
        moved = 0
        for done in retention.retain(since, folder, audit.os_actor()):
            moved += done.count
            self.stdout.write(
                f"Entries {done.first} to {done.last} are in {done.file} (SHA-256 {done.sha256}); "
                f"checkpoint: entry {done.checkpoint}."
            )
        if not moved:
            self.stdout.write(f"There is no entry from before {since:%Y-%m-%d}; nothing was taken out.")


FILTERS = {
    "text": "words, each in the entry or the beginning of one that is",
    "actor": "who",
    "action": 'what, like "power.reset"',
    "target": 'a board with all that is on it, or one thing, like "demo/slot:3"',
    "outcome": "like refused",
    "operation": "its id",
    "from": "first day, like 2026-01-31; UTC",
    "to": "last day",
}


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date like 2026-01-31") from None


def _days(text: str) -> datetime:
    """The beginning of the oldest day that is kept."""
    try:
        return timezone.now() - timedelta(days=_whole(text))
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no number of days like 400") from None


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _known_mac(seq: int) -> str | None:
    """The signature of an entry as the log has it: its own, or that of the last one that retention took out."""
    upto, mac = verifying.newest_checkpoint()
    if seq == upto:
        return mac
    return AuditEntry.objects.filter(pk=seq).values_list("mac", flat=True).first()
