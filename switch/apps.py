from django.apps import AppConfig


class SwitchConfig(AppConfig):
    name = "switch"
    default_auto_field = "django.db.models.BigAutoField"
