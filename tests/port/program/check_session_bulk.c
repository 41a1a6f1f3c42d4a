/* Tests sessions under each interpreter: large data, through the pipe and through shared memory, and the memory that it
 * takes. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/memfd.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
/* What segments are multiples of. */
#define GRAIN (256 * KIB)

/* How much memory one large array may take besides itself. Sanitizers keep records of memory, an eighth of its size. */
#ifdef __SANITIZE_ADDRESS__
#    define SLACK_MIB 80
#else
#    define SLACK_MIB 16
#endif
#define ARRAY_MIB 256

/* As if the NumPy at run time had another ABI than the engine was built for. */
static const char without_numpy_api[] = "import numpy\n"
                                        "try:\n"
                                        "    from numpy._core import _multiarray_umath as numpy_core\n"
                                        "except ImportError:\n"
                                        "    from numpy.core import _multiarray_umath as numpy_core\n"
                                        "del numpy_core._ARRAY_API\n";

static bool has_numpy(struct session *session)
{
    session_send(session, "{eval, numpy, 'import numpy as np'}");
    return strcmp(session_next_reply(session), "{ok,numpy,nil}") == 0;
}

START_TEST(reports_if_arrays_are_skipped)
{
    struct session *session = SESSION();
    if (!has_numpy(session))
        fprintf(stderr, "check_session_bulk: no arrays under %s, which has no NumPy\n", pythons_path(_i));
    session_end(session, 0);
}
END_TEST

/* -- segments as the client sees them ----------------------------------------------------------------------------- */

struct segment_seen {
    unsigned long long number;
    int fd;
    size_t offset, length;
    size_t size; /* of the whole file, if it was given */
};

static struct segment_seen read_segment(const char *text)
{
    struct segment_seen seen = {0};
    const char *at = strstr(text, "{$segment,");
    ck_assert_msg(at != NULL && sscanf(at, "{$segment,%llu,%d,%zu,%zu,%zu}", &seen.number, &seen.fd, &seen.offset,
                                       &seen.length, &seen.size) >= 4,
                  "no segment in %.200s", text);
    return seen;
}

static struct segment_seen lease_segment(struct session *session, size_t size)
{
    session_send(session, "{segment, lend, %d}", (long long)size);
    struct segment_seen seen = read_segment(session_next_reply(session));
    ck_assert_uint_ge(seen.length, size);
    return seen;
}

static int open_segment(const struct session *session, const struct segment_seen *seen)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)session_pid(session), seen->fd);
    int file = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_msg(file >= 0, "%s: %s", path, strerror(errno));
    return file;
}

