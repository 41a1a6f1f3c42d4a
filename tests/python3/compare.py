"""Runs each snippet of snippets.py as a script of python3 and as a request of a session, which then ends in each of
three ways, and compares what is left: the files, the output, the logs, the exit status.

    compare.py PORT PYTHON [NAME...]

Exits with status 1 if a snippet differs that is not marked, or a marked one does not differ as its row says. Each mark
must stand in guides/python.md, and each entry of the list there must be a mark."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from port_session import Atom, Session
from snippets import SNIPPETS

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "guides" / "python.md"
# The session is ended by a stop, by the end of its input, or by a client that closes both ends, as a BEAM does that ends.
WAYS = ("stop", "end of input", "client gone")


class Folder:
    """Has a script, and a working directory that is empty at first."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="pythonx_port."))
        self.work = self.root / "work"
        self.work.mkdir()
        self.script = self.root / "main.py"

    def files(self):
        found = (path for path in self.work.rglob("*") if path.is_file())
        return {str(path.relative_to(self.work)): path.read_bytes().decode("utf-8", "replace") for path in found}

    def remove(self):
        shutil.rmtree(self.root)


def environment(folder):
    """Returns the variables that both are given: those of the caller, but what changes Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    kept.pop("VIRTUAL_ENV", None)
    temporary = folder.root / "tmp"
    temporary.mkdir(exist_ok=True)
    return {**kept, "LC_ALL": "C.UTF-8", "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}


def normal(text, folder):
    """Returns the text without what differs from run to run: the folder, addresses, process ids, the port's files."""
    text = text.decode("utf-8", "backslashreplace").replace(str(folder.root), "ROOT")
    text = re.sub(r'("<pythonx_port [a-z_.]+>", line )\d+', r"\1LINE", text)
    return re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", text)


def run_python3(python, snippet):
    folder = Folder()
    folder.script.write_text(snippet.code, encoding="utf-8")
    try:
        done = subprocess.run(
            [python, str(folder.script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder.work,
            env=environment(folder),
            timeout=30,
        )
        return {
            "stdout": normal(done.stdout, folder),
            "stderr": normal(done.stderr, folder),
            "logs": [],
            "status": done.returncode,
            "files": folder.files(),
        }
    finally:
        folder.remove()


class Gathered:
    """Collects what a session sends."""

    def __init__(self):
        self.stdout, self.stderr, self.logs, self.error = b"", b"", [], b""

    def add(self, event):
        kind = event[0]
        if kind == "output" and event[2] == "stdout":
            self.stdout += event[3]
        elif kind == "output":
            self.stderr += event[3]
        elif kind == "log":
            self.logs.append(f"{event[2]}:{event[3][Atom('logger')].decode()}:{event[3][Atom('message')].decode()}")
        elif kind == "error":
            self.error += event[2].get(Atom("traceback"), event[2][Atom("message")])

    def add_until_reply(self, session):
        event = session.next()
        while event is not None and event[0] not in ("ok", "error"):
            self.add(event)
            event = session.next()
        if event is not None:
            self.add(event)

    def add_rest(self, session):
        event = session.next()
        while event is not None:
            self.add(event)
            event = session.next()


def end_session(session, way, gathered):
    if way == "stop":
        gathered.add_until_reply(session)
        session.send(Atom("stop"), 2)
        gathered.add_rest(session)
    elif way == "end of input":
        session.close_input()
        gathered.add_rest(session)
    else:
        gathered.add_until_reply(session)
        session.close_output()
        session.close_input()


def run_session(port, python, snippet, way):
    folder, gathered = Folder(), Gathered()
    folder.script.write_text(snippet.code, encoding="utf-8")
    options = {Atom("file"): str(folder.script)} if snippet.has_file else {}
    try:
        with open(folder.root / "errors", "w+b") as errors:
            session = Session([port, "--python", python, "--linger", "20000"], folder.work, environment(folder), errors)
            session.send(Atom("exec"), 1, snippet.code, options)
            end_session(session, way, gathered)
            status = session.wait()
            errors.seek(0)
            own = errors.read()
        return {
            "stdout": normal(gathered.stdout, folder),
            "stderr": normal(gathered.stderr + own + gathered.error, folder),
            "logs": [normal(log.encode(), folder) for log in gathered.logs],
            "status": status,
            "files": folder.files(),
        }
    finally:
        folder.remove()


def expected_of(snippet, python3):
    return {**python3, **(snippet.session(python3) if snippet.session else {})}


def differences(snippet, way, expected, got):
    # Output that comes after the client has gone reaches no one.
    keys = ("files",) if way == "client gone" else ("stdout", "stderr", "logs", "status", "files")
    for key in keys:
        if key in snippet.ignore:
            continue
        if expected[key] != got[key]:
            yield f"{snippet.name}, {way}: {key}:\n    expected {expected[key]!r}\n    got      {got[key]!r}"


def check_mark(snippet, python3):
    """A mark that changes nothing is out of date."""
    if snippet.session and snippet.session(python3).items() <= python3.items():
        yield f"{snippet.name}: marked, but it does not differ"


def check(port, python, snippet):
    python3 = run_python3(python, snippet)
    found = list(check_mark(snippet, python3))
    for way in WAYS:
        found += differences(snippet, way, expected_of(snippet, python3), run_session(port, python, snippet, way))
    return found


def check_guide():
    """The guide's list has the same differences as the snippets."""
    text = GUIDE.read_text(encoding="utf-8")
    told = re.findall(r'^- <a id="([a-z-]+)"></a>', text, re.M)
    used = {snippet.reason for snippet in SNIPPETS if snippet.reason}
    for name in sorted(used - set(told)):
        yield f"guides/python.md does not describe the difference {name}"
    for name in sorted(set(told) - used):
        yield f"guides/python.md describes the difference {name}, which no snippet shows"


def main(port, python, *names):
    port = os.path.abspath(port)
    version = version_of(python)
    chosen = [s for s in SNIPPETS if s.since <= version and (not names or s.name in names)]
    failed = [] if names else list(check_guide())
    # Most of the time is spent waiting.
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda snippet: check(port, python, snippet), chosen):
            failed += found
    for text in failed:
        print(text)
    marked = sum(bool(snippet.reason) for snippet in chosen)
    print(f"python3: {python}: {len(chosen)} snippets, {marked} of them marked, {len(failed)} differ otherwise")
    return 1 if failed else 0


def version_of(python):
    code = "import sys; print(*sys.version_info[:2])"
    return tuple(map(int, subprocess.run([python, "-c", code], capture_output=True, check=True).stdout.split()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
