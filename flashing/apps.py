from django.apps import AppConfig


class FlashingConfig(AppConfig):
    name = "flashing"
    default_auto_field = "django.db.models.BigAutoField"
