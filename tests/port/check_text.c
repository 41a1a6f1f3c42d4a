/* Terms as text: what is read, what is printed, and the two commands around it. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"
#include "captured.h"
#include "suites.h"
#include "text.h"
#include "text_cases.h"
#include "text_parse.h"
#include "text_print.h"
#include "text_stop.h"
#include "wire/frame.h"

/* Where the term begins in a message: behind the frame's length and the version byte. */
#define TERM_START ((size_t)FRAME_HEADER + 1)

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* -- helpers ------------------------------------------------------------------------------------------------------- */

/* A copy of exactly the bytes, to be freed. */
static unsigned char *from_hexadecimal(const char *text, size_t *length)
{
    char bytes[256];
    *length = strlen(text) / 2;
    ck_assert_uint_le(*length, sizeof bytes);
    for (size_t i = 0; i < *length; i++) {
        const char pair[] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[i] = (char)strtol(pair, NULL, 16);
    }
    return bytes_copy(bytes, *length);
}

/* What is printed of a term, to be freed. */
static char *print(struct span *term, enum text_print_status *status)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    *status = text_print(out, term);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

static char *print_whole(const void *bytes, size_t length)
{
    enum text_print_status status;
    struct span term = span_of(bytes, length);
    char *text = print(&term, &status);
    ck_assert_msg(status == TEXT_PRINT_OK, "%s", text_print_status_text(status));
    ck_assert_uint_eq(span_left(&term), 0);
    return text;
}

/* The message of an error, to be freed. */
static char *error_text(const struct text_error *error)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    text_error_print(out, error);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

/* Reads the one term of a text into the message. */
static void parse_only(const char *text, struct message *message)
{
    struct text_error error;
    unsigned char *copy = bytes_copy(text, strlen(text));
    struct text_input input = text_input_of(copy, strlen(text));
    message_begin(message);
    enum text_parse_status status = text_parse_next(&input, message, &error);
    if (status == TEXT_ERROR)
        ck_abort_msg("%s: %s", text, error_text(&error));
    ck_assert_int_eq(status, TEXT_TERM);
    struct message more = {0};
    message_begin(&more);
    ck_assert_int_eq(text_parse_next(&input, &more, &error), TEXT_NONE);
    ck_assert_uint_eq(span_left(&input.text), 0);
    message_free(&more);
    free(copy);
}

static void assert_bytes(const struct message *message, const char *hexadecimal, const char *text)
{
    size_t length;
    unsigned char *bytes = from_hexadecimal(hexadecimal, &length);
    ck_assert_msg(message->length - TERM_START == length && memcmp(message->bytes + TERM_START, bytes, length) == 0,
                  "%s has other bytes than %s", text, hexadecimal);
    free(bytes);
}

/* -- reading and printing
 * ---------------------------------------------------------------------------------------------- */

START_TEST(reads)
{
    struct message message = {0};
    parse_only(text_terms[_i].text, &message);
    assert_bytes(&message, text_terms[_i].bytes, text_terms[_i].text);
    message_free(&message);
}
END_TEST

START_TEST(prints)
{
    size_t length;
    unsigned char *bytes = from_hexadecimal(text_terms[_i].bytes, &length);
    char *text = print_whole(bytes, length);
    ck_assert_str_eq(text, text_terms[_i].printed);
    free(text);
    free(bytes);
}
END_TEST

START_TEST(reads_what_it_prints)
{
    struct message message = {0};
    char *text = NULL;
    ck_assert_int_ge(asprintf(&text, "%s.", text_terms[_i].printed), 0);
    parse_only(text, &message);
    assert_bytes(&message, text_terms[_i].bytes, text);
    message_free(&message);
    free(text);
}
END_TEST

START_TEST(prints_what_no_text_makes)
{
    size_t length;
    unsigned char *bytes = from_hexadecimal(text_only_printed[_i].bytes, &length);
    char *text = print_whole(bytes, length);
    ck_assert_str_eq(text, text_only_printed[_i].printed);
    free(text);
    free(bytes);
}
END_TEST