static void write_segment(const struct session *session, const struct segment_seen *seen, size_t offset,
                          const void *bytes, size_t length)
{
    int file = open_segment(session, seen);
    for (size_t done = 0; done < length;) {
        ssize_t count = pwrite(file, (const char *)bytes + done, length - done, (off_t)(seen->offset + offset + done));
        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
    close(file);
}

static void expect_in_segment(const struct session *session, const struct segment_seen *seen, const void *bytes,
                              size_t length)
{
    int file = open_segment(session, seen);
    char *got = malloc(length);
    struct stat status;
    ck_assert(fstat(file, &status) == 0 && (seen->size == 0 || status.st_size == (off_t)seen->size));
    ck_assert_uint_eq(seen->length, length);
    ck_assert_int_eq(pread(file, got, length, (off_t)seen->offset), (ssize_t)length);
    ck_assert_mem_eq(got, bytes, length);
    free(got);
    close(file);
}

static void give_back(struct session *session, unsigned long long number)
{
    session_send(session, "{give_back, [%d]}", (long long)number);
}

/* Expects a result of `size` letters through shared memory. */
static struct segment_seen ask_for_letters(struct session *session, char letter, size_t size)
{
    char code[64], expected[128];
    snprintf(code, sizeof code, "'%c' * %zu", letter, size);
    session_send(session, "{eval, 1, %s, #{segments => 1000}}", code);
    const char *reply = session_next_reply(session);
    struct segment_seen seen = read_segment(reply);
    snprintf(expected, sizeof expected, "{ok,1,{$segment,%llu,%d,%zu,%zu,%zu},[%llu]}", seen.number, seen.fd,
             seen.offset, seen.length, seen.size, seen.number);
    ck_assert_str_eq(reply, expected);
    char *letters = malloc(size);
    memset(letters, letter, size);
    expect_in_segment(session, &seen, letters, size);
    free(letters);
    return seen;
}

START_TEST(says_whether_it_has_segments)
{
    struct session *session = SESSION();
    ck_assert_ptr_nonnull(strstr(session_ready(session), "tensors"));
    ck_assert((strstr(session_ready(session), "segments") != NULL) == memfd_is_supported());
    if (!memfd_is_supported())
        fprintf(stderr, "check_session_bulk: no segments, which this system does not have\n");
    session_end(session, 0);
    session = SESSION(.options = {"--segment-limit", "0"});
    ck_assert_ptr_nonnull(strstr(session_ready(session), "tensors"));
    ck_assert_ptr_null(strstr(session_ready(session), "segments"));
    session_send(session, "{segment, 1, 1}");
    session_expect(session, "{ok,1,nil}");
    session_send(session, "{call, 1, 'len', ['abc'], #{}, #{segments => 1}}");
    session_expect(session, "{ok,1,3}");
    session_send(session, "{eval, 1, '[5 * chr(97)]', #{segments => 1}}");
    session_expect(session, "{ok,1,['aaaaa']}");
    session_end(session, 0);
}
END_TEST

START_TEST(takes_data_out_of_segments)
{
    struct session *session = SESSION();
    struct segment_seen seen = lease_segment(session, 1000);
    write_segment(session, &seen, 0, "some text and \xff", 15);
    session_send(session, "{call, 1, 'str.upper', [{$segment, %d, 5, 4}]}", (long long)seen.number);
    session_expect(session, "{ok,1,'TEXT'}");
    session_send(session,
                 "{eval, 2, '(a, b)', #{bindings => #{a => {$segment, %d, 0, 4}, b => [{$segment, %d, 10, 3}]}}}",
                 (long long)seen.number, (long long)seen.number);
    session_expect(session, "{ok,2,{'some',['and']}}");
    session_send(session, "{call, 3, 'list', [{$segment, %d, 13, 2}], #{}, #{binaries => bytes}}",
                 (long long)seen.number);
    session_expect(session, "{ok,3,[32,255]}");
    session_send(session, "{call, 4, 'len', [{$segment, %d, 0, 15}]}", (long long)seen.number);
    session_expect_error(session, "4", "undecodable", "args[0]: a binary that is not UTF-8");
    session_send(session, "{call, 5, 'len', [{$segment, %d, 0, %d}]}", (long long)seen.number,
                 (long long)seen.length + 1);
    session_expect_error(session, "5", "undecodable", "args[0]: segment");
    give_back(session, seen.number);
    session_send(session, "{call, 6, 'len', [{$segment, %d, 0, 4}]}", (long long)seen.number);
    session_expect_error(session, "6", "undecodable", "is not lent");
    session_end(session, 0);
}
END_TEST

START_TEST(takes_code_out_of_segments)
{
    enum { LENGTH = 600 * 1024 };
    static const char mark[] = "\xef\xbb\xbf", last[] = "\nx = 5 + y\n[x, 'é']";
    static const char *const operations[] = {"eval", "exec"};
    struct session *session = SESSION();
    char *code = malloc(LENGTH);
    memset(code, '#', LENGTH);
    memcpy(code, mark, strlen(mark));
    memcpy(code + LENGTH - strlen(last), last, strlen(last));
    struct segment_seen seen = lease_segment(session, LENGTH);
    write_segment(session, &seen, 0, code, LENGTH);
    for (size_t i = 0; i < 2; i++) {
        session_send(session, "{%a, 1, {$segment, %d, 0, %d}, #{bindings => #{y => 1}}}", operations[i],
                     (long long)seen.number, (long long)LENGTH);
        session_expect(session, i == 0 ? "{ok,1,[6,'é']}" : "{ok,1,nil}");
    }
    session_expect_value(session, "x", "6");
    session_send(session, "{stream, 1, {$segment, %d, 0, %d}, #{bindings => #{y => 2}}}", (long long)seen.number,
                 (long long)LENGTH);
    session_send(session, "{next, 1, 1}");
    session_expect(session, "{yield,1,7}");
    session_send(session, "{cancel, 1}");
    session_expect_error(session, "1", "cancelled", "");
    session_send(session, "{eval, 1, {$segment, %d, 0, %d}}", (long long)seen.number, (long long)seen.length + 1);
    session_expect_error(session, "1", "undecodable", "code: segment");
    session_send(session, "{eval, 1, {$segment, %d, 1, 2}}", (long long)seen.number);
    session_expect_error(session, "1", "undecodable", "code: not UTF-8");
    session_send(session, "{eval, 1, {other, 1, 2, 3}}");
    session_expect_error(session, "1", "bad_request", "code is a binary");
    give_back(session, seen.number);
    session_send(session, "{eval, 1, {$segment, %d, 0, 4}}", (long long)seen.number);
    session_expect_error(session, "1", "undecodable", "is not lent");
    free(code);
    session_end(session, 0);
}
END_TEST

START_TEST(puts_results_in_segments)
{
    struct session *session = SESSION();
    struct segment_seen first = ask_for_letters(session, 'a', 1000), second = ask_for_letters(session, 'b', 300000);
    ck_assert(first.fd != second.fd);
    give_back(session, first.number);
    struct segment_seen third = ask_for_letters(session, 'c', 5000);
    ck_assert(third.fd == first.fd && third.number != first.number);
    /* Results below the requested size, keys, text of errors and references go through the pipe. */
    session_expect_value(session, "'d' * 3", "'ddd'");
    session_send(session, "{eval, 1, 'chr(97) * 9', #{segments => 10}}");
    session_expect(session, "{ok,1,'aaaaaaaaa'}");
    session_send(session, "{eval, 1, 'chr(97) * 9', #{segments => 1, return => ref}}");
    ck_assert_ptr_null(strstr(session_next(session), "$segment"));
    session_send(session, "{eval, 1, '1/0', #{segments => 1}}");
    session_expect_error(session, "1", "exception", "division by zero");
    /* Several in one result, wherever they are. */
    session_send(session, "{eval, 1, '[b\"x\" * 10, 5, {7: (b\"y\" * 10, b\"z\")}]', #{segments => 10}}");
    const char *reply = session_next(session);
    struct segment_seen x = read_segment(reply), y = read_segment(strstr(reply, "7=>"));
    char expected[256];
    snprintf(expected, sizeof expected,
             "{ok,1,[{$segment,%llu,%d,0,10,262144},5,#{7=>{{$segment,%llu,%d,0,10,262144},'z'}}],[%llu,%llu]}",
             x.number, x.fd, y.number, y.fd, x.number, y.number);
    ck_assert_str_eq(reply, expected);
    expect_in_segment(session, &x, "xxxxxxxxxx", 10);
    expect_in_segment(session, &y, "yyyyyyyyyy", 10);
    session_end(session, 0);
}
END_TEST

static const char *const bad_options[] = {"0", "-1", "x", "1.5", "'1'"};

START_TEST(refuses_other_sizes)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++) {
        char request[100];
        snprintf(request, sizeof request, "{eval, 1, '1', #{segments => %s}}", bad_options[i]);
        session_send(session, request);
        session_expect_error(session, "1", "bad_request", "options: segments is a number of bytes");
    }
    session_end(session, 0);
}
END_TEST

