#!/usr/bin/python3
"""tests/chaos/test_ledger.py - does the ledger judge right?  Without any server."""

import io
import os
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from ledger import Ledger, Truth  # noqa: E402

MERCHANT, EPOCH = 7, "9f3c01aa-1"


def row(seq, kind=1, acked_at=None, pruned_at=None):
    """As the table has it: all texts."""
    return (str(seq), str(MERCHANT), str(seq), str(kind), str(seq), f"order {seq}",
            acked_at and str(acked_at), pruned_at and str(pruned_at))


class Judge(unittest.TestCase):
    """The ledger"""

    def setUp(self):
        self.ledger = Ledger(lambda name: io.StringIO())
        self.book = self.new_book("till-1", "v1")

    def new_book(self, name, kind):
        book = self.ledger.book(name, kind, MERCHANT)
        book.takes_part = True
        return book

    def tell(self, *seqs, book=None, **more):
        for seq in seqs:
            (book or self.book).event({"type": 1, "orderId": seq, "content": f"order {seq}",
                                       "seq": seq, "epoch": EPOCH, **more})

    def start(self, top=0, book=None):
        """Welcomed without a cursor, and told all up to there."""
        book = book or self.book
        book.welcome(EPOCH, top, False, [])
        self.tell(*range(1, top + 1), book=book)
        book.caught_up(top)

    def come_back(self, top, recovered=True):
        self.book.lost("reset")
        self.book.welcome(EPOCH, top, recovered, [])

    def judged(self, top, rows=None, kept_from=1):
        rows = [row(seq) for seq in range(1, top + 1)] if rows is None else rows
        self.ledger.close(Truth(rows, [(str(MERCHANT), str(top), str(kept_from))]))
        return {kind: n for kind, n in self.ledger.problems.items() if n}

    def test_each_event_once_and_in_order_is_right(self):
        self.start()
        self.tell(1, 2)
        self.come_back(3)
        self.tell(3)
        self.book.caught_up(3)
        self.tell(4)
        self.assertEqual(self.judged(4), {})

    def test_one_that_never_comes_is_lost(self):
        self.start()
        self.tell(1, 2, 4)
        self.assertEqual(self.judged(4), {"lost": 1})

    def test_the_last_one_too(self):
        self.start()
        self.tell(1, 2)
        self.assertEqual(self.judged(3), {"lost": 1})

    def test_what_a_replay_leaves_out_is_lost(self):
        self.start(2)
        self.come_back(4)
        self.tell(3)
        self.book.caught_up(4)
        self.assertEqual(self.judged(4), {"lost": 1})

    def test_one_that_comes_again_is_doubled(self):
        self.start()
        self.tell(1, 2, 2)
        self.come_back(2)
        self.tell(2)
        self.book.caught_up(2)
        self.assertEqual(self.judged(2), {"doubled": 2})

    def test_one_that_comes_late_is_out_of_order_and_not_lost(self):
        self.start()
        self.tell(1, 3, 2)
        self.assertEqual(self.judged(3), {"out of order": 1})

    def test_one_that_is_not_in_the_table_was_rolled_back(self):
        self.start()
        self.tell(1, 2)
        self.assertEqual(self.judged(1), {"rolled back, but told": 1})

    def test_who_never_came_misses_nothing(self):
        self.book.takes_part = False
        self.assertEqual(self.judged(3), {})

    def test_another_text_than_the_tables_is_noticed(self):
        self.start()
        self.tell(1)
        self.assertEqual(self.judged(1, [row(1, kind=2)]), {"told another": 1})

    def test_two_terminals_told_differently_are_noticed(self):
        other = self.new_book("till-2", "v1")
        self.start()
        self.start(book=other)
        self.tell(1)
        other.event({"type": 2, "orderId": 1, "content": "order 1", "seq": 1, "epoch": EPOCH})
        self.assertEqual(self.judged(1), {"told another": 1})

    def test_un_acked_first_may_skip_what_was_acked_before_and_nothing_else(self):
        self.book.welcome(EPOCH, 3, False, [])
        self.tell(2)
        self.book.caught_up(3)
        acked = time.time() - 1
        self.assertEqual(self.judged(3, [row(1, acked_at=acked), row(2), row(3)]), {"lost": 1})

    def test_an_ack_that_came_later_is_no_excuse(self):
        self.book.welcome(EPOCH, 1, False, [])
        self.book.caught_up(1)
        self.assertEqual(self.judged(1, [row(1, acked_at=time.time() + 1)]), {"lost": 1})

    def test_a_batch_of_un_acked_ones_may_show_again_what_was_seen(self):
        self.start(3)
        self.come_back(3, recovered=False)
        self.tell(1, 3)
        self.book.caught_up(3)
        self.assertEqual(self.judged(3, kept_from=5), {})
        self.assertEqual(self.book.n_again, 2)

    def test_but_after_it_nothing_comes_again(self):
        self.start(3)
        self.come_back(3, recovered=False)
        self.book.caught_up(3)
        self.tell(3)
        self.assertEqual(self.judged(3, kept_from=5), {"doubled": 1})

    def test_a_batch_is_in_order(self):
        self.book.welcome(EPOCH, 3, False, [])
        self.tell(1, 3, 2)
        self.book.caught_up(3)
        self.assertEqual(self.judged(3), {"out of order": 1})

    def test_a_good_cursor_is_to_be_taken(self):
        self.start(3)
        self.come_back(3, recovered=False)
        self.book.caught_up(3)
        self.assertEqual(self.judged(3), {"not recovered without need": 1})

    def test_what_was_pruned_before_it_came_need_not_come(self):
        self.start(1)
        self.come_back(3)
        self.tell(3)
        self.book.caught_up(3)
        pruned = row(2, acked_at=1, pruned_at=time.time() - 1)
        self.assertEqual(self.judged(3, [row(1), pruned, row(3)]), {})

    def test_what_was_pruned_later_should_have_come(self):
        self.start(1)
        self.tell(3)
        pruned = row(2, acked_at=1, pruned_at=time.time() + 1)
        self.assertEqual(self.judged(3, [row(1), pruned, row(3)]), {"lost": 1})

    def test_a_stream_that_breaks_among_the_un_acked_goes_on_behind_them(self):
        self.book = self.new_book("sse-1", "sse")
        del self.ledger.books[0]
        self.book.welcome(EPOCH, 5, False, [])
        self.tell(2, 4)
        self.come_back(5)
        self.tell(5)
        self.book.caught_up(5)
        acked = time.time() - 1
        self.assertEqual(self.judged(5, [row(1, acked_at=acked), row(2), row(3), row(4), row(5)]),
                         {"lost": 1})

    def test_caught_up_is_told_once_and_at_its_place(self):
        self.book.welcome(EPOCH, 2, False, [])
        self.tell(1, 2, 3)
        self.book.caught_up(2)
        self.book.caught_up(2)
        self.assertEqual(self.judged(3)["protocol"], 2)

    def test_a_payment_that_was_taken_has_its_event_once(self):
        claims = self.ledger.claims
        claims.committed(("order", 1), ("order", 2), ("order", 3))
        claims.rolled_back(("order", 4), ("order", 5))
        claims.doubt(("order", 6), ("order", 7))
        self.start()
        self.tell(1, 2, 3, 4)
        rows = [row(1), row(2), row(3), row(4)]
        rows[2] = (*rows[2][:4], "2", *rows[2][5:])  # the third event is of order 2 as well
        rows[3] = (*rows[3][:4], "4", *rows[3][5:])
        found = self.judged(4, rows)
        self.assertEqual({kind: found.get(kind) for kind in (
            "paid without an event", "paid once, two events", "rolled back, and an event")},
            {"paid without an event": 1, "paid once, two events": 1,
             "rolled back, and an event": 1})

    def test_an_ack_that_was_told_is_in_the_table(self):
        self.start(2)
        self.book.acked([1, 2], "till-2")
        self.assertEqual(self.judged(2, [row(1, acked_at=1), row(2)]), {"acked, but not kept": 1})

    def test_who_comes_back_to_very_many_goes_on_ringing_for_what_it_has(self):
        self.start(5)
        self.book.welcome(EPOCH, 5, True, [2, 3], 4)
        self.assertEqual(self.book.ringing, {2, 3, 4, 5})
        self.book.acked([4], "")
        self.assertEqual(self.book.ringing, {2, 3, 5})
        self.book.kind = "poll"
        self.book.welcome(EPOCH, 5, True, [2, 3], 4)
        self.assertEqual(self.book.ringing, {2, 3})
        self.assertEqual(self.book.ringing_from, 4)

    def test_what_rings_is_what_is_un_acked(self):
        self.start(3)
        self.book.acked([1], "till-2")
        truth = Truth([row(1, acked_at=1), row(2, acked_at=1), row(3)],
                      [(str(MERCHANT), "3", "1")])
        self.assertEqual(self.book.rings_as(truth), ({2}, set()))
        self.book.acked([2, 3], "till-2")
        self.assertEqual(self.book.rings_as(truth), (set(), {3}))


if __name__ == "__main__":
    unittest.main()
