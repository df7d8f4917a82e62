"""Payment gateways behind each web server."""

import unittest

from gateways import Alipay, Signer, Webhook, WechatPay
from stack import HOSTS, Stack, request


class EveryHost(unittest.TestCase):
    """each web server passes on what gateways send as they sent it"""

    def test_all_gateways_pay_behind_each_host(self):
        signer = Signer()
        self.addCleanup(signer.close)
        for gateway in ("wechatpay", "alipay"):
            if signer.missing(gateway):
                self.skipTest(signer.missing(gateway))
        for host in HOSTS:
            with self.subTest(host=host), Stack(host=host) as stack:
                for player in (WechatPay(stack, signer), Alipay(stack, signer),
                               Webhook(stack, signer, "v1a")):
                    order = stack.place_order()
                    answer = player.callback(order).send(stack)
                    self.assertIn(answer.status, (200, 204), answer)
                    self.assertEqual([o for _, _, o in stack.events()].count(order.id), 1)
                    refused = player.callback(order).changed("{}").send(stack)
                    self.assertEqual(refused.status, 401, refused)
                    self.assertIn(refused.body[:7], (b"failure", b'{"code"'))
                for path in ("/metrics", "/healthz"):  # the operator's alone
                    self.assertEqual(request(stack.web_url + path).status, 404, path)
