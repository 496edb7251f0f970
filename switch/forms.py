"""What people type about VLANs, checked as far as a form can."""

from collections.abc import Iterable
from typing import Any

from django import forms

from hardware.switch_setup import FlowControl, PortSetup, SwitchSetup
from hardware.vlan import FIRST_VID, LAST_VID, LONGEST_NAME, Accepts, VlanTable
from operations.refusals import BadRequest
from switch import editing
from switch.documents import Wiring

LARGEST_FILE = 200_000  # bytes; 4,094 VLANs of eight ports are less
TIMES = ((30, "30 seconds"), (60, "1 minute"), (120, "2 minutes"), (300, "5 minutes"), (600, "10 minutes"))
ACCEPTS = ((Accepts.ALL, "all frames"), (Accepts.UNTAGGED, "untagged only"), (Accepts.TAGGED, "tagged only"))
#: Every way to make a link that a port has -> speed in Mb/s or None for the best, full duplex, negotiated
LINKS: dict[str, tuple[str, tuple[int | None, bool, bool]]] = {
    "auto": ("the best that both sides can", (None, True, True)),
    "1000": ("1000 Mb/s only", (1000, True, True)),
    "100-full": ("100 Mb/s full duplex only", (100, True, True)),
    "100-half": ("100 Mb/s half duplex only", (100, False, True)),
    "10-full": ("10 Mb/s full duplex only", (10, True, True)),
    "10-half": ("10 Mb/s half duplex only", (10, False, True)),
    "100-full-forced": ("100 Mb/s full duplex without asking", (100, True, False)),
    "100-half-forced": ("100 Mb/s half duplex without asking", (100, False, False)),
    "10-full-forced": ("10 Mb/s full duplex without asking", (10, True, False)),
    "10-half-forced": ("10 Mb/s half duplex without asking", (10, False, False)),
}
WAYS = ("entering", "leaving")  # of frames at a port that is mirrored
FLOWS = ((FlowControl.AUTO, "as both sides agree"), (FlowControl.ON, "on"), (FlowControl.OFF, "off"))
_INPUT = {"class": "input"}
_CODE = {"class": "input mono", "spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


def valid(form: forms.Form) -> dict[str, Any]:
    """The cleaned fields. Raises BadRequest with the first thing that is wrong."""
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        label = str(form.fields[field].label or field.replace("_", " ")) if field in form.fields else ""
        raise BadRequest(
            f"{label[:1].upper()}{label[1:]}: {errors[0]}" if label else str(errors[0]), code="wrong-field"
        )
    return form.cleaned_data


class NewVlanForm(forms.Form):
    """One more VLAN."""

    vid = forms.IntegerField(
        label="VID",
        min_value=FIRST_VID,
        max_value=LAST_VID,
        widget=forms.NumberInput(attrs=_INPUT),
        help_text="1 to 4094.",
    )
    name = forms.CharField(max_length=LONGEST_NAME, required=False, widget=forms.TextInput(attrs=_INPUT))


class VlanForm(forms.Form):
    """A VLAN's name, and whether the switch's own pages move into it."""

    name = forms.CharField(max_length=LONGEST_NAME, required=False, widget=forms.TextInput(attrs=_INPUT))
    manages = forms.BooleanField(label="The switch's own pages are in this VLAN", required=False)


class IntakeForm(forms.Form):
    """PVID and accepted frames of each column of the grid."""

    def __init__(self, *args: Any, columns: Iterable[Any], table: VlanTable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.columns = tuple(columns)
        choices = [("", "none"), *((vlan.vid, f"{vlan.vid} {vlan.name}".strip()) for vlan in table.vlans)]
        for column in self.columns:
            rule = table.rules[column.port]
            title = "Uplink" if column.title == "Uplink" else f"Slot {column.title}"
            for name, label, options, initial in (
                (f"pvid-{column.place}", f"PVID of {column.words}", choices, rule.pvid or ""),
                (f"accepts-{column.place}", f"Frames that {column.words} takes in", ACCEPTS, rule.accepts),
            ):
                field = forms.ChoiceField(
                    label=label, choices=options, required=False, initial=initial, widget=forms.Select(attrs=_INPUT)
                )
                field.title = title  # type: ignore[attr-defined]
                self.fields[name] = field

    @property
    def rows(self) -> list[tuple[Any, forms.BoundField, forms.BoundField]]:
        """Each column with its two fields."""
        return [(column, self[f"pvid-{column.place}"], self[f"accepts-{column.place}"]) for column in self.columns]

    def apply(self, table: VlanTable) -> VlanTable:
        """The table with what was chosen. Raises VlanTableInvalid."""
        for column in self.columns:
            pvid, accepts = (self.cleaned_data[f"{name}-{column.place}"] for name in ("pvid", "accepts"))
            table = editing.rule(table, column.port, int(pvid) if pvid else None, Accepts(accepts or Accepts.TAGGED))
        return table


class PortForm(forms.Form):
    """How a port makes its link."""

    enabled = forms.BooleanField(label="The port is on", required=False)
    link = forms.ChoiceField(
        label="Link", choices=[(key, words) for key, (words, _) in LINKS.items()], widget=forms.Select(attrs=_INPUT)
    )
    flow_control = forms.ChoiceField(label="Flow control", choices=FLOWS, widget=forms.Select(attrs=_INPUT))

    @staticmethod
    def initial_of(port: PortSetup) -> dict[str, Any]:
        """What the form shows of a port."""
        said = (port.mbps, port.full_duplex, port.negotiates)
        link = next(key for key, (_, way) in LINKS.items() if way == said)
        return {"enabled": port.enabled, "link": link, "flow_control": port.flow_control}

    def port(self) -> PortSetup:
        """What was chosen. Raises SetupInvalid."""
        mbps, full_duplex, negotiates = LINKS[self.cleaned_data["link"]][1]
        flow_control = FlowControl(self.cleaned_data["flow_control"])
        return PortSetup(self.cleaned_data["enabled"], mbps, full_duplex, negotiates, flow_control)


class MirrorForm(forms.Form):
    """Where copies go, and what is copied of each column."""

    def __init__(self, *args: Any, columns: Iterable[Any], setup: SwitchSetup, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.columns = tuple(columns)
        now = setup.mirror
        self.fields["to"] = forms.ChoiceField(
            label="Copies go to",
            choices=[("", "nowhere"), *((column.place, column.words) for column in self.columns)],
            required=False,
            initial=next((column.place for column in self.columns if now and column.port == now.to), ""),
            widget=forms.Select(attrs=_INPUT),
        )
        for way, words in zip(WAYS, ("comes in from", "goes out to"), strict=True):
            for column in self.columns:
                self.fields[f"{way}-{column.place}"] = forms.BooleanField(
                    label=f"What {words} {column.words}",
                    required=False,
                    initial=now is not None and column.port in getattr(now, way),
                )

    @property
    def rows(self) -> list[tuple[Any, forms.BoundField, forms.BoundField]]:
        """Each column with its two fields."""
        return [(column, self[f"entering-{column.place}"], self[f"leaving-{column.place}"]) for column in self.columns]

    def apply(self, setup: SwitchSetup, wiring: Wiring) -> SwitchSetup:
        """The setup with what was chosen. Raises SetupInvalid."""
        to = self.cleaned_data["to"]
        chosen = ([c.port for c in self.columns if self.cleaned_data[f"{way}-{c.place}"]] for way in WAYS)
        return editing.mirror(setup, wiring.port(to) if to else None, *chosen)


class ImportForm(forms.Form):
    """A file, or the same as text."""

    file = forms.FileField(required=False, widget=forms.FileInput(attrs={"class": "input", "accept": ".yaml,.yml"}))
    typed = forms.CharField(
        label="Or as text",
        required=False,
        max_length=LARGEST_FILE,
        strip=False,
        widget=forms.Textarea(attrs=_CODE | {"rows": 8}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file, typed = cleaned.get("file"), cleaned.get("typed")
        if bool(file) == bool(typed):
            raise forms.ValidationError("Choose a file or write the text, one of them.")
        if file and file.size > LARGEST_FILE:
            raise forms.ValidationError(f"The file is larger than {LARGEST_FILE // 1000} kB.")
        try:
            cleaned["text"] = file.read().decode() if file else typed
        except UnicodeDecodeError as error:
            raise forms.ValidationError("The file is no text in UTF-8.") from error
        return cleaned


class CommitForm(forms.Form):
    """What goes with a commit."""

    fingerprint = forms.CharField(max_length=64)
    revert_after_seconds = forms.TypedChoiceField(choices=TIMES, coerce=int, initial=120, required=False)
    reason = forms.CharField(max_length=300, required=False)
    key = forms.CharField(max_length=64, required=False)
