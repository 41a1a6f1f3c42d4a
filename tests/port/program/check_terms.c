/* Tests `pythonx_port encode` and `pythonx_port decode`, from a shell. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "pythons.h"
#include "shell.h"
#include "suites.h"

/* Prints the output of a command, in hexadecimal. */
#define HEX " | od -An -v -tx1 | tr -d ' \\n'"

/* Gives a command that waits for its input, with descriptor 3 for writing to it and 4 for reading its output. */
#define START(command)                                                                                                 \
    "mkfifo $FOLDER/in $FOLDER/out; " command " <$FOLDER/in >$FOLDER/out & exec 3>$FOLDER/in 4<$FOLDER/out; "

static void set_up(void)
{
    shell_set_up();
    unsetenv("ERL");
    unsetenv("BINDIR");
    unsetenv("ROOTDIR");
}

/* -- the syntax --------------------------------------------------------------------------------------------------- */

START_TEST(encodes_frames)
{
    folder_write("terms", "a.\n% comment. \n{5, \"x\"}. last. % the end.");
    expect_only("$PORT encode <$FOLDER/terms" HEX, 0,
                "00000004"
                "83770161"
                "00000009"
                "8368026105"
                "6b000178"
                "00000007"
                "8377046c617374");
    folder_write("terms", "\n % only a comment. \n");
    expect_only("$PORT encode <$FOLDER/terms" HEX, 0, "");
    expect_only("$PORT encode </dev/null" HEX, 0, "");
    /* Atoms have one form, whichever release of Erlang runs. */
    folder_write("terms", "'\xC3\xA9'.");
    expect_only("$PORT encode <$FOLDER/terms" HEX, 0,
                "000000058377"
                "02c3a9");
}
END_TEST

static const struct {
    const char *text, *printed;
} syntax[] = {
    {"{eval,\n 1, % the id.\n <<\"1+1\">>\n}.", "{eval,1,<<\"1+1\">>}"},
    {"\"a. \" \"b\" % and\n \"c\".", "\"a. bc\""},
    {"[$., '. ', $\\s | $%].", "[46,'. ',32|37]"},
    {"- 16#ff_ff.", "-65535"},
    {"-123456789012345678901234567890.", "-123456789012345678901234567890"},
    {"[1.0, -0.5e-10, 1.5e300].", "[1.0,-5.0e-11,1.5e300]"},
    {"'A b\\n'.", "'A b\\n'"},
    {"'it\\'s'.", "'it\\'s'"},
    {"<<1, 2:16/little, \"ab\", 3:3>>.", "<<1,2,0,97,98,3:3>>"},
    {"<<\"\xC3\xA9\xD0\x80\"/utf8>>.", "<<\"\xC3\xA9\xD0\x80\"/utf8>>"},
    {"<<255, 254>>.", "<<\"\xC3\xBF\xC3\xBE\">>"},
    {"\"\xD0\x80\".", "\"\xD0\x80\""},
    {"\xC3\xA9.", "\xC3\xA9"},
    {"#{a => [], #{} => {}}.", "#{a => [],#{} => {}}"},
    {"fun lists:map/2.", "fun lists:map/2"},
    {"({a, (b)}).", "{a,b}"},
};

/* A printed term is on one line, and reads as the same term again. */
START_TEST(reads_and_prints)
{
    char text[2000] = "", printed[2000] = "";
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++) {
        strcat(strcat(text, syntax[i].text), "\n");
        strcat(strcat(printed, syntax[i].printed), "\n");
    }
    folder_write("terms", text);
    expect_only("$PORT encode <$FOLDER/terms >$FOLDER/frames; $PORT decode <$FOLDER/frames", 0, printed);
    expect_only("$PORT decode <$FOLDER/frames | sed 's/$/./' | $PORT encode | cmp - $FOLDER/frames", 0, "");
}
END_TEST

START_TEST(prints_each_term_on_a_line)
{
    expect_only("{ printf '{['; yes abcdefgh, | head -n 1000; printf '<<0:9000>>],\"\\\\n\"}. b.'; } | $PORT encode | "
                "$PORT decode | wc -l | tr -d ' '",
                0, "2\n");
}
END_TEST

