/* Tests the program from a shell: its commands, and its messages if it cannot start. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "folder.h"
#include "pythons.h"
#include "shell.h"
#include "suites.h"

static void set_up(void)
{
    shell_set_up();
    unsetenv("PYTHONX_PYTHON");
    unsetenv("VIRTUAL_ENV");
}

static void use_python(int index)
{
    setenv("PYTHON", pythons_path(index), 1);
}

START_TEST(helps)
{
    expect("$PORT --help", 0, "Usage: pythonx_port [options]");
    expect("$PORT --version", 0, "pythonx_port " PYTHONX_PORT_VERSION "\n");
    expect("$PORT serve", 2, "unknown command 'serve'");
    expect("$PORT --frobnicate", 2, "--frobnicate");
    expect("$PORT --max-frame 0", 2, "--max-frame: expected bytes");
}
END_TEST

START_TEST(says_why_it_cannot_start)
{
    use_python(0);
    expect("$PORT --python /nowhere </dev/null", 1, "pythonx_port: /nowhere is not there, or not an executable file\n");
    expect("PYTHONX_PYTHON=/nowhere $PORT </dev/null", 1, "/nowhere is not there");
    expect("VIRTUAL_ENV=/nowhere $PORT </dev/null", 1, "/nowhere/bin/python3 is not there");
    expect("PATH=$FOLDER $PORT </dev/null", 1, "python3 was not found on PATH");
    expect("$PORT --python /bin/cat </dev/null", 1, "did not run a simple script: is it a Python interpreter?");
    expect("$PORT --python $PYTHON --fds 77,78", 1, "the descriptors could not be set up: Bad file descriptor");
    expect("$PORT --python $PYTHON <&-", 1, "the descriptors could not be set up: Bad file descriptor");
}
END_TEST

/* Frames cannot be typed. */
START_TEST(explains_itself_on_a_terminal)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    setenv("TERMINAL", ptsname(terminal), 1);
    expect("$PORT <$TERMINAL", 2, "speaks frames of Erlang terms, and this is a terminal.");
    expect("$PORT </dev/null >$TERMINAL", 2, "Usage: pythonx_port [options]");
    close(terminal);
}
END_TEST

START_TEST(serves_in_a_pipe)
{
    use_python(_i);
    expect("echo '{eval, 1, <<\"1+1\">>}. {stop, 2}.' | $PORT encode | $PORT --python $PYTHON | $PORT decode", 0,
           "{ok,1,2}\n{ok,2,nil}\n");
    expect("echo '{eval, 1, <<\"1+1\">>}.' | $PORT encode > $FOLDER/requests\n"
           "$PORT --python $PYTHON < $FOLDER/requests > $FOLDER/replies\n"
           "$PORT decode < $FOLDER/replies",
           0, "{ok,1,2}\n");
    expect("$PORT --python $PYTHON </dev/null | $PORT decode", 0, "{ready,");
    /* Endless input, and a reader that goes away. */
    expect("$PORT --python $PYTHON </dev/zero 2>/dev/null | head -c 100000 | tail -c 1000 | tr -d '\\0'", 0,
           "frame holds no term");
}
END_TEST

START_TEST(examines_a_python)
{
    use_python(_i);
    expect("$PORT doctor --python $PYTHON", 0, "verdict:     all is well: sessions can start");
    expect("$PORT doctor --python $PYTHON", 0, "chosen by:   --python");
    expect("PYTHONX_PYTHON=$PYTHON $PORT doctor", 0, "chosen by:   $PYTHONX_PYTHON");
    expect("$PORT --python $PYTHON doctor", 0, pythons_path(_i));
}
END_TEST

START_TEST(examines_what_is_wrong)
{
    expect("$PORT doctor --python /nowhere", 1, "problem:     /nowhere is not there");
    expect("$PORT doctor --python /bin/cat", 1, "did not run a simple script");
}
END_TEST

