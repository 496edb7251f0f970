from django.db import migrations, models


class Migration(migrations.Migration):
    """An Idempotency-Key may stand for a reservation too. Keys in use stay good: a UUID is found by its text."""

    dependencies = [
        ("operations", "0008_refusals_by_action"),
    ]

    operations = [
        migrations.RenameField(model_name="idempotencykey", old_name="operation_id", new_name="made"),
        migrations.AlterField(
            model_name="idempotencykey",
            name="made",
            field=models.CharField(default="", max_length=40),
        ),
    ]
