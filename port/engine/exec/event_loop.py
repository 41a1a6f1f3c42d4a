"""Runs the values that requests await as tasks, next to each other, on the event loop of the session."""

import asyncio
import functools
import os
import sys
from asyncio import CancelledError

from _pythonx import abandon_call, abort, begin_call, demand, end_done_tasks, pump, put_item, wake, watch_signals

tasks = {}  # context of a request to its task
waiting_for_demand = {}  # context of an async stream to the future that the next request for items resolves
loop = None
scheduled_by_threads = []  # an entry for each callback that has not run yet
handled_signals = set()


def new_loop():
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def get_loop():
    global loop
    if loop is None:
        loop = new_loop()
        loop.set_exception_handler(on_lost_exception)
        loop.call_soon_threadsafe = waking(loop.call_soon_threadsafe)
        note_signal_handlers()
    return loop


def waking(call_soon_threadsafe):
    """Works as the loop's own method, also while the session is idle and the loop does not run."""

    @functools.wraps(call_soon_threadsafe)
    def call_soon(callback, *arguments, **keywords):
        scheduled_by_threads.append(callback)
        handle = call_soon_threadsafe(callback, *arguments, **keywords)
        call_soon_threadsafe(scheduled_by_threads.pop)
        wake()
        return handle

    return call_soon


def note_signal_handlers():
    add, remove = loop.add_signal_handler, loop.remove_signal_handler

    @functools.wraps(add)
    def add_signal_handler(number, *arguments):
        add(number, *arguments)
        handled_signals.add(number)

    @functools.wraps(remove)
    def remove_signal_handler(number):
        handled_signals.discard(number)
        removed = remove(number)
        watch_signals()
        return removed

    loop.add_signal_handler, loop.remove_signal_handler = add_signal_handler, remove_signal_handler


# The set in which asyncio keeps its tasks, mostly empty: all_tasks is too slow for a question after each request. From
# Python 3.14 on they are kept elsewhere.
if sys.version_info >= (3, 14):
    registered = ()
elif sys.version_info >= (3, 12):
    registered = (asyncio.tasks._scheduled_tasks, asyncio.tasks._eager_tasks)
else:
    registered = (asyncio.tasks._all_tasks,)


def is_needed():
    """Returns whether the loop has work that outlives the requests. Of uvloop's internals only the tasks are
    visible."""
    if scheduled_by_threads or handled_signals:
        return True
    ready, timers = visible(loop)
    if ready or (timers and any(not timer.cancelled() for timer in timers)):
        return True
    if registered and not any(registered):
        return False
    return bool(asyncio.all_tasks(loop))


def visible(loop):
    try:
        return loop._ready, loop._scheduled
    except AttributeError:
        return (), ()


def current_context():
    """Returns the context of the request whose task runs, for code that has left the task's own context."""
    running = asyncio.current_task(loop)
    return next((context for context, task in tasks.items() if task is running), None)


def on_lost_exception(loop, report):
    # An interrupt came outside of any coroutine's own code: its task is cancelled in the usual way.
    if not cancel_aborted(report.get("exception")):
        loop.default_exception_handler(report)
    end_done_tasks()


def cancel_aborted(exception):
    from erlang import Cancelled, TimedOut

    if not isinstance(exception, (Cancelled, TimedOut)):
        return False
    for context, task in list(tasks.items()):
        if abort(context) is not None:
            task.cancel()
    return True


async def wait_for(awaitable):
    return await awaitable


async def stream(context, iterable):
    """Puts the items of an async iterable as the client asks for them."""
    iterator = aiter(iterable)
    try:
        while True:
            while not demand(context):
                waiting_for_demand[context] = get_loop().create_future()
                await waiting_for_demand[context]
            try:
                item = await anext(iterator)
            except StopAsyncIteration:
                return
            put_item(context, item)
    finally:
        waiting_for_demand.pop(context, None)
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def stream_value(context, value):
    """Iterates a stream whose value must be awaited first."""
    if not hasattr(type(value), "__aiter__"):
        value = await value
    if hasattr(type(value), "__aiter__"):
        await stream(context, value)
    else:
        await stream(context, in_steps(value))


async def in_steps(iterable):
    for item in iterable:
        yield item
        # Other tasks must not wait for the whole of it.
        await asyncio.sleep(0)


async def call_async(target, *rest):
    """The coroutine of erlang.call_async: (module, function, args) or (fun, args)."""
    from erlang import Fun, call

    if isinstance(target, Fun):
        arguments = list(*rest)
    else:
        function, *rest = rest
        arguments = list(*rest)
        target = (target, function)
    if asyncio.get_running_loop() is not loop:
        # In another loop, such as that of asyncio.run, only a blocking call gets the answer.
        blocking = target if isinstance(target, Fun) else functools.partial(call, *target)
        return await asyncio.to_thread(blocking, *([*arguments] if isinstance(target, Fun) else [arguments]))
    future = loop.create_future()
    try:
        begin_call(future, target, arguments)
        return await future
    except BaseException:
        # In any case: whether it was answered, and wherever it was cancelled.
        abandon_call(future)
        raise
    finally:
        # An exception of the future holds this frame, which would hold the future.
        del future


def begin(context, value, streams, on_done):
    """The context is the current one, so that it is also in the task's own. on_done(task) ends the request."""
    if streams:
        coroutine = stream_value(context, value)
    else:
        coroutine = value if asyncio.iscoroutine(value) else wait_for(value)
    task = get_loop().create_task(coroutine)
    task.add_done_callback(on_done)
    if streams and asyncio.iscoroutine(value):
        # A task that is cancelled before its first step never awaits the value: Python would warn of that.
        task.add_done_callback(lambda task: value.close())
    tasks[context] = task


def cancel(context):
    task = tasks.get(context)
    if task is not None:
        task.cancel()


def granted():
    for context, future in list(waiting_for_demand.items()):
        if not future.done() and demand(context):
            future.set_result(None)


def work():
    # From here on no task runs: code of a request may use asyncio.run as usual.
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        pump()
    finally:
        asyncio._set_running_loop(running)


def stop():
    loop.stop()


def run(wake_fd):
    asyncio.set_event_loop(get_loop())
    loop.add_reader(wake_fd, work)
    process = os.getpid()
    try:
        loop.run_forever()
    finally:
        # A forked child shares the selector's epoll(7) instance with the session, which still needs the descriptor.
        if os.getpid() == process:
            loop.remove_reader(wake_fd)
        if not hasattr(loop, "_selector"):  # asyncio's own; uvloop takes the signals each time it runs
            watch_signals()


def close(seconds):
    if loop is None or loop.is_closed():
        return
    asyncio.set_event_loop(loop)
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks.values(), timeout=seconds))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
