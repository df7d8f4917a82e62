"""pooler - a pgbouncer between the programs and PostgreSQL."""

import os
import shutil
import subprocess
import tempfile

import processes

PROGRAM = "/usr/sbin/pgbouncer"


def why_no_pooler():
    return None if os.access(PROGRAM, os.X_OK) else "pgbouncer is not installed"


class Pooler:
    """One pgbouncer on a port of its own.  Mode: transaction or session."""

    def __init__(self, server_port, users=("notifier", "fcgi_order")):
        self.port = processes.free_port(but=[server_port])
        self.folder = tempfile.mkdtemp(prefix="orderbell-pooler.")
        self.server_port = server_port
        self.user = processes.unprivileged_user()
        self.ident = [0, 0]
        with open(os.path.join(self.folder, "users"), "w", encoding="utf-8") as f:
            f.writelines(f'"{user}" ""\n' for user in users)
        os.chmod(self.folder, 0o755)

    def start(self, mode="transaction"):
        path = os.path.join(self.folder, "pgbouncer.ini")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"""
[databases]
orderbell = host=127.0.0.1 port={self.server_port} dbname=orderbell
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {self.folder}/users
pool_mode = {mode}
default_pool_size = 20
server_login_retry = 1
""")
        child = processes.spawn([PROGRAM, path], os.path.join(self.folder, "log"), self.folder,
                                {"PATH": os.defpath}, self.user)
        self.ident = processes.identify(child.pid)
        if not processes.until(lambda: processes.listens(self.ident, self.port), 30):
            raise AssertionError(f"pgbouncer does not listen: {self.log()}")
        self.child = child
        return self

    def stop(self):
        processes.stop(self.ident)
        self.child.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def conninfo(self, user):
        return f"host=127.0.0.1 port={self.port} user={user} dbname=orderbell"

    def psql(self, user, sql, check=True):
        return subprocess.run(["psql", "-X", "-q", "-A", "-t", self.conninfo(user), "-c", sql],
                              capture_output=True, text=True, check=check).stdout.strip()
