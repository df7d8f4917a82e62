"""settings - the settings file of a running program, changed and read again."""

import os
import signal


class SettingsFile:
    """The file that the process was started with."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            argv = f.read().split("\0")
        self.path = argv[argv.index("--config") + 1]
        self.folder = os.path.dirname(self.path)

    def read(self):
        with open(self.path, encoding="utf-8") as f:
            return dict(line.rstrip("\n").split(" = ", 1) for line in f)

    def change(self, **settings):
        """Sets these keys; None takes one out."""
        self.replace({**self.read(), **settings})

    def replace(self, settings):
        with open(self.path, "w", encoding="utf-8") as f:  # it stays whose it is
            f.writelines(f"{key} = {value}\n" for key, value in settings.items()
                         if value is not None)

    def secret(self, name, content):
        """Puts a secret beside it; gives its path."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(content + "\n")
        about = os.stat(self.path)
        if os.geteuid() == 0:
            os.chown(path, about.st_uid, about.st_gid)
        return path

    def hang_up(self):
        os.kill(self.pid, signal.SIGHUP)