START_TEST(uses_the_pipe_beyond_the_limit)
{
    struct session *session = SESSION(.options = {"--segment-limit", "524288"});
    struct segment_seen first = ask_for_letters(session, 'a', GRAIN), second = ask_for_letters(session, 'b', 1000);
    session_send(session, "{eval, 1, 'chr(99) * 1000', #{segments => 1000}}");
    ck_assert_int_eq(strncmp(session_next(session), "{ok,1,'ccccc", 12), 0);
    session_send(session, "{segment, 1, 1}");
    session_expect(session, "{ok,1,nil}");
    give_back(session, first.number);
    ck_assert_int_eq(lease_segment(session, GRAIN).fd, first.fd);
    give_back(session, second.number);
    /* Segments are free again if a result turns out to have no term. */
    for (int i = 0; i < 5; i++) {
        session_send(session, "{eval, 1, '[1000 * chr(97), object()]', #{segments => 1000}}");
        session_expect_error(session, "1", "unencodable", "result[1]: builtins.object");
    }
    ask_for_letters(session, 'd', 2000);
    session_end(session, 0);
}
END_TEST

/* Also while Python is busy; a give_back has no answer. */
START_TEST(leases_at_once)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, 'import time\ntime.sleep(0.3)'}");
    struct segment_seen seen = lease_segment(session, 10);
    give_back(session, seen.number);
    ck_assert_int_eq(lease_segment(session, 10).fd, seen.fd);
    session_send(session, "{give_back, [12345, -1]}");
    session_send(session, "{give_back, []}");
    session_send(session, "{give_back, [x]}");
    session_expect_error(session, "nil", "bad_request", "give_back takes a list of segment numbers");
    session_expect(session, "{ok,1,nil}");
    session_end(session, 0);
}
END_TEST

/* Bytes that lie across both. */
START_TEST(takes_data_out_of_two_files)
{
    struct session *session = SESSION();
    struct segment_seen first = {0}, second = {0};
    size_t size;
    ck_assert_ptr_nonnull(strstr(session_ready(session), "segment_files"));
    session_send(session, "{segment, lend, %d, #{files => 2}}", (long long)MIB);
    const char *reply = session_next_reply(session);
    ck_assert_msg(
        sscanf(reply, "{ok,lend,{$segment,%llu,[%d,%d],0,%zu,", &first.number, &first.fd, &second.fd, &size) == 4,
        "two files in %s", reply);
    write_segment(session, &first, size / 2 - 6, "these ", 6);
    write_segment(session, &second, 0, "and those", 9);
    session_send(session, "{call, 1, 'str.upper', [{$segment, %d, %d, 15}]}", (long long)first.number,
                 (long long)size / 2 - 6);
    session_expect(session, "{ok,1,'THESE AND THOSE'}");
    session_send(session, "{call, 2, 'len', [{$segment, %d, 0, %d}]}", (long long)first.number, (long long)size + 1);
    session_expect_error(session, "2", "undecodable", "args[0]: segment");
    give_back(session, first.number);
    session_end(session, 0);
}
END_TEST

/* Expects that the file is the one of that device and inode. */
static void expect_id(const struct session *session, int fd, unsigned long long device, unsigned long long inode)
{
    const struct segment_seen seen = {.fd = fd};
    struct stat status;
    int file = open_segment(session, &seen);
    ck_assert_int_eq(fstat(file, &status), 0);
    close(file);
    ck_assert_uint_eq(device, status.st_dev);
    ck_assert_uint_eq(inode, status.st_ino);
}

START_TEST(identifies_files)
{
    struct session *session = SESSION();
    unsigned long long number, made, device, inode, second_device, second_inode;
    int fd, second;
    size_t size;
    ck_assert_ptr_nonnull(strstr(session_ready(session), "segment_ids"));
    session_send(session, "{eval, 1, '2000 * \"a\"', #{segment_ids => 1000}}");
    const char *reply = session_next_reply(session);
    ck_assert_msg(
        sscanf(reply, "{ok,1,{$segment,%llu,%d,0,2000,%zu,%llu,%llu},[", &number, &fd, &size, &device, &inode) == 5,
        "%s", reply);
    expect_id(session, fd, device, inode);
    session_send(session, "{segment, 2, 1000, #{files => 1, ids => true}}");
    reply = session_next_reply(session);
    ck_assert_msg(sscanf(reply, "{ok,2,{$segment,%llu,[%d],0,%zu,%llu,[{%llu,%llu}]}}", &number, &fd, &size, &made,
                         &device, &inode) == 6,
                  "%s", reply);
    expect_id(session, fd, device, inode);
    session_send(session, "{segment, 3, 1000, #{ids => true, files => 2}}");
    reply = session_next_reply(session);
    ck_assert_msg(sscanf(reply, "{ok,3,{$segment,%llu,[%d,%d],0,%zu,%llu,[{%llu,%llu},{%llu,%llu}]}}", &number, &fd,
                         &second, &size, &made, &device, &inode, &second_device, &second_inode) == 9,
                  "%s", reply);
    expect_id(session, fd, device, inode);
    expect_id(session, second, second_device, second_inode);
    session_send(session, "{segment, 4, 1000, #{ids => 1}}");
    session_expect_error(session, "4", "bad_request", "files, 1 or 2, and ids");
    session_send(session, "{eval, 5, '1', #{segment_ids => 0}}");
    session_expect_error(session, "5", "bad_request", "segment_ids is a number of bytes");
    session_end(session, 0);
}
END_TEST

