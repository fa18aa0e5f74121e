"""The pond diary and what people say (calibrations, hand readings, acknowledgements) are only ever added to, as the audit log is.

One change is let through: a name is taken out of an entry when its person is deleted.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NOBODY = "–"  # `cloud.accounts.personal.DELETED`
_KEPT = ("position", "id", "kind", "pond_id", "at", "place", "content", "alarm", "cooperative_id")
_KEYS = {"diary": ("id", "client_id", "replaces"), "entries": ("position", "id")}


def _sqlite() -> dict[str, str]:
    """Return the triggers' statements by name."""
    found = {}
    for table, keys in _KEYS.items():
        refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is only added to'); END"
        # INSERT OR REPLACE would take a row away without its trigger.
        taken = " OR ".join(f"{key} = NEW.{key}" for key in keys)
        exists = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken})"  # noqa: S608
        found[f"{table}_insert"] = f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} {exists} {refusal}"
        found[f"{table}_delete"] = f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} {refusal}"
    refusal = "BEGIN SELECT RAISE(ABORT, '{} is only added to'); END"
    found["diary_update"] = f"CREATE TRIGGER diary_update BEFORE UPDATE ON diary {refusal.format('diary')}"
    changed = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in _KEPT)
    found["entries_update"] = (
        f"CREATE TRIGGER entries_update BEFORE UPDATE ON entries WHEN NEW.person <> '{_NOBODY}' OR {changed} {refusal.format('entries')}"
    )
    return found


_FUNCTION = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is only added to', TG_TABLE_NAME; END $$"""
_POSTGRESQL = (
    "CREATE TRIGGER diary_rows BEFORE UPDATE OR DELETE ON diary FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER entries_delete BEFORE DELETE ON entries FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER entries_update BEFORE UPDATE ON entries FOR EACH ROW "
    f"WHEN (NEW.person <> '{_NOBODY}' OR to_jsonb(NEW) - 'person' IS DISTINCT FROM to_jsonb(OLD) - 'person') "
    "EXECUTE FUNCTION refuse_change()",
    *(
        f"CREATE TRIGGER {table}_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        for table in ("diary", "entries")
    ),
)


def upgrade() -> None:
    """Go forward."""
    if op.get_bind().dialect.name == "sqlite":
        for statement in _sqlite().values():
            op.execute(statement)
    else:
        op.execute(_FUNCTION)
        for statement in _POSTGRESQL:
            op.execute(statement)


def downgrade() -> None:
    """Go back; nothing is lost."""
    if op.get_bind().dialect.name == "sqlite":
        for name in _sqlite():
            op.execute(f"DROP TRIGGER {name}")
    else:
        op.execute("DROP FUNCTION refuse_change() CASCADE")