/* Each text is Python's own, in front of the verdict. */
START_TEST(examines_a_start_that_fails)
{
    use_python(_i);
    folder_write("exits/sitecustomize.py", "import sys\nsys.exit(3)\n");
    expect("PYTHONPATH=$FOLDER/exits $PORT doctor --python $PYTHON", 1, "SystemExit: 3\n");
    expect("PYTHONPATH=$FOLDER/exits $PORT doctor --python $PYTHON", 1, "problem:     the interpreter does not run");
    folder_write("broken/encodings/__init__.py", "1 / 0\n");
    expect("PYTHONPATH=$FOLDER/broken $PORT doctor --python $PYTHON", 1, "ZeroDivisionError");
    expect("PYTHONHOME=/nowhere $PORT doctor --python $PYTHON", 1, "No module named 'encodings'");
    folder_write("pth/usercustomize.py", "raise KeyboardInterrupt('by the user')\n");
    expect("PYTHONPATH=$FOLDER/pth $PORT doctor --python $PYTHON", 1, "KeyboardInterrupt: by the user");
}
END_TEST

/* The interpreter runs its script, but sessions do not start. */
START_TEST(examines_a_session_that_does_not_start)
{
    use_python(_i);
    folder_write("alone/sitecustomize.py",
                 "import os, sys\n"
                 "if '-c' not in sys.orig_argv:\n"
                 "    if 'STATUS' in os.environ: os._exit(int(os.environ['STATUS']))\n"
                 "    if 'SIGNAL' in os.environ: os.kill(os.getpid(), int(os.environ['SIGNAL']))\n"
                 "    raise KeyboardInterrupt('only here')\n");
    setenv("PYTHONPATH", folder_path("alone"), 1);
    expect("$PORT doctor --python $PYTHON", 1, "KeyboardInterrupt: only here");
    expect("$PORT doctor --python $PYTHON", 1, "problem:     Python ended with status 1 while a session started");
    expect("STATUS=0 $PORT doctor --python $PYTHON", 1, "problem:     Python ended with status 0 while a session");
    expect("SIGNAL=9 $PORT doctor --python $PYTHON", 1, "problem:     signal 9 ended Python while a session started");
    expect("STATUS=7 $PORT --python $PYTHON </dev/null", 7, "");
    unsetenv("PYTHONPATH");
}
END_TEST

START_TEST(examines_a_memory_limit_that_python_does_not_fit_in)
{
#ifndef __SANITIZE_ADDRESS__
    use_python(_i);
    expect("$PORT doctor --python $PYTHON --memory-limit 1000000", 1, "while a session started: see above");
#endif
}
END_TEST

/* Whatever Python prints, logs or warns of while it starts. */
START_TEST(is_ready_first)
{
    use_python(_i);
    folder_write("loud/sitecustomize.py", "import faulthandler, logging, sys, warnings\n"
                                          "enable = faulthandler.enable\n"
                                          "def loud(*arguments, **options):\n"
                                          "    print('printed'); print('an error', file=sys.stderr)\n"
                                          "    logging.warning('logged'); warnings.warn('warned')\n"
                                          "    return enable(*arguments, **options)\n"
                                          "faulthandler.enable = loud\n");
    expect("echo '{eval, 1, <<\"1+1\">>}.' | $PORT encode > $FOLDER/requests\n"
           "PYTHONPATH=$FOLDER/loud $PORT --python $PYTHON < $FOLDER/requests 2>/dev/null | $PORT decode |"
           "sed 's/^{ready.*/ready/; s/#{.*message => <<\\(\"[^\"]*\"\\).*/\\1/'",
           0,
           "ready\n"
           "{output,nil,stdout,<<\"printed\\n\">>}\n"
           "{output,nil,stderr,<<\"an error\\n\">>}\n"
           "{log,nil,warning,\"logged\"\n"
           "{log,nil,warning,\"UserWarning: warned\"\n"
           "{ok,1,2}\n");
    expect("PYTHONVERBOSE=1 $PORT --python $PYTHON < $FOLDER/requests 2>/dev/null | $PORT decode | grep -v output |"
           "sed 's/^{ready.*/ready/'",
           0, "ready\n{ok,1,2}\n");
}
END_TEST

