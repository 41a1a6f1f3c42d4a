"""The snippets of compare.py. One that differs on purpose is marked with the name of an entry of guides/python.md, and
with what a session leaves in place of what python3 leaves."""
import re
from collections import namedtuple

Snippet = namedtuple("Snippet", "name code reason session ignore has_file since")
SNIPPETS = []


def same(name, code, ignore=(), has_file=True, since=(3, 11)):
    SNIPPETS.append(Snippet(name, code, None, None, ignore, has_file, since))


def differs(name, code, reason, session, ignore=(), has_file=True, since=(3, 11)):
    """`session` takes what python3 leaves, and returns what differs from it."""
    SNIPPETS.append(Snippet(name, code, reason, session, ignore, has_file, since))


# -- files ------------------------------------------------------------------------------------------------------------

same("a text file that is never closed", "file = open('a.txt', 'w')\nfile.write('text')")
same("a binary file that is never closed", "file = open('a.bin', 'wb')\nfile.write(b'1234')")
same(
    "a file in a cycle",
    "class Holder: pass\nholder = Holder()\nholder.self = holder\nholder.file = open('a.txt', 'w')\n"
    "holder.file.write('text')",
)
same(
    "a file that a function holds",
    "def make():\n    file = open('a.txt', 'w')\n    def write(text): file.write(text)\n    return write\n"
    "write = make()\nwrite('text')",
)
same("a file as a default argument", "def write(text, file=open('a.txt', 'w')): file.write(text)\nwrite('text')")
same("a file of a class", "class Log:\n    file = open('a.txt', 'w')\nLog.file.write('text')")
same(
    "a file that a module holds",
    "import types, sys\nmodule = sys.modules['held'] = types.ModuleType('held')\nmodule.file = open('a.txt', 'w')\n"
    "module.file.write('text')",
)
same(
    "a file that a generator holds",
    "def write():\n    with open('a.txt', 'w') as file:\n        while True: file.write((yield))\n"
    "writer = write()\nnext(writer)\nwriter.send('text')",
)
same(
    "a file that a context variable holds",
    "import contextvars\nvariable = contextvars.ContextVar('file')\nvariable.set(open('a.txt', 'w'))\n"
    "variable.get().write('text')",
)
same(
    "a file that the exception holds",
    "try:\n    file = open('a.txt', 'w'); file.write('text'); 1 / 0\nexcept ZeroDivisionError as error: kept = error",
)
same("csv", "import csv\nwriter = csv.writer(open('a.csv', 'w', newline=''))\nwriter.writerows([[1, 2], ['a', None]])")
same("a zip file that is never closed", "import zipfile\nzipped = zipfile.ZipFile('a.zip', 'w')\nimport sys\n"
     "sys.stdout.write('open')", ignore=("files",))
same("sqlite3", "import sqlite3\nconnection = sqlite3.connect('a.db')\nconnection.execute('create table t (a)')\n"
     "connection.execute('insert into t values (1)')\nconnection.commit()\n"
     "connection.execute('insert into t values (2)')\n"
     "print(sqlite3.connect('a.db').execute('select * from t').fetchall())")
same("temporary files", "import tempfile\nfile = tempfile.NamedTemporaryFile(dir='.')\nfile.write(b'text')\n"
     "folder = tempfile.TemporaryDirectory(dir='.')\nopen(folder.name + '/a', 'w').write('text')")
same("mmap", "import mmap\nopen('a', 'wb').write(bytes(10))\nfile = open('a', 'r+b')\n"
     "mapped = mmap.mmap(file.fileno(), 10)\nmapped[:4] = b'text'")
same("a line-buffered file", "file = open('a.txt', 'w', buffering=1)\nfile.write('line\\nrest')")
same("a file that an object kept by a thread holds", "import threading\nlocal = threading.local()\n"
     "local.file = open('a.txt', 'w')\nlocal.file.write('text')")
same("several files", "files = [open(f'{n}.txt', 'w') for n in range(20)]\n"
     "for n, file in enumerate(files): file.write(str(n))")

# -- __del__ ----------------------------------------------------------------------------------------------------------

