"""The router's journal: what was asked of a provider, and what it used, on disk before anyone is answered.

    journal = Journal.open(journal_dir, instance=..., boot=...)
    journal.intent(event)                  # before the provider is called
    journal.checkpoint(event)              # now and then in a long stream
    await journal.settle(build)            # before the last byte is answered

One process owns one folder, `<journal_dir>/<instance>/<boot>`; see RELIABILITY: mechanism 1-3.
"""

from gateway_router.journal.journal import Journal

__all__ = ["Journal"]
