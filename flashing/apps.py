from django.apps import AppConfig


class FlashingConfig(AppConfig):
    name = "flashing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from flashing.services import queueing
        from images.services import library

        library.needed_by.append(queueing.needs)
