"""Images that may be flashed, and what is on its way to become one.

An upload and the image that it becomes have one id; their files lie in the data directory under it (`images.store`).
"""

import uuid

from django.db import models

from slots.models import SomType


class FirmwareImage(models.Model):
    """A whole, inspected image. What comes from its file never changes; people change its name, notes and fit."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    file_name = models.CharField(max_length=200)
    format = models.CharField(max_length=8)  # raw, xz, gz, bz2, zst, zip
    stored_bytes = models.BigIntegerField()  # of the file as it came
    size_bytes = models.BigIntegerField()  # expanded
    mapped_bytes = models.BigIntegerField()  # of these, what the block map calls data: neither holes nor zeros
    sha256 = models.CharField(max_length=64, unique=True)  # of the file as it came
    sha256_compared = models.BooleanField(default=False)  # with one that was given
    block_map_given = models.BooleanField(default=False)  # else built while it was inspected
    decoder_window_bytes = models.BigIntegerField(default=0)
    scheme = models.CharField(max_length=3, blank=True, default="")  # gpt, mbr, or "" without a partition table
    partitions = models.JSONField(default=list)  # the fields of hardware.flash.partitions.Partition
    boot_partition = models.PositiveSmallIntegerField(null=True)
    som_types = models.ManyToManyField(SomType, related_name="images", blank=True)
    fit_chosen_by = models.CharField(max_length=150, blank=True, default="")  # "" = guessed
    notes = models.TextField(blank=True, default="")
    origin = models.CharField(max_length=300, blank=True, default="")  # path on the server; "" = uploaded
    added_at = models.DateTimeField()
    added_by = models.CharField(max_length=150)
    retired_at = models.DateTimeField(null=True)
    retired_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        ordering = ["-added_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_retired(self) -> bool:
        return self.retired_at is not None

    @property
    def resource(self) -> str:
        """The name under which it is audited."""
        return f"image:{self.name}"[:100]


class UploadState(models.TextChoices):
    RECEIVING = "receiving", "Receiving"
    COPYING = "copying", "Copying"  # from a path on the server
    CHECKING = "checking", "Checking"
    REFUSED = "refused", "Refused"


TAKES_ROOM = (UploadState.RECEIVING, UploadState.COPYING, UploadState.CHECKING)


class Upload(models.Model):
    """A person's ticket to bring one file: its size is reserved from the first moment, its bytes count once they are
    on the disk. Deleted in the transaction that makes it an image."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    file_name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    received_bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, default="")  # as given; "" = none to compare with
    state = models.CharField(max_length=10, choices=UploadState.choices, default=UploadState.RECEIVING)
    origin = models.CharField(max_length=300, blank=True, default="")
    actor = models.CharField(max_length=150)
    actor_user_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    touched_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)  # how often an inspection of it has begun
    checked_bytes = models.BigIntegerField(default=0)  # of the file, read by the inspection
    expanded_bytes = models.BigIntegerField(default=0)  # what that made
    code = models.CharField(max_length=60, blank=True, default="")
    message = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["created_at"]
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.state})"

    @property
    def resource(self) -> str:
        return f"image:{self.file_name}"[:100]

    @property
    def short(self) -> str:
        """The first eight digits, enough to tell uploads apart on a page."""
        return self.id.hex[:8]

    def is_of(self, name: str, user_id: int | None) -> bool:
        """Whether that person began it."""
        return (self.actor, self.actor_user_id) == (name, user_id)
