"""Which of its marks a producer has sent, and which are confirmed. Pure."""

from datetime import datetime

from gateway_shared.producer_mark import ProducerMark


class Marking:
    """`is_closed`: the mark that nothing will follow is confirmed.

    A mark says something new, or there is none: while it stands still a producer is silent. One
    that never ended an event has nothing to say at all.
    """

    def __init__(self, producer: str, *, is_closed: bool) -> None:
        self.is_closed = is_closed
        self._producer = producer
        self._sent = self._confirmed = (0, is_closed)
        self._is_wanted = False

    def want(self) -> None:
        """The next chance is to be used, if there is something new."""
        self._is_wanted = True

    def behind(self, sequence: int, *, closed: bool, now: datetime) -> ProducerMark | None:
        """The mark to send behind the events up to `sequence`; a closing one does not wait to be wanted."""
        is_due = not self._sent[1] if closed else self._is_wanted and sequence > self._sent[0]
        if not is_due or not sequence:
            return None
        self._is_wanted = False
        self._sent = (sequence, closed)
        return ProducerMark(producer=self._producer, sequence=sequence, closed=closed, marked_at=now)

    def confirm(self, mark: ProducerMark) -> None:
        self._confirmed = (mark.sequence, mark.closed)
        self.is_closed = mark.closed

    def rewind(self) -> None:
        """What is not confirmed has not been said."""
        self._is_wanted |= self._sent != self._confirmed
        self._sent = self._confirmed