NOTE = "def note(text):\n    with open('notes', 'a') as file: file.write(text + ' ')\n"
NOTER = NOTE + "class Noter:\n    def __init__(self, name): self.name = name\n" \
    "    def __del__(self, note=note): note(self.name)\n"

same("__del__ of a global", NOTER + "first, second = Noter('first'), Noter('second')")
same("__del__ in a cycle", NOTER + "a, b = Noter('a'), Noter('b')\na.b, b.a = b, a\ndel a, b")
same("__del__ in a list", NOTER + "kept = [Noter('a'), Noter('b')]")
same("__del__ that uses globals", NOTE + "class Noter:\n    def __del__(self): note('done')\nkept = Noter()")
same("__del__ that prints", "class Noter:\n    def __del__(self): print('deleted')\nkept = Noter()")
same("__del__ that raises", "class Noter:\n    def __del__(self): raise ValueError('in __del__')\nkept = Noter()\n"
     "del kept")
same("weakref.finalize", NOTER + "import weakref\nkept = Noter('deleted')\nweakref.finalize(kept, note, 'finalized')")
same("finally of a generator", NOTE + "def items():\n    try: yield 1\n    finally: note('finally')\n"
     "items = items()\nnext(items)")
same("__exit__ of a generator", NOTE + "import contextlib\n@contextlib.contextmanager\ndef manage():\n"
     "    try: yield\n    finally: note('left')\nmanager = manage()\nmanager.__enter__()")

# -- atexit -----------------------------------------------------------------------------------------------------------

same("atexit in its order", "import atexit\nfor n in range(3): atexit.register(print, n)")
same("atexit that raises", "import atexit\natexit.register(print, 'last')\natexit.register(lambda: 1 / 0)")
same("atexit that registers", "import atexit\natexit.register(lambda: atexit.register(print, 'second'))")
same("atexit and globals", NOTER + "import atexit\nkept = Noter('deleted')\n"
     "atexit.register(lambda: note('atexit ' + kept.name))")
same("atexit that writes to an open file", "import atexit\nfile = open('a.txt', 'w')\n"
     "atexit.register(file.write, 'text')")
same("a pool that works on", NOTE + "import time\nfrom concurrent.futures import ThreadPoolExecutor\n"
     "pool = ThreadPoolExecutor(1)\nfor n in range(3): pool.submit(lambda n=n: (time.sleep(0.05), note(str(n))))")
same("a thread that works on", NOTE + "import threading, time\n"
     "threading.Thread(target=lambda: (time.sleep(0.2), note('done'))).start()")
same("a daemon thread", NOTE + "import threading, time\n"
     "threading.Thread(target=lambda: (time.sleep(100), note('done')), daemon=True).start()")

# -- forks ------------------------------------------------------------------------------------------------------------

FORK = "import os, sys\nimport warnings; warnings.simplefilter('ignore')\n" \
    "def status(child): return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"


def fork(child):
    lines = "".join(f"    {line}\n" for line in child.split("\n"))
    return f"{FORK}child = os.fork()\nif child == 0:\n{lines}else:\n    print(status(child))\n"


same("a child that comes to its end", fork("pass"))
same("a child that raises", fork("raise ValueError('in the child')"))
same("a child that exits with a status", fork("sys.exit(3)"))
same("a child that exits with a text", fork("sys.exit('a text')"))
same("a child that is killed", fork("os.kill(os.getpid(), 9)"))
same("a child with os._exit", fork("file = open('a.txt', 'w'); file.write('lost')\nos._exit(4)"))
same("a child with a file that is never closed", fork("file = open('a.txt', 'w'); file.write('text')"))
same("a child with __del__", NOTER + fork("kept = Noter('child')"))
same("a child with atexit", NOTE + fork("import atexit; atexit.register(note, 'child')"))
same("a child with a thread", NOTE + fork("import threading, time\n"
     "threading.Thread(target=lambda: (time.sleep(0.1), note('child'))).start()"))
same("a child with a file of the parent", FORK + "file = open('a.txt', 'w')\nfile.write('text')\nfile.flush()\n"
     "child = os.fork()\nif child == 0: file.write(' of the child')\nelse: print(status(child))")
