"""Boards, slots, SOM types, SOMs, and what we believe and have seen of each slot.

The wiring of a board (lines, ports, UART paths) lives in its board file only; a row here is what people and
evidence add to it.
"""

from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from hardware.budget import SUPPLIES, Supply
from hardware.som import LineKind, PowerState, ResetType, SomTraits
from operations.models import Operation

if TYPE_CHECKING:
    from django_stubs_ext.db.models.manager import RelatedManager

FIRST, LAST, CONTROLLER = 1, 7, 1


class Basis(models.TextChoices):
    """What a power state rests on."""

    COMMANDED = "commanded"
    OBSERVED = "observed"
    PERSON = "person"


class Contents(models.TextChoices):
    """What the portal knows of the storage of a slot's SOM; "" is nothing, as long as it has written nothing to it."""

    IMAGE = "image", "Image, verified"
    UNVERIFIED = "unverified", "Image, not verified"
    UNKNOWN = "unknown", "Contents unknown"


class Board(models.Model):
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    notes = models.TextField(blank=True, default="")
    supply = models.CharField(
        max_length=12,
        default="usb-c-60",
        choices=[*((key, supply.words) for key, supply in SUPPLIES.items()), ("custom", "As the board file says")],
    )
    supply_watts = models.FloatField(default=60)  # peak, from the board file; used when `supply` is "custom"
    simulated = models.BooleanField(default=False)
    present = models.BooleanField(default=True)  # whether its board file is still there
    problem = models.TextField(blank=True, default="")  # why the expander does not answer, one sentence; "" = it does
    switch_problem = models.TextField(blank=True, default="")  # the same for the switch chip
    checked_at = models.DateTimeField(null=True)  # last time the expander was read
    links_read_at = models.DateTimeField(null=True)
    uplink_mbps = models.PositiveIntegerField(null=True)  # 0 = link down, null = never read
    power_lost_at = models.DateTimeField(null=True)
    power_loss_visible = models.BooleanField(default=True)  # not where the kernel owns the expander

    slots: "RelatedManager[Slot]"

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name

    def supply_figures(self) -> Supply:
        """What feeds the board: words, peak and continuous watts."""
        watts = self.supply_watts
        return SUPPLIES.get(self.supply) or Supply(f"Supply of {watts:g} W", watts, watts)


class SomType(models.Model):
    """A kind of SOM as data: the fields of `hardware.som.SomTraits`, of which third parties add their own rows."""

    name = models.CharField(max_length=30, unique=True)
    description = models.CharField(max_length=120, blank=True, default="")
    line_kind = models.CharField(max_length=8, choices=[(kind.value, kind.value) for kind in LineKind])
    pulse_seconds = models.FloatField(default=0)
    press_seconds = models.FloatField(default=0)
    force_off_seconds = models.FloatField(null=True, blank=True)
    latches_after_hold = models.BooleanField(default=False)
    graceful = models.BooleanField(default=False)
    idle_watts = models.FloatField()
    full_watts = models.FloatField()
    peak_watts = models.FloatField()
    baud = models.PositiveIntegerField(default=115200)
    flash_path = models.CharField(max_length=20, default="network")
    boot_rom = models.CharField(max_length=9, blank=True, default="")  # USB ids of its boot ROM, "0a5c:2711"
    boot_seconds = models.FloatField(default=60)
    shutdown_seconds = models.FloatField(default=30)
    link_mbps = models.PositiveIntegerField(default=1000)
    source = models.CharField(max_length=200)
    verified = models.BooleanField(default=False)
    shipped = models.BooleanField(default=False)  # seeded by us; its figures are not edited

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def traits(self) -> SomTraits:
        """The row as traits. Raises hardware.errors.TraitsError naming a figure that cannot be."""
        names = SomTraits.__dataclass_fields__
        return SomTraits.from_mapping({name: getattr(self, name) for name in names})


