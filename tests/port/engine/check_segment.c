/* Tests shared memory: segments that are leased, pinned and released, and the requests about them. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/memfd.h"
#include "shm/segment.h"
#include "shm/segment_request.h"
#include "suites.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/request.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
/* The smallest that there is. */
#define SMALL (256 * KIB)

static struct segment_lease lease_of(size_t size)
{
    struct segment_lease lease = {0};
    ck_assert_msg(segment_lease(size, &lease), "no segment of %zu bytes", size);
    ck_assert_uint_ge(lease.size, size);
    return lease;
}

static void expect_refused(size_t size)
{
    struct segment_lease lease;
    ck_assert_msg(!segment_lease(size, &lease), "a segment of %zu bytes", size);
}

static void expect_totals(size_t total, size_t used)
{
    size_t got_total, got_used;
    segment_totals(&got_total, &got_used);
    ck_assert_uint_eq(got_total, total);
    ck_assert_uint_eq(got_used, used);
}

static struct segment *pin(unsigned long long number, size_t offset, size_t length)
{
    unsigned char *bytes;
    struct segment *segment = segment_pin(number, offset, length, &bytes);
    if (segment != NULL && length > 0)
        bytes[length - 1] ^= bytes[0]; /* all of it is there */
    return segment;
}

/* As the client opens it. */
static int open_file(int fd, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
    return open(path, flags | O_CLOEXEC);
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* -- lending ------------------------------------------------------------------------------------------------------ */

START_TEST(leases_files_that_both_sides_see)
{
    segment_start(MIB);
    ck_assert(segment_is_supported());
    struct segment_lease lease = lease_of(1000);
    memcpy(lease.bytes + 10, "from here", 9);
    int file = open_file(lease.fd, O_RDWR);
    ck_assert_int_ge(file, 0);
    char text[9];
    ck_assert_int_eq(pread(file, text, 9, 10), 9);
    ck_assert_mem_eq(text, "from here", 9);
    ck_assert_int_eq(pwrite(file, "from there", 10, 500), 10);
    close(file);
    ck_assert_mem_eq(lease.bytes + 500, "from there", 10);
    expect_totals(SMALL, SMALL);
}
END_TEST

START_TEST(rounds_sizes)
{
    static const size_t sizes[][2] = {
        {0, SMALL}, {1, SMALL}, {SMALL - 1, SMALL}, {SMALL, SMALL}, {SMALL + 1, 2 * SMALL}, {3 * MIB, 3 * MIB}};
    segment_start(100 * MIB);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ck_assert_uint_eq(lease_of(sizes[i][0]).size, sizes[i][1]);
}
END_TEST

START_TEST(keeps_to_the_limit)
{
    segment_start(0);
    ck_assert(!segment_is_supported());
    expect_refused(0);
    expect_refused(1);
    segment_start(SMALL - 1);
    expect_refused(1);
    segment_start(MIB);
    expect_refused(MIB + 1);
    expect_refused(SIZE_MAX);
    struct segment_lease first = lease_of(MIB / 2), second = lease_of(MIB / 2);
    expect_refused(1);
    segment_release(first.number);
    expect_refused(MIB / 2 + 1);
    ck_assert_int_eq(lease_of(MIB / 2).fd, first.fd);
    segment_release(second.number);
    expect_totals(MIB, MIB / 2);
}
END_TEST

START_TEST(refuses_what_the_system_cannot_give)
{
    segment_start(SIZE_MAX);
    int before = count_descriptors();
    expect_refused(SIZE_MAX / 2);
    expect_refused((size_t)1 << 60);
    ck_assert_int_eq(count_descriptors(), before);
    expect_totals(0, 0);
    lease_of(1);
}
END_TEST

/* The pages stay warm; the number is a new one each time. */
START_TEST(uses_segments_again)
{
    segment_start(100 * MIB);
    struct segment_lease first = lease_of(MIB), last = first;
    for (int i = 0; i < 1000; i++) {
        segment_release(last.number);
        struct segment_lease next = lease_of(MIB - (size_t)i);
        ck_assert(next.fd == first.fd && next.bytes == first.bytes && next.number > last.number);
        last = next;
    }
    expect_totals(MIB, MIB);
}
END_TEST

START_TEST(takes_the_one_that_fits_best)
{
    segment_start(100 * MIB);
    struct segment_lease large = lease_of(8 * MIB), middle = lease_of(3 * MIB), other = lease_of(4 * MIB);
    segment_release(large.number);
    segment_release(other.number);
    segment_release(middle.number);
    ck_assert_int_eq(lease_of(2 * MIB).fd, middle.fd);
    ck_assert_int_eq(lease_of(2 * MIB).fd, other.fd);
    ck_assert_int_eq(lease_of(2 * MIB).fd, large.fd);
    /* A large segment is not leased for a small size. */
    segment_release(lease_of(64 * MIB).number);
    ck_assert_uint_eq(lease_of(1).size, SMALL);
}
END_TEST

/* Free segments of the wrong size make room for others. */
START_TEST(drops_free_ones_for_room)
{
    segment_start(4 * MIB);
    int before = count_descriptors();
    struct segment_lease leases[4];
    for (int i = 0; i < 4; i++)
        leases[i] = lease_of(MIB);
    for (int i = 0; i < 3; i++)
        segment_release(leases[i].number);
    memset(leases[3].bytes, 'x', MIB);
    expect_refused(4 * MIB);
    struct segment_lease large = lease_of(3 * MIB);
    memset(large.bytes, 'y', 3 * MIB);
    ck_assert(leases[3].bytes[0] == 'x' && leases[3].bytes[MIB - 1] == 'x');
    expect_totals(4 * MIB, 4 * MIB);
    ck_assert_int_eq(count_descriptors(), before + 2);
}
END_TEST

START_TEST(is_bounded_in_count)
{
    static struct segment_lease leases[1000];
    struct segment_lease more;
    segment_start((size_t)10000 * MIB);
    size_t count = 0;
    while (count < 1000 && segment_lease(1, &leases[count]))
        count++;
    ck_assert(count >= 100 && count < 1000);
    segment_release(leases[5].number);
    ck_assert(segment_lease(1, &more));
    expect_refused(1);
    segment_release(more.number);
    ck_assert(segment_lease(MIB, &more)); /* one of another size is dropped for it */
}
END_TEST

/* -- two files ---------------------------------------------------------------------------------------------------- */

static struct segment_lease lend_two(size_t size)
{
    struct segment_lease lease = {0};
    ck_assert_msg(segment_lease_files(size, 2, &lease), "no two files of %zu bytes", size);
    ck_assert_uint_ge(lease.size, size);
    ck_assert_int_ge(lease.second_fd, 0);
    return lease;
}

static void write_file(int fd, const char *text, size_t offset)
{
    int file = open_file(fd, O_RDWR);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(pwrite(file, text, strlen(text), (off_t)offset), (ssize_t)strlen(text));
    close(file);
}

START_TEST(joins_two_files)
{
    segment_start(100 * MIB);
    struct segment_lease lease = lend_two(3 * MIB);
    size_t half = lease.size / 2;
    ck_assert_uint_eq(lease.size, 3 * MIB);
    ck_assert_uint_eq(lend_two(1).size, 2 * SMALL);
    ck_assert_uint_eq(lend_two(2 * SMALL + 1).size, 4 * SMALL);
    ck_assert_int_ne(lease.fd, lease.second_fd);
    write_file(lease.fd, "at the end of one", half - 17);
    write_file(lease.second_fd, ", at the start of the other", 0);
    ck_assert_mem_eq(lease.bytes + half - 17, "at the end of one, at the start of the other", 44);
    ck_assert_ptr_nonnull(pin(lease.number, half - 10, 20));
    /* Each is sealed. */
    int file = open_file(lease.second_fd, O_RDWR);
    ck_assert_int_eq(ftruncate(file, 0), -1);
    ck_assert_int_eq(pwrite(file, "x", 1, (off_t)half), -1);
    close(file);
}
END_TEST

START_TEST(keeps_one_and_two_apart)
{
    segment_start(4 * MIB);
    int before = count_descriptors();
    struct segment_lease two = lend_two(2 * MIB);
    segment_release(two.number);
    struct segment_lease one = lease_of(2 * MIB);
    ck_assert(one.second_fd == -1 && one.fd != two.fd && one.fd != two.second_fd);
    segment_release(one.number);
    ck_assert_int_eq(lend_two(2 * MIB).second_fd, two.second_fd);
    expect_totals(4 * MIB, 2 * MIB);
    ck_assert_int_eq(count_descriptors(), before + 3);
    /* Room is made by dropping either. */
    segment_release(two.number + 2);
    lease_of(4 * MIB);
    ck_assert_int_eq(count_descriptors(), before + 1);
    expect_totals(4 * MIB, 4 * MIB);
}
END_TEST

START_TEST(reads_across_files_as_the_client_sees_them)
{
    segment_start(100 * MIB);
    struct segment_lease lease = lend_two(3 * MIB), one = lease_of(MIB);
    size_t half = lease.size / 2;
    char text[17] = "";
    memcpy(lease.bytes + half - 4, "both files", 10);
    ck_assert(segment_read(lease.number, half - 4, text, 10));
    ck_assert_str_eq(text, "both files");
    ck_assert(segment_read(lease.number, half + 1, text, 5));
    ck_assert_mem_eq(text, "files", 5);
    ck_assert(segment_read(lease.number, half - 4, text, 3));
    ck_assert_mem_eq(text, "bot", 3);
    ck_assert(segment_read(lease.number, lease.size, text, 0));
    ck_assert(!segment_read(lease.number, lease.size - 1, text, 2));
    ck_assert(!segment_read(lease.number + 100, 0, text, 1));
    /* Python's later changes are not in the file. */
    memcpy(one.bytes, "before", 6);
    struct segment *pinned = pin(one.number, MIB, 0);
    segment_detach(one.number);
    memcpy(one.bytes, "behind", 6);
    ck_assert(segment_read(one.number, 0, text, 6));
    ck_assert_mem_eq(text, "before", 6);
    segment_release(one.number);
    segment_unpin(pinned);
    ck_assert(!segment_read(one.number, 0, text, 1));
}
END_TEST

START_TEST(identifies_files)
{
    segment_start(100 * MIB);
    struct segment_lease lease = lend_two(3 * MIB), one = lease_of(MIB);
    const struct memfd_id ids[] = {lease.id, lease.second_id, one.id};
    const int fds[] = {lease.fd, lease.second_fd, one.fd};
    for (int i = 0; i < 3; i++) {
        struct stat status;
        int file = open_file(fds[i], O_RDONLY);
        ck_assert_int_eq(fstat(file, &status), 0);
        close(file);
        ck_assert_uint_eq(ids[i].device, status.st_dev);
        ck_assert_uint_eq(ids[i].inode, status.st_ino);
        for (int j = 0; j < i; j++)
            ck_assert_uint_ne(ids[i].inode, ids[j].inode);
    }
}
END_TEST

/* The generation of the files distinguishes them from others with the same descriptors. */
START_TEST(numbers_files)
{
    segment_start(MIB);
    struct segment_lease first = lend_two(MIB);
    segment_release(first.number);
    struct segment_lease again = lend_two(MIB);
    ck_assert(again.generation == first.generation && again.number != first.number);
    segment_release(again.number);
    struct segment_lease one = lease_of(MIB);
    ck_assert(one.generation != first.generation && one.fd == first.fd);
    segment_release(one.number);
    struct segment_lease last = lend_two(MIB);
    ck_assert(last.fd == first.fd && last.generation != first.generation && last.generation != one.generation);
}
END_TEST

/* A segment that could not be created leaves neither descriptors nor memory behind. */
START_TEST(refuses_two_files_if_one_is_left)
{
    struct segment_lease lease;
    struct rlimit limit;
    segment_start(SIZE_MAX);
    int before = count_descriptors(), next = dup(0);
    close(next);
    ck_assert(!segment_lease_files((size_t)1 << 60, 2, &lease));
    ck_assert(!segment_lease_files(SIZE_MAX, 2, &lease));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 10; i++)
        ck_assert(!segment_lease_files(MIB, 2, &lease));
    lease_of(MIB);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(count_descriptors(), before + 1);
    expect_totals(MIB, MIB);
    lend_two(MIB);
}
END_TEST