/* -- mistakes ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *said;
} mistakes[] = {
    {"{a,\n b c}.\n", "line 2, column 4: syntax error before: c\n"},
    {"% \xC3\xA9\n\n{a.\n", "line 3, column 3: syntax error before: '.'\n"},
    {"{a, X}.", "line 1, column 1: bad term\n"},
    {"\n16#g.", "line 2, column 1: illegal integer\n"},
    {"a.\n\nb", "line 3, column 2: expected a full stop ('.' and white space), got the end of the text\n"},
    {"<0.1.2>.", "line 1, column 1: syntax error before: '<'\n"},
    {"a.\n\n\"\xFF\".", "line 3: a byte that is not UTF-8\n"},
    {"a.\n\xC3", "line 2: a byte that is not UTF-8\n"},
};

#define MISTAKES_COUNT (int)(sizeof mistakes / sizeof *mistakes)

START_TEST(says_where_a_mistake_is)
{
    char said[200] = "pythonx_port encode: ";
    folder_write("terms", mistakes[_i].text);
    expect_only("$PORT encode <$FOLDER/terms >/dev/null", 1, strcat(said, mistakes[_i].said));
}
END_TEST

/* OTP 29 gives the column behind the quotation mark. */
START_TEST(says_where_a_string_begins)
{
    folder_write("terms", "\n\"abc\n.");
    expect_only("$PORT encode <$FOLDER/terms 2>&1 >/dev/null | sed 's/column [12]:/column N:/'", 0,
                "pythonx_port encode: line 2, column N: unterminated string starting with \"abc\\n.\"\n");
}
END_TEST

START_TEST(encodes_the_rest_after_a_mistake)
{
    folder_write("terms", "a.\nb c.\n1.\n [}\n .\n2.\n 1.0e999. 3.");
    expect_only("$PORT encode <$FOLDER/terms 2>$FOLDER/said >$FOLDER/frames; echo $?; $PORT decode <$FOLDER/frames; "
                "cut -d, -f1 $FOLDER/said | uniq",
                0,
                "1\na\n1\n2\n3\npythonx_port encode: line 2\npythonx_port encode: line 4\npythonx_port encode: line "
                "7\n");
}
END_TEST

/* The frames as printf takes them, and the errors that they cause. */
static const struct {
    const char *frames, *said;
} broken[] = {
    {"\\0\\0", "frame 1: the input ends inside the frame\n"},
    {"\\0\\0\\0\\3\\203a\\5\\0\\0\\0\\3\\203a", "5\npythonx_port decode: frame 2: the input ends inside the frame\n"},
    {"\\377\\377\\377\\377\\203", "frame 1: the input ends inside the frame\n"},
    {"\\0\\0\\0\\0", "frame 1: the frame is empty\n"},
    {"\\0\\0\\0\\2a\\5", "frame 1: expected the version byte 131\n"},
    {"\\0\\0\\0\\2\\203\\1", "frame 1: a term that cannot be decoded\n"},
    {"\\0\\0\\0\\5\\203h\\2a\\5", "frame 1: a term that cannot be decoded\n"},
    {"\\0\\0\\0\\5\\203a\\5\\0\\0", "frame 1, byte 4: the frame goes on after its term\n"},
};

#define BROKEN_COUNT (int)(sizeof broken / sizeof *broken)

START_TEST(says_which_frame_is_broken)
{
    setenv("FRAMES", broken[_i].frames, 1);
    expect("printf \"$FRAMES\" | $PORT decode", 1, "pythonx_port decode: ");
    expect("printf \"$FRAMES\" | $PORT decode", 1, broken[_i].said);
}
END_TEST

START_TEST(decodes_the_rest_after_a_broken_term)
{
    expect_only("printf '\\0\\0\\0\\2\\203\\1\\0\\0\\0\\3\\203a\\5' | $PORT decode 2>/dev/null", 1, "5\n");
}
END_TEST

/* -- pipes -------------------------------------------------------------------------------------------------------- */

/* Each read waits for what was written before, while the input stays open. */
START_TEST(encodes_each_term_at_once)
{
    expect_only(START("$PORT encode") "echo 'a. {b,' >&3; head -c 8 <&4 | od -An -tx1; echo 'c}.' >&3; "
                                      "head -c 12 <&4 | od -An -tx1; exec 3>&-; wait $! && cat <&4",
                0, " 00 00 00 04 83 77 01 61\n 00 00 00 09 83 68 02 77 01 62 77 01\nc");
}
END_TEST

