"""Server-Sent Events, polls and acks by HTTP behind each web server."""

import time
import unittest

from stack import HOSTS, Stack
from streams import Poll, StreamTerminal, post_ack


class EveryHost(unittest.TestCase):
    """streams, polls and acks behind each web server"""

    def test_all_of_it_passes_through(self):
        for host in HOSTS:
            with self.subTest(host=host), Stack(host=host) as stack:
                stream = StreamTerminal(stack.web_url + "/events/till-1")
                self.addCleanup(stream.close)
                stream.wait_until_live()
                poll = Poll(stack.web_url + "/poll/till-2")
                order = stack.place_order()
                begun = time.monotonic()
                stack.pay_by_sql(order)
                event = stream.event_of(order.id)
                self.assertLess(time.monotonic() - begun, 15)  # not when a buffer is full
                self.assertEqual(Poll(stack.web_url + "/poll/till-2", poll.cursor).events, [event])
                self.assertEqual(
                    post_ack(stack.web_url + "/ack/till-3", [event["seq"]]).status, 200)
                stream.wait_for(lambda m: m.get("by") == "till-3", "acked")
                cursor = stream.last_id
                stream.close()
                again = StreamTerminal(stack.web_url + "/events/till-1",
                                       {"Last-Event-ID": cursor})
                self.addCleanup(again.close)
                again.wait_until_live()
                self.assertIs(again.frames[0].json["recovered"], True)
                again.close()  # nobody is left for the notifier to drain
