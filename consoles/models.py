"""What people set about serial consoles: each port's settings, and the rules by which a boot is recognised."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from slots.models import Slot, SomType

BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1000000, 1500000)


class ConsolePort(models.Model):
    """The settings of one slot's serial port. A slot without a row has the defaults."""

    slot = models.OneToOneField(Slot, on_delete=models.CASCADE, related_name="console_port")
    baud = models.PositiveIntegerField(  # null: that of the SOM in the slot
        null=True, blank=True, choices=[(baud, f"{baud}") for baud in BAUD_RATES]
    )
    recording = models.BooleanField(default=True)
    quota_mib = models.PositiveIntegerField(default=64, validators=[MinValueValidator(1), MaxValueValidator(65536)])
    retention_days = models.PositiveIntegerField(default=30, validators=[MinValueValidator(1), MaxValueValidator(3650)])

    def __str__(self) -> str:
        return f"console of {self.slot}"


class Stage(models.TextChoices):
    BOOT_LOADER = "boot-loader", "Boot loader"
    KERNEL = "kernel", "Kernel"
    LOGIN = "login", "Login prompt"
    PANIC = "panic", "Panic"
    HALT = "halt", "Halt"


class Match(models.TextChoices):
    CONTAINS = "contains", "A line contains"
    STARTS = "starts", "A line starts with"
    ENDS = "ends", "A line, or what waits for input, ends with"


class StageRule(models.Model):
    """Text that shows that a SOM has reached a stage. Shipped rules may be disabled, not edited."""

    som_type = models.ForeignKey(  # null: every type
        SomType, null=True, blank=True, on_delete=models.CASCADE, related_name="stage_rules"
    )
    stage = models.CharField(max_length=12, choices=Stage.choices)
    match = models.CharField(max_length=8, default=Match.CONTAINS, choices=Match.choices)
    text = models.CharField(max_length=120)
    enabled = models.BooleanField(default=True)
    shipped = models.BooleanField(default=False)  # seeded by us

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.get_stage_display()}: {self.get_match_display().lower()} “{self.text}”"
