#!/usr/bin/python3
"""boot.py ROOT TOP BUILD - the packages in a Debian root that systemd boots.

Runs in a network namespace of its own.  systemd is the root's process 1 (systemd-nspawn), and does
what an operator and bad luck ask of it.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
ROOT, TOP, BUILD = sys.argv[1:4]
sys.path[:0] = [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "system", "lib")]

from processes import until  # noqa: E402
from stack import request  # noqa: E402
from story import (PACKAGES, SECRET, UNITS, WITHIN_S, check, count,  # noqa: E402
                   readme_commands, rings_within, say, signed_payment)

FCGI_ORDER, NOTIFIER = UNITS
BOOT_S = 60


class Machine:
    """The root, booted."""

    def __init__(self):
        self.log = open(os.path.join(BUILD, "boot.log"), "w", encoding="utf-8")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", ROOT, "--boot", "--register=no", "--keep-unit",
             "--console=pipe"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.init = None

    def is_up(self):
        """Whether all that starts at boot has; false where this machine lets nobody boot."""
        def has_settled():
            if self.nspawn.poll() is not None:
                return True
            self.init = self.first_child()  # another one while it prepares
            return self.init is not None and \
                self.command("systemctl is-system-running")[1].strip() in ("running", "degraded")

        return until(has_settled, BOOT_S) and self.nspawn.poll() is None

    def first_child(self):
        path = f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children"
        with open(path, encoding="utf-8") as f:
            children = f.read().split()
        return children[0] if children else None

    def command(self, line):
        """A line as a person types it, as root in /root.  Gives (status, output)."""
        done = subprocess.run(
            ["nsenter", "-t", self.init, "-m", "-u", "-i", "-p", "--", "/usr/bin/env", "-i",
             "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "sh", "-c", f"cd /root && {line}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
        return done.returncode, done.stdout

    def show(self, unit, what):
        return self.command(f"systemctl show -p {what} --value {unit}")[1].strip()

    def end(self):
        """Powers it off."""
        if self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGTERM)
            try:
                self.nspawn.wait(BOOT_S)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
        self.log.close()


class Story:
    """What happens to it."""

    def __init__(self, machine):
        self.machine = machine
        self.token = None

    # --- short words ---

    def does(self, line, what="done"):
        status, output = self.machine.command(line)
        check(status == 0, what, output[-2000:])
        return output

    def psql(self, sql):
        return self.machine.command(
            f"cd / && runuser -u postgres -- psql -qXAt -d orderbell -c \"{sql}\"")[1].strip()

    def all_run(self):
        return until(lambda: all(self.machine.show(unit, "ActiveState") == "active"
                                 for unit in UNITS), WITHIN_S)

    def is_listening(self):
        """The notifier says of itself, by sd_notify, that it hears the database."""
        return until(lambda: self.machine.show(NOTIFIER, "StatusText").startswith("listening"),
                     WITHIN_S)

    def rings(self):
        number = str(time.time_ns())
        return asyncio.run(rings_within(self.token, lambda: self.psql(
            f"insert into orders (number, amount, pay_status) values ('{number}', 1, 1)")))[1]

    def journal(self, unit):
        return self.machine.command(f"journalctl -q --no-pager -o cat -u {unit}")[1]

    # --- chapters ---

    def install(self):
        commands = readme_commands()
        for line in commands[:-1]:
            say(line)
            output = self.does(line)
            link = re.search(r"/console/#token=(\S+)", output)
            self.token = link.group(1) if link else self.token
        check(self.all_run(), "both programs run, started by their packages")
        check(self.is_listening(), "and the notifier says that it hears the database",
              self.machine.show(NOTIFIER, "StatusText"))
        say(commands[-1])
        event = asyncio.run(rings_within(
            self.token, lambda: self.does(commands[-1])))[1]
        check(event is not None, f"it rings: {event}")
        output = self.does("systemctl --failed --no-legend", "nothing has failed")
        check(output.strip() == "", "no unit has failed", output)
        for unit in UNITS:
            check(self.machine.show(unit, "NRestarts") == "0", f"{unit} was started once",
                  self.journal(unit))
        for unit in UNITS:
            output = self.machine.command(f"systemd-analyze security --no-pager {unit}")[1]
            exposure = re.search(r"([0-9.]+) [A-Z]+\b[^\n]*$", output.rstrip())
            check(exposure and float(exposure.group(1)) < 2,
                  f"{unit} is exposed {exposure.group(1) if exposure else '?'} of 10", output)

    def reload(self):
        say("a gateway is set up while it runs")
        self.psql("insert into orders (number, amount) values ('G1', 12.50)")
        answer = request("http://127.0.0.1/notify/webhook", "POST", body=b"{}")
        check(answer.status == 404, "a gateway without keys is not there", answer)
        self.does(f"umask 027; echo {SECRET} >/etc/orderbell/webhook && "
                  "chgrp fcgi-order /etc/orderbell/webhook && "
                  "echo 'webhook_secret_file = /etc/orderbell/webhook'"
                  " >>/etc/orderbell/fcgi-order.conf")
        before = self.machine.show(FCGI_ORDER, "MainPID")
        self.does("systemctl reload fcgi-order orderbell-notifier", "both take a reload")
        answer = until(lambda: self.answered(signed_payment("G1", "12.50"), 204), WITHIN_S)
        check(answer, "its callbacks are taken")
        check(self.machine.show(FCGI_ORDER, "MainPID") == before, "by the same process")
        check(self.psql("select pay_status from orders where number = 'G1'") == "1", "and pay")

    @staticmethod
    def answered(answer, status):
        return answer if answer.status == status else None

    def dies(self):
        say("both are killed")
        before = [self.machine.show(unit, "MainPID") for unit in UNITS]
        self.does("kill -9 " + " ".join(before))
        check(until(lambda: all(self.machine.show(unit, "MainPID") not in (*before, "0")
                                for unit in UNITS), WITHIN_S) and self.all_run(),
              "systemd starts them again")
        check(self.is_listening() and self.rings() is not None, "it rings")

    def restarts(self):
        say("fcgi-order is restarted while callbacks come in")
        self.psql("insert into orders (number, amount)"
                  " select 'R' || g, 1 from generate_series(1, 200) g")
        statuses = []
        payer = threading.Thread(target=lambda: statuses.extend(
            signed_payment(f"R{n}", "1.00").status for n in range(1, 201)))
        payer.start()
        for _ in range(3):
            self.does("systemctl restart fcgi-order", "restarted")
        payer.join()
        paid = self.psql("select count(*) from orders where number like 'R%' and pay_status = 1")
        check(paid == str(statuses.count(204)), "what was answered 204 is paid", (paid, statuses))
        # Those that were under way when it ended are answered; what lighttpd had handed over and
        # nobody had taken waits in the socket, which stays.
        check(statuses.count(204) == 200, "none was refused", statuses)

    def hangs(self):
        say("the notifier hangs")
        self.does("mkdir -p /run/systemd/system/orderbell-notifier.service.d && printf"
                  " '[Service]\\nWatchdogSec=4\\n'"
                  " >/run/systemd/system/orderbell-notifier.service.d/soon.conf &&"
                  " systemctl daemon-reload && systemctl restart orderbell-notifier",
                  "with a watchdog of 4 s")
        check(self.is_listening(), "it runs")
        before = self.machine.show(NOTIFIER, "MainPID")
        check(not until(lambda: self.machine.show(NOTIFIER, "MainPID") != before, 9),
              "and is fed for two rounds")
        self.does(f"kill -STOP {before}")
        check(until(lambda: self.machine.show(NOTIFIER, "MainPID") not in (before, "0"), WITHIN_S),
              "systemd ends it and starts it again", self.journal(NOTIFIER)[-2000:])
        check(self.is_listening() and self.rings() is not None, "it rings")

    def misconfigured(self):
        say("a setting that is wrong")
        conf = "/etc/orderbell/notifier.conf"
        self.does(f"cp -p {conf} {conf}.good && echo 'heartbeat_s = soon' >>{conf}")
        status, output = self.machine.command("systemctl restart orderbell-notifier")
        check(status != 0, "the notifier does not start", output)
        restarts = self.machine.show(NOTIFIER, "NRestarts")
        check(self.machine.show(NOTIFIER, "Result") == "exit-code"
              and self.machine.show(NOTIFIER, "SubState") == "failed",
              "and is not started over and over", restarts)
        check(re.search(r"notifier\.conf:\d+: .*heartbeat_s", self.journal(NOTIFIER)),
              "the journal says where and what", self.journal(NOTIFIER)[-1000:])
        self.does(f"mv {conf}.good {conf} && systemctl reset-failed && "
                  "systemctl restart orderbell-notifier", "mended, it starts")
        check(self.is_listening() and self.rings() is not None, "it rings")

    def ends(self):
        say("the end")
        self.does("systemctl stop orderbell-notifier fcgi-order fcgi-order.socket", "both stop")
        for unit in UNITS:
            check(self.machine.show(unit, "Result") == "success", f"{unit} ended in good order",
                  self.journal(unit)[-1000:])
        self.does("apt-get purge -q " + " ".join(PACKAGES), "the packages go")
        output = self.does("systemctl --all --no-legend list-units '*order*'")
        check("loaded" not in output.replace("not-found", ""), "and leave no unit", output)


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    machine = Machine()
    try:
        say("systemd boots")
        if not machine.is_up():
            print("  SKIP nobody may boot a root here: see boot.log\n\n0 passed, 0 failed, 1 skipped")
            return 0
        story = Story(machine)
        story.install()
        if story.token:
            story.reload()
            story.dies()
            story.restarts()
            story.hangs()
            story.misconfigured()
        story.ends()
    finally:
        machine.end()
    print(f"\n{count['passed']} passed, {count['failed']} failed")
    return count["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
