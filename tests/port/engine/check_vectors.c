/* Tests the terms of tests/vectors, as a BEAM wrote them: the objects that they become, and the terms of these. */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "python_fixture.h"
#include "suites.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/term.h"

#define FOLDER "tests/vectors"
#define MOST_VECTORS 500

/* An entry of terms.txt; its strings live until the process ends. */
struct vector {
    char *name, *flags, *python;
};

static struct vector vectors[MOST_VECTORS];
static int vector_count;

/* -- the list ----------------------------------------------------------------------------------------------------- */

static char *strip(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    return line + strspn(line, " ");
}

/* Returns the next line that is neither empty nor a comment, which the caller must free; NULL at the end. */
static char *next_line(FILE *list)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, list) >= 0) {
        char *text = strip(line);
        if (*text != '\0' && *line != '#') {
            char *copy = strdup(text);
            free(line);
            return copy;
        }
    }
    free(line);
    return NULL;
}

static void read_list(void)
{
    FILE *list = fopen(FOLDER "/terms.txt", "r");
    char *head;
    while (list != NULL && vector_count < MOST_VECTORS && (head = next_line(list)) != NULL) {
        struct vector *vector = &vectors[vector_count++];
        free(next_line(list)); /* the Erlang expression is for make_vectors.escript */
        vector->name = strtok(head, " ");
        vector->flags = strtok(NULL, "");
        vector->python = next_line(list);
        if (vector->flags == NULL || vector->python == NULL)
            abort();
    }
    if (list != NULL)
        fclose(list);
}

static bool has_flag(const struct vector *vector, const char *flag)
{
    const char *found = strstr(vector->flags, flag);
    size_t length = strlen(flag);
    return found != NULL && (found == vector->flags || found[-1] == ' ') && !isalnum((unsigned char)found[length]);
}

/* Returns the file's bytes, exactly sized. */
static unsigned char *read_bytes(const char *name, size_t *length)
{
    unsigned char buffer[65536];
    char path[256];
    snprintf(path, sizeof path, FOLDER "/%s.etf", name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is missing: escript " FOLDER "/make_vectors.escript", path);
    *length = fread(buffer, 1, sizeof buffer, file);
    ck_assert_uint_gt(*length, 1);
    ck_assert_uint_lt(*length, sizeof buffer);
    fclose(file);
    return bytes_copy(buffer, *length);
}

/* -- the tests ---------------------------------------------------------------------------------------------------- */

static PyObject *decode(const unsigned char *bytes, size_t length)
{
    struct decoder decoder = decoder_of(span_of(bytes, length), false);
    uint8_t version;
    ck_assert(span_take_u8(&decoder.span, &version) && version == TERM_VERSION);
    PyObject *object = decode_term(&decoder, "value");
    if (object != NULL)
        ck_assert_uint_eq(span_left(&decoder.span), 0);
    return object;
}

static void expect_refusal(const struct vector *vector, PyObject *object)
{
    ck_assert_msg(object == NULL, "%s was not refused", vector->name);
    char *error = python_take_error();
    ck_assert_msg(strstr(error, vector->python) != NULL, "%s: %s", vector->name, error);
    free(error);
}

static void expect_object(const struct vector *vector, PyObject *object)
{
    if (object == NULL)
        PyErr_Print();
    ck_assert_msg(object != NULL, "%s was refused", vector->name);
    python_set("x", object);
    PyObject *expected = python_eval(vector->python);
    python_assert_alike(has_flag(vector, "check") ? Py_True : object, expected, vector->name);
    Py_DECREF(expected);
}

/* What comes back: the same bytes, or at least what is alike when it is read again. */
static void expect_return(const struct vector *vector, PyObject *object, const unsigned char *bytes, size_t length)
{
    struct message message = {0};
    message_begin(&message);
    ck_assert_msg(encode_object(&message, object, "result") == 0, "%s could not be encoded", vector->name);
    ck_assert_int_eq(message_finish(&message), MESSAGE_OK);
    const unsigned char *again = message.bytes + FRAME_HEADER;
    size_t size = message.length - FRAME_HEADER;
    if (has_flag(vector, "exact"))
        ck_assert_msg(size == length && memcmp(again, bytes, length) == 0, "%s came back changed", vector->name);
    if (!has_flag(vector, "changed")) {
        PyObject *second = decode(again, size);
        ck_assert_ptr_nonnull(second);
        python_assert_alike(second, object, vector->name);
        Py_DECREF(second);
    }
    message_free(&message);
}

START_TEST(converts)
{
    const struct vector *vector = &vectors[_i];
    size_t length;
    unsigned char *bytes = read_bytes(vector->name, &length);
    PyObject *object = decode(bytes, length);
    if (has_flag(vector, "refused")) {
        expect_refusal(vector, object);
    } else {
        expect_object(vector, object);
        object = decode(bytes, length); /* the test in Python may have changed the first */
        expect_return(vector, object, bytes, length);
        Py_XDECREF(object);
    }
    free(bytes);
}
END_TEST

/* A vector that is cut anywhere is an error and nothing worse. */
START_TEST(refuses_what_is_cut)
{
    size_t length;
    unsigned char *bytes = read_bytes(vectors[_i].name, &length);
    size_t step = length / 200 + 1;
    for (size_t cut = 1; cut < length; cut += step) {
        unsigned char *copy = bytes_copy(bytes, cut);
        ck_assert_msg(decode(copy, cut) == NULL, "%s, %zu bytes of it", vectors[_i].name, cut);
        ck_assert_ptr_nonnull(PyErr_Occurred());
        PyErr_Clear();
        free(copy);
    }
    free(bytes);
}
END_TEST

START_TEST(has_a_list)
{
    ck_assert_msg(vector_count > 0, FOLDER "/terms.txt is not there: run the tests from the repository's root");
    ck_assert_int_lt(vector_count, MOST_VECTORS);
}
END_TEST

static bool is_listed(const char *file)
{
    for (int i = 0; i < vector_count; i++) {
        size_t length = strlen(vectors[i].name);
        if (strncmp(file, vectors[i].name, length) == 0 && strcmp(file + length, ".etf") == 0)
            return true;
    }
    return false;
}

START_TEST(lists_every_file)
{
    DIR *folder = opendir(FOLDER);
    const struct dirent *entry;
    ck_assert_ptr_nonnull(folder);
    while ((entry = readdir(folder)) != NULL) {
        const char *ending = strrchr(entry->d_name, '.');
        if (ending != NULL && strcmp(ending, ".etf") == 0)
            ck_assert_msg(is_listed(entry->d_name), "%s is not in the list", entry->d_name);
    }
    closedir(folder);
}
END_TEST

Suite *vectors_suite(void)
{
    Suite *suite = suite_create("vectors");
    TCase *tcase = tcase_create("terms of a BEAM");
    read_list();
    tcase_add_unchecked_fixture(tcase, python_fixture_start, NULL);
    tcase_add_test(tcase, has_a_list);
    tcase_add_test(tcase, lists_every_file);
    tcase_add_loop_test(tcase, converts, 0, vector_count);
    tcase_add_loop_test(tcase, refuses_what_is_cut, 0, vector_count);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
