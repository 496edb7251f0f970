"""The process that inspects and tidies up: started by the worker when there is something to do, ended when not.

A process, not a thread: expanding an image, or freeing gigabytes of a disk, must not take turns with a press that is
due.
"""

import subprocess
import sys

from django.conf import settings

from images.models import Upload
from images.services import checking, uploads

_process: "subprocess.Popen[bytes] | None" = None


def start_if_needed() -> None:
    """Start an inspection if something waits for one. Does not wait for it."""
    if Upload.objects.filter(state__in=checking.WAITING).exists():
        _start()


def tidy_if_needed() -> None:
    """The same if an upload has expired, or a crash has left files that no row knows."""
    if uploads.abandoned().exists() or uploads.strays():
        _start()


def _start() -> None:
    """Start the process unless ours still runs."""
    global _process
    if _process is None or _process.poll() is not None:
        words = [sys.executable, "manage.py", "check_images"]
        _process = subprocess.Popen(words, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)
