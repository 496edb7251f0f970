"""Whoever has a shell on the controller may run commands of `manage.py`: those that change something are on record.

Most of ours write what they did themselves. Any other command that is not known to change nothing leaves an entry with
the user of the operating system, also one that a later Django brings along.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

#: Ours that record each change by themselves, in the words of what they do.
OWN_ENTRY = frozenset(
    {"audit", "changepassword", "check_images", "createsuperuser", "let_in", "prepare", "setup_link", "user"}
)
#: What the portal itself runs for as long as it lives.
DAEMONS = frozenset({"consoled"})
#: Those that change nothing in the database.
READS = frozenset(
    {"check", "collectstatic", "compilemessages", "diffsettings", "export_openapi_schema", "findstatic", "help"}
    | {"inspectdb", "makemessages", "makemigrations", "optimizemigration", "runserver", "runworker", "sendtestemail"}
    | {"showmigrations", "sqlflush", "sqlmigrate", "sqlsequencereset", "squashmigrations", "startapp", "startproject"}
    | {"switch", "test", "testserver", "tls", "version"}
)


@contextmanager
def on_record(words: Sequence[str]) -> Iterator[None]:
    """Write an entry before the command in `words` (as in `sys.argv`) runs, or after it where the log is only made by
    it. Of what follows the command's name only options are written, without values: these may be secrets. A database
    that cannot be written does not keep whoever wants to mend it out; then it is said on standard error."""
    name = words[1] if len(words) > 1 else "help"
    if name in OWN_ENTRY | DAEMONS | READS or name.startswith("-") or {"--help", "-h"} & set(words):
        yield
        return
    options = [word.partition("=")[0] for word in words[2:] if word.startswith("-")]
    noted = _note(name, options, "requested")
    yield
    if not noted and not _note(name, options, "done"):
        print(f"{name} could not be put on record: the audit log cannot be written.", file=sys.stderr)


def _note(name: str, options: list[str], outcome: str) -> bool:
    """Record it; False if the database does not let us."""
    import django
    from django.db import DatabaseError, transaction

    django.setup()
    from operations import audit

    detail = {"title": f"manage.py {' '.join([name, *options])}"}
    try:
        with transaction.atomic():
            audit.record("command.run", actor=audit.os_actor(), target="portal", outcome=outcome, detail=detail)
    except (DatabaseError, TypeError):  # no table yet; or no head row yet, between two migrations
        return False
    return True