START_TEST(refuses_broken_bytes)
{
    size_t length;
    enum text_print_status status;
    unsigned char *bytes = from_hexadecimal(text_broken[_i].bytes, &length);
    struct span term = span_of(bytes, length);
    free(print(&term, &status));
    ck_assert_int_eq(status, text_broken[_i].status);
    ck_assert_uint_eq(term.position, text_broken[_i].position);
    free(bytes);
}
END_TEST

/* Whatever is cut off or changed, it is printed or refused. */
START_TEST(survives_damage)
{
    size_t length;
    enum text_print_status status;
    unsigned char *bytes = from_hexadecimal(text_terms[_i].bytes, &length);
    for (size_t at = 0; at < length; at++) {
        unsigned char *part = bytes_copy(bytes, at);
        struct span cut = span_of(part, at);
        free(print(&cut, &status));
        ck_assert_int_ne(status, TEXT_PRINT_OK);
        free(part);
        for (unsigned change = 1; change < 256; change++) {
            bytes[at] ^= (unsigned char)change;
            struct span changed = span_of(bytes, length);
            free(print(&changed, &status));
            bytes[at] ^= (unsigned char)change;
        }
    }
    free(bytes);
}
END_TEST

START_TEST(says_what_is_wrong)
{
    struct text_error error;
    struct message message = {0};
    size_t length = strlen(text_mistakes[_i].text);
    unsigned char *copy = bytes_copy(text_mistakes[_i].text, length);
    struct text_input input = text_input_of(copy, length);
    message_begin(&message);
    ck_assert_int_eq(text_parse_next(&input, &message, &error), TEXT_ERROR);
    char *text = error_text(&error);
    ck_assert_str_eq(text, text_mistakes[_i].message);
    ck_assert_uint_eq(message.length, TERM_START);
    free(text);
    message_free(&message);
    free(copy);
}
END_TEST

START_TEST(goes_on_after_a_mistake)
{
    static const char text[] = "{a}. {b c}.\n'x.\n y' z. [$.,\". \",'. ' % . \n|$\\.]. \xFF\xFF. last.";
    static const char *const expected[] = {"{a}", NULL, NULL, "[46,\". \",'. '|46]", NULL, "last"};
    static const struct text_place places[] = {{0}, {1, 9}, {3, 5}, {0}, {4, 8}, {0}};
    struct text_input input = text_input_of(text, strlen(text));
    struct message message = {0};
    struct text_error error;
    for (int i = 0; i < COUNT(expected); i++) {
        message_begin(&message);
        enum text_parse_status status = text_parse_next(&input, &message, &error);
        ck_assert_int_eq(status, expected[i] != NULL ? TEXT_TERM : TEXT_ERROR);
        if (expected[i] == NULL) {
            ck_assert_uint_eq(error.place.line, places[i].line);
            ck_assert_uint_eq(error.place.column, places[i].column);
            continue;
        }
        char *printed = print_whole(message.bytes + TERM_START, message.length - TERM_START);
        ck_assert_str_eq(printed, expected[i]);
        free(printed);
    }
    ck_assert_int_eq(text_parse_next(&input, &message, &error), TEXT_NONE);
    message_free(&message);
}
END_TEST

START_TEST(appends_terms)
{
    static const char text[] = "1. bad bad. [2].";
    struct text_input input = text_input_of(text, strlen(text));
    struct message message = {0};
    struct text_error error;
    message_begin(&message);
    ck_assert_int_eq(text_parse_next(&input, &message, &error), TEXT_TERM);
    ck_assert_int_eq(text_parse_next(&input, &message, &error), TEXT_ERROR);
    ck_assert_int_eq(text_parse_next(&input, &message, &error), TEXT_TERM);
    assert_bytes(&message, "61016b000102", text);
    message_free(&message);
}
END_TEST

