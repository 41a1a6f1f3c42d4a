/* Marks places where a test can hold a thread, or make it yield, so that an interleaving is driven on purpose.
 *
 *   SCHEDULE_POINT(reader_queued);
 *
 * costs nothing, unless the build defines PYTHONX_SCHEDULES (make schedules). In that build two variables of the
 * environment, read at the first point that is reached, decide what happens at a point:
 *
 *   PYTHONX_SCHEDULE_SOCKET=PATH  The process connects to this Unix socket and takes commands from it, a line each:
 *                                   hold NAME        every thread that reaches the point stops there
 *                                   hold NAME once   the next one does
 *                                   release NAME     all that stopped there go on, later ones pass
 *                                 Answers are `held NAME`, `released NAME` and `error REASON`. A thread that stops
 *                                 sends `reached NAME`. The end of the connection releases all points.
 *   PYTHONX_SCHEDULE_SEED=N       At each point a thread goes on, yields, or sleeps for up to 2 ms, at random. With
 *                                 the same seed, a thread does the same at its Nth point.
 *
 * A third, PYTHONX_SCHEDULE_LOOK_MS=N, has an idle session look for debuggers so often, under any Python. A fourth,
 * PYTHONX_SCHEDULE_LONG_WAIT_MS=N, is how long a wait for the BEAM must last to be a long one (exec/invoke_table.h).
 *
 * Any thread may reach a point, with or without the GIL and whatever locks it holds; a signal handler must not. In a
 * forked child points do nothing. */
#ifndef PYTHONX_SCHEDULE_H
#define PYTHONX_SCHEDULE_H

/* All points. Commands use these names. */
#define SCHEDULE_POINTS(POINT)                                                                                         \
    POINT(main_looks)                                                                                                  \
    POINT(main_before_read)                                                                                            \
    POINT(main_has_work)                                                                                               \
    POINT(reader_looks)                                                                                                \
    POINT(reader_has_input)                                                                                            \
    POINT(reader_queued)                                                                                               \
    POINT(reader_wakes)                                                                                                \
    POINT(reader_writes)                                                                                               \
    POINT(timer_fired)                                                                                                 \
    POINT(timer_done)                                                                                                  \
    POINT(job_executes)                                                                                                \
    POINT(job_before_reply)                                                                                            \
    POINT(job_after_reply)                                                                                             \
    POINT(stream_begins)                                                                                               \
    POINT(stream_steps)                                                                                                \
    POINT(stream_has_item)                                                                                             \
    POINT(stream_leaves)                                                                                               \
    POINT(stream_ends)                                                                                                 \
    POINT(abort_comes)                                                                                                 \
    POINT(abort_delivered)                                                                                             \
    POINT(invoke_sent)                                                                                                 \
    POINT(invoke_over)                                                                                                 \
    POINT(nested_taken)                                                                                                \
    POINT(thread_has_work)                                                                                             \
    POINT(job_becomes_task)                                                                                            \
    POINT(task_done)                                                                                                   \
    POINT(loop_woken)                                                                                                  \
    POINT(child_leaves)                                                                                                \
    POINT(threads_end)                                                                                                 \
    POINT(shutdown_interrupted)

enum schedule_point {
#define SCHEDULE_NUMBER(name) SCHEDULE_##name,
    SCHEDULE_POINTS(SCHEDULE_NUMBER)
#undef SCHEDULE_NUMBER
        SCHEDULE_POINT_COUNT
};

/* SCHEDULE_LIMIT(time) is a time after which the port gives up. With points it is longer: a test drives an order of
 * events, whatever else its machine does. SCHEDULE_LONG_WAIT(time) is the one that a test can choose. */
#ifdef PYTHONX_SCHEDULES
void schedule_reach(enum schedule_point point);
/* Returns PYTHONX_SCHEDULE_LONG_WAIT_MS, or the other number if it is not set. */
unsigned schedule_long_wait_ms(unsigned otherwise);
#    define SCHEDULE_POINT(name) schedule_reach(SCHEDULE_##name)
#    define SCHEDULE_LIMIT(time) ((time)*10)
#    define SCHEDULE_LONG_WAIT(time) schedule_long_wait_ms(time)
#else
/* Names the constant even if points are off: a name that is not in the table does not compile in any build. */
#    define SCHEDULE_POINT(name) ((void)SCHEDULE_##name)
#    define SCHEDULE_LIMIT(time) (time)
#    define SCHEDULE_LONG_WAIT(time) (time)
#endif

#endif
