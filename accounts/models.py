"""People and the counter that tells open connections to ask again."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from operations import roles

# The portal itself acts under these names; a person so named could be mistaken for it in the audit log.
RESERVED_NAMES = frozenset({"portal", "worker", "supervisor", "anonymous", "nobody"})


class Role(models.TextChoices):
    """What a person may do, from least to most; `operations.roles` says which act needs which."""

    VIEWER = roles.VIEWER, "Viewer"
    OPERATOR = roles.OPERATOR, "Operator"
    ADMINISTRATOR = roles.ADMINISTRATOR, "Administrator"


def refuse_reserved_name(name: str) -> None:
    """Raise ValidationError for a name that the portal uses for itself."""
    if name.lower() in RESERVED_NAMES:
        raise ValidationError(f"The name {name} is the portal's own; choose another.", code="reserved-name")


class PersonManager(UserManager["User"]):
    """Django's manager, except that a superuser is an administrator."""

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **fields: Any
    ) -> "User":
        return super().create_superuser(username, email, password, **{"role": Role.ADMINISTRATOR, **fields})


class User(AbstractUser):
    """A person. Django's two flags follow the role, so there is one place that says what somebody may do."""

    username = models.CharField(
        "name",
        max_length=60,
        unique=True,
        validators=[AbstractUser.username_validator, refuse_reserved_name],
        error_messages={"unique": "Somebody has this name already."},
    )
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.VIEWER)

    objects: ClassVar[PersonManager] = PersonManager()

    class Meta:
        ordering = ["username"]
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="name_once_in_any_case",
                violation_error_message="Somebody has this name already, in other capitals.",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="role_is_known"),
        ]

    @property
    def is_administrator(self) -> bool:
        return self.is_active and self.role == Role.ADMINISTRATOR

    def save(self, *, update_fields: Iterable[str] | None = None, **how: Any) -> None:
        self.is_staff = self.is_superuser = self.role == Role.ADMINISTRATOR
        if update_fields is not None and "role" in update_fields:
            update_fields = {*update_fields, "is_staff", "is_superuser"}
        super().save(update_fields=update_fields, **how)


class AccessVersion(models.Model):
    """One row, counted up by every change of what somebody may do. `accounts.access` owns it."""

    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)
