from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("operations", "0009_key_of_any_row"),
    ]

    operations = [
        migrations.AlterModelOptions(name="reservation", options={"ordering": ["id"]}),
    ]