class Slot(models.Model):
    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="slots")
    number = models.PositiveSmallIntegerField(validators=[MinValueValidator(FIRST), MaxValueValidator(LAST)])
    power_state = models.CharField(
        max_length=12, default=PowerState.UNKNOWN.value, choices=[(state.value, state.value) for state in PowerState]
    )
    basis = models.CharField(max_length=10, default=Basis.OBSERVED, choices=Basis.choices)
    since = models.DateTimeField(null=True)  # when this state was reached
    by = models.CharField(max_length=150, blank=True, default="")  # who commanded or said it
    commanded_at = models.DateTimeField(null=True)  # end of the last line movement; older evidence says nothing
    latched = models.BooleanField(default=False)
    latched_at = models.DateTimeField(null=True)
    latched_note = models.CharField(max_length=200, blank=True, default="")
    line_low = models.BooleanField(default=False)  # we left the level line low, verified
    contradiction = models.CharField(max_length=200, blank=True, default="")
    contradiction_at = models.DateTimeField(null=True)
    panicked_at = models.DateTimeField(null=True)  # its console showed a panic, and no boot since
    contents = models.CharField(max_length=10, blank=True, default="", choices=Contents.choices)
    contents_words = models.CharField(max_length=200, blank=True, default="")  # which image, or why nobody knows
    contents_at = models.DateTimeField(null=True)
    uart = models.BooleanField(default=False)  # the board file maps a serial port
    probe = models.CharField(max_length=80, blank=True, default="")  # "host:port" that answers while the SOM is up

    evidence: "RelatedManager[Evidence]"

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["board", "number"], name="slot_once_per_board")]

    def __str__(self) -> str:
        return f"slot {self.number} of {self.board_id}"

    @property
    def is_controller(self) -> bool:
        return self.number == CONTROLLER

    def resource(self, board_slug: str) -> str:
        """The name under which this slot is claimed and audited."""
        return f"{board_slug}/slot:{self.number}"


class Som(models.Model):
    """The module in a slot, as a person recorded it."""

    slot = models.OneToOneField(Slot, on_delete=models.CASCADE, related_name="som")
    som_type = models.ForeignKey(SomType, on_delete=models.PROTECT, related_name="soms")
    name = models.CharField(max_length=40, blank=True, default="")
    serial_number = models.CharField(max_length=60, blank=True, default="")
    memory_gb = models.PositiveSmallIntegerField(null=True, blank=True)
    emmc_gb = models.PositiveSmallIntegerField(null=True, blank=True)  # 0 = none (a Lite), null = not recorded
    sd_card = models.BooleanField(default=False)
    nvme = models.CharField(max_length=60, blank=True, default="")
    adapter_revision = models.CharField(max_length=40, blank=True, default="")
    latch_cured = models.BooleanField(default=False)  # owner says: boot-loader EEPROM set, starts after a long hold
    notes = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return self.name or f"{self.som_type} in slot"


class EvidenceKind(models.TextChoices):
    LINE = "line", "Line"
    LINK = "link", "Switch port"
    UART = "uart", "Console"
    STAGE = "stage", "System"
    PROBE = "probe", "Network probe"


class Evidence(models.Model):
    """The latest reading of one source about one slot."""

    slot = models.ForeignKey(Slot, on_delete=models.CASCADE, related_name="evidence")
    kind = models.CharField(max_length=8, choices=EvidenceKind.choices)
    value = models.CharField(max_length=120)  # in words: "link up, 1000 Mb/s"
    life = models.BooleanField(null=True)  # a sign of life, a sign of none, or nothing learnt
    at = models.DateTimeField()  # when it was last read; for the console: the last printable byte
    changed_at = models.DateTimeField()
    life_at = models.DateTimeField(null=True)  # last sign of life; not null = this source has worked before

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slot", "kind"], name="evidence_once_per_kind")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.value}"


class PowerDetails(models.Model):
    """What a power operation adds to `Operation`."""

    operation = models.OneToOneField(Operation, on_delete=models.CASCADE, related_name="power")
    reset_type = models.CharField(max_length=20, choices=[(reset.value, reset.value) for reset in ResetType])
    believed = models.CharField(max_length=12)  # what we thought when it was asked for
    generation = models.BigIntegerField()  # of the claim
    actual_hold_seconds = models.FloatField(null=True)

    def __str__(self) -> str:
        return self.reset_type


class StateChange(models.Model):
    """A step in a slot's history: what it became, on what basis, in words. The newest 500 of a slot are kept."""

    slot = models.ForeignKey(Slot, on_delete=models.CASCADE, related_name="history")
    at = models.DateTimeField()
    state = models.CharField(max_length=12)
    basis = models.CharField(max_length=10)
    words = models.CharField(max_length=240)
    tone = models.CharField(max_length=8, default="info")  # info, good, warn, bad

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["slot", "-at"])]

    def __str__(self) -> str:
        return self.words
