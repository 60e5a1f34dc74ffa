"""The journal's one table. Used by ``sql`` and, for new files, by ``sqlite``."""

from sqlalchemy import DDL, BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text, event
from sqlalchemy.schema import UniqueConstraint

metadata = MetaData()

_number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows itself only for INTEGER PRIMARY KEY

events = Table(
    "events",
    metadata,
    Column("sequence", _number, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("version", _number, nullable=False),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("stream", "version"),
)

_first = events.c.version == 1
# The names of all streams without reading every event.
Index("streams", events.c.sequence, events.c.stream, sqlite_where=_first, postgresql_where=_first)

for _verb in ("UPDATE", "DELETE"):
    event.listen(
        events,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy left it untyped
            f"CREATE TRIGGER no_{_verb.lower()} BEFORE {_verb} ON events "
            f"BEGIN SELECT RAISE(ABORT, 'the journal is append-only: {_verb} refused'); END"
        ).execute_if(dialect="sqlite"),
    )