/* -- giving back -------------------------------------------------------------------------------------------------- */

START_TEST(ignores_numbers_that_are_not_leased)
{
    segment_start(MIB);
    struct segment_lease lease = lease_of(MIB);
    segment_release(0);
    segment_release(lease.number + 1);
    segment_release(~0ULL);
    expect_refused(1);
    segment_release(lease.number);
    struct segment_lease next = lease_of(MIB);
    segment_release(lease.number); /* once more, too late */
    expect_refused(1);
    segment_release(next.number);
}
END_TEST

START_TEST(is_not_free_while_it_is_pinned)
{
    segment_start(MIB);
    struct segment_lease lease = lease_of(MIB);
    struct segment *first = pin(lease.number, 0, MIB), *second = pin(lease.number, MIB - 1, 1);
    ck_assert(first != NULL && second != NULL);
    segment_release(lease.number);
    expect_totals(MIB, MIB);
    expect_refused(1);
    ck_assert_ptr_null(pin(lease.number, 0, 1));
    segment_unpin(first);
    expect_refused(1);
    segment_unpin(second);
    expect_totals(MIB, 0);
    ck_assert_int_eq(lease_of(MIB).fd, lease.fd);
}
END_TEST

START_TEST(pins_only_what_is_in_a_segment)
{
    segment_start(MIB);
    struct segment_lease lease = lease_of(MIB);
    static const size_t bad[][2] = {{0, MIB + 1},
                                    {1, MIB},
                                    {MIB, 1},
                                    {MIB + 1, 0},
                                    {SIZE_MAX, 1},
                                    {SIZE_MAX, 2},
                                    {1, SIZE_MAX},
                                    {SIZE_MAX, SIZE_MAX},
                                    {MIB, SIZE_MAX - MIB + 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_ptr_null(pin(lease.number, bad[i][0], bad[i][1]));
    ck_assert_ptr_null(pin(lease.number + 1, 0, 1));
    static const size_t good[][2] = {{0, MIB}, {MIB, 0}, {MIB - 1, 1}, {0, 0}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_ptr_nonnull(pin(lease.number, good[i][0], good[i][1]));
}
END_TEST

/* -- the file ----------------------------------------------------------------------------------------------------- */

/* Or the next access to the mapping would end the process. */
START_TEST(cannot_be_cut_by_the_client)
{
    segment_start(MIB);
    struct segment_lease lease = lease_of(MIB);
    memset(lease.bytes, 'x', MIB);
    ck_assert_int_eq(open_file(lease.fd, O_RDWR | O_TRUNC), -1);
    ck_assert_int_eq(errno, EPERM);
    int file = open_file(lease.fd, O_RDWR);
    ck_assert_int_eq(ftruncate(file, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(file, 2 * (off_t)MIB), -1);
    ck_assert_int_eq(pwrite(file, "x", 1, (off_t)MIB), -1);
    close(file);
    ck_assert(lease.bytes[0] == 'x' && lease.bytes[MIB - 1] == 'x');
}
END_TEST

START_TEST(leaves_nothing_in_a_file_system)
{
    segment_start(MIB);
    struct segment_lease lease = lease_of(MIB);
    char path[64], target[256] = "";
    struct stat status;
    snprintf(path, sizeof path, "/proc/self/fd/%d", lease.fd);
    ck_assert_int_gt(readlink(path, target, sizeof target - 1), 0);
    ck_assert_str_eq(target, "/memfd:pythonx_port (deleted)");
    ck_assert_int_eq(fstat(lease.fd, &status), 0);
    ck_assert_uint_eq(status.st_nlink, 0);
    ck_assert(fcntl(lease.fd, F_GETFD) & FD_CLOEXEC);
}
END_TEST

/* -- threads ------------------------------------------------------------------------------------------------------ */

#define THREADS 8
#define TURNS 3000

static atomic_ulong denied;

/* Each turn has a segment of its own, in which no other thread writes as long as it is leased or pinned. */
static void *take_turns(void *argument)
{
    const unsigned char *mark = argument;
    for (int turn = 0; turn < TURNS; turn++) {
        struct segment_lease lease;
        unsigned char *bytes;
        size_t size = (size_t)(turn % 3 + 1) * SMALL;
        if (!segment_lease(size, &lease)) {
            atomic_fetch_add(&denied, 1);
            continue;
        }
        struct segment *segment = segment_pin(lease.number, 0, size, &bytes);
        if (segment == NULL || bytes != lease.bytes)
            return NULL;
        memset(bytes, *mark, 100);
        bytes[size - 1] = *mark;
        segment_release(lease.number);
        for (int i = 0; i < 100; i++)
            if (bytes[i] != *mark)
                return NULL;
        if (bytes[size - 1] != *mark)
            return NULL;
        segment_unpin(segment);
    }
    return argument;
}

START_TEST(serves_threads)
{
    pthread_t threads[THREADS];
    static unsigned char marks[THREADS];
    segment_start(3 * MIB);
    for (int i = 0; i < THREADS; i++) {
        marks[i] = (unsigned char)(i + 1);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_turns, &marks[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_eq(result, &marks[i]);
    }
    ck_assert_uint_lt(atomic_load(&denied), THREADS * TURNS / 2);
    size_t total, used;
    segment_totals(&total, &used);
    ck_assert_uint_le(total, 3 * MIB);
    ck_assert_uint_eq(used, 0);
}
END_TEST

/* -- requests ----------------------------------------------------------------------------------------------------- */

/* Reads a request off a frame. */
static struct request request_of(const char *term)
{
    struct message message = {0};
    struct request request;
    struct request_refusal refusal;
    message_begin(&message);
    terms_put(&message, term);
    size_t length = message.length - FRAME_HEADER;
    unsigned char *bytes = malloc(length);
    memcpy(bytes, message.bytes + FRAME_HEADER, length);
    message_free(&message);
    struct frame frame = {bytes, length, bytes};
    ck_assert_msg(request_read(&frame, &request, &refusal), "%s: %s", term, refusal.message);
    return request;
}

static void expect_answer(const char *term, const char *answer)
{
    struct request request = request_of(term);
    struct message message = {0};
    message_begin(&message);
    segment_request_lease(&message, &request);
    char *shown = terms_show(span_of(message.bytes + FRAME_HEADER + 1, message.length - FRAME_HEADER - 1));
    ck_assert_str_eq(shown, answer);
    free(shown);
    message_free(&message);
    request_free(&request);
}

START_TEST(answers_requests_for_segments)
{
    char answer[100];
    segment_start(MIB);
    struct segment_lease lease = lease_of(1);
    segment_release(lease.number);
    snprintf(answer, sizeof answer, "{ok,{id,1},{$segment,%llu,%d,0,262144}}", lease.number + 1, lease.fd);
    expect_answer("{segment, {id, 1}, 1000}", answer);
    expect_answer("{segment, 1, 1048577}", "{ok,1,nil}");
    expect_answer("{segment, 1, 9223372036854775807}", "{ok,1,nil}");
    static const char *const bad[] = {"{segment, 1, -1}",
                                      "{segment, 1, x}",
                                      "{segment, 1, 1.0}",
                                      "{segment, 1, []}",
                                      "{segment, 1, {1}}",
                                      "{segment, 1, '1'}",
                                      "{segment, 1, 1, []}",
                                      "{segment, 1, 1, 2}",
                                      "{segment, 1, 1, #{x => 1}}",
                                      "{segment, 1, 1, #{'files' => 1}}",
                                      "{segment, 1, 1, #{files => 0}}",
                                      "{segment, 1, 1, #{files => 3}}",
                                      "{segment, 1, 1, #{files => x}}",
                                      "{segment, 1, 1, #{files => 1, more => 1}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_answer(bad[i],
                      "{error,1,#{kind=>bad_request,message=>"
                      "'segment takes a number of bytes, and options: files, 1 or 2, and ids, true or false'}}");
}
END_TEST

START_TEST(answers_requests_with_options)
{
    char answer[100];
    segment_start(MIB);
    struct segment_lease one = lease_of(1), two = lend_two(1);
    segment_release(one.number);
    segment_release(two.number);
    snprintf(answer, sizeof answer, "{ok,1,{$segment,%llu,[%d],0,262144,%llu}}", two.number + 1, one.fd,
             one.generation);
    expect_answer("{segment, 1, 1000, #{}}", answer);
    segment_release(two.number + 1);
    snprintf(answer, sizeof answer, "{ok,1,{$segment,%llu,[%d],0,262144,%llu}}", two.number + 2, one.fd,
             one.generation);
    expect_answer("{segment, 1, 1000, #{files => 1}}", answer);
    snprintf(answer, sizeof answer, "{ok,1,{$segment,%llu,[%d,%d],0,524288,%llu}}", two.number + 3, two.fd,
             two.second_fd, two.generation);
    expect_answer("{segment, 1, 1000, #{files => 2}}", answer);
    expect_answer("{segment, 1, 1000, #{files => 2}}", "{ok,1,nil}");
}
END_TEST

static bool give_back(const char *term)
{
    struct request request = request_of(term);
    bool understood = segment_request_give_back(&request);
    request_free(&request);
    return understood;
}

START_TEST(takes_segments_back)
{
    char term[100];
    segment_start(MIB);
    unsigned long long number = 0;
    for (int i = 0; i < 400; i++) { /* numbers of one byte, and of more */
        number = lease_of(MIB).number;
        snprintf(term, sizeof term, "{give_back, [%llu, %llu]}", number + 1, number);
        ck_assert(give_back(term));
        expect_totals(MIB, 0);
    }
    ck_assert(give_back("{give_back, []}"));
    ck_assert(give_back("{give_back, [1, -1, 1000, 9223372036854775807]}"));
    static const char *const bad[] = {"{give_back, 1}", "{give_back, x}", "{give_back, [x]}", "{give_back, [1, [2]]}",
                                      "{give_back, #{}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!give_back(bad[i]), "%s", bad[i]);
}
END_TEST

/* The BEAM sends a list of bytes as a string. */
START_TEST(takes_strings_of_segments_back)
{
    segment_start(MIB);
    struct segment_lease first = lease_of(1), second = lease_of(1);
    unsigned char bytes[] = {107, 0, 2, (unsigned char)second.number, (unsigned char)first.number};
    struct request request = {.arguments = span_of(bytes, sizeof bytes)};
    ck_assert(segment_request_give_back(&request));
    expect_totals(2 * SMALL, 0);
    for (size_t length = 0; length < sizeof bytes; length++) {
        request.arguments = span_of(bytes, length);
        ck_assert(!segment_request_give_back(&request));
    }
}
END_TEST

/* -- memory of Python's own --------------------------------------------------------------------------------------- */

static bool file_holds(int fd, const char *text)
{
    char got[100];
    int file = open_file(fd, O_RDONLY);
    ssize_t length = pread(file, got, strlen(text), 0);
    close(file);
    return length == (ssize_t)strlen(text) && memcmp(got, text, strlen(text)) == 0;
}

/* Whose pages are there. */
static unsigned char *allocate(size_t size, const char *text)
{
    struct segment_lease lease = lease_of(size);
    segment_release(lease.number);
    unsigned char *bytes = segment_allocate(size);
    ck_assert_ptr_eq(bytes, lease.bytes);
    memcpy(bytes, text, strlen(text) + 1);
    return bytes;
}

START_TEST(gives_free_ones_to_python)
{
    segment_start(100 * MIB);
    ck_assert_ptr_null(segment_allocate(MIB)); /* none is made */
    struct segment_lease first = lease_of(MIB), second = lease_of(8 * MIB);
    ck_assert_ptr_null(segment_allocate(MIB));
    segment_release(first.number);
    segment_release(second.number);
    ck_assert_ptr_eq(segment_allocate(MIB - 5), first.bytes);
    ck_assert_ptr_null(segment_allocate(MIB));
    ck_assert_ptr_null(segment_allocate(9 * MIB));
    expect_totals(9 * MIB, MIB);
    ck_assert_uint_eq(segment_allocated(first.bytes), MIB);
    int other;
    const void *not_allocated[] = {NULL, &other, second.bytes, first.bytes + 1, first.bytes - 1, first.bytes + MIB};
    for (size_t i = 0; i < sizeof not_allocated / sizeof *not_allocated; i++) {
        ck_assert_uint_eq(segment_allocated(not_allocated[i]), 0);
        ck_assert(!segment_free(not_allocated[i]));
    }
    ck_assert(segment_free(first.bytes));
    ck_assert(!segment_free(first.bytes));
    expect_totals(9 * MIB, 0);
}
END_TEST

START_TEST(keeps_half_for_what_is_sent)
{
    segment_start(8 * MIB);
    struct segment_lease leases[6];
    for (int i = 0; i < 6; i++)
        leases[i] = lease_of(MIB);
    for (int i = 0; i < 6; i++)
        segment_release(leases[i].number);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(segment_allocate(MIB));
    ck_assert_ptr_null(segment_allocate(MIB));
    lease_of(4 * MIB);
}
END_TEST

START_TEST(leases_what_python_allocated)
{
    segment_start(100 * MIB);
    struct segment_lease lease;
    unsigned char *bytes = allocate(MIB, "a result");
    ck_assert(!segment_lease_allocated(bytes + MIB, 1, &lease));
    ck_assert(!segment_lease_allocated(bytes + 1, MIB, &lease));
    ck_assert(!segment_lease_allocated(&lease, 1, &lease));
    ck_assert(segment_lease_allocated(bytes + 2, 100, &lease));
    ck_assert(lease.bytes == bytes && lease.size == MIB);
    ck_assert(!segment_lease_allocated(bytes, 1, &lease));
    ck_assert(segment_free(bytes));
    expect_totals(MIB, MIB);
    ck_assert_ptr_null(segment_allocate(MIB));
    segment_detach(lease.number); /* nothing to do */
    ck_assert(file_holds(lease.fd, "a result"));
    segment_release(lease.number);
    expect_totals(MIB, 0);
    ck_assert_ptr_eq(segment_allocate(MIB), bytes);
}
END_TEST

START_TEST(detaches_what_python_keeps)
{
    segment_start(100 * MIB);
    struct segment_lease lease;
    unsigned char *bytes = allocate(MIB, "a result");
    ck_assert(segment_lease_allocated(bytes, MIB, &lease));
    segment_detach(lease.number);
    ck_assert_str_eq((char *)bytes, "a result");
    strcpy((char *)bytes, "changed");
    ck_assert(file_holds(lease.fd, "a result"));
    segment_release(lease.number);
    ck_assert(!segment_lease_allocated(bytes, MIB, &lease));
    expect_totals(MIB, MIB);
    ck_assert_str_eq((char *)bytes, "changed");
    ck_assert(segment_free(bytes));
    expect_totals(0, 0); /* never used again */
}
END_TEST

START_TEST(keeps_little_that_is_free)
{
    int before = count_descriptors();
    segment_start(700 * MIB);
    struct segment_lease leases[10];
    for (int i = 0; i < 10; i++)
        leases[i] = lease_of((size_t)(i + 60) * MIB);
    for (int i = 0; i < 10; i++)
        segment_release(leases[i].number);
    expect_totals((65 + 66 + 67 + 68 + 69) * MIB, 0);
    ck_assert_int_eq(count_descriptors(), before + 5);
    segment_release(lease_of(400 * MIB).number); /* the last */
    expect_totals(400 * MIB, 0);
    segment_release(lease_of(MIB).number);
    expect_totals(MIB, 0);
}
END_TEST

/* -- fork --------------------------------------------------------------------------------------------------------- */

/* The child's and the parent's turns: a byte each. */
static void turn_over(int pipe_end)
{
    ck_assert_int_eq(write(pipe_end, "x", 1), 1);
}

static void await_turn(int pipe_end)
{
    char byte;
    ck_assert_int_eq(read(pipe_end, &byte, 1), 1);
}

struct forked {
    unsigned char *allocated, *pinned;
    struct segment *pin;
};

/* Runs in the child; returns 0 if all is as it should be. */
static int live_in_child(const struct forked *forked, const int *to_parent, const int *to_child, int unused_fd)
{
    struct segment_lease lease;
    if (strcmp((char *)forked->allocated, "allocated") != 0 || strcmp((char *)forked->pinned, "pinned") != 0)
        return 1;
    strcpy((char *)forked->allocated, "child's");
    strcpy((char *)forked->pinned, "child's");
    turn_over(to_parent[1]);
    await_turn(to_child[0]);
    if (strcmp((char *)forked->allocated, "child's") != 0 || strcmp((char *)forked->pinned, "child's") != 0)
        return 2;
    if (segment_lease(1, &lease) || segment_allocate(MIB) != NULL ||
        segment_lease_allocated(forked->allocated, 1, &lease))
        return 3;
    if (fcntl(unused_fd, F_GETFD) != -1)
        return 4;
    segment_unpin(forked->pin);
    return segment_free(forked->allocated) ? 0 : 5;
}

START_TEST(is_private_in_children)
{
    segment_start(100 * MIB);
    struct forked forked = {.allocated = allocate(MIB, "allocated")};
    struct segment_lease pinned = lease_of(2 * MIB), leased = lease_of(3 * MIB);
    forked.pinned = pinned.bytes;
    strcpy((char *)pinned.bytes, "pinned");
    forked.pin = pin(pinned.number, 0, 0);
    segment_release(pinned.number);
    int to_parent[2], to_child[2], status;
    ck_assert(pipe(to_parent) == 0 && pipe(to_child) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(live_in_child(&forked, to_parent, to_child, leased.fd));
    await_turn(to_parent[0]);
    ck_assert_str_eq((char *)forked.allocated, "allocated");
    ck_assert_str_eq((char *)forked.pinned, "pinned");
    strcpy((char *)forked.allocated, "parent's");
    segment_unpin(forked.pin);
    memset(lease_of(2 * MIB).bytes, 'x', 2 * MIB); /* not the bytes that the child checks */
    expect_totals(6 * MIB, 5 * MIB + MIB);
    turn_over(to_child[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq((char *)forked.allocated, "parent's");
    ck_assert(!segment_lease_allocated(forked.allocated, 1, &leased));
    ck_assert(segment_free(forked.allocated));
    expect_totals(5 * MIB, 5 * MIB);
}
END_TEST

START_TEST(leases_none_if_there_are_none)
{
    fprintf(stderr, "check_segment: nothing is tested, for this system has no segments\n");
    segment_start(MIB);
    ck_assert(!segment_is_supported());
    expect_refused(1000);
    expect_totals(0, 0);
    ck_assert_ptr_null(segment_allocate(1000));
}
END_TEST

static TCase *segments_tcase(void)
{
    TCase *tcase = tcase_create("segments");
    tcase_add_test(tcase, leases_files_that_both_sides_see);
    tcase_add_test(tcase, rounds_sizes);
    tcase_add_test(tcase, keeps_to_the_limit);
    tcase_add_test(tcase, refuses_what_the_system_cannot_give);
    tcase_add_test(tcase, uses_segments_again);
    tcase_add_test(tcase, takes_the_one_that_fits_best);
    tcase_add_test(tcase, drops_free_ones_for_room);
    tcase_add_test(tcase, is_bounded_in_count);
    tcase_add_test(tcase, joins_two_files);
    tcase_add_test(tcase, keeps_one_and_two_apart);
    tcase_add_test(tcase, reads_across_files_as_the_client_sees_them);
    tcase_add_test(tcase, identifies_files);
    tcase_add_test(tcase, numbers_files);
    tcase_add_test(tcase, refuses_two_files_if_one_is_left);
    tcase_add_test(tcase, ignores_numbers_that_are_not_leased);
    tcase_add_test(tcase, is_not_free_while_it_is_pinned);
    tcase_add_test(tcase, pins_only_what_is_in_a_segment);
    tcase_add_test(tcase, cannot_be_cut_by_the_client);
    tcase_add_test(tcase, leaves_nothing_in_a_file_system);
    tcase_add_test(tcase, serves_threads);
    tcase_add_test(tcase, answers_requests_for_segments);
    tcase_add_test(tcase, answers_requests_with_options);
    tcase_add_test(tcase, takes_segments_back);
    tcase_add_test(tcase, takes_strings_of_segments_back);
    tcase_add_test(tcase, gives_free_ones_to_python);
    tcase_add_test(tcase, keeps_half_for_what_is_sent);
    tcase_add_test(tcase, leases_what_python_allocated);
    tcase_add_test(tcase, detaches_what_python_keeps);
    tcase_add_test(tcase, keeps_little_that_is_free);
    tcase_add_test(tcase, is_private_in_children);
    tcase_set_timeout(tcase, 30);
    return tcase;
}

static TCase *no_segments_tcase(void)
{
    TCase *tcase = tcase_create("no segments");
    tcase_add_test(tcase, leases_none_if_there_are_none);
    return tcase;
}

Suite *segment_suite(void)
{
    Suite *suite = suite_create("segment");
    suite_add_tcase(suite, memfd_is_supported() ? segments_tcase() : no_segments_tcase());
    return suite;
}
