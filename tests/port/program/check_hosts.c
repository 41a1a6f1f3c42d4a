/* Tests sessions in the interpreter's own executable: a user shall see no difference to those that load libpython. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "builds.h"
#include "folder.h"
#include "pythons.h"
#include "shell.h"
#include "suites.h"

/* Each line prints what a session says of itself and its surroundings. */
static const char facts[] =
    "import faulthandler, gc, locale, os, signal, sys, threading\n"
    "def read(name): return open('/proc/self/' + name).read()\n"
    "os.environ.pop('PYTHONX_HOST')\n"
    "print(sys.executable, sys.argv, sys.orig_argv, sys.flags, sys.path, sys.prefix, sys.base_prefix, "
    "sys.exec_prefix)\n"
    "print(sys.warnoptions, sys._xoptions, sys.getfilesystemencoding(), sys.getdefaultencoding(), locale.getlocale())\n"
    "print(sys.stdin.encoding, sys.stdin.mode, sys.getrecursionlimit(), sys.getswitchinterval(), sorted(sys.modules))\n"
    "print([signal.getsignal(s) for s in sorted(signal.valid_signals())], signal.pthread_sigmask(signal.SIG_BLOCK, "
    "[]))\n"
    "print(faulthandler.is_enabled(), gc.isenabled(), gc.get_threshold(), os.getcwd(), read('comm'), read('cmdline'))\n"
    "print(threading.main_thread().native_id == os.getpid(), read('oom_score_adj'), sorted(os.environ.items()))\n"
    "print('the end')\n";

/* `sh $FOLDER/run` prints what the code in $FOLDER/code.py prints in a session of ${PROGRAM:-$PORT}. Returns whether
 * this Python has an executable that can be the host. */
static bool set_up_python(int index)
{
    unsetenv("PYTHONX_PYTHON");
    unsetenv("PYTHONX_HOST");
    unsetenv("VIRTUAL_ENV");
    unsetenv("LD_PRELOAD");
    setenv("PYTHON", pythons_path(index), 1);
    folder_write("run", "echo \"{exec, 1, <<\\\"exec(open('$FOLDER/code.py').read())\\\">>}.\" | $PORT encode |\n"
                        "\"${PROGRAM:-$PORT}\" --python $PYTHON | $PORT decode | grep -v '^{ready,'\n");
    return system("$PORT doctor --python $PYTHON | grep '^host: *executable$' >/dev/null") == 0;
}

START_TEST(says_which_host_it_is)
{
    if (set_up_python(_i)) {
        expect("PYTHONX_HOST=executable $PORT doctor --python $PYTHON", 0, "host:        executable\n");
        expect("PYTHONX_HOST=library $PORT doctor --python $PYTHON --host executable", 0, "host:        executable\n");
    } else {
        expect("$PORT doctor --python $PYTHON", 0, "host:        library\n");
        expect("$PORT doctor --python $PYTHON --host executable", 1, "problem:     the host shall be the executable");
        expect("$PORT --python $PYTHON --host executable </dev/null", 1,
               "does not export Python's API: leave --host out");
        expect_only("$PORT --python $PYTHON --host executable --quiet </dev/null", 1, "");
    }
    expect("PYTHONX_HOST=both $PORT --python $PYTHON </dev/null", 1, "PYTHONX_HOST is neither library nor executable");
    expect("$PORT --host both", 2, "--host: expected library or executable, got 'both'");
}
END_TEST

/* The process is named for the launcher in either. */
START_TEST(runs_in_its_host)
{
    bool has_executable = set_up_python(_i);
    folder_write("code.py", "import os\nprint(os.path.basename(os.readlink('/proc/self/exe')).rstrip('.0123456789'))\n"
                            "print(open('/proc/self/comm').read().strip())\n");
    expect("sh $FOLDER/run", 0, has_executable ? "stdout,<<\"python\\n\">>" : "stdout,<<\"pythonx_port\\n\">>");
    expect("sh $FOLDER/run | tail -n 2", 0, "stdout,<<\"pythonx_port\\n\">>}\n{ok,1,nil}\n");
}
END_TEST

START_TEST(is_the_same_in_both)
{
    if (!set_up_python(_i) || system("$PORT doctor --python $PYTHON --host library >/dev/null 2>&1") != 0)
        return;
    folder_write("code.py", facts);
    expect_only("for host in executable library; do PYTHONX_HOST=$host sh $FOLDER/run >$FOLDER/$host; done\n"
                "diff $FOLDER/executable $FOLDER/library && grep -c 'the end' $FOLDER/library",
                0, "1\n");
}
END_TEST

/* What the launcher passes to the start hook is gone before Python starts; what is preloaded otherwise stays. */
START_TEST(passes_nothing_on)
{
    (void)set_up_python(_i);
    folder_write("code.py",
                 "import os, subprocess\n"
                 "def show(names): print(sorted(n for n in names if n.startswith(('LD_', 'PYTHONX_PORT'))))\n"
                 "show(os.environ)\n"
                 "run = subprocess.run('env', text=True, capture_output=True)\n"
                 "show(line.split('=')[0] for line in run.stdout.splitlines())\n"
                 "print(os.environ.get('LD_PRELOAD'))\n");
    expect("unset PYTHONX_PORT; sh $FOLDER/run", 0,
           "<<\"[]\\n\">>}\n{output,1,stdout,<<\"[]\\n\">>}\n{output,1,stdout,<<\"None\\n\">>");
    expect("unset PYTHONX_PORT; LD_PRELOAD=$(dirname $PORT)/fail_malloc.so sh $FOLDER/run", 0,
           "<<\"['LD_PRELOAD']\\n\">>}\n{output,1,stdout,<<\"['LD_PRELOAD']\\n\">>}\n{output,1,stdout,<<\"/");
    expect("LD_PRELOAD=$(dirname $PORT)/fail_malloc.so sh $FOLDER/run", 0, "/fail_malloc.so\\n\">>");
}
END_TEST