START_TEST(decodes_each_frame_at_once)
{
    expect_only(START("$PORT decode") "printf '\\0\\0\\0\\3\\203a\\5\\0' >&3; read line <&4; echo $line; "
                                      "printf '\\0\\0\\3\\203a\\6' >&3; read line <&4; echo $line; "
                                      "exec 3>&-; wait $! && cat <&4",
                0, "5\n6\n");
}
END_TEST

START_TEST(ends_quietly_without_a_reader)
{
    expect_only("yes a. | $PORT encode | head -c 3 | wc -c | tr -d ' '", 0, "3\n");
    expect_only("yes a. | $PORT encode | $PORT decode | head -n 1", 0, "a\n");
}
END_TEST

START_TEST(reports_what_the_system_refuses)
{
    expect_only("echo a. | $PORT encode >/dev/full", 1, "pythonx_port encode: cannot write: no space left on device\n");
    expect_only("echo a. | $PORT encode >&-", 1, "pythonx_port encode: cannot write: bad file number\n");
    expect_only("$PORT decode </", 1, "pythonx_port decode: cannot read: illegal operation on a directory\n");
    expect_only("$PORT encode </", 1, "pythonx_port encode: cannot read: Is a directory\n");
    expect_only("$PORT encode <&-", 0, "");
}
END_TEST

/* The first line of the file is the shell's. */
START_TEST(reads_on_in_a_file)
{
    folder_write("terms", "{first}.\n{second}.\n");
    expect_only("{ read line; $PORT encode; } <$FOLDER/terms | $PORT decode", 0, "{second}\n");
}
END_TEST

/* Another process that has the file open may have set it so. */
START_TEST(waits_on_a_pipe_that_does_not_block)
{
    setenv("PYTHON", pythons_path(0), 1);
    setenv("CODE", "import os, sys; os.set_blocking(0, False); os.execl(os.environ['PORT'], 'port', *sys.argv[1:])", 1);
    expect_only(START("$PYTHON -c \"$CODE\" encode") "echo 1. >&3; head -c 7 <&4" HEX
                                                     "; echo 2. >&3; head -c 7 <&4" HEX,
                0, "0000000383610100000003836102");
    expect_only("rm $FOLDER/in $FOLDER/out; " START(
                    "$PYTHON -c \"$CODE\" decode") "printf '\\0\\0\\0\\3\\203a\\1' >&3; read line <&4; echo $line; "
                                                   "printf '\\0\\0\\0\\3\\203a\\2' >&3; read line <&4; echo $line",
                0, "1\n2\n");
}
END_TEST

START_TEST(reads_a_terminal)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    setenv("TERMINAL", ptsname(terminal), 1);
    ck_assert_int_eq(write(terminal, "{a}.\n\4", 6), 6);
    expect_only("$PORT encode <$TERMINAL | $PORT decode", 0, "{a}\n");
    close(terminal);
}
END_TEST

/* The input is a pipe that never ends, since the command itself could write to it; none of its processes must stay. */
START_TEST(ends_by_a_signal)
{
    expect("mkfifo $FOLDER/in $FOLDER/out; $PORT encode <>$FOLDER/in >$FOLDER/out & exec 4<$FOLDER/out; "
           "echo a. >$FOLDER/in; head -c 8 <&4 >$FOLDER/frame; kill $!; wait $!; echo $?",
           0, "143\n");
}
END_TEST

/* -- large terms -------------------------------------------------------------------------------------------------- */

START_TEST(encodes_a_large_binary)
{
    expect_only("echo '<<0:536870912>>.' | $PORT encode | wc -c | tr -d ' '", 0, "67108874\n");
}
END_TEST

