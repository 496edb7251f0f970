"""Runs and jobs of flashing, and first-boot profiles.

A run is one image onto one to seven slots: one reader, one decoder. Each of its jobs is an operation of its own, with
claim, log, cancel and end. Names are kept as text, so that history survives the deletion of what it speaks of.
"""

import uuid

from django.db import models

from images.models import FirmwareImage
from operations.models import Operation
from slots.models import Slot


class Profile(models.Model):
    """What a slot's new system finds at its first boot. Fields that hold secrets are sealed (`flashing.sealing`)."""

    name = models.CharField(max_length=60, unique=True)
    hostname_template = models.CharField(max_length=63, blank=True, default="")  # "{board}-{slot}"
    user = models.CharField(max_length=32, blank=True, default="")
    password_sealed = models.TextField(blank=True, default="")  # of its crypt(3) hash
    ssh_keys = models.TextField(blank=True, default="")  # one public key a line
    timezone = models.CharField(max_length=64, blank=True, default="")
    network_sealed = models.TextField(blank=True, default="")  # of a netplan document (network-config)
    user_data_sealed = models.TextField(blank=True, default="")  # of raw cloud-init user-data, used as it is
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=150)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Method(models.TextChoices):
    """How a slot's storage becomes a disk of ours."""

    RPIBOOT = "rpiboot", "rpiboot, then USB disk"
    UMS = "ums", "U-Boot's USB mass storage"
    DISK = "disk", "USB disk or card reader"
    FILE = "file", "File that stands for a disk"
    NETWORK = "network", "Over the network (SSH)"


class FlashRun(models.Model):
    """One image onto several slots at once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    board = models.CharField(max_length=60)  # slug
    image = models.ForeignKey(FirmwareImage, on_delete=models.SET_NULL, null=True, related_name="runs")
    image_name = models.CharField(max_length=120)
    image_sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()  # expanded
    data_bytes = models.BigIntegerField()  # what each target is sent at least
    profile = models.ForeignKey(Profile, on_delete=models.SET_NULL, null=True, related_name="runs")
    profile_name = models.CharField(max_length=60, blank=True, default="")
    unverified_reason = models.CharField(max_length=300, blank=True, default="")  # "" = it is read back
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_index=True)
    plan = models.JSONField(default=dict)  # hardware.flash.plan.FlashPlan.as_dict once all targets are known
    fingerprint = models.CharField(max_length=16, blank=True, default="")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.image_name} on {self.board}"


class Phase(models.TextChoices):
    """Where a job is; the names of DESIGN's flow. What has ended says how in its operation."""

    WAITING = "waiting", "Waiting"
    PREPARING = "preparing", "Prepare"
    BOOT_MODE = "boot-mode", "Boot mode"
    READY = "ready", "Ready"  # its target is open; others are not yet
    WRITING = "writing", "Write"
    VERIFYING = "verifying", "Verify"
    CUSTOMISING = "customising", "First boot"
    RESTORING = "restoring", "Restore"
    ENDED = "ended", "Ended"


class FlashJob(models.Model):
    """One slot of a run: what its operation does not say."""

    run = models.ForeignKey(FlashRun, on_delete=models.CASCADE, related_name="jobs")
    operation = models.OneToOneField(Operation, on_delete=models.CASCADE, related_name="flash")
    slot = models.ForeignKey(Slot, on_delete=models.SET_NULL, null=True, related_name="flash_jobs")
    number = models.PositiveSmallIntegerField()  # of the slot
    som_name = models.CharField(max_length=60)  # "kestrel, CM5", as it was
    method = models.CharField(max_length=10, choices=Method.choices)
    medium = models.CharField(max_length=20)  # "eMMC", "NVMe", "SD card"
    address = models.CharField(max_length=300)  # USB address, file, or user@host and disk
    generation = models.BigIntegerField()  # of the claim
    phase = models.CharField(max_length=12, choices=Phase.choices, default=Phase.WAITING)
    failed_in = models.CharField(max_length=12, choices=Phase.choices, blank=True, default="")
    # Boot mode: what a person's hands do, step by step
    hands_step = models.PositiveSmallIntegerField(default=0)  # of flashing.guidance; 0 = none asked for
    hands_deadline = models.DateTimeField(null=True)
    press_asked_at = models.DateTimeField(null=True)  # "I am holding BOOT"; cleared by the worker that takes it
    press_asked_by = models.CharField(max_length=150, blank=True, default="")
    usb_words = models.CharField(max_length=200, blank=True, default="")  # what is on its USB path now
    identity = models.JSONField(default=dict)  # hardware.flash.disks.DiskIdentity, once bound
    # Progress: bytes that are on the device (or were read back from it)
    done_bytes = models.BigIntegerField(default=0)
    total_bytes = models.BigIntegerField(default=0)
    bytes_per_second = models.FloatField(default=0)
    eta_seconds = models.FloatField(null=True)
    is_behind = models.BooleanField(default=False)
    progress_at = models.DateTimeField(null=True)
    # What it leaves
    contents = models.CharField(max_length=10, default="untouched")  # untouched, unknown, image, unverified
    power_before = models.CharField(max_length=12)
    power_after = models.CharField(max_length=12)  # what was promised: On, Off, or Unknown (stays in download mode)
    hostname = models.CharField(max_length=63, blank=True, default="")

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="slot_once_per_run")]

    def __str__(self) -> str:
        return f"slot {self.number}: {self.phase}"
