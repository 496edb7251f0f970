from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("slots", "0003_contents"),
    ]

    operations = [
        migrations.AddField(
            model_name="somtype",
            name="boot_rom",
            field=models.CharField(blank=True, default="", max_length=9),
        ),
    ]
