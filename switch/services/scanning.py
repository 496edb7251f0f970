"""The full scan: which of the 4,096 entries are open is not known before all were read."""

from collections.abc import Callable

from hardware.errors import Stopped
from hardware.sequencer import Stop, StopReason
from operations import audit, idempotency, lifecycle, roles, worker
from operations.models import Operation
from operations.roles import Actor
from slots.models import Board
from slots.services import power
from switch.services import applying, changes, running

KIND = "switch.scan"


def request_scan(board: Board, actor: Actor, key: str = "") -> Operation:
    """Queue a scan: some 4 s on a bus of 400 kHz. Raises `NotPermitted`, `Busy`, `BrokerUnavailable`."""
    resource = running.resource(board)
    roles.require(actor, "switch.scan", resource)

    def make() -> Operation:
        power.one_at_a_time(board)
        changes.refuse_if_open(board)
        operation = lifecycle.queue(KIND, "Scan the switch's VLAN table", resource, actor, {"steps": ["scan"]})
        lifecycle.changed(operation)
        running.hint(board)
        audit.record(KIND, actor=actor, target=resource, outcome="requested", operation_id=operation.pk)
        return operation

    operation, new = idempotency.once(key, actor, {"scan": board.slug}, make)
    if new:
        power.hand_over([operation], changes.BROKER_WORDS)
    return operation


def execute(operation_id: str) -> None:
    """Read every entry, in the worker. Blocks for its length."""
    me = worker.current()
    operation = lifecycle.start(operation_id, worker=me.name, instance=me.instance)
    if operation is None:
        return
    stop = me.enter(operation)
    board = Board.objects.get(slug=operation.board)
    words = ""
    try:
        with lifecycle.running(operation, lambda whole: words if whole else ""):
            words = _scan(board, operation, stop)
    finally:
        me.leave(operation)


def _scan(board: Board, operation: Operation, stop: Stop) -> str:
    chip = running.chip_of(board)
    chip.identify()  # what is read before its firmware is up is not what will be there
    ports = chip.read_all_port_tables()
    try:
        found = chip.scan_vlans(_progress(operation), stop.requested)
    except Stopped as error:
        raise why_stopped(operation, stop, "Nothing of it was kept.") from error
    live = {vid: entry for vid, entry in found.items() if entry.value}
    running.keep_scan(board, applying.whole(chip, live, ports))
    return f"{len(live)} of {len(found)} entries are open."


def why_stopped(operation: Operation, stop: Stop, words: str) -> Exception:
    """What ends an operation whose stop was set, with who wanted it."""
    if stop.reason is StopReason.CANCEL:
        operation.refresh_from_db(fields=["cancel_requested_by"])
        return lifecycle.Cancelled(f"Cancelled by {operation.cancel_requested_by or 'the portal'}. {words}")
    return lifecycle.Interrupted(f"The worker was told to stop. {words}")


def _progress(operation: Operation) -> Callable[[int, int], None]:
    """Tells of every eighth of the table; each is a write to the database."""

    def note(done: int, total: int) -> None:
        if done % (total // 8) == 0:
            lifecycle.set_step(operation, 1, 1, f"{done} of {total} entries read", 0)

    return note
