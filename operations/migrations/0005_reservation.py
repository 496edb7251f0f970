from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0004_claim_without_instance")]

    operations = [
        migrations.CreateModel(
            name="Reservation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("resource", models.CharField(max_length=100)),
                ("user_id", models.BigIntegerField(db_index=True)),
                ("holder", models.CharField(max_length=150)),
                ("purpose", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for its turn"),
                            ("planned", "Planned"),
                            ("active", "Holds the slot"),
                            ("ended", "Ended"),
                            ("broken", "Broken"),
                        ],
                        max_length=8,
                    ),
                ),
                ("queued_at", models.DateTimeField()),
                ("wanted_seconds", models.PositiveIntegerField()),
                ("starts_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_why", models.CharField(blank=True, default="", max_length=200)),
                ("reminded_at", models.DateTimeField(null=True)),
                ("broken_by", models.CharField(blank=True, default="", max_length=150)),
                ("broken_reason", models.CharField(blank=True, default="", max_length=300)),
            ],
            options={"ordering": ["queued_at", "id"]},
        ),
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(fields=["state", "resource"], name="reservation_state_and_place"),
        ),
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(fields=["resource", "ends_at"], name="reservation_place_and_end"),
        ),
        migrations.AddConstraint(
            model_name="reservation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "active")), fields=("resource",), name="one_holder_at_a_time"
            ),
        ),
    ]