/* A second one waits until the first is gone, also when it was killed. */
START_TEST(holds_a_lock)
{
    expect("$PORT lock $FOLDER/lock </dev/null", 0, "locked");
    expect("$PORT lock $FOLDER/none/lock </dev/null", 1, "No such file or directory");
    expect("mkfifo $FOLDER/in; $PORT lock $FOLDER/lock <$FOLDER/in >$FOLDER/first & exec 3>$FOLDER/in\n"
           "until grep -q locked $FOLDER/first; do sleep 0.02; done\n"
           "$PORT lock $FOLDER/lock </dev/null && echo given up\n"
           "(sleep 0.2; echo killed; kill -KILL $!) &\n"
           "sleep 5 | $PORT lock $FOLDER/lock | head -n 1",
           0, "given up\nkilled\nlocked");
}
END_TEST

START_TEST(guards_a_program)
{
    expect("sleep 5 | $PORT guard sh -c 'cat; echo done; exit 7'; echo is $?", 0, "done\nis 7");
    expect("sleep 5 | $PORT guard sh -c 'kill -9 $$'; echo is $?", 0, "is 137");
    /* The guard also ends all processes that the program has started, and those that ignore SIGTERM. They have begun
     * when the input ends; one that has ended may wait for its parent. */
    expect("until [ -s $FOLDER/pids ]; do sleep 0.02; done | $PORT guard sh -c 'trap : TERM; sleep 30 & "
           "echo $! $$ >$FOLDER/pids; wait; sleep 30'\n"
           "lives() { kill -0 $1 2>/dev/null && ! grep -q ') Z' /proc/$1/stat 2>/dev/null; }\n"
           "read child parent <$FOLDER/pids\n"
           "for i in $(seq 50); do lives $child || lives $parent || break; sleep 0.1; done\n"
           "lives $child || lives $parent || echo gone: $child $parent | sed 's/[0-9][0-9]*/PID/g'",
           0, "gone: PID PID");
}
END_TEST

START_TEST(says_that_it_cannot_guard_a_program)
{
    expect("$PORT guard /no/such/program </dev/null", 1, "/no/such/program: No such file or directory");
}
END_TEST

/* If it is installed, the engine is in ../lib/pythonx_port of the program. */
START_TEST(finds_its_engine)
{
    use_python(_i);
    expect("mkdir -p $FOLDER/bin $FOLDER/lib/pythonx_port && cp $PORT $FOLDER/bin/ && "
           "$FOLDER/bin/pythonx_port --python $PYTHON </dev/null",
           1, "pythonx_engine.so is neither beside the program nor in ../lib/pythonx_port of it");
    expect("$FOLDER/bin/pythonx_port doctor --python $PYTHON", 1, "the engine is missing: run make, or reinstall");
    expect("cp $(dirname $PORT)/pythonx_*.so $FOLDER/lib/pythonx_port/ && "
           "$FOLDER/bin/pythonx_port --python $PYTHON </dev/null | $PORT decode",
           0, "{ready,");
    expect("echo broken > $FOLDER/lib/pythonx_port/pythonx_engine.so; "
           "$FOLDER/bin/pythonx_port --python $PYTHON </dev/null",
           1, "pythonx_port: ");
}
END_TEST

Suite *program_suite(void)
{
    Suite *suite = suite_create("program");
    TCase *tcase = tcase_create("commands");
    int pythons = pythons_count();
    tcase_add_checked_fixture(tcase, set_up, folder_remove);
    tcase_add_test(tcase, helps);
    tcase_add_test(tcase, says_why_it_cannot_start);
    tcase_add_test(tcase, explains_itself_on_a_terminal);
    tcase_add_loop_test(tcase, serves_in_a_pipe, 0, pythons);
    tcase_add_loop_test(tcase, examines_a_python, 0, pythons);
    tcase_add_test(tcase, holds_a_lock);
    tcase_add_test(tcase, guards_a_program);
    tcase_add_test(tcase, says_that_it_cannot_guard_a_program);
    tcase_add_test(tcase, examines_what_is_wrong);
    tcase_add_loop_test(tcase, finds_its_engine, 0, pythons);
    tcase_add_loop_test(tcase, examines_a_start_that_fails, 0, pythons);
    tcase_add_loop_test(tcase, examines_a_session_that_does_not_start, 0, pythons);
    tcase_add_loop_test(tcase, examines_a_memory_limit_that_python_does_not_fit_in, 0, pythons);
    tcase_add_loop_test(tcase, is_ready_first, 0, pythons);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
