"""The process that inspects: started by the worker when something waits, ended when nothing does."""

import subprocess
import sys

from django.conf import settings

from images.models import Upload
from images.services import checking, uploads

_process: "subprocess.Popen[bytes] | None" = None


def start_if_needed() -> None:
    """Start an inspection if something waits for one and ours has ended. Does not wait for it.

    A process, not a thread: expanding an image in the worker would take turns with a press that is due.
    """
    global _process
    if _process is not None and _process.poll() is None:
        return
    _process = None
    if Upload.objects.filter(state__in=checking.WAITING).exists():
        _process = subprocess.Popen(
            [sys.executable, "manage.py", "check_images"], cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL
        )


def tidy() -> None:
    """End uploads that nobody goes on with, and remove files that no row knows."""
    uploads.expire()
    uploads.sweep()
