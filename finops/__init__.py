"""An accountant's ledger for cloud and AI spend."""

__version__ = "0.1.0"
