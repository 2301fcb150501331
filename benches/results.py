"""Writes benches/RESULTS.md from what the last `cargo bench` left: ratios first, since they hold on other machines too.

Each figure is the median of one iteration with its 95 % interval, as criterion estimated it. Ratios are to the step
named REFERENCE, measured in the same run on the same machine.
"""

import argparse
import json
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = "parse a body into a transaction"


def measured(folder):
    """Every step of the last run: its name, and median, lower and upper bound in nanoseconds."""
    steps = []
    for estimates in sorted(folder.glob("*/new/estimates.json")):
        name = json.loads(estimates.with_name("benchmark.json").read_text())["full_id"]
        median = json.loads(estimates.read_text())["median"]
        interval = median["confidence_interval"]
        steps.append((name, median["point_estimate"], interval["lower_bound"], interval["upper_bound"]))
    return steps


def time(nanoseconds):
    return f"{nanoseconds / 1000:.2f} µs" if nanoseconds >= 1000 else f"{nanoseconds:.0f} ns"


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def table(steps, notes):
    reference = next((median for name, median, _, _ in steps if name == REFERENCE), None)
    if reference is None:
        sys.exit(f"no measurement of '{REFERENCE}': run `make bench`")
    rust = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    lines = [
        "# Micro-benchmark",
        "",
        "Written by `make bench`; do not edit. The steps of one prediction that need neither a model nor a socket,",
        f"as multiples of “{REFERENCE}” in the same run.",
        "",
        "| step | ratio | median | 95 % interval |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, median, lower, upper in sorted(steps, key=lambda step: step[1]):
        lines.append(f"| {name} | {median / reference:.2f} | {time(median)} | {time(lower)} to {time(upper)} |")
    lines += ["", *notes, f"Measured on {processor()}, {rust}.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output_of_bench", type=pathlib.Path, help="what `cargo bench` printed")
    arguments = parser.parse_args()
    printed = arguments.output_of_bench.read_text().splitlines()
    notes = [line[:1].upper() + line[1:] + "." for line in printed if line.startswith("history: ")]
    text = table(measured(ROOT / "target" / "criterion"), notes)
    (ROOT / "benches" / "RESULTS.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
