#!/usr/bin/python3
"""try.py ROOT TOP BUILD - the packages in a Debian root, from README's first command to a purge.

Runs in namespaces of its own: what it starts ends with it, and there is only loopback.  A stand-in
starts the units' programs, as systemd would (tests/lib/manager.py).
"""

import asyncio
import glob
import os
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT, TOP, BUILD = sys.argv[1:4]
sys.path[:0] = [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "system", "lib")]

import manager  # noqa: E402
from processes import until  # noqa: E402
from stack import request  # noqa: E402
from story import (PACKAGES, SECRET, UNITS, WITHIN_S, check, count,  # noqa: E402
                   readme_commands, rings_within, say, signed_payment)

running = {}


def command(line):
    """A line as a person types it, as root in the root's /root.  Gives (status, output)."""
    done = subprocess.run(
        ["chroot", ROOT, "/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
         "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
         "DEBIAN_FRONTEND=noninteractive", "sh", "-c", f"cd /root && {line}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)
    return done.returncode, done.stdout


# --- what systemd would do ---

def unit(name):
    return manager.Unit(os.path.join(ROOT, "lib/systemd/system", name))


def start_units():
    """As their packages' scripts have systemd do."""
    socket_unit = unit("fcgi-order.socket")
    user = root_ids("www-data")
    path = ROOT + socket_unit.get("Socket", "ListenStream")
    listener = manager.listen_at(path, socket_unit, (0, user[1]))
    for name in UNITS:
        about = unit(name)
        uid, gid = root_ids(about.get("Service", "User"))
        running[name] = manager.Managed(
            ["chroot", f"--userspec={uid}:{gid}", ROOT,
             *about.get("Service", "ExecStart").split()],
            os.path.join(ROOT, "run"), notify_path_inside=ROOT,
            listener=listener if name == "fcgi-order.service" else None,
            watchdog_s=float(about.get("Service", "WatchdogSec") or 0) or None,
            log=os.path.join(BUILD, name + ".log"))
    return [name for name in UNITS if running[name].wait_for("READY", WITHIN_S) is None]


def stop_units():
    statuses = [running[name].end() for name in UNITS]
    running.clear()
    return statuses


def root_ids(user):
    with open(os.path.join(ROOT, "etc/passwd"), encoding="utf-8") as f:
        for line in f:
            fields = line.split(":")
            if fields[0] == user:
                return int(fields[2]), int(fields[3])
    raise KeyError(user)


def files():
    """All that the root has, but for what apt, dpkg and logs keep of the past."""
    past = re.compile(r"/(var/(lib/(dpkg|apt|postgresql|lighttpd|systemd)|log|cache|backups|tmp)"
                      r"|tmp|root|proc|dev|run|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?"
                      r"|etc/apache2/|etc/ld.so.cache|var/spool)")
    found = set()
    for folder, folders, names in os.walk(ROOT):
        for name in folders + names:
            path = os.path.join(folder, name)[len(ROOT):]
            if not past.match(path):
                found.add(path)
    return found


def accounts():
    found = set()
    for name in ("passwd", "group"):
        with open(os.path.join(ROOT, "etc", name), encoding="utf-8") as f:
            found |= {name + " " + line.split(":")[0] for line in f}
    return found


# --- the story ---

def install():
    commands = readme_commands()
    check(1 < len(commands) <= 5, f"README installs by {len(commands)} commands, to the first ring")
    say(commands[0])
    status, output = command(commands[0])
    if not check(status == 0, "the packages install", output[-2000:]):
        return None
    late = start_units()
    check(not late, "both programs start as their units say, and say that they are ready", late)
    token = None
    for line in commands[1:-1]:
        say(line)
        status, output = command(line)
        check(status == 0, "done", output[-2000:])
        link = re.search(r"/console/#token=(\S+)", output)
        token = link.group(1) if link else token
    if not check(token is not None, "a terminal's link was shown"):
        return None
    page = request("http://127.0.0.1/console/")
    check(page.status == 200 and b"<html" in page.body, "the page that it opens is there", page)
    check(until(lambda: request("http://127.0.0.1/ws/x").status != 503, WITHIN_S),
          "the notifier is behind the web server")
    say(commands[-1])
    (status, output), event = asyncio.run(rings_within(token, lambda: command(commands[-1])))
    check(status == 0, "done", output)
    check(event is not None, f"it rings: {event}")
    return token


def callbacks(token):
    say("callbacks")
    answer = request("http://127.0.0.1/notify/webhook", "POST", body=b"{}")
    check(answer.status == 404, "a gateway without keys is not there", answer)
    command(f"umask 027; echo {SECRET} >/etc/orderbell/webhook && "
            "chgrp fcgi-order /etc/orderbell/webhook && "
            "echo 'webhook_secret_file = /etc/orderbell/webhook' >>/etc/orderbell/fcgi-order.conf")
    check(stop_units() == [0, 0], "both programs end in good order")
    check(not start_units(), "and start again")
    number = str(time.time_ns())
    command("runuser -u postgres -- psql -qd orderbell -c \"insert into orders (number, amount)"
            f" values ('{number}', 12.50)\"")
    answer, event = asyncio.run(rings_within(token, lambda: signed_payment(number, "12.50")))
    check(answer.status == 204 and event is not None,
          "a signed one pays, through lighttpd, the socket and peer authentication", answer)


def files_as_promised():
    say("files")
    status, output = command("apt-get install -q systemd")
    check(status == 0, "systemd is there", output[-2000:])
    for name in (*UNITS, "fcgi-order.socket"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", f"--root={ROOT}",
             f"/lib/systemd/system/{name}"], capture_output=True, text=True, check=False)
        check(done.returncode == 0 and "orderbell" not in done.stderr + done.stdout,
              f"systemd-analyze verify {name}", done.stderr)
    for name, group in (("fcgi-order.conf", "fcgi-order"), ("notifier.conf", "orderbell-notifier")):
        about = os.stat(os.path.join(ROOT, "etc/orderbell", name))
        check((about.st_mode & 0o777, about.st_uid, about.st_gid) ==
              (0o640, 0, root_ids(group)[1]), f"{name} is for root and its program alone")


def extension():
    say("create extension")
    psql = "cd / && runuser -u postgres -- psql -qXAt -v ON_ERROR_STOP=1 -d ext "
    status, output = command(
        "runuser -u postgres -- createdb -E UTF8 -T template0 ext && "
        f"{psql} -c 'create extension orderbell' && {psql} -c 'select orderbell.version()'")
    check(status == 0, "works", output)
    status, output = command(
        "runuser -u postgres -- psql -d ext -f /usr/share/orderbell/sql/one-machine.sql")
    check(status == 0 and "#token=" in output, "and one-machine.sql does the rest", output)


def behind_apache(token):
    say("Apache instead")
    status, output = command("service lighttpd stop; apt-get install -q apache2")
    check(status == 0, "is there", output[-2000:])
    status, output = command("a2enmod -q proxy proxy_http proxy_balancer lbmethod_byrequests"
                             " proxy_fcgi && a2enconf -q orderbell orderbell-fcgi && apache2ctl -t"
                             " && service apache2 reload")
    check(status == 0, "takes its snippets", output)
    check(until(lambda: web_status("/console/") == 200, WITHIN_S), "the page is there")
    check(web_status("/notify/webhook") == 405, "and fcgi-order")
    check(ring(token) is not None, "it rings")


def web_status(path):
    try:
        return request("http://127.0.0.1" + path).status
    except OSError:
        return 0


def ring(token):
    """The event of a new order, as a terminal hears it; None: it does not."""
    pay = ("runuser -u postgres -- psql -qd orderbell -c \"insert into orders"
           f" (number, amount, pay_status) values ('{time.time_ns()}', 1, 1)\"")
    return asyncio.run(rings_within(token, lambda: command(pay)))[1]


def upgrade(token):
    say("an upgrade")
    newer = os.path.join(ROOT, "root/newer")
    os.makedirs(newer)
    for deb in glob.glob(os.path.join(ROOT, "root/*.deb")):
        folder = os.path.join(newer, "unpacked")
        subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
        control = os.path.join(folder, "DEBIAN/control")
        with open(control, encoding="utf-8") as f:
            text = f.read()
        with open(control, "w", encoding="utf-8") as f:
            f.write(re.sub(r"(^Version: \S+|orderbell-common \(= [^)]+)", r"\1+1", text,
                           flags=re.M))
        subprocess.run(["dpkg-deb", "-b", folder, newer], check=True, capture_output=True)
        shutil.rmtree(folder)
    stop_units()
    status, output = command("apt-get install -q ./newer/*.deb")
    check(status == 0, "newer packages install over these", output[-2000:])
    with open(os.path.join(ROOT, "etc/orderbell/fcgi-order.conf"), encoding="utf-8") as f:
        check("webhook_secret_file = /etc/orderbell/webhook" in f.read(),
              "what was set in a file stays")
    about = os.stat(os.path.join(ROOT, "etc/orderbell/fcgi-order.conf"))
    check((about.st_mode & 0o777, about.st_gid) == (0o640, root_ids("fcgi-order")[1]),
          "and its owners")
    check(not start_units(), "both programs start")
    check(ring(token) is not None, "it rings")


def upgrade_of_data():
    say("a database of 0.1.0")
    shutil.copy(os.path.join(TOP, "tests/sql/released/0.1.0.sql"), os.path.join(ROOT, "tmp"))
    psql = "cd / && runuser -u postgres -- psql -qXAt -v ON_ERROR_STOP=1 -d old "
    status, output = command(
        "cd / && runuser -u postgres -- createdb -E UTF8 -T template0 old && "
        f"{psql} -1 -f /tmp/0.1.0.sql && {psql} -c \"insert into orderbell.merchant (name)"
        " values ('old'); insert into orderbell.orders (number, amount, pay_status) values"
        " ('1', 1, 1), ('2', 2, 1), ('3', 3, 0)\"")
    check(status == 0, "is made, with events", output)
    shown = psql + ("-c \"select seq, order_id, content, acked_at from orderbell.order_event"
                    " order by seq\"")
    before = command(shown)
    status, output = command(
        "runuser -u postgres -- psql -d old -f /usr/share/orderbell/sql/one-machine.sql")
    check(status == 0 and "#token=" in output, "install.sql brings it up to date", output)
    check(command(shown) == before and before[1].count("\n") == 2, "its events stay", before[1])
    status, output = command(
        f"{psql} -c \"update orderbell.orders set pay_status = 1 where number = '3'\" && "
        f"{psql} -c 'select max(seq) from orderbell.order_event' && {psql} -c"
        " \"select check_name from orderbell.doctor() where not is_ok\"")
    # Neither a notifier nor a terminal looks at this database.
    check(status == 0 and output.split("\n") == ["3", "notifiers", "merchants out of reach", ""],
          "numbering goes on, and the doctor finds nothing else", output)


def purge(before, people):
    say("a purge")
    stop_units()
    status, output = command("service apache2 stop; apt-get purge -q " + " ".join(PACKAGES))
    check(status == 0, "the packages go", output[-2000:])
    ours = re.compile("orderbell|fcgi-order")
    left = {path for path in files() - before if ours.search(path)}
    check(left <= {"/etc/orderbell", "/etc/orderbell/webhook"},
          "nothing is left but the secret that was put there by hand", left)
    check(not {name for name in accounts() - people if ours.search(name)}, "nor a user")
    status, output = command("lighttpd -t -f /etc/lighttpd/lighttpd.conf")
    check(status == 0, "lighttpd is still of use", output)
    status, output = command("apache2ctl -t")
    check(status == 0, "and Apache", output)


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", os.path.join(ROOT, "proc")], check=True)
    before, people = files(), accounts()
    try:
        token = install()
        if token:
            callbacks(token)
            files_as_promised()
            upgrade(token)
            upgrade_of_data()
            extension()
            behind_apache(token)
            purge(before, people)
    finally:
        for managed in running.values():
            managed.end()
    print(f"\n{count['passed']} passed, {count['failed']} failed")
    return count["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
