"""Which resources ask for more than the usual role. `operations.roles.may` reads what is written here."""

from django.db import transaction

from operations import audit
from operations.models import Restriction
from operations.refusals import BadRequest
from operations.roles import LEAST_ROLE, RANK, RESTRICTABLE, Actor


def restrict(resource: str, action: str, least_role: str | None, actor: Actor) -> None:
    """Let `action` on `resource` need at least `least_role`; None takes the restriction away. Audited.

    Rows are saved one by one, so that the signal reaches `accounts.access` and open sockets are asked again within
    3 s. Raises `BadRequest` for an action that cannot be restricted, an unknown role, or one below the usual.
    """
    if action not in RESTRICTABLE:
        raise BadRequest(f"{action} cannot be restricted.")
    if least_role is not None and RANK.get(least_role, 0) < RANK[LEAST_ROLE[action]]:
        raise BadRequest(f"{action} needs the role {LEAST_ROLE[action]} everywhere; {least_role} is less.")
    with transaction.atomic():
        row = Restriction.objects.filter(resource=resource, action=action).first()
        if least_role is not None:
            row = row or Restriction(resource=resource, action=action)
            row.least_role = least_role
            row.save()
        elif row is not None:
            row.delete()
        audit.record(
            "console.restricted", actor=actor, target=resource, detail={"action": action, "least_role": least_role}
        )
