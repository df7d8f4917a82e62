"""orderbell.js, without a server."""

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from clients import HERE
from stack import TOP

LIBRARY = os.path.join(TOP, "notifier", "console", "orderbell.js")
CASES = os.path.join(HERE, "orderbell_cases.mjs")


class ClientLibrary(unittest.TestCase):
    """orderbell.js with a socket and a clock of the test's"""

    @classmethod
    def setUpClass(cls):
        # By its name Node 18 would not take it for a module.
        cls.folder = tempfile.TemporaryDirectory(prefix="orderbell-test.")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.module = shutil.copy(LIBRARY, os.path.join(cls.folder.name, "orderbell.mjs"))

    def run_case(self, name):
        try:
            done = subprocess.run(["node", CASES, self.module, name], capture_output=True,
                                  text=True, check=False, timeout=120)
        except FileNotFoundError:
            self.skipTest("Node.js is not installed")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_it_is_small_and_depends_on_nothing(self):
        with open(LIBRARY, "rb") as f:
            source = f.read()
        self.assertLess(len(gzip.compress(source)), 10000)
        code = re.sub(rb"/\*.*?\*/|//[^\n]*", b"", source, flags=re.S)
        for word in (b"import", b"require"):
            self.assertNotRegex(code, rb"\b" + word + rb"\b")

    def test_it_is_a_package_of_npms_shape(self):
        project = os.path.join(self.folder.name, "shop")
        os.makedirs(os.path.join(project, "node_modules"))
        os.symlink(os.path.dirname(LIBRARY), os.path.join(project, "node_modules", "orderbell"))
        try:
            names = subprocess.run(
                ["node", "--input-type=module", "-e",
                 'import * as all from "orderbell"; console.log(Object.keys(all).join(" "))'],
                cwd=project, capture_output=True, text=True, check=True, timeout=120).stdout
            packed = subprocess.run(
                ["npm", "pack", "--dry-run", "--json"], cwd=os.path.dirname(LIBRARY),
                capture_output=True, text=True, check=True, timeout=120).stdout
        except FileNotFoundError as error:
            self.skipTest(f"{error.filename} is not installed")
        self.assertEqual(names.split(), ["Orderbell", "SUBPROTOCOL", "backoffMs"])
        [package] = json.loads(packed)
        with open(os.path.join(TOP, "configure.ac"), encoding="utf-8") as f:
            self.assertIn(f"AC_INIT([orderbell], [{package['version']}]", f.read())
        self.assertEqual([f["path"] for f in package["files"]], ["orderbell.js", "package.json"])


def add_cases():
    with open(CASES, encoding="utf-8") as f:
        names = re.findall(r"^export async function (\w+)", f.read(), re.M)
    for name in names:
        setattr(ClientLibrary, f"test_{name}", lambda self, name=name: self.run_case(name))


add_cases()
