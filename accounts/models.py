"""People, what they were granted, and the counter that tells open connections to ask again."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, Group, UserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from operations import rights

# The portal itself acts under these names; a person so named could be mistaken for it in the audit log.
RESERVED_NAMES = frozenset({"portal", "worker", "supervisor", "anonymous", "nobody"})


class Role(models.TextChoices):
    """What a person is; `operations.rights` says what each may do."""

    VIEWER = rights.VIEWER, "Viewer"
    CONSOLE_OPERATOR = rights.CONSOLE_OPERATOR, "Console operator"
    OPERATOR = rights.OPERATOR, "Operator"
    FLASHER = rights.FLASHER, "Flasher"
    NETWORK_ENGINEER = rights.NETWORK_ENGINEER, "Network engineer"
    ADMINISTRATOR = rights.ADMINISTRATOR, "Administrator"


class Kind(models.TextChoices):
    """Who signs in, and what only uses tokens."""

    PERSON = "person", "Person"
    MACHINE = "machine", "Machine"


class ConsoleRight(models.TextChoices):
    """What of consoles a grant gives, whatever its role says."""

    AS_ROLE = "", "As the role says"
    NONE = "none", "None"
    READ = "read", "Watch"
    WRITE = "write", "Watch and type"


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
    # What they are everywhere; "" leaves only what they and their groups were granted.
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.VIEWER, blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PERSON)

    objects: ClassVar[PersonManager] = PersonManager()

    class Meta:
        ordering = ["username"]
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="name_once_in_any_case",
                violation_error_message="Somebody has this name already, in other capitals.",
            ),
            models.CheckConstraint(condition=models.Q(role__in=["", *Role.values]), name="role_is_known"),
            models.CheckConstraint(condition=models.Q(kind__in=Kind.values), name="kind_is_known"),
        ]

    def save(self, *, update_fields: Iterable[str] | None = None, **how: Any) -> None:
        self.is_staff = self.is_superuser = self.role == Role.ADMINISTRATOR
        if update_fields is not None and "role" in update_fields:
            update_fields = {*update_fields, "is_staff", "is_superuser"}
        super().save(update_fields=update_fields, **how)


class RightGrant(models.Model):
    """A role on a scope, for a person or a group, perhaps until a time. Who gave it is kept as text."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    role = models.CharField(max_length=20, choices=Role.choices)
    scope = models.CharField(max_length=80)  # "*", "b1", "b1/slot:3"
    console = models.CharField(max_length=5, choices=ConsoleRight.choices, default=ConsoleRight.AS_ROLE, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    given_by = models.CharField(max_length=150)
    given_at = models.DateTimeField()

    class Meta:
        ordering = ["scope", "role", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=True, group__isnull=False)
                | models.Q(user__isnull=False, group__isnull=True),
                name="grant_is_for_a_person_or_a_group",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="granted_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} on {self.scope}"

    @property
    def grant(self) -> rights.Grant:
        """The same as `operations.rights` reads it."""
        return rights.Grant(self.role, self.scope, self.until, self.console)

    def runs(self, now: datetime) -> bool:
        return self.grant.runs(now)


class Invitation(models.Model):
    """A one-time link by which somebody chooses a password: one who was invited, or one who lost theirs. Only the
    digest of the link's secret is kept; making another one ends the one before."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="invitation")
    digest = models.CharField(max_length=64, unique=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"link for {self.user}"


class AccessVersion(models.Model):
    """One row, counted up by every change of what somebody may do. `accounts.access` owns it."""

    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)


class Session(AbstractBaseSession):
    """A browser's session. `accounts.session_store` writes it; whose it is stands beside the data, so that people see
    where they are signed in."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")
    means = models.CharField(max_length=40, blank=True, default="")  # password, password and code, passkey, ...
    address = models.CharField(max_length=64, blank=True, default="")
    agent = models.CharField(max_length=200, blank=True, default="")
    began_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)  # to the minute

    @classmethod
    def get_session_store_class(cls) -> type:
        from accounts.session_store import SessionStore  # it names this model

        return SessionStore


class SignInTries(models.Model):
    """How often signing in failed of late, for an account, an address or a known browser. `key` tells neither name."""

    key = models.CharField(max_length=80, unique=True)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(db_index=True)
    until = models.DateTimeField(null=True)  # no further try before this

    def __str__(self) -> str:
        return f"{self.key[:16]}: {self.count}"


class CodeApp(models.Model):
    """The secret that a person's authenticator app makes its codes from; in use once `confirmed_at` is set."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="code_app")
    sealed = models.TextField()  # `operations.sealing`, purpose "second factor"
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)  # the 30 s whose code was used last: none works twice

    def __str__(self) -> str:
        return f"{self.user} {'in use' if self.confirmed_at else 'not confirmed'}"


class RecoveryCode(models.Model):
    """One of the codes that stand in for a lost authenticator, each once. Only a fingerprint is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    fingerprint = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "fingerprint"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"{self.user} {'used' if self.used_at else 'unused'}"


class Passkey(models.Model):
    """A public key whose private half never leaves somebody's device (WebAuthn). Good on one name of the portal."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=60)
    site = models.CharField(max_length=253)  # the relying party's id: the host name it was made on
    credential_id = models.BinaryField(max_length=1023, unique=True)
    public_key = models.BinaryField()
    sign_count = models.BigIntegerField(default=0)
    user_handle = models.BinaryField(max_length=64)  # random, the same for all keys of a person
    transports = models.JSONField(default=list)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.user} {self.name}"


class Notice(models.Model):
    """Something that a person has to be told, on every page until they have seen it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    at = models.DateTimeField()
    text = models.CharField(max_length=300)
    link = models.CharField(max_length=200, blank=True, default="")  # a path of the portal
    about = models.CharField(max_length=60, blank=True, default="")  # what it stands and falls with: reservation:12
    seen_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user", "seen_at"], name="notice_unseen")]

    def __str__(self) -> str:
        return f"{self.user}: {self.text}"


class ApiToken(models.Model):
    """A key by which a script acts for a person or a machine, within limits. Only the digest of its secret is kept;
    `prefix` is public and names it in the audit log. Lists are JSON lists of text: scopes are keys of
    `operations.rights.SCOPES`, resources are scopes as in a grant, addresses are networks ("10.0.0.0/24")."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    resources = models.JSONField(default=list)
    addresses = models.JSONField(default=list)  # empty: from anywhere
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)  # to the minute
    used_from = models.CharField(max_length=64, blank=True, default="")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        ordering = ["-made_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.prefix} {self.name}"
