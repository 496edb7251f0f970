"""`manage.py audit verify | export`: check the audit log's chain, or write it out."""

import csv
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from operations import audit
from operations.models import AuditEntry


class Command(BaseCommand):
    help = "verify: check the chain and name the first broken entry (exit 1). export: write all entries to stdout."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("verify")
        verbs.add_parser("export").add_argument("--format", choices=["jsonl", "csv"], default="jsonl")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "verify":
            self.verify()
        elif options["format"] == "csv":
            self.export_csv()
        else:
            for entry in _entries():
                self.stdout.write(json.dumps({**json.loads(entry.text), "mac": entry.mac}))

    def verify(self) -> None:
        verdict = audit.verify()
        if not verdict.whole:
            raise CommandError(f"Broken at entry {verdict.broken_at}: {verdict.problem}.", returncode=1)
        self.stdout.write(f"The audit log is whole: {verdict.checked} entries, chain and head agree.")

    def export_csv(self) -> None:
        columns = ["seq", "at", *audit.COLUMNS, "operation_id", "mac"]
        writer = csv.writer(self.stdout)  # its line ends, CR LF (RFC 4180), make it quote either of them in a cell
        writer.writerow(columns)
        for entry in _entries():
            writer.writerow([_safe(getattr(entry, name)) for name in columns])


def _entries() -> Any:
    return AuditEntry.objects.order_by("seq").iterator(chunk_size=2000)


def _safe(value: Any) -> str:
    """A cell that a spreadsheet will not take for a formula."""
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in "=+-@\t\r" and not text.lstrip("-").isdigit() else text