/* Printed in pieces, which are not cut inside characters: bytes that are no text would be printed as numbers. */
START_TEST(prints_a_large_binary)
{
    setenv("PYTHON", pythons_path(0), 1);
    setenv("CODE",
           "import struct, sys\n"
           "text = ('a' + '\\u20ac' * 3000000).encode()\n"
           "term = b'\\x83h\\x02m' + struct.pack('>I', len(text)) + text + b'l\\0\\0\\0\\1' "
           "b't\\0\\0\\0\\1m' + struct.pack('>I', len(text)) + text + b'a\\1' + b'j'\n"
           "sys.stdout.buffer.write(struct.pack('>I', len(term)) + term)",
           1);
    expect_only("$PYTHON -c \"$CODE\" >$FOLDER/frame; $PORT decode <$FOLDER/frame >$FOLDER/text; "
                "tr -d 'a\\342\\202\\254' <$FOLDER/text | sed 's/\"\"\\/utf8,//g'",
                0, "{<<\"\"/utf8>>,[#{<<\"\"/utf8>> => 1}]}\n");
    expect_only("echo . >>$FOLDER/text; $PORT encode <$FOLDER/text | cmp - $FOLDER/frame", 0, "");
}
END_TEST

/* As numbers, they would take the parser a hundred times the memory. */
START_TEST(prints_large_bytes_as_strings)
{
    setenv("PYTHON", pythons_path(0), 1);
    setenv("CODE",
           "import struct, sys\n"
           "term = b'\\x83m\\0\\3\\0\\0' + bytes(range(256)) * 768\n"
           "sys.stdout.buffer.write(struct.pack('>I', len(term)) + term)",
           1);
    expect_only("$PYTHON -c \"$CODE\" >$FOLDER/frame; $PORT decode <$FOLDER/frame >$FOLDER/text; "
                "cut -c1-19 $FOLDER/text; tr -cd , <$FOLDER/text | wc -c | tr -d ' '",
                0, "<<\"\\000\\001\\002\\003\n770\n");
    expect_only("echo . >>$FOLDER/text; $PORT encode <$FOLDER/text | cmp - $FOLDER/frame", 0, "");
}
END_TEST

START_TEST(prints_large_bits)
{
    expect_only("echo '{<<0:800003>>, [x|y]}.' | $PORT encode | $PORT decode | sed 's/\\\\000//g; s/0,//g'", 0,
                "{<<\"\",0:3>>,[x|y]}\n");
}
END_TEST

/* -- which Erlang ------------------------------------------------------------------------------------------------- */

/* A program that prints its name and its arguments. */
static void write_fake(const char *path, const char *name)
{
    char text[100];
    snprintf(text, sizeof text, "#!/bin/sh\necho %s: \"$@\"\n", name);
    folder_write_program(path, text);
}

START_TEST(needs_erlang)
{
    expect_only("PATH= $PORT encode </dev/null", 1,
                "pythonx_port encode: erl was not found on PATH: install Erlang, or set $ERL to the path of erl\n");
    expect_only("PATH=$FOLDER ERL= $PORT decode </dev/null", 1,
                "pythonx_port decode: erl was not found on PATH: install Erlang, or set $ERL to the path of erl\n");
    expect_only("ERL=no-such-erl $PORT encode </dev/null", 1,
                "pythonx_port encode: $ERL is not on PATH: no-such-erl\n");
    expect_only("ERL=/nowhere/erl $PORT encode </dev/null", 1,
                "pythonx_port encode: /nowhere/erl could not be run: No such file or directory\n");
}
END_TEST

START_TEST(chooses_erl)
{
    write_fake("path/erl", "path");
    write_fake("path/erl-of-mine", "mine");
    write_fake("other/erl", "other");
    write_fake("bindir/erl", "bindir");
    write_fake("root/bin/erl", "root");
    expect("BINDIR=$FOLDER/bindir PATH=$FOLDER/path $PORT encode", 0, "path: -noinput -boot no_dot_erlang");
    expect("ERL=$FOLDER/other/erl PATH=$FOLDER/path $PORT encode", 0, "other: -noinput");
    expect("ERL=erl-of-mine PATH=$FOLDER/path $PORT decode", 0, "mine: -noinput");
    expect("BINDIR=$FOLDER/bindir ROOTDIR=$FOLDER/root PATH=$FOLDER $PORT encode", 0, "bindir: -noinput");
    expect("BINDIR=$FOLDER/none ROOTDIR=$FOLDER/root PATH=$FOLDER $PORT encode", 0, "root: -noinput");
    expect("ERL=$FOLDER/other/erl $PORT encode", 0, "/pythonx_terms.escript encode\n");
    expect("ERL=$FOLDER/other/erl $PORT decode", 0, "/pythonx_terms.escript decode\n");
}
END_TEST