same("multiprocessing, forked", "import multiprocessing, warnings\nwarnings.simplefilter('ignore')\n"
     "def square(n): return n * n\n"
     "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(square, range(5)))")
differs("output of a child", fork("print('child')"), "child-output",
        lambda python3: {"stdout": "0\n", "stderr": "child\n"})
differs("output of a program", "import subprocess\nsubprocess.run(['echo', 'text'])", "child-output",
        lambda python3: {"stdout": "", "stderr": "text\n"})
differs("output of C", "import os\nos.write(1, b'text')", "child-output",
        lambda python3: {"stdout": "", "stderr": "text"})
differs("multiprocessing, spawned", "import multiprocessing\ndef square(n): return n * n\n"
        "if __name__ == '__main__':\n    process = multiprocessing.get_context('spawn').Process(target=square, args=[2])\n"
        "    process.start(); process.join()\n    print(process.exitcode)", "main-file",
        lambda python3: {"stdout": ""}, ignore=("stderr",))

# -- exceptions -------------------------------------------------------------------------------------------------------

RAISES = "def f(n):\n    return 1 / n\n\n\nf(0)\n"
differs("an exception", RAISES, "exceptions", lambda python3: {"status": 0})
differs("a chain of exceptions", "try: {}['a']\nexcept KeyError as error: raise ValueError('bad') from error",
        "exceptions", lambda python3: {"status": 0})
differs("sys.exit", "print('before')\nraise SystemExit(3)", "exceptions",
        lambda python3: {"status": 0, "stderr": 'Traceback (most recent call last):\n  File "ROOT/main.py", line 2, in '
                         '<module>\n    raise SystemExit(3)\nSystemExit: 3\n'})
differs("sys.excepthook", "import sys\nsys.excepthook = lambda *_: print('hook')\n1 / 0", "exceptions",
        lambda python3: {"status": 0, "stdout": "", "stderr":
                         'Traceback (most recent call last):\n  File "ROOT/main.py", line 3, in <module>\n    1 / 0\n'
                         + MARKED_DIVISION + 'ZeroDivisionError: division by zero\n'})
MARKED_DIVISION = "    ~~^~~\n"
same("os._exit", "import os\nfile = open('a.txt', 'w'); file.write('lost')\nos._exit(7)")
OWN_FRAMES = ('  File "<pythonx_port import_hooks.py>", line LINE, in run\n'
              '  File "<pythonx_port import_hooks.py>", line LINE, in call\n')
differs("an exception in a thread", "import threading\nthread = threading.Thread(target=lambda: 1 / 0, name='T')\n"
        "thread.start(); thread.join()", "thread-traceback",
        lambda python3: {"stderr": re.sub(r'  File "[^"]*/threading.py", line \d+, in run\n',
                                          lambda found: OWN_FRAMES + found[0], python3["stderr"])})
same("a recursion without an end", "def f(): f()\ntry: f()\nexcept RecursionError as error: print('caught')")

# -- warnings and logs ------------------------------------------------------------------------------------------------

differs("a warning", "import warnings\nwarnings.warn('careful')", "logs",
        lambda python3: {"stderr": "", "logs": ["warning:py.warnings:UserWarning: careful"]})
differs("a deprecation in one's own code", "import warnings\nwarnings.warn('old', DeprecationWarning)", "logs",
        lambda python3: {"stderr": "", "logs": ["warning:py.warnings:DeprecationWarning: old"]})
same("a warning that is ignored", "import warnings\nwarnings.simplefilter('ignore')\nwarnings.warn('careful')")
same("a warning that raises", "import warnings\nwarnings.simplefilter('error')\n"
     "try: warnings.warn('careful')\nexcept UserWarning as error: print('raised', error)")
same("showwarning of one's own", "import warnings\nwarnings.showwarning = lambda *a, **k: print('shown', a[0])\n"
     "warnings.warn('careful')")
