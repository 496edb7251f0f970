"""Operations, claims and the audit log.

No table here points at another app: names are kept as text, so history survives the deletion of what it speaks of.
"""

import uuid
from datetime import datetime

from django.db import models


class OperationState(models.TextChoices):
    WAITING = "waiting", "Waiting its turn"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"
    INTERRUPTED = "interrupted", "Interrupted"
    CANCELLED = "cancelled", "Cancelled"


OPEN_STATES = (OperationState.WAITING, OperationState.QUEUED, OperationState.RUNNING)


class Operation(models.Model):
    """One act on hardware, from the request to its end. Starts at most once, ends exactly once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)  # "power.reset"
    title = models.CharField(max_length=120)  # "Force off slot 3"
    board = models.CharField(max_length=60)  # slug: names the queue
    resource = models.CharField(max_length=100)  # "b1/slot:3"
    actor = models.CharField(max_length=150)
    actor_user_id = models.BigIntegerField(null=True)
    actor_source = models.CharField(max_length=20)
    actor_credential = models.CharField(max_length=20, default="none")
    actor_address = models.CharField(max_length=64, default="")
    actor_token = models.CharField(max_length=80, default="")  # prefix and name
    reason = models.CharField(max_length=300, blank=True, default="")
    state = models.CharField(max_length=12, choices=OperationState.choices, default=OperationState.QUEUED)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)  # null while WAITING: expiry counts from the turn
    due_at = models.DateTimeField(null=True)  # WAITING: when the turn comes, once that is known
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    progress = models.CharField(max_length=200, blank=True, default="")  # the step in words
    step = models.PositiveSmallIntegerField(default=0)
    steps = models.PositiveSmallIntegerField(default=0)
    step_started_at = models.DateTimeField(null=True)
    step_seconds = models.FloatField(default=0)  # planned length of the step, 0 = not known
    code = models.CharField(max_length=60, blank=True, default="")
    message = models.TextField(blank=True, default="")
    plan = models.JSONField(default=dict)
    worker = models.CharField(max_length=60, blank=True, default="")
    instance = models.CharField(max_length=40, blank=True, default="")
    heartbeat_at = models.DateTimeField(null=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True, default="")
    group = models.UUIDField(null=True, db_index=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["state", "board"]),
            models.Index(fields=["resource", "-created_at"]),
            models.Index(fields=["board", "-created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    @property
    def short(self) -> str:
        """The first eight digits, enough for people to tell operations apart."""
        return self.id.hex[:8]

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    def shown_state(self, now: datetime) -> str:
        """The state as it is at `now`: a queued operation past its expiry is Expired even if nobody wrote so yet."""
        if self.state == OperationState.QUEUED and self.expires_at and self.expires_at <= now:
            return OperationState.EXPIRED.value
        return self.state


class OperationLogLine(models.Model):
    """One line of an operation's live log, numbered from 1 without gaps."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="log")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=8, default="info")  # info, good, warn, bad
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operation", "number"], name="log_line_once")]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.number} {self.text}"


class Claim(models.Model):
    """Exclusive use of a resource. The row is the lock; its id, never used twice, is the claim's generation. Which
    worker uses it now is the operation's to tell."""

    resource = models.CharField(max_length=100, unique=True)
    operation = models.OneToOneField(Operation, on_delete=models.CASCADE, related_name="claim")
    holder = models.CharField(max_length=150)
    purpose = models.CharField(max_length=120)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.resource} held by {self.holder}"


class IdempotencyKey(models.Model):
    """A client's promise that two requests are one; kept for 24 hours."""

    actor = models.CharField(max_length=150)
    key = models.CharField(max_length=200)
    body = models.CharField(max_length=64)  # sha256 of what was asked
    made = models.CharField(max_length=40, default="")  # primary key of the operation or reservation that came of it
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"


class AuditEntry(models.Model):
    """One act or refusal. Append-only: triggers refuse UPDATE and DELETE; `text` is what the chain signs."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    source = models.CharField(max_length=20)
    address = models.CharField(max_length=64, blank=True, default="")
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=100)
    outcome = models.CharField(max_length=20)  # requested, done, failed, refused, interrupted, ...
    code = models.CharField(max_length=60, blank=True, default="")
    reason = models.CharField(max_length=300, blank=True, default="")
    operation_id = models.UUIDField(null=True, db_index=True)
    text = models.TextField()  # canonical JSON of the whole entry
    mac = models.CharField(max_length=64)

    class Meta:
        ordering = ["-seq"]
        # With the number behind it, each filter's newest entries are found without sorting a million of them.
        indexes = [
            models.Index(fields=[column, "seq"], name=f"audit_by_{column}")
            for column in ("actor", "action", "target", "outcome")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.actor} {self.action} {self.target} {self.outcome}"


class AuditHead(models.Model):
    """The single row that every new entry locks: number and signature of the last one."""

    seq = models.BigIntegerField(default=0)
    mac = models.CharField(max_length=64, default="")

    def __str__(self) -> str:
        return str(self.seq)


class RefusalCount(models.Model):
    """How often the same refusal came again; one audit entry per actor, action, target and code each 10 s."""

    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=60, default="")
    target = models.CharField(max_length=100)
    code = models.CharField(max_length=60)
    since = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor", "action", "target", "code"], name="refusal_once")]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target} {self.code}"


class Restriction(models.Model):
    """A resource that asks for more than the usual role: `b1/uart:3`, `console.read`, at least `operator`."""

    resource = models.CharField(max_length=100)
    action = models.CharField(max_length=40)
    least_role = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["resource", "action"], name="restriction_once")]

    def __str__(self) -> str:
        return f"{self.action} of {self.resource} needs {self.least_role}"


class ReservationState(models.TextChoices):
    WAITING = "waiting", "Waits for its turn"  # in the queue: no time of its own yet
    PLANNED = "planned", "Planned"  # its time is fixed and has not come
    ACTIVE = "active", "Holds the slot"
    ENDED = "ended", "Ended"
    BROKEN = "broken", "Broken"  # somebody broke the glass


OPEN_RESERVATIONS = (ReservationState.WAITING, ReservationState.PLANNED, ReservationState.ACTIVE)


class Reservation(models.Model):
    """A slot for one person and for a time. `operations.reservations` says what follows from it."""

    resource = models.CharField(max_length=100)  # "b1/slot:3"
    user_id = models.BigIntegerField(db_index=True)
    holder = models.CharField(max_length=150)
    purpose = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=ReservationState.choices)
    queued_at = models.DateTimeField()  # when it was asked for
    wanted_seconds = models.PositiveIntegerField()
    starts_at = models.DateTimeField(null=True)  # null while it waits
    ends_at = models.DateTimeField(null=True)  # as agreed; `ended_at` says when it really ended
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=200, blank=True, default="")
    reminded_at = models.DateTimeField(null=True)
    broken_by = models.CharField(max_length=150, blank=True, default="")
    broken_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ["id"]  # the order of the queue, also where the clock was set back
        indexes = [
            models.Index(fields=["state", "resource"], name="reservation_state_and_place"),
            models.Index(fields=["resource", "ends_at"], name="reservation_place_and_end"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["resource"], condition=models.Q(state=ReservationState.ACTIVE), name="one_holder_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} for {self.holder} ({self.state})"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_RESERVATIONS
