from django.apps import AppConfig


class SlotsConfig(AppConfig):
    name = "slots"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import places as right_places
        from reservations import places
        from slots import checks  # noqa: F401  registers the system checks
        from slots.services import grantable
        from slots.services.places import of_board

        places.register(of_board)
        right_places.register(grantable.boards)