/* At once, also while Python is busy, and as often as the client likes until it gives the segment back. */
START_TEST(sends_segments_through_the_pipe)
{
    struct session *session = SESSION();
    struct segment_seen seen = ask_for_letters(session, 'q', 300000);
    char *letters = malloc(300000);
    memset(letters, 'q', 300000);
    session_send(session, "{exec, 1, 'import time\ntime.sleep(0.3)'}");
    for (int i = 0; i < 2; i++) {
        struct frame frame;
        session_send(session, "{fetch, 2, %d, 0, 300000}", (long long)seen.number);
        ck_assert(session_next_frame(session, &frame));
        ck_assert_uint_gt(frame.length, 300000);
        ck_assert_mem_eq(frame.bytes + frame.length - 300000, letters, 300000);
        frame_free(&frame);
    }
    session_send(session, "{fetch, 2, %d, 299999, 1}", (long long)seen.number);
    session_expect(session, "{ok,2,'q'}");
    session_send(session, "{fetch, 2, %d, 300000, 0}", (long long)seen.number);
    session_expect(session, "{ok,2,''}");
    session_send(session, "{fetch, 2, %d, %d, 2}", (long long)seen.number, (long long)seen.size - 1);
    session_expect_error(session, "2", "bad_request", "the segment is not leased, is shorter");
    session_send(session, "{fetch, 2, %d, 0, 67108865}", (long long)seen.number);
    session_expect_error(session, "2", "bad_request", "a length of up to 64 MiB");
    session_send(session, "{fetch, 2, %d, -1, 1}", (long long)seen.number);
    session_expect_error(session, "2", "bad_request", "fetch takes the number of a segment");
    give_back(session, seen.number);
    session_send(session, "{fetch, 2, %d, 0, 1}", (long long)seen.number);
    session_expect_error(session, "2", "bad_request", "the segment is not leased");
    session_expect(session, "{ok,1,nil}");
    free(letters);
    session_end(session, 0);
}
END_TEST

/* A client that cuts the file, as opening it for writing may do, only gets an error for it. */
START_TEST(survives_a_client_that_cuts)
{
    struct session *session = SESSION();
    char path[64];
    struct segment_seen seen = lease_segment(session, MIB);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)session_pid(session), seen.fd);
    ck_assert_int_eq(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(truncate(path, 0), -1);
    session_send(session, "{call, 1, 'len', [{$segment, %d, 0, %d}]}", (long long)seen.number, (long long)MIB);
    session_expect(session, "{ok,1,%zu}", MIB);
    session_end(session, 0);
}
END_TEST

/* The client sends more requests than it reads answers, each with data of its own both ways. */
START_TEST(keeps_requests_apart)
{
    enum { REQUESTS = 20, SIZE = 100000 };
    struct session *session = SESSION(.options = {"--segment-limit", "10485760"});
    char *letters = malloc(SIZE);
    for (int round = 0; round < 3; round++) {
        struct segment_seen given[REQUESTS];
        for (int i = 0; i < REQUESTS; i++) {
            memset(letters, 'a' + (i + round) % 26, SIZE);
            given[i] = lease_segment(session, SIZE);
            write_segment(session, &given[i], 0, letters, SIZE);
        }
        for (int i = 0; i < REQUESTS; i++)
            session_send(session, "{call, %d, 'str.upper', [{$segment, %d, 0, %d}], #{}, #{segments => 1000}}",
                         (long long)i, (long long)given[i].number, (long long)SIZE);
        for (int i = 0; i < REQUESTS; i++) {
            struct segment_seen result = read_segment(session_next(session));
            memset(letters, 'A' + (i + round) % 26, SIZE);
            expect_in_segment(session, &result, letters, SIZE);
            give_back(session, result.number);
            give_back(session, given[i].number);
        }
    }
    free(letters);
    session_end(session, 0);
}
END_TEST

/* The leases of a client that died are not given back; its segments end with the session, which ends as usual. */
START_TEST(ends_with_segments_leased)
{
    struct session *session = SESSION();
    for (int i = 0; i < 10; i++) {
        struct segment_seen seen = lease_segment(session, MIB);
        write_segment(session, &seen, 0, "x", 1);
    }
    ask_for_letters(session, 'a', MIB);
    session_close_output(session);
    session_end(session, 0);
}
END_TEST

/* -- arrays ------------------------------------------------------------------------------------------------------- */

#define TENSOR "#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {%d}, data => %b}"

static const struct {
    const char *code, *value;
} same_array[] = {
    {"(type(a).__name__, a.shape, a.dtype.name, a.flags.writeable, a.flags.aligned)",
     "{'ndarray',{100000},'uint8',true,true}"},
    {"bool((a == 97).all())", "true"},
};

