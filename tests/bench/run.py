"""Measures speed and memory, each beside a baseline that is measured in the same run and in turns with it.

usage: run.py BUILD

With PEER=FILE in the environment, a module of Elixir in that file puts another system beside the port.

Machines are noisy, and differ: only the ratios mean something. Each round measures the port and its baseline one right
after the other; the ratio is the median of the rounds' ratios, and the spread is where their middle half lies. What is
built is expected in BUILD (make bench sees to that); the Python that runs this is the Python of the measurements.
"""

import os
import statistics
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = sys.executable

START_ROUNDS = 40
MEMORY_ROUNDS = 5
HOST_ROUNDS = 9
SPINS = ["20", "50", "100"]  # microseconds
MIB = 1024 * 1024
ROW = "{:44}{:>11}{:>11}{:>10}  {:<14}{:>6}  {}"

# {eval, 1, <<"1+1">>} and {ok, 1, 2} as the term format has them.
EVAL = b"\x83h\x03w\x04evala\x01m\x00\x00\x00\x031+1"
EVAL_REPLY = b"\x83h\x03w\x02oka\x01a\x02"

# The most that the median ratio may be, by the row's name; for memory, the most MiB over the baseline.
TARGETS = {
    "1,000 maps": 1.0,
    "100,000 floats": 1.0,
    "100,000 small ints": 1.0,
    "128 MiB in, to a pipe's reader": 0.25,
    "128 MiB out, to a pipe's writer": 0.25,
    "128 MiB in, to memcpy": 2.5,
    "128 MiB out, to memcpy": 2.5,
    "1 MiB in, to a pipe's reader": 0.5,
    "1 MiB out, to a pipe's writer": 0.5,
    "1 KiB in, to call add": 1.2,
    "1,000 tensors of 16 MiB, to the first 20": 1.05,
    "1,000 bindings of 50 MB, to the first 10": 1.05,
    "cancel a tight loop, median, to 1 ms": 20,
    "cancel a tight loop, worst of 1,000, to 1 ms": 100,
    "info while C holds the GIL, to idle": 2.0,
    "100,000 items, to as many evals": 0.05,
    "a call to the BEAM, to an eval": 1.5,
    "500 sleeps of 100 ms, to one": 5.0,
    "a job of pure Python, to python3": 1.03,
    "import numpy, to python3": 1.03,
    "start to ready": 1.5,
    "idle memory, resident": 4.0,
    "eval 1+1, one CPU": 1.2,
    "eval 1+1, two CPUs": 1.2,
    "call add(1, 2), one CPU": 1.2,
    "call add(1, 2), two CPUs": 1.2,
}


# -- the port without a BEAM ------------------------------------------------------------------------------------------


class Child:
    """A process with pipes for stdin and stdout."""

    def __init__(self, *command):
        child_in, self.stdin = os.pipe()
        self.stdout, child_out = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, child_in, 0), (os.POSIX_SPAWN_DUP2, child_out, 1)]
        self.pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        os.close(child_in)
        os.close(child_out)

    def read(self, count):
        data = b""
        while len(data) < count:
            more = os.read(self.stdout, count - len(data))
            if not more:
                sys.exit(f"run.py: process {self.pid} ended too early")
            data += more
        return data

    def read_frame(self):
        return self.read(*struct.unpack(">I", self.read(4)))

    def write_frame(self, payload):
        os.write(self.stdin, struct.pack(">I", len(payload)) + payload)

    def end(self):
        os.close(self.stdin)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.stdout)
        if status != 0:
            sys.exit(f"run.py: process {self.pid} ended with wait status {status}")


def measure_start(program):
    for _ in range(START_ROUNDS):
        start = time.perf_counter()
        port = Child(program, "--python", PYTHON)
        port.read_frame()
        ready = time.perf_counter()
        port.end()
        ended = time.perf_counter()
        Child(PYTHON, "-c", "pass").end()
        python = time.perf_counter() - ended
        yield "start to ready", ready - start, python
        yield "start to exit", ended - start, python


def memory(pid):
    """Bytes by their name in proc(5)'s smaps_rollup."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        fields = [line.split() for line in rollup if line.endswith(" kB\n")]
    sizes = {name.rstrip(":"): int(size) * 1024 for name, size, _ in fields}
    return {
        "resident": sizes["Rss"],
        "its share": sizes["Pss"],
        "private": sizes["Private_Clean"] + sizes["Private_Dirty"],
    }


def measure_memory(program):
    for _ in range(MEMORY_ROUNDS):
        port, python = Child(program, "--python", PYTHON), Child(PYTHON, "-c", "print(flush=True); input()")
        port.read_frame()
        port.write_frame(EVAL)
        if port.read_frame() != EVAL_REPLY:
            sys.exit("run.py: 1+1 is not 2")
        python.read(1)
        ours, baseline = memory(port.pid), memory(python.pid)
        port.end()
        os.write(python.stdin, b"\n")
        python.end()
        for name, size in ours.items():
            yield f"idle memory, {name}", size, baseline[name]


# What Python itself says that code took, in a session and in python3.
TIMED = "import time\nstart = time.perf_counter()\n{}\nprint(int((time.perf_counter() - start) * 1e9), flush=True)"
JOB = """
def step(n, value): return (value * 31 + n) % 1000003
total = 0
for n in range(300000):
    total = step(n, total)
