"""What a board's switch is known to hold, is wanted to hold, and held when people last agreed."""

from django.db import models

from hardware.switch_setup import SwitchSetup
from hardware.vlan import VlanTable
from operations.models import Operation
from slots.models import Board
from switch.documents import Wiring, from_document


class SwitchState(models.Model):
    """What was last read of the chip. `scan` counts the full scans; 0 = never, so nothing is known of most entries."""

    board = models.OneToOneField(Board, on_delete=models.CASCADE, related_name="switch_state")
    chip = models.JSONField(null=True)  # documents.chip_json; the entries that are not closed
    read_at = models.DateTimeField(null=True)
    scan = models.PositiveIntegerField(default=0)
    scanned_at = models.DateTimeField(null=True)
    needs_scan = models.BooleanField(default=True)  # never scanned, or the chip was reset since
    problem = models.CharField(max_length=300, blank=True, default="")  # why the last reading failed; "" = it did not
    reset_at = models.DateTimeField(null=True)  # a reset of the chip was noticed, and nothing of ours written since
    restores_by_itself = models.BooleanField(
        default=False
    )  # what was confirmed last, after a reset; else it is offered

    def __str__(self) -> str:
        return f"switch of {self.board_id}, scan {self.scan}"


class SwitchDraft(models.Model):
    """The table that people are making, nothing of it on the switch yet. `version` grows with each save."""

    board = models.OneToOneField(Board, on_delete=models.CASCADE, related_name="switch_draft")
    document = models.JSONField(null=True)  # null: discarded
    version = models.PositiveIntegerField(default=0)
    changed_by = models.CharField(max_length=150)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"draft {self.version} of {self.board_id}"


class VlanRevision(models.Model):
    """A table that somebody confirmed, numbered from 1 on each board."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="vlan_revisions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    words = models.JSONField(default=list)  # what it changed
    author = models.CharField(max_length=150)
    reason = models.CharField(max_length=300, blank=True, default="")
    confirmed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["board", "number"], name="vlan_revision_once")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"revision {self.number}"

    def setup(self, wiring: Wiring) -> SwitchSetup:
        """What was confirmed. Raises VlanTableInvalid if the board is wired otherwise by now."""
        return from_document(self.document, wiring)

    def table(self, wiring: Wiring) -> VlanTable:
        """Its VLANs alone. Raises as `setup` does."""
        return self.setup(wiring).table


class VlanChange(models.Model):
    """One commit of a table, from the request to its confirmation or its way back."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waits for the worker"
        APPLYING = "applying", "Being written"
        AWAITING = "awaiting", "Waits to be confirmed"
        CONFIRMED = "confirmed", "Confirmed"
        ROLLING_BACK = "rolling-back", "Being rolled back"
        ROLLED_BACK = "rolled-back", "Rolled back"
        ROLLBACK_FAILED = "rollback-failed", "Not rolled back"
        NOT_APPLIED = "not-applied", "Not applied"
        RESTORED = "restored", "Restored"

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="vlan_changes")
    number = models.PositiveIntegerField()
    operation = models.OneToOneField(Operation, on_delete=models.CASCADE, related_name="vlan_change")
    generation = models.BigIntegerField()  # of its claim
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    document = models.JSONField()  # the table
    before = models.JSONField()  # chip_json: what it held, every bit
    wanted = models.JSONField()  # chip_json: what it is to hold
    fingerprint = models.CharField(max_length=16)
    words = models.JSONField(default=list)
    isolated = models.JSONField(default=list)  # places that are cut off while it is written
    overrides = models.JSONField(default=list)
    revert_after_seconds = models.PositiveIntegerField()
    extended_seconds = models.PositiveIntegerField(default=0)
    applied_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=150, blank=True, default="")
    confirmed_at = models.DateTimeField(null=True)
    rolled_back_because = models.CharField(max_length=300, blank=True, default="")
    differences = models.JSONField(default=list)  # ROLLBACK_FAILED: the registers
    acknowledged_by = models.CharField(max_length=150, blank=True, default="")
    restores = models.PositiveIntegerField(null=True)  # the revision that it puts back after a reset; waits for nobody

    class Meta:
        constraints = [models.UniqueConstraint(fields=["board", "number"], name="vlan_change_once")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"change {self.number} ({self.state})"


#: The chip does not hold what anybody agreed to, or will not for long.
UNDER_WAY = (
    VlanChange.State.QUEUED,
    VlanChange.State.APPLYING,
    VlanChange.State.AWAITING,
    VlanChange.State.ROLLING_BACK,
)


class PortReading(models.Model):
    """The ports as the worker read them last: links, and counters since the chip's reset."""

    board = models.OneToOneField(Board, on_delete=models.CASCADE, related_name="port_reading")
    read_at = models.DateTimeField()
    ports = models.JSONField()  # of ports 1 to 8: services.rates.PortNow
    samples = models.PositiveIntegerField(default=0)  # how many were taken; the ring below goes by it
    ageing_seconds = models.FloatField(null=True)  # after which the chip forgets an address; null = not asked yet
    addresses_sought_at = models.DateTimeField(null=True)  # when the last reading of its whole address table began
    addresses_read_at = models.DateTimeField(null=True)  # the same of at least the addresses that are known
    addresses_due_at = models.DateTimeField(null=True)  # nobody needs to read them sooner: somebody does or just did

    def __str__(self) -> str:
        return f"ports of {self.board_id}"


class TrafficSample(models.Model):
    """What went through the ports between two readings. One hour of them: `place` goes round and is written over."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="traffic")
    place = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    seconds = models.FloatField()  # since the reading before
    ports = models.JSONField()  # of ports 1 to 8: bytes in, bytes out, frames dropped, frames in error

    class Meta:
        constraints = [models.UniqueConstraint(fields=["board", "place"], name="traffic_sample_place_once")]
        indexes = [models.Index(fields=["board", "at"], name="traffic_by_time")]

    def __str__(self) -> str:
        return f"traffic of {self.board_id} at {self.at}"


class Sighting(models.Model):
    """A hardware address that the switch has learned, or had. A frame came from it between `seen_after` and `seen_at`;
    both None: none that we know of."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="sightings")
    mac = models.CharField(max_length=17)
    fid = models.PositiveSmallIntegerField()  # the chip's learning domain
    place = models.PositiveSmallIntegerField()  # in the chip's table
    ports = models.JSONField()  # of the switch
    fixed = models.BooleanField(default=False)
    is_held = models.BooleanField(default=True)  # the chip had it at the last reading
    has_hit = models.BooleanField(default=False)  # its bit "a frame came" was set then
    first_found_at = models.DateTimeField()
    seen_after = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True)  # it was found at another port than before

    class Meta:
        constraints = [models.UniqueConstraint(fields=["board", "mac", "fid"], name="sighting_once")]

    def __str__(self) -> str:
        return f"{self.mac} at {self.ports}"