/* An array lives on after its request, however many come after it, and does not change with them. */
START_TEST(keeps_arrays_after_the_request)
{
    struct session *session = SESSION();
    if (has_numpy(session)) {
        char *letters = malloc(100000);
        for (int i = 0; i < 20; i++) {
            memset(letters, 'a' + i, 100000);
            session_send(session,
                         "{exec, 1, 'arrays = globals().get(\"arrays\", []) + [x]', #{bindings => #{x => " TENSOR "}}}",
                         100000LL, letters, (size_t)100000);
            session_expect(session, "{ok,1,nil}");
        }
        session_expect_value(session,
                             "[int(a.min()) for a in arrays] == [int(a.max()) for a in arrays] == list(range(97, 117))",
                             "true");
        session_expect_value(session, "a = arrays[0]", "nil");
        for (size_t i = 0; i < 2; i++)
            session_expect_value(session, same_array[i].code, same_array[i].value);
        session_expect_value(session, "a[:] = 5\n[int(a.sum()) for a in arrays[:2]]", "[500000,9800000]");
        free(letters);
    }
    session_end(session, 0);
}
END_TEST

START_TEST(keeps_segments_as_long_as_arrays)
{
    struct session *session = SESSION();
    if (has_numpy(session)) {
        char *letters = malloc(100000);
        memset(letters, 'a', 100000);
        struct segment_seen seen = lease_segment(session, 100000);
        write_segment(session, &seen, 0, letters, 100000);
        session_send(session,
                     "{exec, 1, 'a = x\npart = a[10:]', #{bindings => #{x => #{__struct__ => Elixir.PythonxPort.Tensor,"
                     "  type => {u, 8}, shape => {100000}, data => {$segment, %d, 0, 100000}}}}}",
                     (long long)seen.number);
        session_expect(session, "{ok,1,nil}");
        for (size_t i = 0; i < 2; i++)
            session_expect_value(session, same_array[i].code, same_array[i].value);
        give_back(session, seen.number);
        session_expect_value(session, "del a", "nil");
        ck_assert_int_ne(lease_segment(session, 1000).fd, seen.fd);
        session_expect_value(session, "int(part.sum())", "9699030");
        session_expect_value(session, "del part", "nil");
        struct segment_seen next = lease_segment(session, 1000);
        ck_assert(next.fd == seen.fd && next.number > seen.number);
        free(letters);
    }
    session_end(session, 0);
}
END_TEST

START_TEST(works_without_numpy)
{
    struct session *session = SESSION();
    session_expect_value(session, "import sys\nsys.modules['numpy'] = None", "nil");
    session_send(session, "{call, 1, 'len', [" TENSOR "]}", 1LL, "a", (size_t)1);
    session_expect_error(session, "1", "undecodable", "args[0]: tensors need NumPy in this Python");
    session_expect_value(session, "b'abc'", "'abc'");
    session_end(session, 0);
}
END_TEST

/* Importing NumPy takes longer than a session's start. */
START_TEST(imports_numpy_only_for_arrays)
{
    struct session *session = SESSION();
    session_send(session, "{call, 1, 'len', [#{a => [1, 'b', 2.5]}]}");
    session_expect(session, "{ok,1,1}");
    session_expect_value(session, "import sys\n'numpy' in sys.modules", "false");
    session_end(session, 0);
}
END_TEST

/* -- memory ------------------------------------------------------------------------------------------------------- */

/* The most memory that the process has ever taken, in MiB. */
static long peak_of(const struct session *session)
{
    char path[64], line[256];
    long peak = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)session_pid(session));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %ld kB", &peak) == 1)
            break;
    fclose(file);
    ck_assert_int_gt(peak, 0);
    return peak / 1024;
}

/* Ready for arrays, by NumPy's C API or by the buffer protocol. */
static struct session *start_for_arrays(int turn)
{
    struct session *session = session_start(&(struct session_setup){.python = turn / 2});
    if (!has_numpy(session)) {
        session_end(session, 0);
        return NULL;
    }
    if (turn % 2 == 1)
        session_expect_value(session, without_numpy_api, "nil");
    session_send(session, "{call, 1, 'bool', [" TENSOR "]}", 1LL, "a", (size_t)1);
    session_expect(session, "{ok,1,true}");
    return session;
}

static void expect_growth(const struct session *session, long before)
{
    long growth = peak_of(session) - before;
    ck_assert_msg(growth < ARRAY_MIB + SLACK_MIB, "an array of %d MiB took %ld MiB", ARRAY_MIB, growth);
    ck_assert_msg(growth > ARRAY_MIB - SLACK_MIB, "an array of %d MiB took only %ld MiB?", ARRAY_MIB, growth);
}

/* A request for `code` with an array a, in a frame of its own: head, ones of 32 bits, and what is behind. */
static void send_ones(struct session *session, const char *code)
{
    struct message message = {0};
    unsigned char length[4];
    float *ones = malloc(MIB);
    for (size_t i = 0; i < MIB / sizeof *ones; i++)
        ones[i] = 1.0f;
    message_begin(&message);
    terms_put(&message,
              "{eval, 1, %s, #{bindings => #{a => #{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 32},"
              "  shape => {%d}, data => ''}}}}",
              code, (long long)(ARRAY_MIB * MIB / sizeof *ones));
    frame_put_length(message.bytes, message.length - FRAME_HEADER + ARRAY_MIB * MIB);
    frame_put_length(length, ARRAY_MIB * MIB);
    session_write(session, message.bytes, message.length - sizeof length);
    session_write(session, length, sizeof length);
    for (int i = 0; i < ARRAY_MIB; i++)
        session_write(session, ones, MIB);
    message_free(&message);
    free(ones);
}

