"""How the portal's forms look, whichever app they belong to."""

from typing import Any

from django import forms


class Dressed(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose fields look like the portal's; `locked` shows it without letting anything be changed."""

    def __init__(self, *args: Any, locked: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "input"
            field.disabled = field.disabled or locked
