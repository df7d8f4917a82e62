"""cluster - copies of a stack's PostgreSQL: a streaming standby, a base backup to go back to."""

import json
import os
import shutil
import subprocess
import tempfile

import processes

DBA = "postgres"
# What a standby needs as large as its primary has it.
SETTINGS = ("max_connections=200", "max_prepared_transactions=10")


def program(name):
    bindir = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True,
                            check=True).stdout.strip()
    return os.path.join(bindir, name)


def run_as_server(argv):
    """PostgreSQL's programs refuse root."""
    user = processes.unprivileged_user()
    how = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", **how)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}:\n{done.stdout}{done.stderr}")


def folder_for_server():
    folder = tempfile.mkdtemp(prefix="orderbell-cluster.")
    user = processes.unprivileged_user()
    if user is not None:
        os.chown(folder, *user)
    return folder


def base_backup(port, folder, *options):
    run_as_server([program("pg_basebackup"), "-h", "127.0.0.1", "-p", str(port), "-U", DBA,
                   "-D", folder, "-X", "stream", "-c", "fast", "--no-sync", *options])


def psql(port, sql):
    done = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port),
         "-U", DBA, "-d", "orderbell"], input=sql, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PGCONNECT_TIMEOUT": "20"})
    if done.returncode != 0:
        raise AssertionError(f"psql: {sql}\n{done.stderr}")
    return done.stdout.strip()


class Standby:
    """A streaming standby of the server on `primary_port`, on a port of its own."""

    def __init__(self, primary_port, port):
        self.primary_port = primary_port
        self.port = port
        self.folder = folder_for_server()
        self.child = None
        data = os.path.join(self.folder, "data")
        base_backup(primary_port, data, "-R")
        argv = [program("postgres"), "-D", data, "-c", f"port={port}", "-c",
                "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        for setting in SETTINGS:
            argv += ["-c", setting]
        self.child = processes.spawn(argv, os.path.join(self.folder, "log"), self.folder,
                                     {"PATH": os.defpath}, processes.unprivileged_user())
        self.ident = processes.identify(self.child.pid)
        self.wait(lambda: processes.listens(self.ident, port) and self.has_all(), "streaming")

    def wait(self, condition, what):
        def holds():
            try:
                return condition()
            except AssertionError:
                return False

        if not processes.until(holds, 60):
            with open(os.path.join(self.folder, "log"), encoding="utf-8") as f:
                raise AssertionError(f"standby: not {what} in time:\n{f.read()[-3000:]}")

    def has_all(self):
        """Whether it has replayed all that the primary has written by now."""
        written = psql(self.primary_port, "select pg_current_wal_lsn()")
        return psql(self.port, f"select pg_last_wal_replay_lsn() >= '{written}'") == "t"

    def wait_for_all(self):
        self.wait(self.has_all, "up to date")

    def cut(self):
        """From now on it hears nothing of its primary."""
        psql(self.port, "alter system set primary_conninfo = ''")
        psql(self.port, "select pg_reload_conf()")
        self.wait(lambda: psql(self.port, "select count(*) from pg_stat_wal_receiver") == "0", "cut")

    def promote(self):
        assert psql(self.port, "select pg_promote()") == "t"

    def close(self):
        if self.child is not None:
            processes.stop(self.ident, processes.signal.SIGINT)
            self.child.wait()
        shutil.rmtree(self.folder)


def data_of(stack):
    """The data directory of a stack's PostgreSQL."""
    with open(os.path.join(stack.folder, "stack.json"), encoding="utf-8") as f:
        return os.path.join(json.load(f)["home"], "postgres")


def replace_data(stack, copy):
    """What runs in the stack next is the copy."""
    data = data_of(stack)
    shutil.rmtree(data)
    subprocess.run(["cp", "-a", copy, data], check=True)
