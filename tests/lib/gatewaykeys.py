"""gatewaykeys - the keys of payment gateways that exist for one test stack only.

A gateway's own (private) keys stay in one folder, for whoever plays the gateway; what the shop is
given of them goes to another, as the gateway's pages would give it.
"""

import base64
import os
import secrets
import subprocess

# What the shop is known by.
WECHATPAY_MCHID = "1900000001"
WECHATPAY_APPID = "wx8888888888888888"
ALIPAY_APP_ID = "2021000000000000"
ALIPAY_SELLER_ID = "2088000000000000"

# The gateways' own keys: files of the folder make() is given.
PRIVATE = ("wechatpay-certificate.key", "wechatpay-public.key", "alipay.key", "webhook.key")
RSA = ("genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True,
                          stdin=subprocess.DEVNULL).stdout


def make_private(folder):
    """All at once: RSA keys take a while."""
    makers = []
    for name in PRIVATE:
        how = ("genpkey", "-algorithm", "ED25519") if name == "webhook.key" else RSA
        makers.append(subprocess.Popen(
            ["openssl", *how, "-out", os.path.join(folder, name)],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, umask=0o077))
    for maker in makers:
        if maker.wait() != 0:
            raise subprocess.CalledProcessError(maker.returncode, maker.args)


def public_pem(path):
    return openssl("pkey", "-in", path, "-pubout").decode()


def certificate_pem(path, serial):
    return openssl("req", "-new", "-x509", "-key", path, "-subj", "/CN=Tenpay.com Root CA",
                   "-days", "2", "-set_serial", "0x" + serial).decode()


def make(folder):
    """Makes the gateways' keys in `folder`.  Gives what the shop gets, {name: text}: names with a /
    are files of a folder; and what a gateway says of itself, {NAME: value}."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    make_private(folder)
    serial = f"{secrets.randbits(156) | 1 << 155:040X}"
    public_id = f"PUB_KEY_ID_01{secrets.randbelow(10 ** 32):032d}"
    api_key = secrets.token_hex(16)
    raw = openssl("pkey", "-in", os.path.join(folder, "webhook.key"), "-pubout",
                  "-outform", "DER")[-32:]
    files = {
        f"wechatpay/wechatpay_{serial}.pem":
            certificate_pem(os.path.join(folder, PRIVATE[0]), serial),
        f"wechatpay/{public_id}.pem": public_pem(os.path.join(folder, PRIVATE[1])),
        "wechatpay.key": api_key,
        "alipay.pem": public_pem(os.path.join(folder, PRIVATE[2])),
        "webhook.public": "whpk_" + base64.b64encode(raw).decode(),
    }
    facts = {
        "GATEWAY_KEYS": folder, "WECHATPAY_SERIAL": serial, "WECHATPAY_PUBLIC_ID": public_id,
        "WECHATPAY_API_KEY": api_key, "WECHATPAY_MCHID": WECHATPAY_MCHID,
        "WECHATPAY_APPID": WECHATPAY_APPID, "ALIPAY_APP_ID": ALIPAY_APP_ID,
        "ALIPAY_SELLER_ID": ALIPAY_SELLER_ID,
    }
    return files, facts
