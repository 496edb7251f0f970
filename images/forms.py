"""What people say about images, checked."""

from typing import Any

from django import forms

from images.models import FirmwareImage


class ImageForm(forms.ModelForm):
    """Name, notes, and the SOM types that an image is for; `locked` shows it without letting anything be changed."""

    class Meta:
        model = FirmwareImage
        fields = ("name", "som_types", "notes")
        labels = {"som_types": "For"}
        help_texts = {
            "name": "As it is offered for flashing.",
            "som_types": "A slot is offered what is for its SOM.",
        }
        widgets = {"som_types": forms.CheckboxSelectMultiple(), "notes": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, locked: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.disabled = locked
            if name != "som_types":
                field.widget.attrs["class"] = "input"


class ImportForm(forms.Form):
    """A file of the import directory."""

    path = forms.CharField(max_length=300)
    sha256 = forms.CharField(max_length=65_536, required=False)
