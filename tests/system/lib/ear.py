"""ear - hears what a browser lets be heard: a PulseAudio server of its own with a null sink, whose
monitor is recorded.

  ear = Ear()
  browser = Browser(env=ear.env)
  ear.wait_sound(since, within_s=1)
"""

import array
import math
import os
import shutil
import subprocess
import tempfile
import threading
import time

from processes import until

RATE = 8000
QUIET = 60  # of 32767: below is silence


def why_deaf():
    """None where sound can be heard, else the reason."""
    for program in ("pulseaudio", "parec"):
        if shutil.which(program) is None:
            return f"{program} is not installed (./bootstrap deps)"
    return None


class Ear:
    """Times are time.monotonic()."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="orderbell-ear.")
        socket = os.path.join(self.folder, "socket")
        self.env = {"HOME": self.folder, "XDG_RUNTIME_DIR": self.folder, "XDG_CONFIG_HOME": self.folder,
                    "PULSE_SERVER": f"unix:{socket}"}
        env = {**os.environ, **self.env}
        with open(os.path.join(self.folder, "log"), "w", encoding="utf-8") as log:
            self.server = subprocess.Popen(
                ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
                 "--disable-shm=yes",
                 f"--load=module-native-protocol-unix socket={socket} auth-anonymous=1",
                 f"--load=module-null-sink sink_name=ear rate={RATE} channels=1"],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            until(lambda: os.path.exists(socket) or self.server.poll() is not None, 30)
            self.recorder = subprocess.Popen(
                ["parec", "--device=ear.monitor", "--format=s16ne", f"--rate={RATE}",
                 "--channels=1", "--latency-msec=20"],
                env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        self.heard = []  # (time, energy, loudness) of each 20 ms or so
        threading.Thread(target=self.listen, daemon=True).start()
        if not until(lambda: self.heard, 30):
            with open(os.path.join(self.folder, "log"), encoding="utf-8") as f:
                raise RuntimeError("PulseAudio gives no sound: " + f.read())

    def listen(self):
        while True:
            piece = self.recorder.stdout.read1(RATE // 50 * 2)
            if not piece:
                return
            samples = array.array("h", piece[:len(piece) // 2 * 2])
            if samples:
                energy = sum(sample * sample for sample in samples)
                self.heard.append((time.monotonic(), energy, math.sqrt(energy / len(samples))))

    def loudness(self, since, to=None):
        """The loudest 20 ms in that time, 0 to 32767."""
        return max((loud for at, _, loud in list(self.heard)
                    if at >= since and (to is None or at < to)), default=0)

    def level(self, since, to=None):
        """How loud on the whole what was heard in that time was: to compare like with like."""
        return math.sqrt(sum(energy for at, energy, _ in list(self.heard)
                             if at >= since and (to is None or at < to)))

    def first_sound(self, since):
        return next((at for at, _, loud in list(self.heard) if at >= since and loud > QUIET), None)

    def wait_sound(self, since, within_s):
        """When the first sound after `since` was heard; None when there was none."""
        until(lambda: self.first_sound(since) is not None, since + within_s - time.monotonic())
        return self.first_sound(since)

    def wait_silence(self, for_s, within_s):
        """Whether it became, and stayed, silent for that long."""
        started = time.monotonic()
        return bool(until(lambda: time.monotonic() - started > for_s and
                          self.heard[-1][0] > time.monotonic() - for_s / 2 and  # it does listen
                          self.loudness(time.monotonic() - for_s) <= QUIET, within_s))

    def close(self):
        for process in (self.recorder, self.server):
            process.terminate()
            process.wait(10)
        self.recorder.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
