"""First-boot profiles. Their secrets are only ever written."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from flashing.models import Profile
from flashing.services import profiles
from flashing.services.profiles import Wish
from operations import roles
from operations.api import EDIT_ERRORS, ERRORS, IF_MATCH, Page, Strict, cut
from operations.etags import etag, unchanged
from operations.http import ActorRequest, begin_act

router = Router()


class ProfileIn(Strict):
    """What a profile says. Secrets are only ever written: left out they stay as they are, "" removes them."""

    name: str = Field(max_length=60, examples=["lab"])
    hostname_template: str = Field("", max_length=63, examples=["{board}-{slot}"])
    user: str = Field("", max_length=32)
    ssh_keys: str = Field("", max_length=20_000, description="One public key a line.")
    timezone: str = Field("", max_length=64, examples=["Europe/Berlin"])
    password: str | None = Field(None, max_length=200, description="Secret; kept as a hash.")
    network: str | None = Field(None, max_length=20_000, description="Secret; a netplan document.")
    user_data: str | None = Field(None, max_length=100_000, description="Secret; cloud-init user-data, used as it is.")


class ProfileOut(Schema):
    id: int
    name: str
    hostname_template: str
    user: str
    has_password: bool
    ssh_keys: list[str]
    timezone: str
    has_network: bool
    has_user_data: bool
    changed_at: datetime
    changed_by: str


class ProfileList(Schema):
    count: int
    profiles: list[ProfileOut]


@router.get("/flash-profiles", response={200: ProfileList, **ERRORS})
def list_profiles(request: ActorRequest, page: Query[Page]) -> dict[str, Any]:
    """First-boot profiles by name; of their secrets only whether they are there."""
    roles.require(request.actor, "profile.view", "portal")
    count, found = cut(profiles.usable(), page)
    return {"count": count, "profiles": [profiles.described(profile) for profile in found]}


@router.post("/flash-profiles", response={201: ProfileOut, **ERRORS})
def create_profile(request: ActorRequest, body: ProfileIn) -> Any:
    """Make a profile. A name that is taken is 409."""
    actor = begin_act(request, "profile.create", f"profile:{body.name}"[:100])
    return Status(201, profiles.described(profiles.create(Wish(**body.dict()), actor)))


@router.get("/flash-profiles/{int:profile_id}", response={200: ProfileOut, **ERRORS})
def get_profile(request: ActorRequest, response: HttpResponse, profile_id: int) -> dict[str, Any]:
    """One profile. The ETag is for PUT."""
    roles.require(request.actor, "profile.view", "portal")
    found = profiles.described(profiles.find(profile_id))
    response["ETag"] = etag(found)
    return found


@router.put("/flash-profiles/{int:profile_id}", response={200: ProfileOut, **EDIT_ERRORS})
def edit_profile(
    request: ActorRequest, response: HttpResponse, profile_id: int, body: ProfileIn, if_match: str = IF_MATCH
) -> dict[str, Any]:
    """Say anew what a profile says; secrets that are left out stay."""
    profile = profiles.find(profile_id)
    actor = begin_act(request, "profile.edit", f"profile:{profile.name}"[:100])
    rows = Profile.objects.filter(pk=profile.pk)
    with unchanged(if_match, rows, lambda: profiles.described(profiles.find(profile_id))):
        profiles.edit(profile, Wish(**body.dict()), actor)
    return get_profile(request, response, profile_id)


@router.delete("/flash-profiles/{int:profile_id}", response={204: None, **ERRORS})
def delete_profile(request: ActorRequest, profile_id: int) -> Any:
    """Delete a profile that no flash under way uses."""
    profile = profiles.find(profile_id)
    profiles.delete(profile, begin_act(request, "profile.delete", f"profile:{profile.name}"[:100]))
    return Status(204, None)
