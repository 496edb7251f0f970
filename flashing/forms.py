"""What people type about first-boot profiles, checked."""

from typing import Any

from django import forms

from flashing.models import Profile
from flashing.services import profiles
from flashing.services.profiles import Wish
from hardware.flash.firstboot.passwords import MAX_CHARACTERS

SECRETS = ("password", "network", "user_data")
_KEPT = "Kept sealed and never shown. Leave this empty to keep it; what you type takes its place."
_CODE = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


class UnshownTextarea(forms.Textarea):
    """Takes text and never writes it into a page, as a field for a password does."""

    def format_value(self, value: Any) -> str | None:
        return None


class ProfileForm(forms.Form):
    """A first-boot profile; `locked` shows it without letting anything be changed."""

    name = forms.CharField(max_length=60, help_text="As it is offered when a slot is flashed.")
    hostname_template = forms.CharField(
        label="Host name",
        max_length=63,
        required=False,
        help_text="{board}, {slot}, {name}, {type} and {serial} stand for the slot's own, for instance {board}-{slot}. "
        "Empty: the image's.",
        widget=forms.TextInput(attrs=_CODE | {"placeholder": "{board}-{slot}"}),
    )
    user = forms.CharField(
        max_length=32,
        required=False,
        help_text="May become root by sudo without a password, as the first user of these systems may.",
        widget=forms.TextInput(attrs=_CODE),
    )
    password = forms.CharField(
        max_length=MAX_CHARACTERS,
        required=False,
        strip=False,
        help_text="Without one, only the keys sign in. Kept as its hash, sealed.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    remove_password = forms.BooleanField(label="Remove the password", required=False)
    ssh_keys = forms.CharField(
        label="SSH keys",
        max_length=32_000,
        required=False,
        help_text="Public keys, one a line, as in authorized_keys. They switch SSH on, and its passwords off unless "
        "there is one above.",
        widget=forms.Textarea(attrs=_CODE | {"rows": 4}),
    )
    timezone = forms.CharField(
        label="Time zone",
        max_length=64,
        required=False,
        help_text="For instance Europe/Berlin or UTC.",
        widget=forms.TextInput(attrs=_CODE | {"list": "zones"}),
    )
    network = forms.CharField(
        label="Network settings",
        max_length=16_384,
        required=False,
        strip=False,
        help_text="A netplan document (network: version: 2 …), in which {slot} and the others stand for the same.",
        widget=UnshownTextarea(attrs=_CODE | {"rows": 8}),
    )
    remove_network = forms.BooleanField(label="Remove the network settings", required=False)
    user_data = forms.CharField(
        label="Raw cloud-init user-data",
        max_length=16_384,
        required=False,
        strip=False,
        help_text="Used as it is, instead of user, keys and time zone; only where the image has cloud-init.",
        widget=UnshownTextarea(attrs=_CODE | {"rows": 8}),
    )
    remove_user_data = forms.BooleanField(label="Remove the user-data", required=False)

    def __init__(self, *args: Any, profile: Profile | None = None, locked: bool = False, **kwargs: Any) -> None:
        said = profiles.described(profile) if profile else {}
        if profile:
            kwargs["initial"] = said | {"ssh_keys": profile.ssh_keys}
        super().__init__(*args, **kwargs)
        self.profile = profile
        for name in SECRETS:
            if said.get(f"has_{name}"):
                self.fields[name].help_text = _KEPT
            else:
                del self.fields[f"remove_{name}"]
        for field in self.fields.values():
            field.disabled = locked
            if not isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "input mono" if isinstance(field.widget, forms.Textarea) else "input"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in SECRETS:
            if cleaned.get(name) and cleaned.get(f"remove_{name}"):
                self.add_error(name, "Either give a new one or remove what is kept, not both.")
        if not self.errors:
            for field, words in profiles.problems(self.wish(), self.profile).items():
                self.add_error(field, words)
        return cleaned

    def wish(self) -> Wish:
        """What is asked for; only of a form that has been cleaned."""
        said = self.cleaned_data
        secrets = {name: "" if said.get(f"remove_{name}") else said[name] or None for name in SECRETS}
        return Wish(
            name=said["name"],
            hostname_template=said["hostname_template"],
            user=said["user"],
            ssh_keys=said["ssh_keys"],
            timezone=said["timezone"],
            **secrets,
        )
