"""The event loop of a session: what a request has to await is a task here, next to others."""

import asyncio
import functools

from _pythonx import abandon_call, begin_call, demand, end_task, pump, put_item, verdict

tasks = {}  # owner (the request) to its task
waiting_for_demand = {}  # owner of an async stream to the future that its next grant resolves
loop = None


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
    return loop


def on_lost_exception(loop, context):
    # An interrupt that came outside of any coroutine's own code: the task is told in the usual way.
    if not verdict_again(context.get("exception")):
        loop.default_exception_handler(context)


def verdict_again(exception):
    from erlang import Cancelled, TimedOut

    if not isinstance(exception, (Cancelled, TimedOut)):
        return False
    for owner, task in list(tasks.items()):
        if verdict(owner) is not None:
            task.cancel()
    return True


async def wait_for(awaitable):
    return await awaitable


async def stream(owner, iterable):
    """Items of an async iterable as they are asked for."""
    iterator = aiter(iterable)
    try:
        while True:
            while not demand(owner):
                waiting_for_demand[owner] = get_loop().create_future()
                await waiting_for_demand[owner]
            try:
                item = await anext(iterator)
            except StopAsyncIteration:
                return
            put_item(owner, item)
    finally:
        waiting_for_demand.pop(owner, None)
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def stream_value(owner, value):
    """A stream whose value has to be awaited before it can be iterated."""
    if not hasattr(type(value), "__aiter__"):
        value = await value
    if hasattr(type(value), "__aiter__"):
        await stream(owner, value)
    else:
        await stream(owner, in_steps(value))


async def in_steps(iterable):
    for item in iterable:
        yield item
        # Others are not to wait for the whole of it.
        await asyncio.sleep(0)


async def call_async(target, *rest):
    """What erlang.call_async gives: (module, function, args) or (fun, args)."""
    from erlang import Fun, call

    if isinstance(target, Fun):
        arguments = list(*rest)
    else:
        function, *rest = rest
        arguments = list(*rest)
        target = (target, function)
    if asyncio.get_running_loop() is not loop:
        # Another loop, as asyncio.run has: nobody would tell it of the answer.
        blocking = target if isinstance(target, Fun) else functools.partial(call, *target)
        return await asyncio.to_thread(blocking, *([*arguments] if isinstance(target, Fun) else [arguments]))
    future = loop.create_future()
    try:
        begin_call(future, target, arguments)
        return await future
    except BaseException:
        # Answered or not, and wherever it was told to end.
        abandon_call(future)
        raise


def begin(owner, value, streams):
    """The owner is the current one, so that the task's context has it."""
    coroutine = stream_value(owner, value) if streams else wait_for(value)
    task = get_loop().create_task(coroutine)
    tasks[owner] = task
    task.add_done_callback(functools.partial(on_done, owner))


def outcome(owner, task):
    try:
        return task.result()
    except asyncio.CancelledError as error:
        told = verdict(owner)
        if told is None:
            raise
        raise told.with_traceback(error.__traceback__) from None


def on_done(owner, task):
    del tasks[owner]
    end_task(owner, functools.partial(outcome, owner, task))
    if not tasks:
        loop.stop()


def cancel(owner):
    task = tasks.get(owner)
    if task is not None:
        task.cancel()


def granted():
    for owner, future in list(waiting_for_demand.items()):
        if not future.done() and demand(owner):
            future.set_result(None)


def work():
    # What runs from here is no part of a task: code of a request may use asyncio.run as usual.
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        pump()
    finally:
        asyncio._set_running_loop(running)


def run(wake_fd):
    asyncio.set_event_loop(get_loop())
    loop.add_reader(wake_fd, work)
    try:
        work()
        if tasks:
            loop.run_forever()
    finally:
        loop.remove_reader(wake_fd)


def close():
    if loop is None or loop.is_closed():
        return
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
