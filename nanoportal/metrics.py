"""`/metrics`: the portal's figures as Prometheus reads them, for a token made for that or from the machine itself.

Each label has few values: boards, slots, states, ports. Nothing here names a person.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.actors import address_of
from accounts.services import tokens
from consoles.services import live
from hardware.som import PowerState
from nanoportal.health import components
from operations import verifying
from operations.http import record_refusal, status_of
from operations.models import AuditEntry, Operation, OperationState
from operations.refusals import NotPermitted, Refused
from operations.rights import PORTAL
from operations.roles import Actor, require
from slots.models import Board, Slot
from switch.services import rates, running

COUNTED = {
    "rx_bytes": "Bytes that came in from the port",
    "tx_bytes": "Bytes that went out to the port",
    "rx_dropped": "Frames from the port that were lost for want of room",
    "tx_dropped": "Frames to the port that were lost for want of room",
}
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Figure:
    """One metric with its samples: labels and value."""

    name: str
    words: str
    kind: str = "gauge"
    samples: list[tuple[dict[str, object], float]] = field(default_factory=list)

    def add(self, value: float, **labels: object) -> None:
        self.samples.append((labels, value))

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.words}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            said = ",".join(f'{name}="{_escaped(str(label))}"' for name, label in labels.items())
            yield f"{self.name}{{{said}}} {value:.15g}" if said else f"{self.name} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures now. Blocks for the database and one round trip to the broker."""
    try:
        _refuse_others(request)
    except Refused as refusal:
        record_refusal(refusal, Actor(name="", address=address_of(request)), "metrics.view", PORTAL)
        return HttpResponse(f"{refusal.message}\n", content_type="text/plain; charset=utf-8", status=status_of(refusal))
    lines = [line for figure in figures() for line in figure.lines()]
    return HttpResponse("\n".join(lines) + "\n", content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _refuse_others(request: HttpRequest) -> None:
    """Raise TokenRefused, NotPermitted. A session opens it to nobody: a page of a browser has no use for it."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        require(tokens.enter(text, address_of(request)), "metrics.view", PORTAL)
    elif not is_from_here(request):
        raise NotPermitted("The figures need a token with the scope metrics, or to be asked for on the machine itself.")


def is_from_here(request: HttpRequest) -> bool:
    """Whether it came from this machine, and not by way of a proxy on it that nobody said is one."""
    if getattr(request, "scope", {}).get("hearsay"):
        return False
    try:
        return ip_address(address_of(request)).is_loopback
    except ValueError:
        return False


def figures() -> Iterable[Figure]:
    """Everything there is to tell."""
    boards = list(Board.objects.filter(present=True))
    return [_parts(), *_slots(boards), _operations(), *_consoles(boards), *_switches(boards), *_audit()]


def _parts() -> Figure:
    figure = Figure("nanoportal_component_up", "Whether a part of the portal is there.")
    for name, is_up in components().items():
        figure.add(is_up, component=name)
    return figure


def _slots(boards: list[Board]) -> list[Figure]:
    power = Figure("nanoportal_slot_power_state", "1 for the power state that a slot is believed to have.")
    answers = Figure("nanoportal_board_up", "Whether the board's expander answers.")
    for board in boards:
        answers.add(not board.problem, board=board.slug)
    rows = Slot.objects.filter(board__in=boards).values_list("board__slug", "number", "power_state", "basis")
    for slug, number, state, basis in rows.order_by("board__slug", "number"):
        for one in PowerState:
            power.add(one.value == state, board=slug, slot=number, state=one.value, basis=basis)
    return [answers, power]


def _operations() -> Figure:
    figure = Figure("nanoportal_operations", "Operations on record by state.")
    found = dict(Operation.objects.values_list("state").annotate(count=Count("pk")).order_by())
    for state in OperationState.values:
        figure.add(found.get(state, 0), state=state)
    return figure


def _consoles(boards: list[Board]) -> list[Figure]:
    opened = Figure("nanoportal_console_open", "Whether the daemon has the serial port.")
    viewers = Figure("nanoportal_console_viewers", "Sockets that watch the console, the typist's among them.")
    overruns = Figure("nanoportal_console_overruns_total", "Times that the kernel lost bytes of the line.", "counter")
    for board in boards:
        numbers = board.slots.filter(uart=True).values_list("number", flat=True)
        for number, state in live.states(board.slug, numbers).items():
            opened.add(state.port.get("state") == "open", board=board.slug, slot=number)
            viewers.add(len(state.present), board=board.slug, slot=number)
            if "overruns" in state.port:
                overruns.add(state.port["overruns"], board=board.slug, slot=number)
    return [opened, viewers, overruns]


def _switches(boards: list[Board]) -> list[Figure]:
    link = Figure("nanoportal_switch_link_up", "Whether the port had a link at the last reading.")
    speed = Figure("nanoportal_switch_link_mbps", "Speed of the link at the last reading; 0 without one.")
    age = Figure("nanoportal_switch_reading_age_seconds", "How long ago the ports were read.")
    moved = {
        name: Figure(f"nanoportal_switch_{name}_total", f"{words}, as the switch counts.", "counter")
        for name, words in COUNTED.items()
    }
    for board in boards:
        read = rates.now(board)
        if read is None:
            continue
        wiring = running.wiring(board)
        age.add(max(0.0, (timezone.now() - read[0]).total_seconds()), board=board.slug)
        for port, now in enumerate(read[1], start=1):
            labels = {"board": board.slug, "port": wiring.place(port)}
            link.add(now.link.up, **labels)
            speed.add(now.link.mbps if now.link.up else 0, **labels)
            for name, figure in moved.items():
                figure.add(getattr(now.counters, name), **labels)
    return [link, speed, age, *moved.values()]


def _audit() -> list[Figure]:
    entries = Figure("nanoportal_audit_entries", "The newest entry's number.")
    age = Figure("nanoportal_audit_last_entry_age_seconds", "How long ago the newest entry was written.")
    whole = Figure("nanoportal_audit_whole", "Whether the last walk along the log found it whole.")
    last = AuditEntry.objects.order_by("-seq").values_list("seq", "at").first()
    entries.add(last[0] if last else 0)
    if last:
        age.add(max(0.0, (timezone.now() - last[1]).total_seconds()))
    check = verifying.last_check()
    if check is not None:
        whole.add(check.broken_at is None)
    return [entries, age, whole]
