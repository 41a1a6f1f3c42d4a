"""Refuses at once what a process of multiprocessing that was not forked cannot read: the session's own functions and
classes. Without that a pool would start one process after the other, each of which fails on its first task."""

import pickle
import sys
from multiprocessing.reduction import ForkingPickler
from types import FunctionType


def is_own(thing):
    """Returns whether it is code of the session, which no other process can import."""
    if getattr(thing, "__module__", None) != "__main__" or not isinstance(thing, (FunctionType, type)):
        return False
    main = sys.modules["__main__"]
    # Either of them is what multiprocessing runs in the new process to have its names there.
    return getattr(main, "__file__", None) is None and getattr(main.__spec__, "name", None) is None


class Pickler(ForkingPickler):
    def reducer_override(self, thing):
        if is_own(thing):
            raise pickle.PicklingError(
                f"{thing.__qualname__} exists in this session alone, so a process that is started by spawn or forkserver "
                "cannot import it: put it into a module, or use multiprocessing.get_context('fork')"
            )
        return NotImplemented


def is_forked(context):
    return context.get_start_method() == "fork"


def check_processes(reduction):
    """For the target of a process, its arguments and what it inherits."""

    def dump(thing, file, protocol=None):
        Pickler(file, protocol).dump(thing)

    dump.__doc__ = reduction.dump.__doc__
    reduction.dump = dump


def check_pools(pool):
    """For the tasks of a multiprocessing.Pool."""
    set_up = pool.Pool._setup_queues

    def set_up_checked(self):
        set_up(self)
        if not is_forked(self._ctx):
            send = self._inqueue._writer.send_bytes
            self._quick_put = lambda task: send(Pickler.dumps(task))

    pool.Pool._setup_queues = set_up_checked


def check_executors(process):
    """For the tasks of a ProcessPoolExecutor."""

    class CheckedItem(process._CallItem):
        """Is pickled by the thread of the queue, which reports an error to the waiter of the task."""

        def __init__(self, item):
            vars(self).update(vars(item))
            self._item = item

        def __reduce__(self):
            return pickle.loads, (bytes(Pickler.dumps(self._item)),)

    # The queue's own class goes to the new process by its name, so it is changed and not replaced.
    queue = process._SafeQueue
    start, put = queue.__init__, queue.put

    def start_checked(self, max_size=0, *, ctx, **keywords):
        start(self, max_size, ctx=ctx, **keywords)
        self._forked = is_forked(ctx)

    def put_checked(self, item, *arguments, **keywords):
        if not self._forked and isinstance(item, process._CallItem):
            item = CheckedItem(item)
        put(self, item, *arguments, **keywords)

    queue.__init__, queue.put = start_checked, put_checked
