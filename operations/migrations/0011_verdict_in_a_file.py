"""The last verdict on the audit log is kept in the data directory, out of reach of whoever has the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("operations", "0010_queue_by_number")]
    operations = [migrations.DeleteModel("AuditCheck")]