same("catch_warnings", "import warnings\nwith warnings.catch_warnings(record=True) as caught:\n"
     "    warnings.simplefilter('always'); warnings.warn('careful')\nprint(len(caught), caught[0].category.__name__)")
differs("logging as it is", "import logging\nlogging.info('quiet')\nlogging.warning('loud')\n"
        "logging.getLogger('a.b').error('louder')", "logs",
        lambda python3: {"stderr": "", "logs": ["warning:root:loud", "error:a.b:louder"]})
differs("basicConfig with a level", "import logging\nlogging.basicConfig(level=logging.INFO)\n"
        "logging.debug('quiet')\nlogging.info('loud')", "logs",
        lambda python3: {"stderr": "", "logs": ["info:root:loud"]})
differs("basicConfig with a format", "import logging\nlogging.basicConfig(level='INFO', format='%(name)s - %(message)s')\n"
        "logging.getLogger('a').info('text %d', 1)", "logs",
        lambda python3: {"stderr": "", "logs": ["info:a:a - text 1"]})
differs("basicConfig twice, the second with force", "import logging\nlogging.basicConfig(level='INFO')\n"
        "logging.basicConfig(level='DEBUG', format='second %(message)s')\nlogging.debug('quiet')\n"
        "logging.basicConfig(level='DEBUG', format='third %(message)s', force=True)\nlogging.debug('loud')", "logs",
        lambda python3: {"stderr": "", "logs": ["debug:root:third loud"]})
same("basicConfig with a file", "import logging\nlogging.basicConfig(filename='a.log', level=logging.DEBUG, "
     "format='%(levelname)s %(message)s')\nlogging.debug('fine')\nlogging.getLogger('a').error('bad')")
same("basicConfig with a stream", "import logging, sys\nlogging.basicConfig(stream=sys.stdout, level='INFO')\n"
     "logging.info('text')")
same("basicConfig with handlers", "import logging\n"
     "logging.basicConfig(handlers=[logging.FileHandler('a.log')], level='INFO')\nlogging.info('text')")
same("basicConfig that is wrong", "import logging\n"
     "try: logging.basicConfig(filename='a', stream=1)\nexcept ValueError as error: print(error)\n"
     "try: logging.basicConfig(nonsense=1)\nexcept ValueError as error: print(error)")
same("handlers of the root logger of one's own", "import logging, sys\nroot = logging.getLogger()\n"
     "for handler in root.handlers[:]: root.removeHandler(handler)\n"
     "root.addHandler(logging.StreamHandler(sys.stdout)); logging.error('text')")
same("dictConfig", "import logging.config\nlogging.config.dictConfig({'version': 1, 'formatters': {'f': {'format': "
     "'%(levelname)s:%(message)s'}}, 'handlers': {'h': {'class': 'logging.FileHandler', 'filename': 'a.log', "
     "'formatter': 'f'}}, 'root': {'level': 'INFO', 'handlers': ['h']}})\nlogging.getLogger('a').info('text')")
same("a memory handler that is flushed at the end", "import logging, logging.handlers\n"
     "logging.basicConfig(handlers=[logging.handlers.MemoryHandler(100, target=logging.FileHandler('a.log'))])\n"
     "logging.warning('text')")
differs("a handler beside the session's", "import logging, sys\nlogger = logging.getLogger('a')\n"
        "logger.addHandler(logging.StreamHandler(sys.stdout))\nlogger.warning('text')", "logs",
        lambda python3: {"logs": ["warning:a:text"]})
same("a logger that does not propagate", "import logging, sys\nlogger = logging.getLogger('a')\n"
     "logger.propagate = False\nlogger.addHandler(logging.StreamHandler(sys.stdout))\nlogger.warning('text')")

# -- signals ----------------------------------------------------------------------------------------------------------

same("the handlers there are at first", "import signal\nfor number in sorted(signal.valid_signals()):\n"
     "    if number != signal.SIGURG: print(number, signal.getsignal(number))", ignore=())
differs("SIGURG", "import signal\nprint(signal.getsignal(signal.SIGURG) == signal.SIG_DFL)", "signals",
        lambda python3: {"stdout": "False\n"})
