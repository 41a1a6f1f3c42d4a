/* The pipes around text_parse and text_print. */
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "frame.h"
#include "message.h"
#include "platform.h"
#include "term.h"
#include "text_parse.h"
#include "text_print.h"
#include "text_stop.h"

#define ENCODE "pythonx_port encode: "
#define DECODE "pythonx_port decode: "

struct encoder {
    int fd;
    struct message text; /* a buffer that grows: what came of the term under way */
    struct message frame;
    struct text_place place; /* where the text begins */
    bool refused;            /* a term or more */
    bool closed;             /* nobody reads any more, or writing failed */
};

static void wait_for(int fd, short events)
{
    struct pollfd poller = {.fd = fd, .events = events};
    poll(&poller, 1, -1);
}

static bool write_all(int fd, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, bytes, platform_transfer(length));
        if (count >= 0) {
            bytes += count;
            length -= (size_t)count;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            wait_for(fd, POLLOUT);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void refuse(struct encoder *encoder, const struct text_error *error)
{
    fputs(ENCODE, stderr);
    text_error_print(stderr, error);
    fputc('\n', stderr);
    encoder->refused = true;
}

static void send_frame(struct encoder *encoder, struct text_place place)
{
    struct text_error error = {.place = place, .problem = "a term too long for a frame of 4294967295 bytes"};
    if (message_finish(&encoder->frame) != MESSAGE_OK) {
        refuse(encoder, &error);
    } else if (!write_all(encoder->fd, encoder->frame.bytes, encoder->frame.length)) {
        if (errno != EPIPE)
            perror(ENCODE "cannot write");
        encoder->closed = true;
    }
}

static void encode_terms(struct encoder *encoder, struct text_input *input)
{
    struct text_error error;
    enum text_parse_status status;
    do {
        struct text_place place = input->place;
        message_begin(&encoder->frame);
        status = text_parse_next(input, &encoder->frame, &error);
        if (status == TEXT_ERROR)
            refuse(encoder, &error);
        else if (status == TEXT_TERM)
            send_frame(encoder, place);
    } while (status != TEXT_NONE && !encoder->closed);
}

/* Encodes what was collected, which is one term or none, and starts afresh. */
static void encode_text(struct encoder *encoder)
{
    struct text_input input = {.text = span_of(encoder->text.bytes, encoder->text.length), .place = encoder->place};
    struct text_error error = {.place = encoder->place, .problem = "out of memory"};
    if (encoder->text.failed)
        refuse(encoder, &error);
    else if (encoder->text.length > 0)
        encode_terms(encoder, &input);
    encoder->place = input.place;
    encoder->text.length = 0;
    encoder->text.failed = false;
}

int text_encode(FILE *in, int out_fd)
{
    struct encoder encoder = {.fd = out_fd, .place = {1, 1}};
    struct text_stop stop = {0};
    int character;
    while (!encoder.closed && (character = getc(in)) != EOF) {
        unsigned char byte = (unsigned char)character;
        if (text_stop_before(&stop, byte)) {
            encode_text(&encoder);
            stop = (struct text_stop){0};
            text_stop_before(&stop, byte);
        }
        message_put_raw(&encoder.text, &byte, 1);
    }
    if (ferror(in)) {
        perror(ENCODE "cannot read");
        encoder.refused = true;
    }
    if (!encoder.closed)
        encode_text(&encoder);
    message_free(&encoder.text);
    message_free(&encoder.frame);
    return encoder.refused || encoder.closed;
}

struct decoder {
    FILE *out;
    unsigned long long frames; /* so far, for messages */
    bool refused;
    bool closed;
};

static void refuse_frame(struct decoder *decoder, size_t position, const char *problem)
{
    fprintf(stderr, DECODE "frame %llu, byte %zu: %s\n", decoder->frames, position + 1, problem);
    decoder->refused = true;
}

/* The term as text, malloc; NULL after saying what is wrong with it. Whole, so that half a term is never shown. */
static char *term_text(struct decoder *decoder, struct span *term, size_t *length)
{
    char *text = NULL;
    uint8_t version = 0;
    if (!span_take_u8(term, &version) || version != TERM_VERSION) {
        refuse_frame(decoder, 0, term->length == 0 ? "the frame is empty" : "expected the version byte 131");
        return NULL;
    }
    FILE *out = open_memstream(&text, length);
    if (out == NULL) {
        refuse_frame(decoder, 0, "out of memory");
        return NULL;
    }
    enum text_print_status status = text_print(out, term);
    bool printed = !ferror(out);
    printed = fclose(out) == 0 && printed;
    const char *problem = status != TEXT_PRINT_OK    ? text_print_status_text(status)
                          : span_left(term) > 0      ? "the frame goes on after its term"
                          : !printed || text == NULL ? "out of memory"
                                                     : NULL;
    if (problem == NULL)
        return text;
    refuse_frame(decoder, term->position, problem);
    free(text);
    return NULL;
}

static void decode_frame(struct decoder *decoder, const struct frame *frame)
{
    struct span term = span_of(frame->bytes, frame->length);
    size_t length = 0;
    char *text = term_text(decoder, &term, &length);
    if (text == NULL)
        return;
    fwrite(text, 1, length, decoder->out);
    fputc('\n', decoder->out);
    free(text);
    if (fflush(decoder->out) == 0 && !ferror(decoder->out))
        return;
    if (errno != EPIPE)
        perror(DECODE "cannot write");
    decoder->closed = true;
}

/* False at the end of the input. */
static bool decode_next(struct decoder *decoder, struct frame_reader *reader, int fd)
{
    struct frame frame = {0};
    switch (frame_reader_next(reader, &frame)) {
    case FRAME_INTERRUPTED:
    case FRAME_WAIT:
        wait_for(fd, POLLIN);
        return true;
    case FRAME_READY:
        decoder->frames++;
        decode_frame(decoder, &frame);
        frame_free(&frame);
        return true;
    case FRAME_REFUSED:
        decoder->frames++;
        refuse_frame(decoder, 0, "out of memory for a frame of this length");
        frame_free(&frame);
        return true;
    case FRAME_END:
        return false;
    case FRAME_CUT:
        decoder->frames++;
        refuse_frame(decoder, 0, "the input ends inside the frame");
        return false;
    case FRAME_FAILED:
        perror(DECODE "cannot read");
        decoder->refused = true;
        return false;
    }
    return false;
}

int text_decode(int in_fd, FILE *out)
{
    struct decoder decoder = {.out = out};
    struct frame_reader *reader = frame_reader_new(in_fd, FRAME_LENGTH_MAX, NULL);
    if (reader == NULL) {
        fputs(DECODE "out of memory\n", stderr);
        return 1;
    }
    while (!decoder.closed && decode_next(&decoder, reader, in_fd))
        continue;
    frame_reader_free(reader);
    return decoder.refused || decoder.closed;
}
