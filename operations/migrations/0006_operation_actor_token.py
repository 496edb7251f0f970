from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("operations", "0005_reservation")]

    operations = [
        migrations.AddField("operation", "actor_token", models.CharField(default="", max_length=80)),
    ]