same("a handler of SIGTERM", "import os, signal\nsignal.signal(signal.SIGTERM, lambda n, f: print('handled', n))\n"
     "os.kill(os.getpid(), signal.SIGTERM)")
same("SIGTERM without a handler", "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
same("an alarm", "import signal, time\nsignal.signal(signal.SIGALRM, lambda n, f: print('alarm'))\n"
     "signal.setitimer(signal.ITIMER_REAL, 0.05)\ntime.sleep(0.2)")
same("KeyboardInterrupt", "import signal\ntry: signal.raise_signal(signal.SIGINT)\n"
     "except KeyboardInterrupt: print('caught')")
same("SIGINT that is ignored", "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
     "os.kill(os.getpid(), signal.SIGINT)\nprint(signal.getsignal(signal.SIGINT))")
same("a pipe that is closed", "import os\nread, write = os.pipe()\nos.close(read)\n"
     "try: os.write(write, b'x')\nexcept BrokenPipeError: print('caught')")
same("a mask", "import signal\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []))")
same("SIGCHLD", FORK + "import signal\nsignal.signal(signal.SIGCHLD, lambda n, f: print('child'))\n"
     "child = os.fork()\nif child == 0: os._exit(0)\nprint(status(child))")

# -- the standard streams ---------------------------------------------------------------------------------------------

STREAMS = """
import sys, io
for stream in (sys.stdout, sys.stderr, sys.stdin):
    print(stream.name, stream.mode, stream.encoding, stream.newlines, stream.closed, stream.isatty(),
          stream.readable(), stream.writable(), stream.seekable(), stream.fileno(), type(stream).__name__)
    print(stream.buffer.name, stream.buffer.mode, stream.buffer.closed, stream.buffer.isatty(),
          stream.buffer.readable(), stream.buffer.writable(), stream.buffer.fileno(), stream.buffer.raw.name,
          stream.buffer.raw.mode, isinstance(stream.buffer, (io.BufferedWriter, io.BufferedReader)))
print(sys.stdout.errors if sys.stdout.errors != 'strict' else '', sys.stderr.errors)
for call in (sys.stdout.read, sys.stdout.tell, sys.stdout.readline, sys.stdout.buffer.read, sys.stdout.truncate):
    try: call()
    except OSError: print(call.__name__)
"""
same("the standard streams", STREAMS.replace("sys.stdout.errors if sys.stdout.errors != 'strict' else ''", "''"))
same("what the streams have", """
import sys
for stream in (sys.stdout, sys.stderr, sys.stdin):
    for part in (stream, stream.buffer, stream.buffer.raw):
        public = [name for name in dir(part) if not name.startswith('_')]
        print(*public)
""")
differs("how the streams hold text back", "import sys\nprint(sys.stdout.write_through, sys.stdout.errors, "
        "sys.stderr.line_buffering)", "streams",
        lambda python3: {"stdout": "True backslashreplace False\n"})
differs("a lone surrogate", "print('\\ud800')", "streams", lambda python3: {
    "stdout": "\\ud800\n", "stderr": ""}, ignore=("status",))
same("text and bytes", "import sys\nprint('größer')\nsys.stdout.flush()\nsys.stdout.buffer.write(b'bytes\\n')\n"
     "sys.stdout.buffer.flush()\nsys.stdout.writelines(['a\\n', 'b\\n'])\nsys.stderr.write('errors\\n')")
same("the last line without an end", "print('first')\nprint('last', end='')")
same("newlines", "import sys\nsys.stdout.write('a\\r\\nb\\rc\\n')")
same("a stream that is wrapped", "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\n"
     "print('größer')")
same("a stream that is detached", "import io, sys\n"
     "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8', write_through=True)\nprint('größer')")
same("reconfigure", "import sys\nsys.stdout.reconfigure(line_buffering=True, errors='replace', encoding='ascii')\n"
     "print('größer', sys.stdout.errors, sys.stdout.encoding, sys.stdout.line_buffering)")
same("a stream that is closed", "import sys\nsys.stdout.close()\n"
     "try: print('lost')\nexcept ValueError as error: print(error, file=sys.stderr)\nprint(sys.stdout.closed, "
     "file=sys.stderr)")
same("a binary stream that is closed", "import sys\nsys.stdout.buffer.close()\n"
     "for write in (sys.stdout.buffer.write, sys.stdout.buffer.raw.write):\n"
     "    try: write(b'x')\n    except ValueError as error: print('closed', file=sys.stderr)")
same("redirect_stdout", "import contextlib, io\ntext = io.StringIO()\n"
     "with contextlib.redirect_stdout(text): print('inner')\nprint(repr(text.getvalue()))")
same("the input", "import sys\nprint(repr(sys.stdin.read()))\ntry: input()\nexcept EOFError: print('the end')")
same("exit()", "try: exit()\nexcept SystemExit as error: print(error.code)")
same("much output", "for n in range(20000): print(n)")
same("output of atexit and threads", "import atexit, threading, time\natexit.register(print, 'atexit')\n"
     "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\nprint('main')")

# -- code -------------------------------------------------------------------------------------------------------------

same("a byte order mark", "\ufeffprint('text')")
same("lines that end with CR LF", "if True:\r\n    print('text')\r\n")
same("a coding comment", "# -*- coding: utf-8 -*-\nprint('größer')")
same("a future", "from __future__ import annotations\ndef f(x: nonsense): pass\nprint(f.__annotations__)")
same("annotations of the module", "import sys\nx: int = 1\nprint(sys.modules['__main__'].__annotations__)", ignore=("stderr",))
same("what __main__ is", "import sys\nprint(__name__, sys.modules['__main__'].__dict__ is globals(), __spec__)")
same("pickle of one's own class", "import pickle\nclass Point: pass\n"
     "print(type(pickle.loads(pickle.dumps(Point()))).__qualname__)")
same("dataclass", "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int = 2\nprint(Point(1))")
same("getsource of a function", "import inspect\ndef f(x):\n    return x + 1  # one more\nprint(inspect.getsource(f))",
     has_file=False)
same("getsource of a method and a lambda", "import inspect\nclass A:\n    def m(self):\n        return 1\n"
     "g = lambda x: x + 1\nprint(inspect.getsource(A.m), inspect.getsource(g))", has_file=False)
same("a traceback that code prints", "import sys, traceback\ndef f():\n    1 / 0\n"
     "try: f()\nexcept ZeroDivisionError: print(traceback.format_exc().splitlines()[2])", has_file=False)
differs("getsource of a class", "import inspect\nclass A:\n    x = 1\n"
        "try: print(inspect.getsource(A))\nexcept (OSError, TypeError): print('none')", "main-file",
        lambda python3: {"stdout": "none\n"}, has_file=False)
differs("__file__", "print('__file__' in globals())", "main-file", lambda python3: {"stdout": "False\n"})
differs("sys.argv", "import sys\nprint(len(sys.argv), sys.argv[0] == '')", "main-file",
        lambda python3: {"stdout": "1 True\n"})
differs("a module of the script's folder", "import pathlib, sys\n"
        "(pathlib.Path(__file__).parent if '__file__' in globals() else pathlib.Path('..')).joinpath('own_module.py')."
        "write_text('x = 1')\ntry: import own_module; print('imported')\n"
        "except ImportError: print('not found')", "own-modules", lambda python3: {"stdout": "not found\n"})
differs("faulthandler", "import faulthandler\nprint(faulthandler.is_enabled())", "faulthandler",
        lambda python3: {"stdout": "True\n"})

# -- asyncio ----------------------------------------------------------------------------------------------------------

same("asyncio.run", "import asyncio\nasync def main():\n    await asyncio.sleep(0.01)\n    return 'done'\n"
     "print(asyncio.run(main()))")
same("asyncio.run with tasks", "import asyncio\nasync def work(n):\n    await asyncio.sleep(0.01 * n)\n    print(n)\n"
     "async def main(): await asyncio.gather(*map(work, range(3)))\nasyncio.run(main())")
differs("await without a function", "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')", "await",
        lambda python3: {"stdout": "awaited\n", "stderr": "", "status": 0})