/* `depth` lists inside of each other and a full stop, to be freed. */
static char *nested(size_t depth)
{
    char *text = malloc(2 * depth + 2);
    ck_assert_ptr_nonnull(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    memcpy(text + 2 * depth, ".", 2);
    return text;
}

START_TEST(nests_to_the_limit)
{
    struct message message = {0};
    char *text = nested(TEXT_DEPTH_MAX);
    parse_only(text, &message);
    char *printed = print_whole(message.bytes + TERM_START, message.length - TERM_START);
    ck_assert_uint_eq(strlen(printed), 2 * (size_t)TEXT_DEPTH_MAX);
    ck_assert_int_eq(strncmp(printed, text, strlen(printed)), 0);
    free(printed);
    free(text);
    message_free(&message);
}
END_TEST

START_TEST(nests_no_further)
{
    struct message message = {0};
    struct text_error error;
    enum text_print_status status;
    char *text = nested(TEXT_DEPTH_MAX + 1);
    struct text_input input = text_input_of(text, strlen(text));
    message_begin(&message);
    ck_assert_int_eq(text_parse_next(&input, &message, &error), TEXT_ERROR);
    ck_assert_uint_eq(error.place.column, TEXT_DEPTH_MAX + 1);
    for (int i = 0; i < 1000000; i++)
        message_put_tuple(&message, 1);
    message_put_nil_list(&message);
    struct span term = span_of(message.bytes + TERM_START, message.length - TERM_START);
    free(print(&term, &status));
    ck_assert_int_eq(status, TEXT_PRINT_TOO_DEEP);
    ck_assert_uint_eq(term.position, 2 * (size_t)TEXT_DEPTH_MAX);
    free(text);
    message_free(&message);
}
END_TEST

/* As a tail, a list is not inside of the one before. */
START_TEST(tails_nest_without_end)
{
    struct message message = {0};
    message_begin(&message);
    for (int i = 0; i < 100000; i++) {
        message_put_list(&message, 1);
        message_put_atom_text(&message, "a");
    }
    message_put_nil_list(&message);
    char *printed = print_whole(message.bytes + TERM_START, message.length - TERM_START);
    ck_assert_uint_eq(strlen(printed), 200001);
    free(printed);
    message_free(&message);
}
END_TEST

START_TEST(large_integers)
{
    enum { DIGITS = 10000 };
    struct message message = {0};
    char text[DIGITS + 3];
    for (int i = 0; i <= DIGITS; i++)
        text[i] = (char)('0' + (i * 7 + i / 10) % 10);
    memcpy(text, "-9", 2);
    memcpy(text + DIGITS + 1, ".", 2);
    parse_only(text, &message);
    char *printed = print_whole(message.bytes + TERM_START, message.length - TERM_START);
    text[DIGITS + 1] = '\0';
    ck_assert_str_eq(printed, text);
    free(printed);
    message_free(&message);
}
END_TEST

/* A list of bytes is a STRING_EXT up to 65,535 of them; a tuple of 256 has the large head. */
START_TEST(large_terms)
{
    static const struct {
        char opening, closing;
        int elements;
        const char *head;
    } large[] = {
        {'[', ']', 65535, "6bffff05"},
        {'[', ']', 65536, "6c000100006105"},
        {'{', '}', 255, "68ff6105"},
        {'{', '}', 256, "69000001006105"},
    };
    struct message message = {0};
    char *text = NULL;
    size_t length, head_length;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    for (int i = 0; i < large[_i].elements; i++)
        fprintf(out, "%c5", i == 0 ? large[_i].opening : ',');
    fprintf(out, "%c.", large[_i].closing);
    ck_assert_int_eq(fclose(out), 0);
    parse_only(text, &message);
    unsigned char *head = from_hexadecimal(large[_i].head, &head_length);
    ck_assert_mem_eq(message.bytes + TERM_START, head, head_length);
    char *printed = print_whole(message.bytes + TERM_START, message.length - TERM_START);
    ck_assert_uint_eq(strlen(printed), length - 1);
    ck_assert_mem_eq(printed, text, length - 1);
    free(printed);
    free(head);
    free(text);
    message_free(&message);
}
END_TEST

/* -- the commands
 * ------------------------------------------------------------------------------------------------------ */

static int input_ends[2], output_ends[2]; /* of pipes: [0] the reader's */

static void open_pipes(void)
{
    ck_assert_int_eq(pipe2(input_ends, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(output_ends, O_CLOEXEC), 0);
}

/* All that a command writes, when it is given this input; to be freed. It has to fit a pipe. */
static char *run(int (*command)(void), const void *input, size_t length, size_t *written, int *status)
{
    enum { PIPE_SIZE = 65536 };
    char *output = calloc(1, PIPE_SIZE);
    ck_assert_ptr_nonnull(output);
    open_pipes();
    ck_assert_int_eq(write(input_ends[1], input, length), (ssize_t)length);
    close(input_ends[1]);
    *status = command();
    close(output_ends[1]);
    ssize_t count = read(output_ends[0], output, PIPE_SIZE - 1);
    ck_assert_int_ge(count, 0);
    *written = (size_t)count;
    close(output_ends[0]);
    return output;
}

static void assert_output(const char *output, size_t length, const void *expected, size_t expected_length)
{
    ck_assert_uint_eq(length, expected_length);
    ck_assert_mem_eq(output, expected, length);
}

static int encode(void)
{
    FILE *in = fdopen(input_ends[0], "r");
    ck_assert_ptr_nonnull(in);
    int status = text_encode(in, output_ends[1]);
    fclose(in);
    return status;
}

static int decode(void)
{
    FILE *out = fdopen(dup(output_ends[1]), "w");
    ck_assert_ptr_nonnull(out);
    int status = text_decode(input_ends[0], out);
    fclose(out);
    close(input_ends[0]);
    return status;
}

START_TEST(encodes_frames)
{
    size_t length;
    int status;
    char *output = run(encode, BYTES("a.\n% comment\n{5, \"x\"}. %\nlast."), &length, &status);
    ck_assert_int_eq(status, 0);
    assert_output(output, length, BYTES("\0\0\0\4\203w\1a\0\0\0\11\203h\2a\5k\0\1x\0\0\0\7\203w\4last"));
    free(output);
}
END_TEST

START_TEST(encodes_the_rest_after_a_mistake)
{
    size_t length;
    int status;
    capture_begin();
    char *output = run(encode, BYTES("a b.\n1.\n [}\n .\n2.\n 3"), &length, &status);
    char *said = capture_end();
    ck_assert_int_eq(status, 1);
    assert_output(output, length, BYTES("\0\0\0\3\203a\1\0\0\0\3\203a\2"));
    ck_assert_str_eq(said, "pythonx_port encode: line 1, column 3: expected a full stop ('.' and white space), got b\n"
                           "pythonx_port encode: line 3, column 3: expected a term or ']', got '}'\n"
                           "pythonx_port encode: line 6, column 3: expected a full stop ('.' and white space), got the "
                           "end of the text\n");
    free(said);
    free(output);
}
END_TEST

START_TEST(encodes_nothing)
{
    size_t length;
    int status;
    char *output = run(encode, BYTES("\n % only a comment. \n"), &length, &status);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(length, 0);
    free(output);
}
END_TEST

static void *encode_in_thread(void *status)
{
    *(int *)status = encode();
    return NULL;
}

/* No later than the character after the full stop. */
START_TEST(encodes_at_once)
{
    pthread_t thread;
    char frame[8];
    int status = -1;
    open_pipes();
    ck_assert_int_eq(pthread_create(&thread, NULL, encode_in_thread, &status), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(write(input_ends[1], "a. ", 3), 3);
        ck_assert_int_eq(read(output_ends[0], frame, sizeof frame), sizeof frame);
        assert_output(frame, sizeof frame, BYTES("\0\0\0\4\203w\1a"));
    }
    close(input_ends[1]);
    pthread_join(thread, NULL);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(decodes_frames)
{
    size_t length;
    int status;
    char *output = run(decode, BYTES("\0\0\0\4\203w\1a\0\0\0\11\203h\2a\5k\0\1x"), &length, &status);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(output, "a\n{5,\"x\"}\n");
    free(output);
}
END_TEST

START_TEST(decodes_the_rest_after_a_mistake)
{
    size_t length;
    int status;
    capture_begin();
    char *output = run(decode,
                       BYTES("\0\0\0\0"                    /* empty */
                             "\0\0\0\3\203a\1"             /* 1 */
                             "\0\0\0\2\7a"                 /* another version */
                             "\0\0\0\5\203h\2a\1"          /* half a tuple */
                             "\0\0\0\4\203a\2x"            /* more than a term */
                             "\0\0\0\3\203a\3\0\0\0\4ab"), /* 3, and half a frame */
                       &length, &status);
    char *said = capture_end();
    ck_assert_int_eq(status, 1);
    ck_assert_str_eq(output, "1\n3\n");
    ck_assert_str_eq(said, "pythonx_port decode: frame 1, byte 1: the frame is empty\n"
                           "pythonx_port decode: frame 3, byte 1: expected the version byte 131\n"
                           "pythonx_port decode: frame 4, byte 6: the term promises more bytes than the frame holds\n"
                           "pythonx_port decode: frame 5, byte 4: the frame goes on after its term\n"
                           "pythonx_port decode: frame 7, byte 1: the input ends inside the frame\n");
    free(said);
    free(output);
}
END_TEST

static int encode_for_nobody(void)
{
    close(output_ends[0]);
    return encode();
}

static int decode_for_nobody(void)
{
    close(output_ends[0]);
    return decode();
}

START_TEST(ends_quietly_where_nobody_reads)
{
    static int (*const commands[])(void) = {encode_for_nobody, decode_for_nobody};
    static const char *const input[] = {"a. b. ", "\0\0\0\2\203j"};
    signal(SIGPIPE, SIG_IGN);
    open_pipes();
    ck_assert_int_eq(write(input_ends[1], input[_i], 6), 6);
    close(input_ends[1]);
    capture_begin();
    int status = commands[_i]();
    char *said = capture_end();
    ck_assert_int_eq(status, 1);
    ck_assert_str_eq(said, "");
    free(said);
}
END_TEST

/* -- full stops
 * -------------------------------------------------------------------------------------------------------- */

START_TEST(finds_full_stops)
{
    /* A '|' marks where the term ends. */
    static const char *const texts[] = {
        "a.| ",     "a.|% x",    "a.b.|\n",       "1.5.| ",         "\". \".| ",   "'. '.| ",  "$..| ",       "$\".| ",
        "$\\\".| ", "$\\^\".| ", "\"\\\". \".| ", "\"\\^\". \".| ", "% a. \nb.| ", "[$',a.| ", "\"\\\\\".| ", "$$.| ",
    };
    struct text_stop stop = {0};
    const char *text = texts[_i];
    for (; *text != '|'; text++)
        ck_assert_msg(!text_stop_before(&stop, (unsigned char)*text), "%s at %s", texts[_i], text);
    ck_assert_msg(text_stop_before(&stop, (unsigned char)text[1]), "%s", texts[_i]);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    suite_add_tcase(suite, tests);
    return tests;
}

Suite *text_suite(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = add_case(suite, "terms");
    tcase_add_loop_test(tests, reads, 0, COUNT(text_terms));
    tcase_add_loop_test(tests, prints, 0, COUNT(text_terms));
    tcase_add_loop_test(tests, reads_what_it_prints, 0, COUNT(text_terms));
    tcase_add_loop_test(tests, prints_what_no_text_makes, 0, COUNT(text_only_printed));
    tcase_add_loop_test(tests, refuses_broken_bytes, 0, COUNT(text_broken));
    tcase_add_loop_test(tests, survives_damage, 0, COUNT(text_terms));
    tcase_add_loop_test(tests, says_what_is_wrong, 0, COUNT(text_mistakes));
    tcase_add_test(tests, goes_on_after_a_mistake);
    tcase_add_test(tests, appends_terms);
    tests = add_case(suite, "sizes");
    tcase_add_test(tests, nests_to_the_limit);
    tcase_add_test(tests, nests_no_further);
    tcase_add_test(tests, tails_nest_without_end);
    tcase_add_test(tests, large_integers);
    tcase_add_loop_test(tests, large_terms, 0, 4);
    tests = add_case(suite, "commands");
    tcase_add_test(tests, encodes_frames);
    tcase_add_test(tests, encodes_the_rest_after_a_mistake);
    tcase_add_test(tests, encodes_nothing);
    tcase_add_test(tests, encodes_at_once);
    tcase_add_test(tests, decodes_frames);
    tcase_add_test(tests, decodes_the_rest_after_a_mistake);
    tcase_add_loop_test(tests, ends_quietly_where_nobody_reads, 0, 2);
    tcase_add_loop_test(tests, finds_full_stops, 0, 16);
    return suite;
}
