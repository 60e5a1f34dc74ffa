"""What every adapter of a port promises, as functions that any test runner can call.

Each suite has a tuple ``CHECKS`` of functions whose names are the sentences they check. With pytest::

    @pytest.mark.parametrize("check", journal.CHECKS, ids=lambda check: check.__name__)
    def test_journal(check, tmp_path):
        check(lambda: SqliteJournal.open(tmp_path / "journal.db"))
"""


class ContractBroken(AssertionError):
    """An adapter does not do what its port promises."""


def require(holds: bool, sentence: str) -> None:
    """Raise ContractBroken with ``sentence`` unless ``holds``."""
    if not holds:
        raise ContractBroken(sentence)
