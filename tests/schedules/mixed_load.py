"""Defines what the requests of mixed_load.c call. Most return (tick at the beginning, value, tick at the end), so that
the test can check in which order requests ran; a value alone does not show that."""
import asyncio
import contextvars
import itertools
import logging
import os
import sqlite3
import sys
import threading
import time
import warnings

import erlang

try:
    import numpy
except ImportError:
    numpy = None

# Python 3.12 and later warn of forks beside threads.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

_ticks = itertools.count(1)
closed = set()
kept = {}
connection = sqlite3.connect(":memory:")  # of the main thread: used on another one, it raises


def tick():
    return next(_ticks)


def where():
    """Returns the thread's name: what a call may wait for depends on the waiters of the thread."""
    name = threading.current_thread().name
    return "main" if name == "MainThread" else name


# -- values


def plain(value):
    return (tick(), value, tick())


def fail(number):
    raise ValueError(f"failure {number}")


def nap(seconds, value):
    begin = tick()
    time.sleep(seconds)
    return (begin, value, tick())


def spin_forever():
    rounds = 1
    while rounds:
        rounds += 1


def catch(value):
    begin = tick()
    try:
        time.sleep(60)
    except (erlang.Cancelled, erlang.TimedOut):
        pass
    return (begin, value, tick())


def say(number, lines):
    begin = tick()
    for line in range(lines):
        print(f"out {number} {line}")
    return (begin, number, tick())


def in_context(function, *arguments):
    return contextvars.Context().run(function, *arguments)


def say_on_thread(number, lines):
    begin = tick()
    thread = threading.Thread(target=say, args=(number, lines))
    thread.start()
    thread.join()
    return (begin, number, tick())


def log(number, records):
    begin = tick()
    for record in range(records):
        logging.warning("log %d %d", number, record)
    return (begin, number, tick())


def pattern(length, start):
    return (bytes(range(256)) * (length // 256 + 2))[start : start + length]


def array(length, start):
    return numpy.frombuffer(pattern(length, start), dtype=numpy.uint8).copy()


def checksum(data):
    """Returns the bytes of a tensor, or of a binary."""
    return (tick(), sum(bytes(data)), tick())


def identity(value):
    return value


# -- coroutines


async def async_nap(seconds, value):
    begin = tick()
    await asyncio.sleep(seconds)
    return (begin, value, tick())


async def async_say(number, lines):
    begin = tick()
    for line in range(lines):
        await asyncio.sleep(0)
        print(f"out {number} {line}")
    return (begin, number, tick())


async def async_chain(value):
    begin = tick()
    first, second = await asyncio.gather(async_nap(0.001, 1), async_nap(0, 2))
    return (begin, value if (first[1], second[1]) == (1, 2) else "wrong", tick())


# -- calls to the BEAM


def outcome(call):
    try:
        return call()
    except erlang.Error as error:
        return "refused " + error.message


def ask(number):
    begin = tick()
    value = outcome(lambda: erlang.call("test", "answer", [number, where()]))
    return (begin, value, tick())


async def async_outcome(number):
    try:
        return await erlang.call_async("test", "answer", [number, "async"])
    except erlang.Error as error:
        return "refused " + error.message


async def async_ask(number):
    begin = tick()
    return (begin, await async_outcome(number), tick())


def ask_on_thread(number):
    """A thread waits for the BEAM, and the request for the thread."""
    begin = tick()
    values = []
    thread = threading.Thread(target=lambda: values.append(ask(number)[1]), name="joined")
    thread.start()
    thread.join()
    return (begin, values[0], tick())


def ask_detached(number):
    """A thread waits for the BEAM, while the request ends."""
    begin = tick()
    threading.Thread(
        target=lambda: erlang.send("test", ("thread", number, ask(number)[1])), name="detached", daemon=True
    ).start()
    return (begin, number, tick())


# -- streams


def items(first, count):
    yield from range(first, first + count)


def slow_items(first, count):
    for item in range(first, first + count):
        time.sleep(0.0005)
        yield item


def closing_items(first, count):
    try:
        yield from range(first, first + count)
    finally:
        closed.add(first)


async def async_items(first, count):
    try:
        for item in range(first, first + count):
            await asyncio.sleep(0.0003 if item & 3 == 0 else 0)
            yield item
    finally:
        closed.add(first)


def row_items(first, count):
    """A cursor is bound to the thread of its connection."""
    query = "with recursive n(x) as (select ? union all select x + 1 from n where x < ?) select x from n"
    for (item,) in connection.execute(query, (first, first + count - 1)):
        yield item


def asking_items(first, count):
    for item in range(first, first + count):
        if item & 3 == 0:
            outcome(lambda: erlang.call("test", "answer", [item, where()]))
        yield item


def forking_items(first, count):
    for item in range(first, first + count):
        if item == first + 1:
            fork("exit", 0)
        yield item


# -- forks


def fork(how, number):
    begin = tick()
    pid = os.fork()
    if pid == 0:
        if how == "exit":
            os._exit(number)
        if how == "sys_exit":
            sys.exit(3)
        raise ValueError("in a child")
    return (begin, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), tick())
