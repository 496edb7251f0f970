"""`/healthz`: is every part there? No detail, since it needs no login."""

from collections.abc import Callable
from datetime import timedelta

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from consoles.services.lock import daemon_is_alive
from flashing.services import queueing
from operations import worker
from operations.models import Operation, OperationState

FLASH_PATIENCE = timedelta(seconds=30)  # the flash worker starts when a flash is queued; this long it may take


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when all components answer, else 503; blocks for at most about a second."""
    found = components()
    good = all(found.values())
    words = {name: "ok" if is_up else "down" for name, is_up in found.items()}
    return JsonResponse({"status": "ok" if good else "down", "components": words}, status=200 if good else 503)


def components() -> dict[str, bool]:
    """Which parts are there. Blocks for at most about a second."""
    checks: dict[str, Callable[[], bool]] = {
        "database": _database,
        "broker": _broker,
        "hardware-worker": lambda: worker.is_alive(settings.DATA_DIR, settings.WORKER_NAME),
        "flash-worker": _flash_worker,
        "consoles": daemon_is_alive,
    }
    return {name: _passes(check) for name, check in checks.items()}


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # whatever a part raises while it is away, the answer is "down"
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def _broker() -> bool:
    with redis.Redis.from_url(settings.BROKER.redis, socket_timeout=1, socket_connect_timeout=1) as client:
        return bool(client.ping())


def _flash_worker() -> bool:
    """It runs only while there is something to flash: it is missing when a flash waits and nobody takes it, or when
    one is on record as running and its worker is dead."""
    flashes = Operation.objects.filter(kind=queueing.KIND)
    late = timezone.now() - FLASH_PATIENCE
    if flashes.filter(state=OperationState.QUEUED, created_at__lt=late).exists():
        return False
    workers = flashes.filter(state=OperationState.RUNNING).values_list("worker", flat=True).distinct()
    return all(worker.is_alive(settings.DATA_DIR, name) for name in workers)
