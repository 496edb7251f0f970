"""The database itself refuses to change or remove an audit entry, and has the chain's single head row."""

from django.db import migrations

SQLITE = {
    "audit_no_update": """
        CREATE TRIGGER audit_no_update BEFORE UPDATE ON operations_auditentry
        BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END""",
    "audit_no_delete": """
        CREATE TRIGGER audit_no_delete BEFORE DELETE ON operations_auditentry
        BEGIN SELECT RAISE(ABORT, 'audit entries are never removed'); END""",
    # INSERT OR REPLACE deletes the row in its way without firing the delete trigger.
    "audit_no_replace": """
        CREATE TRIGGER audit_no_replace BEFORE INSERT ON operations_auditentry
        WHEN EXISTS (SELECT 1 FROM operations_auditentry WHERE seq = NEW.seq)
        BEGIN SELECT RAISE(ABORT, 'audit entries are never replaced'); END""",
}
POSTGRESQL = [
    """
    CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'audit entries are never changed or removed'; END $$""",
    """
    CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON operations_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    # Row triggers do not see TRUNCATE.
    """
    CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON operations_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
]


def guard(apps, schema_editor):
    statements = SQLITE.values() if schema_editor.connection.vendor == "sqlite" else POSTGRESQL
    for statement in statements:
        schema_editor.execute(statement)


def unguard(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for name in SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name}")
        return
    schema_editor.execute("DROP TRIGGER audit_no_change ON operations_auditentry")
    schema_editor.execute("DROP TRIGGER audit_no_truncate ON operations_auditentry")
    schema_editor.execute("DROP FUNCTION audit_refuse()")


def make_head(apps, schema_editor):
    apps.get_model("operations", "AuditHead").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("operations", "0001_initial")]
    operations = [
        migrations.RunPython(make_head, migrations.RunPython.noop),
        migrations.RunPython(guard, unguard),
    ]
