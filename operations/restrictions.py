"""Which resources ask for more than the usual role. `operations.roles.may` reads what is written here.

"At least operator" means every role that allows all that an operator may do.
"""

from django.db import transaction

from operations import audit
from operations.models import Restriction
from operations.refusals import BadRequest
from operations.rights import ROLES, role_words, roles_with
from operations.roles import RESTRICTABLE, Actor


def restrict(resource: str, action: str, least_role: str | None, actor: Actor) -> None:
    """Let `action` on `resource` need at least `least_role`; None takes the restriction away. Audited.

    Rows are saved one by one, so that the signal reaches `accounts.access` and open sockets are asked again within
    3 s. Raises `BadRequest` for an action that cannot be restricted, an unknown role, or one that may not do it
    anyhow.
    """
    if action not in RESTRICTABLE:
        raise BadRequest(f"{action} cannot be restricted.")
    if least_role is not None and action not in ROLES.get(least_role, ()):
        usual = " or ".join(role_words(role) for role in roles_with(action))
        raise BadRequest(f"{action} needs the role {usual} everywhere; {least_role} does not have it.")
    with transaction.atomic():
        row = Restriction.objects.filter(resource=resource, action=action).first()
        before = {"least role": row.least_role if row else None}
        if least_role is not None:
            row = row or Restriction(resource=resource, action=action)
            row.least_role = least_role
            row.save()
        elif row is not None:
            row.delete()
        detail = {"action": action, "least_role": least_role}
        after = {"least role": least_role}
        audit.record("console.restricted", actor=actor, target=resource, before=before, after=after, detail=detail)
