"""Changes modules of the standard library when code imports them: importing them here would slow down the start of
every session."""

import sys

from _pythonx import context, embedded, guarded


class AfterImport:
    """Finds no module (importlib.abc.MetaPathFinder), but runs a function after the import of one."""

    def __init__(self, functions):
        self.functions = functions

    def find_spec(self, name, path=None, target=None):
        function = self.functions.pop(name, None)
        if function is None:
            return None
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        spec.loader = LoaderWith(spec.loader, function)
        return spec


class LoaderWith:
    """Loads a module by its own loader, then runs a function."""

    def __init__(self, loader, function):
        self._loader = loader
        self._function = function

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        module.__loader__ = module.__spec__.loader = self._loader
        self._function(module)


def for_context(request, function):
    """Returns the function as a part of the request that called this one, on whichever thread it is called."""

    def call(*arguments, **keywords):
        before = context.set(request)
        try:
            return function(*arguments, **keywords)
        finally:
            context.reset(before)

    return call


def run_once_for_context(request, thread, own):
    """Returns a `run` for the thread that first restores its own: if it stayed, it would be in a cycle with the
    thread."""

    def run():
        restore_run(thread, own)
        for_context(request, thread.run)()

    return run


def restore_run(thread, own):
    if own is not None:
        thread.run = own
    else:
        vars(thread).pop("run", None)


def pass_context_to_threads(threading):
    start = threading.Thread.start

    def start_with_context(thread):
        request = context.get(None)
        if request is None:
            return start(thread)
        own = vars(thread).get("run")  # set if code has replaced it for this thread
        thread.run = run_once_for_context(request, thread, own)
        try:
            return start(thread)
        except Exception:
            # An interrupt is no Exception, and may come after the thread has started.
            restore_run(thread, own)
            raise

    start_with_context.__doc__ = start.__doc__
    threading.Thread.start = start_with_context


def runs_in_interpreters(pool):
    """The tasks of such a pool go to other interpreters, which have no requests, and cannot take a closure."""
    module = sys.modules.get("concurrent.futures.interpreter")
    return module is not None and isinstance(pool, module.InterpreterPoolExecutor)


def pass_context_to_pools(module):
    submit = module.ThreadPoolExecutor.submit

    def submit_with_context(pool, function, /, *arguments, **keywords):
        request = context.get(None)
        if request is not None and not runs_in_interpreters(pool):
            function = for_context(request, function)
        return submit(pool, function, *arguments, **keywords)

    submit_with_context.__doc__ = submit.__doc__
    module.ThreadPoolExecutor.submit = submit_with_context


def send_logs(logging):
    embedded("log").install(logging)


def show_sources(linecache):
    embedded("sources").install(linecache)


def log_warnings(warnings):
    show = warnings.showwarning

    def show_by_log(message, category, filename, lineno, file=None, line=None):
        """As logging.captureWarnings does, but with the place of the warning."""
        if file is not None:
            show(message, category, filename, lineno, file, line)
            return
        text = f"{category.__name__}: {message}"
        logging = sys.modules.get("logging")
        if logging is None:
            # Importing it now is not safe: os.fork() warns while it runs the handlers that modules have registered for
            # it.
            embedded("log").log_warning(text, filename, lineno)
            return
        logger = logging.getLogger("py.warnings")
        if logger.isEnabledFor(logging.WARNING):
            logger.handle(logger.makeRecord(logger.name, logging.WARNING, filename, lineno, text, (), None))

    warnings.showwarning = show_by_log


starters = "fork_exec", "_fork_exec", "posix_spawn", "posix_spawnp", "system"


def guard_children(module):
    """The first call of a function that starts a process starts the guard, which ends such processes with the
    session. Forks have a handler."""
    for name in starters:
        function = getattr(module, name, None)
        if function is not None:
            setattr(module, name, guarded(function))


def copy_guarded(source, module):
    for name in starters:
        if hasattr(source, name) and hasattr(module, name):
            setattr(module, name, getattr(source, name))


after_import = {
    "threading": pass_context_to_threads,
    "concurrent.futures.thread": pass_context_to_pools,
    "linecache": show_sources,
    "logging": send_logs,
    "warnings": log_warnings,
    "multiprocessing.reduction": lambda module: embedded("processes").check_processes(module),
    "multiprocessing.pool": lambda module: embedded("processes").check_pools(module),
    "concurrent.futures.process": lambda module: embedded("processes").check_executors(module),
    "_posixsubprocess": guard_children,
}


def install():
    # Without the import, C code prints warnings, and does not call showwarning.
    import warnings  # noqa: F401

    guard_children(sys.modules["posix"])
    if "os" in sys.modules:
        copy_guarded(sys.modules["posix"], sys.modules["os"])
    if "subprocess" in sys.modules:
        guard_children(sys.modules["subprocess"])
    for name in [name for name in after_import if name in sys.modules]:
        after_import.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, AfterImport(after_import))