#define SUM_OF_ONES "67108864.0"
static const char sum[] = "float(a[0]) + float(a[-1]) - 2 + sum(float(part.sum()) for part in a.reshape(256, -1))"
                          " if (a.dtype.name, a.flags.writeable) == ('float32', True) else None";

START_TEST(takes_one_buffer_for_an_array_in)
{
    struct session *session = start_for_arrays(_i);
    if (session == NULL)
        return;
    long before = peak_of(session);
    send_ones(session, sum);
    session_expect(session, "{ok,1," SUM_OF_ONES "}");
    expect_growth(session, before);
    /* It is gone with its request. */
    send_ones(session, sum);
    session_expect(session, "{ok,1," SUM_OF_ONES "}");
    expect_growth(session, before);
    session_end(session, 0);
}
END_TEST

START_TEST(takes_one_buffer_for_an_array_out)
{
    static const char head[] =
        "#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 32}, shape => {256, 262144}, data => ''}";
    struct session *session = start_for_arrays(_i);
    if (session == NULL)
        return;
    struct message message = {0};
    struct frame frame;
    float one = 1.0f;
    long before = peak_of(session);
    session_send(session, "{eval, 1, 'a = np.ones((256, 262144), chr(102))\na'}");
    ck_assert(session_next_frame(session, &frame));
    message_begin(&message);
    terms_put(&message, "{ok, 1, %t}", span_of("", 0));
    size_t start = message.length - FRAME_HEADER;
    terms_put(&message, head);
    size_t data = message.length - FRAME_HEADER;
    ck_assert_uint_eq(frame.length, data + ARRAY_MIB * MIB);
    ck_assert_mem_eq(frame.bytes, message.bytes + FRAME_HEADER, start);
    ck_assert_mem_eq(frame.bytes + start, message.bytes + FRAME_HEADER + start, data - start - 4);
    /* Each number is the same as the one before it. */
    ck_assert_mem_eq(frame.bytes + data, &one, sizeof one);
    ck_assert(memcmp(frame.bytes + data, frame.bytes + data + sizeof one, ARRAY_MIB * MIB - sizeof one) == 0);
    frame_free(&frame);
    message_free(&message);
    session_expect_value(session, "del a", "nil");
    expect_growth(session, before);
    session_end(session, 0);
}
END_TEST

/* Through shared memory the segment is the buffer. */
START_TEST(takes_one_buffer_for_an_array_in_a_segment)
{
    struct session *session = start_for_arrays(_i);
    if (session == NULL)
        return;
    long before = peak_of(session);
    struct segment_seen seen = lease_segment(session, ARRAY_MIB * MIB);
    float *ones = malloc(MIB);
    for (size_t i = 0; i < MIB / sizeof *ones; i++)
        ones[i] = 1.0f;
    for (size_t i = 0; i < ARRAY_MIB; i++)
        write_segment(session, &seen, i * MIB, ones, MIB);
    free(ones);
    session_send(session,
                 "{eval, 1, %s, #{bindings => #{a => #{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 32},"
                 "  shape => {67108864}, data => {$segment, %d, 0, %d}}}}}",
                 sum, (long long)seen.number, (long long)(ARRAY_MIB * MIB));
    session_expect(session, "{ok,1," SUM_OF_ONES "}");
    expect_growth(session, before);
    session_end(session, 0);
}
END_TEST

/* -- arrays in segments ------------------------------------------------------------------------------------------- */

/* One free segment of a MiB, and what makes arrays that lie there. */
static struct session *start_with_warm_memory(int turn)
{
    struct session *session = session_start(&(struct session_setup){.python = turn});
    if (!has_numpy(session)) {
        session_end(session, 0);
        return NULL;
    }
    session_expect_value(session, "import numpy as np", "nil");
    session_expect_value(session, "def letters(letter, count=1 << 20): return np.full(count, ord(letter), np.uint8)",
                         "nil");
    return session;
}

static struct segment_seen expect_letters(struct session *session, const char *code, char letter, size_t count)
{
    char *letters = malloc(count);
    memset(letters, letter, count);
    session_send(session, "{eval, 1, %s, #{segments => 1000}}", code);
    struct segment_seen seen = read_segment(session_next_reply(session));
    expect_in_segment(session, &seen, letters, count);
    free(letters);
    return seen;
}

START_TEST(leases_the_array_itself)
{
    struct session *session = start_with_warm_memory(_i);
    if (session == NULL)
        return;
    struct segment_seen seen = expect_letters(session, "letters(chr(97))", 'a', MIB);
    give_back(session, seen.number);
    int fd = seen.fd;
    /* The array is made there, and goes from there. */
    session_expect_value(session, "made = [letters(chr(98))]", "nil");
    seen = expect_letters(session, "made.pop()", 'b', MIB);
    ck_assert_int_eq(seen.fd, fd);
    /* Python's later changes do not reach it until it is given back. */
    session_expect_value(session, "others = [letters(chr(99)) for _ in range(9)]", "nil");
    struct segment_seen other = expect_letters(session, "others.pop()", 'c', MIB);
    ck_assert_int_ne(other.fd, fd);
    session_expect_value(session, "for array in others: array[:] = 0", "nil");
    char *letters = malloc(MIB);
    memset(letters, 'b', MIB);
    expect_in_segment(session, &seen, letters, MIB);
    free(letters);
    session_end(session, 0);
}
END_TEST

