from django.apps import AppConfig


class SlotsConfig(AppConfig):
    name = "slots"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import places
        from slots import checks  # noqa: F401  registers the system checks
        from slots.services.places import boards

        places.register(boards)