/* One that Mix made keeps its boot scripts with its versions. */
START_TEST(boots_as_a_release_does)
{
    write_fake("release/erts-1/bin/erl", "release");
    folder_write("release/releases/0.1/start_clean.boot", "");
    setenv("ERL", folder_path("release/erts-1/bin/erl"), 1);
    expect("$PORT encode | sed \"s:$(cd $FOLDER && pwd -P):FOLDER:g\"", 0,
           "-boot FOLDER/release/releases/0.1/start_clean -boot_var RELEASE_LIB FOLDER/release/lib ");
    folder_write("release/bin/no_dot_erlang.boot", "");
    expect("$PORT encode", 0, "-boot no_dot_erlang ");
}
END_TEST

/* Such as a node's name, which another node may have. */
START_TEST(takes_no_flags_of_other_nodes)
{
    expect_only("echo a. | ERL_FLAGS='-sname a@b@c' ERL_AFLAGS=-no ERL_ZFLAGS='-eval halt(3)' $PORT encode" HEX, 0,
                "0000000483770161");
}
END_TEST

START_TEST(finds_its_script)
{
    expect_only("mkdir $FOLDER/bin \"$FOLDER/a  \\$(b)'\" && cp $PORT $FOLDER/bin/ && "
                "$FOLDER/bin/pythonx_port encode </dev/null",
                1, "pythonx_port encode: pythonx_terms.escript is missing: run make, or reinstall\n");
    expect_only("cp $PORT $(dirname $PORT)/pythonx_terms.escript \"$FOLDER/a  \\$(b)'/\" && "
                "echo a. | \"$FOLDER/a  \\$(b)'/pythonx_port\" encode" HEX,
                0, "0000000483770161");
}
END_TEST

static TCase *syntax_case(void)
{
    TCase *tcase = tcase_create("syntax");
    tcase_add_test(tcase, encodes_frames);
    tcase_add_test(tcase, reads_and_prints);
    tcase_add_test(tcase, prints_each_term_on_a_line);
    tcase_add_loop_test(tcase, says_where_a_mistake_is, 0, MISTAKES_COUNT);
    tcase_add_test(tcase, says_where_a_string_begins);
    tcase_add_test(tcase, encodes_the_rest_after_a_mistake);
    tcase_add_loop_test(tcase, says_which_frame_is_broken, 0, BROKEN_COUNT);
    tcase_add_test(tcase, decodes_the_rest_after_a_broken_term);
    return tcase;
}

static TCase *pipes_case(void)
{
    TCase *tcase = tcase_create("pipes");
    tcase_add_test(tcase, encodes_each_term_at_once);
    tcase_add_test(tcase, decodes_each_frame_at_once);
    tcase_add_test(tcase, ends_quietly_without_a_reader);
    tcase_add_test(tcase, reports_what_the_system_refuses);
    tcase_add_test(tcase, reads_on_in_a_file);
    tcase_add_test(tcase, waits_on_a_pipe_that_does_not_block);
    tcase_add_test(tcase, reads_a_terminal);
    tcase_add_test(tcase, ends_by_a_signal);
    tcase_add_test(tcase, encodes_a_large_binary);
    tcase_add_test(tcase, prints_a_large_binary);
    tcase_add_test(tcase, prints_large_bytes_as_strings);
    tcase_add_test(tcase, prints_large_bits);
    return tcase;
}

static TCase *erlang_case(void)
{
    TCase *tcase = tcase_create("erlang");
    tcase_add_test(tcase, needs_erlang);
    tcase_add_test(tcase, chooses_erl);
    tcase_add_test(tcase, boots_as_a_release_does);
    tcase_add_test(tcase, takes_no_flags_of_other_nodes);
    tcase_add_test(tcase, finds_its_script);
    return tcase;
}

Suite *terms_suite(void)
{
    Suite *suite = suite_create("terms");
    TCase *tcases[] = {syntax_case(), pipes_case(), erlang_case()};
    for (size_t i = 0; i < sizeof tcases / sizeof *tcases; i++) {
        tcase_add_checked_fixture(tcases[i], set_up, folder_remove);
        tcase_set_timeout(tcases[i], 120);
        suite_add_tcase(suite, tcases[i]);
    }
    return suite;
}