START_TEST(copies_what_python_keeps)
{
    struct session *session = start_with_warm_memory(_i);
    if (session == NULL)
        return;
    struct segment_seen seen = expect_letters(session, "letters(chr(97))", 'a', MIB);
    give_back(session, seen.number);
    session_expect_value(session, "x = letters(chr(98))", "nil");
    struct segment_seen first = expect_letters(session, "x", 'b', MIB);
    ck_assert_int_ne(first.fd, seen.fd);
    session_expect_value(session, "x[:] = ord(chr(99))", "nil");
    expect_letters(session, "x", 'c', MIB);
    session_expect_value(session, "x = x[:]; y = [x.base, x]", "nil");
    expect_letters(session, "y.pop()", 'c', MIB);
    expect_letters(session, "(lambda: x)()", 'c', MIB);
    session_end(session, 0);
}
END_TEST

/* The array lies in the warm segment; the code decides whether it is sent from there. */
static const struct {
    const char *setup, *code;
    bool itself;
} owners[] = {
    {"x = [letters(chr(98))]", "x.pop()", true},
    {"x = [letters(chr(98))]", "[x.pop()]", true},
    {"x = [letters(chr(98))]", "{chr(97): [(1, x.pop()), 2]}", true},
    {"x = [letters(chr(98))]", "({1: x.pop()},)", true},
    {"x = [letters(chr(98))]", "x.pop().reshape(1 << 20, 1)", true},
    {"x = [letters(chr(98), (1 << 20) + 16)]", "x.pop()[16:]", true},
    {"x = [letters(chr(98))]", "x", false},
    {"x = [letters(chr(98))]", "[x]", false},
    {"x = (letters(chr(98)),)", "{1: x}", false},
    {"x = letters(chr(98))", "x[:]", false},
    {"x = letters(chr(98))", "[x.reshape(1, 1 << 20)]", false},
    {"x = [letters(chr(98))]; y = memoryview(x[0])", "x.pop()", false},
};
#define OWNER_COUNT (sizeof owners / sizeof *owners)

START_TEST(counts_references_to_an_array)
{
    for (size_t i = 0; i < OWNER_COUNT; i++) {
        struct session *session = start_with_warm_memory(_i);
        if (session == NULL)
            return;
        struct segment_seen warm = expect_letters(session, "letters(chr(97), (1 << 20) + 16)", 'a', MIB + 16);
        give_back(session, warm.number);
        session_expect_value(session, owners[i].setup, "nil");
        struct segment_seen seen = expect_letters(session, owners[i].code, 'b', MIB);
        ck_assert_msg((seen.fd == warm.fd) == owners[i].itself, "%s; %s", owners[i].setup, owners[i].code);
        session_end(session, 0);
    }
}
END_TEST

/* By code that runs as the result is encoded, and a weak reference. */
START_TEST(detaches_an_array_that_was_found)
{
    struct session *session = start_with_warm_memory(_i);
    if (session == NULL)
        return;
    struct segment_seen warm = expect_letters(session, "letters(chr(97))", 'a', MIB);
    give_back(session, warm.number);
    session_expect_value(session,
                         "import weakref\n"
                         "found, made = [], [letters(chr(98))]\n"
                         "there = weakref.ref(made[0])\n"
                         "class Finder:\n"
                         "    def __array__(self, dtype=None, copy=None):\n"
                         "        found.append(there())\n"
                         "        return np.zeros(1)\n",
                         "nil");
    struct segment_seen seen = expect_letters(session, "(made.pop(), Finder())", 'b', MIB);
    ck_assert_int_eq(seen.fd, warm.fd);
    session_expect_value(session, "found[0][:] = 0", "nil");
    char *letters = malloc(MIB);
    memset(letters, 'b', MIB);
    expect_in_segment(session, &seen, letters, MIB);
    free(letters);
    give_back(session, seen.number);
    session_expect_value(session, "int(found.pop().sum()), there() is None", "{0,true}");
    session_expect_value(session, "int(letters(chr(99))[5])", "99");
    session_end(session, 0);
}
END_TEST

START_TEST(serves_numpy_as_malloc_does)
{
    struct session *session = start_with_warm_memory(_i);
    if (session == NULL)
        return;
    for (int i = 0; i < 3; i++)
        give_back(session, expect_letters(session, "letters(chr(97), 3 << 20)", 'a', 3 * MIB).number);
    session_expect_value(session, "np.zeros(3 << 20, np.uint8).any()", "false");
    session_expect_value(session, "a = np.arange(300000); a.resize(390000, refcheck=False); int(a.sum())",
                         "44999850000");
    session_expect_value(session, "a.resize(9000000, refcheck=False); a[300000:].any()", "false");
    session_expect_value(session, "a.resize(300000, refcheck=False); a.resize(100, refcheck=False); int(a.sum())",
                         "4950");
    session_expect_value(session, "a.resize(400000, refcheck=False); int(a.sum())", "4950");
    session_expect_value(session, "[int(np.ones((n, 400000)).sum()) for n in range(3)]", "[0,400000,800000]");
    session_expect_value(session, "from threading import Thread; b = []", "nil");
    session_expect_value(session, "t = Thread(target=lambda: b.append(a.copy() + letters(chr(1), 400000)))", "nil");
    session_expect_value(session, "t.start(); t.join(); int(b.pop().sum())", "404950");
    session_end(session, 0);
}
END_TEST

