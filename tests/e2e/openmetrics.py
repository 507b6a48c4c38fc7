"""An exposition as the parser of Prometheus' own Python client reads it, which refuses what the format forbids."""

import json
import os
import subprocess
import sys

from checks import expect

PARSE = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
samples = []
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        samples.append([family.name, family.type, family.unit, sample.name, sample.labels, sample.value])
json.dump(samples, sys.stdout)
"""

# Debian's module belongs to Debian's Python, which need not be the first one on the PATH.
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


class Exposition:
    """The samples of a text in the OpenMetrics format."""

    def __init__(self, text):
        parsed = subprocess.run([PYTHON, "-c", PARSE], input=text, capture_output=True, text=True, timeout=60)
        expect(parsed.returncode == 0, f"the strict parser refuses it: {parsed.stderr.strip().splitlines()[-1:]}\n{text}")
        self.samples = json.loads(parsed.stdout)

    def value(self, name, **labels):
        """The value of the one sample of this name and these labels."""
        found = [value for _, _, _, named, has, value in self.samples if named == name and has == labels]
        expect(len(found) == 1, f"{len(found)} samples are called {name} {labels}")
        return found[0]

    def families(self):
        """Name, kind and unit of all families."""
        return {name: (kind, unit) for name, kind, unit, *_ in self.samples}

    def buckets(self, name):
        """Bound and cumulative count of each bucket of a histogram, in the order in which they are told."""
        return [(has["le"], value) for _, _, _, named, has, value in self.samples if named == f"{name}_bucket"]
