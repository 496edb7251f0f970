"""Filters and words of the audit log are found by indexes, and the last verdict on its chain is kept.

Django would remake the table on SQLite to drop an index, and the triggers would be gone with the old one: so each index
is dropped by itself. Words are found by FTS5 on SQLite, by a text search index on PostgreSQL (ADR 20 has the figures).
"""

from django.db import migrations, models

TABLE = "operations_auditentry"
FILTERS = ("actor", "action", "target", "outcome")
# Every value of the signed text, but not the names of its fields. A null character would end the words there; what
# takes its place keeps the text JSON, wherever these six letters stand in it.
WORDS = (
    r"(SELECT group_concat(atom, ' ') FROM json_tree(replace({row}.text, '\u0000', '\u0020')) WHERE atom IS NOT NULL)"
)
SQLITE = [
    # The table keeps no copy of the words: what they are is in the entry.
    """
    CREATE VIRTUAL TABLE operations_auditwords
    USING fts5(words, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')""",
    f"INSERT INTO operations_auditwords(rowid, words) SELECT seq, {WORDS.format(row='e')} FROM {TABLE} e",
    f"""
    CREATE TRIGGER audit_words AFTER INSERT ON {TABLE} BEGIN
    INSERT INTO operations_auditwords(rowid, words) VALUES (NEW.seq, {WORDS.format(row="NEW")}); END""",
    # Only retention gets here: another trigger refuses before.
    f"""
    CREATE TRIGGER audit_words_gone AFTER DELETE ON {TABLE} BEGIN
    INSERT INTO operations_auditwords(operations_auditwords, rowid, words)
    VALUES ('delete', OLD.seq, {WORDS.format(row="OLD")}); END""",
]
# PostgreSQL's own parser would take "demo/slot:3" for a file's name, and JSON's \\n for a letter. The cut keeps a long
# plan from being refused.
POSTGRESQL = [
    rf"""
    CREATE INDEX audit_words ON {TABLE} USING gin (to_tsvector(
    'simple', regexp_replace(left(text, 200000), '(\\u[0-9a-f]{{4}}|\\.|[^[:alnum:]])+', ' ', 'g')))"""
]


def search(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL:
        schema_editor.execute(statement)


def unsearch(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for statement in ("TRIGGER audit_words", "TRIGGER audit_words_gone", "TABLE operations_auditwords"):
            schema_editor.execute(f"DROP {statement}")
        return
    schema_editor.execute("DROP INDEX audit_words")


def drop_single_indexes(apps, schema_editor):
    """Those on one of the filters alone; PostgreSQL has a second one each, for LIKE."""
    with schema_editor.connection.cursor() as cursor:
        found = schema_editor.connection.introspection.get_constraints(cursor, TABLE)
    for name, about in found.items():
        if about["index"] and len(about["columns"]) == 1 and about["columns"][0] in FILTERS:
            schema_editor.execute(f'DROP INDEX "{name}"')


class Migration(migrations.Migration):
    dependencies = [("operations", "0006_operation_actor_token")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop_single_indexes, migrations.RunPython.noop)],
            state_operations=[
                migrations.AlterField("auditentry", "actor", models.CharField(max_length=150)),
                migrations.AlterField("auditentry", "action", models.CharField(max_length=60)),
                migrations.AlterField("auditentry", "target", models.CharField(max_length=100)),
                migrations.AlterField("auditentry", "outcome", models.CharField(max_length=20)),
            ],
        ),
        *(
            migrations.AddIndex("auditentry", models.Index(fields=[column, "seq"], name=f"audit_by_{column}"))
            for column in FILTERS
        ),
        migrations.CreateModel(
            name="AuditCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("checked", models.BigIntegerField()),
                ("broken_at", models.BigIntegerField(null=True)),
                ("problem", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.RunPython(search, unsearch),
    ]