/* A child's memory is its own, whatever happens to the parent's: both write, the parent drops and uses it again. */
START_TEST(keeps_children_apart)
{
    struct session *session = start_with_warm_memory(_i);
    if (session == NULL)
        return;
    struct segment_seen seen = expect_letters(session, "letters(chr(97))", 'a', MIB);
    give_back(session, seen.number);
    struct segment_seen sent = lease_segment(session, MIB);
    write_segment(session, &sent, 0, "abc", 3);
    session_expect_value(session, "import os; x = letters(chr(98))", "nil");
    session_send(session,
                 "{exec, 1, 'y = given', #{bindings => #{given => #{__struct__ => Elixir.PythonxPort.Tensor,"
                 "  type => {u, 8}, shape => {3}, data => {$segment, %d, 0, 3}}}}}",
                 (long long)sent.number);
    session_expect(session, "{ok,1,nil}");
    give_back(session, sent.number);
    session_expect_value(
        session,
        "there, here = os.pipe(), os.pipe()\n"
        "def child():\n"
        "    x[:5] = y[:] = 1\n"
        "    os.write(here[1], b'1')\n"
        "    os.read(there[0], 1)\n"
        "    fresh = [letters(chr(100)) for _ in range(3)]\n"
        "    os.write(here[1], bytes([int(x.sum()) == 5 + 98 * (x.size - 5), int(y.sum()) == 3, int(fresh[2][7])]))\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    child()\n"
        "    os._exit(0)\n"
        "(os.read(here[0], 1), int(x.sum()) == 98 * x.size, y.tobytes())",
        "{'1',true,'abc'}");
    session_expect_value(session, "x[:] = 7; y[:] = 8", "nil");
    seen = expect_letters(session, "x", 7, MIB);
    session_expect_value(session, "del x, y", "nil");
    for (int i = 0; i < 3; i++)
        give_back(session, expect_letters(session, "letters(chr(101))", 'e', MIB).number);
    session_expect_value(session, "os.write(there[1], b'2'); tuple(os.read(here[0], 3))", "{1,1,100}");
    session_expect_value(session, "os.waitpid(pid, 0)[1]", "0");
    session_end(session, 0);
}
END_TEST

static TCase *segments_tcase(int pythons)
{
    TCase *tcase = tcase_create("segments");
    tcase_add_loop_test(tcase, takes_data_out_of_segments, 0, pythons);
    tcase_add_loop_test(tcase, takes_code_out_of_segments, 0, pythons);
    tcase_add_loop_test(tcase, puts_results_in_segments, 0, pythons);
    tcase_add_loop_test(tcase, uses_the_pipe_beyond_the_limit, 0, pythons);
    tcase_add_loop_test(tcase, leases_at_once, 0, pythons);
    tcase_add_loop_test(tcase, takes_data_out_of_two_files, 0, pythons);
    tcase_add_loop_test(tcase, identifies_files, 0, pythons);
    tcase_add_loop_test(tcase, sends_segments_through_the_pipe, 0, pythons);
    tcase_add_loop_test(tcase, survives_a_client_that_cuts, 0, pythons);
    tcase_add_loop_test(tcase, keeps_requests_apart, 0, pythons);
    tcase_add_loop_test(tcase, ends_with_segments_leased, 0, pythons);
    tcase_add_loop_test(tcase, keeps_segments_as_long_as_arrays, 0, pythons);
    tcase_add_loop_test(tcase, leases_the_array_itself, 0, pythons);
    tcase_add_loop_test(tcase, copies_what_python_keeps, 0, pythons);
    tcase_add_loop_test(tcase, counts_references_to_an_array, 0, pythons);
    tcase_add_loop_test(tcase, detaches_an_array_that_was_found, 0, pythons);
    tcase_add_loop_test(tcase, serves_numpy_as_malloc_does, 0, pythons);
    tcase_add_loop_test(tcase, keeps_children_apart, 0, pythons);
    tcase_set_timeout(tcase, 30);
    return tcase;
}

Suite *session_bulk_suite(void)
{
    Suite *suite = suite_create("session_bulk");
    TCase *tcase = tcase_create("bulk");
    int pythons = pythons_count();
    tcase_add_loop_test(tcase, reports_if_arrays_are_skipped, 0, pythons);
    tcase_add_loop_test(tcase, says_whether_it_has_segments, 0, pythons);
    tcase_add_loop_test(tcase, refuses_other_sizes, 0, pythons);
    tcase_add_loop_test(tcase, keeps_arrays_after_the_request, 0, pythons);
    tcase_add_loop_test(tcase, works_without_numpy, 0, pythons);
    tcase_add_loop_test(tcase, imports_numpy_only_for_arrays, 0, pythons);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    if (memfd_is_supported())
        suite_add_tcase(suite, segments_tcase(pythons));
    TCase *memory = tcase_create("memory");
    tcase_add_loop_test(memory, takes_one_buffer_for_an_array_in, 0, 2 * pythons);
    tcase_add_loop_test(memory, takes_one_buffer_for_an_array_out, 0, 2 * pythons);
    if (memfd_is_supported())
        tcase_add_loop_test(memory, takes_one_buffer_for_an_array_in_a_segment, 0, 2 * pythons);
    tcase_set_timeout(memory, 60);
    suite_add_tcase(suite, memory);
    return suite;
}