/* $PLACE gets a copy of the program and its files. */
static void copy_program(const char *folder)
{
    setenv("PLACE", folder_path(folder), 1);
    ck_assert_int_eq(system("mkdir -p \"$PLACE\" && cp $PORT $(dirname $PORT)/*.so \"$PLACE\""), 0);
}

/* The list of what is preloaded is split at colons and spaces. */
START_TEST(stands_anywhere)
{
    bool has_executable = set_up_python(_i);
    copy_program("a b:c 'd");
    folder_write("code.py", "import os\nprint(os.path.basename(os.readlink('/proc/self/exe')).rstrip('.0123456789'))\n"
                            "paths = ['/proc/self/fd/' + fd for fd in os.listdir('/proc/self/fd')]\n"
                            "print([p for p in paths if os.path.exists(p) and 'pythonx_host' in os.readlink(p)])\n");
    setenv("PROGRAM", folder_path("a b:c 'd/pythonx_port"), 1);
    expect("sh $FOLDER/run", 0, has_executable ? "stdout,<<\"python\\n\">>" : "stdout,<<\"pythonx_port\\n\">>");
    expect("sh $FOLDER/run", 0, "stdout,<<\"[]\\n\">>");
}
END_TEST

/* Children are ended by the launcher, which an upgrade may have removed. */
START_TEST(ends_children_without_its_files)
{
    (void)set_up_python(_i);
    copy_program("place");
    folder_write("code.py", "import os, subprocess\n"
                            "for name in os.listdir(os.environ['PLACE']): os.unlink(os.environ['PLACE'] + '/' + name)\n"
                            "child = subprocess.Popen(['sleep', '60'])\n"
                            "open(os.environ['FOLDER'] + '/child', 'w').write(str(child.pid))\n");
    expect("PROGRAM=\"$PLACE/pythonx_port\" setsid sh $FOLDER/run", 0, "{ok,1,nil}");
    expect("lives() { kill -0 $1 2>/dev/null && ! grep -q ') Z' /proc/$1/stat 2>/dev/null; }\n"
           "for i in $(seq 50); do lives $(cat $FOLDER/child) || break; sleep 0.1; done\n"
           "lives $(cat $FOLDER/child) || echo gone",
           0, "gone\n");
}
END_TEST

/* Without the hook the library is the host. */
START_TEST(does_without_a_hook)
{
    bool has_executable = set_up_python(_i);
    copy_program("place");
    folder_write("code.py", "print('served')\n");
    setenv("PROGRAM", folder_path("place/pythonx_port"), 1);
    ck_assert_int_eq(system("rm -f $PLACE/pythonx_host.so"), 0);
    if (system("$PORT doctor --python $PYTHON --host library >/dev/null 2>&1") == 0)
        expect("sh $FOLDER/run", 0, "served");
    else
        expect("$PROGRAM --python $PYTHON </dev/null", 1, "pythonx_host.so is neither beside the program nor in");
    if (has_executable)
        expect("$PROGRAM --python $PYTHON --host executable </dev/null", 1, "run make, or reinstall");
}
END_TEST

/* An interpreter built without a shared library: a copy of the executable, with a standard library but no libpython. */
START_TEST(needs_no_library)
{
    if (!set_up_python(_i))
        return;
    expect_only("base=$($PYTHON -c 'import sys; print(sys.base_prefix)') name=$(basename $(realpath $PYTHON))\n"
                "mkdir -p $FOLDER/alone/bin $FOLDER/alone/lib\n"
                "cp $(realpath $PYTHON) $FOLDER/alone/bin/ && ln -s $base/lib/$name $FOLDER/alone/lib/ && "
                "ln -s $name $FOLDER/alone/bin/python3",
                0, "");
    setenv("PYTHON", folder_path("alone/bin/python3"), 1);
    folder_write("code.py", "import sys, zlib, json, threading\nprint(sys.executable, sys.prefix)\n");
    expect("sh $FOLDER/run; echo $FOLDER", 0, "/alone/bin/python3 ");
    expect("$PORT doctor --python $PYTHON", 0, "libpython:   none\nhost:        executable\n");
    expect("$PORT doctor --python $PYTHON --host library", 1, "the interpreter has no shared libpython");
    expect("$PYTHON -m venv --without-pip $FOLDER/venv && PYTHON=$FOLDER/venv/bin/python sh $FOLDER/run", 0,
           "/venv\\n");
    expect("$PYTHON -m venv --without-pip --copies $FOLDER/copies && PYTHON=$FOLDER/copies/bin/python3 sh $FOLDER/run",
           0, "/copies\\n");
}
END_TEST

Suite *hosts_suite(void)
{
    Suite *suite = suite_create("hosts");
    TCase *tcase = tcase_create("hosts");
    int pythons = pythons_count();
    tcase_add_checked_fixture(tcase, shell_set_up, folder_remove);
    if (BUILD_HAS_HOOK) {
        tcase_add_loop_test(tcase, says_which_host_it_is, 0, pythons);
        tcase_add_loop_test(tcase, runs_in_its_host, 0, pythons);
        tcase_add_loop_test(tcase, is_the_same_in_both, 0, pythons);
        tcase_add_loop_test(tcase, passes_nothing_on, 0, pythons);
        tcase_add_loop_test(tcase, stands_anywhere, 0, pythons);
        tcase_add_loop_test(tcase, ends_children_without_its_files, 0, pythons);
        tcase_add_loop_test(tcase, does_without_a_hook, 0, pythons);
        tcase_add_loop_test(tcase, needs_no_library, 0, pythons);
    }
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