"""


def timed_in_session(program, code):
    port = Child(program, "--python", PYTHON)
    port.read_frame()
    text = TIMED.format(code).encode()
    port.write_frame(b"\x83h\x03w\x04execa\x01m" + struct.pack(">I", len(text)) + text)
    # {output, 1, stdout, <<"...">>}, then {ok, 1, nil}
    output = port.read_frame()
    port.read_frame()
    port.end()
    return int(output[output.rindex(b"m", 0, -1) + 5 :]) * 1e-9


def timed_in_python(code):
    done = subprocess.run([PYTHON, "-c", TIMED.format(code)], stdout=subprocess.PIPE, check=True)
    return int(done.stdout) * 1e-9


def measure_host(program):
    for name, code in ("a job of pure Python", JOB), ("import numpy", "import numpy"):
        for _ in range(HOST_ROUNDS):
            yield f"{name}, to python3", timed_in_session(program, code), timed_in_python(code)


# -- the other programs -----------------------------------------------------------------------------------------------


def samples_of(*command):
    """A program's lines: name, the port's figure and the baseline's, between tabs."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"run.py: {os.path.basename(command[0])} ended with status {done.returncode}")
    for line in done.stdout.splitlines():
        name, ours, baseline = line.split("\t")
        yield name, float(ours), float(baseline)


def measure_round_trips(program, echo):
    cpus = sorted(map(str, os.sched_getaffinity(0)))

    def run(label, cpu, *spins):
        script = os.path.join(HERE, "round_trip.escript")
        return samples_of("taskset", "-c", cpus[0], "escript", script, program, PYTHON, echo, label, cpu, *spins)

    yield from run("one CPU", cpus[0])
    if len(cpus) > 1:
        yield from run("two CPUs", cpus[1], *SPINS)


def measure_library(script, *arguments):
    os.environ["PYTHONX_PYTHON"] = PYTHON
    return samples_of("mix", "run", os.path.join(HERE, script), *arguments)


# -- the table --------------------------------------------------------------------------------------------------------


def amount(name, value):
    if "memory" in name:
        return f"{value / MIB:.1f} MiB"
    return f"{value * 1000:.2f} ms" if value >= 0.001 else f"{value * 1e6:.1f} µs"


def comparison(name, pairs):
    """Median and quartiles of the rounds' ratios, or, for memory, of their differences in MiB."""
    if "memory" in name:
        values, form = [(ours - baseline) / MIB for ours, baseline in pairs], "{:+.1f} MiB"
    else:
        values, form = [ours / baseline for ours, baseline in pairs if baseline > 0], "{:.2f}"
    if not values:
        return None, "-", ""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return middle, form.format(middle), f"{low:.2f}..{high:.2f}" if len(values) > 1 else ""


def print_row(name, pairs):
    middle, shown, spread = comparison(name, pairs)
    ours, baseline = (amount(name, statistics.median(side)) for side in zip(*pairs))
    target = TARGETS.get(name)
    result = "" if target is None or middle is None else "reached" if middle <= target else "missed"
    print(ROW.format(name, ours, baseline, shown, spread, target or "", result).rstrip(), flush=True)


def print_part(title, samples):
    rows = {}
    for name, ours, baseline in samples:
        rows.setdefault(name, []).append((ours, baseline))
    print("\n" + ROW.format(title, "port", "baseline", "ratio", "spread", "target", "").rstrip())
    for name, pairs in rows.items():
        print_row(name, pairs)


def main(build):
    names = "pythonx_port", "bench/echo", "bench/codec", "bench/bulk"
    program, echo, codec, bulk = (os.path.abspath(os.path.join(build, name)) for name in names)
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} CPUs")
    print_part("round trips; baseline: echo", measure_round_trips(program, echo))
    print_part("codec; baseline: pickle", samples_of(codec))
    print_part("tensors; baseline: the name tells", measure_library("bulk.exs", bulk))
    print_part("control; baseline: the name tells", measure_library("control.exs"))
    print_part("callers; baseline: the floor", measure_library("callers.exs", echo))
    print_part("Python itself; baseline: python3", measure_host(program))
    print_part("start; baseline: python3 -c pass", measure_start(program))
    print_part("memory; baseline: idle python3", measure_memory(program))
    if os.environ.get("PEER"):
        peer = os.path.abspath(os.environ["PEER"])
        print_part(f"{os.path.basename(peer)}; baseline: it", measure_library("peer.exs", peer))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
