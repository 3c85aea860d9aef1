"""
The ledger: one SQLite file that remembers every capture and what became of it. Only this folder imports sqlite3.

It is the work queue, the history, and the channel by which the command line reaches the daemon. A row is one version
of one capture, and is in exactly one state, with a reason:

                       sidecar, space, volume, whole file
               waiting <-----------------------------+
                  |  ^                               |
    arrival --> queued --claim--> running --finish--> done --newer version--> superseded
                  |  ^               |
                  |  +---put back----+---> quarantined      three failures of its own, or never to be rendered
                  v                  +---> duplicate        the same bytes are another row's
               vanished

Work is claimed by changing a state, never by deleting a row, so a crash at any point loses nothing. What a row says of
its outputs is relative to the outbox, so that an outbox can be moved.

    store.py      the file itself: schema, transactions, settings       captures.py   a row as a record
    arrivals.py   from the inboxes: new, changed, gone                  work.py       for the workers: claim to finish
    profiles.py   the looks that captures are stamped with              reports.py    what people ask
    requests.py   what people want: retry, reprocess, submit
"""

from flexispd.ledger.captures import Record, State
from flexispd.ledger.store import Ledger, LedgerError

__all__ = ["Ledger", "LedgerError", "Record", "State"]
