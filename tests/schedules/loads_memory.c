/* Sends binaries and tensors through shared memory, both ways. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "fields.h"
#include "history.h"

#define LENGTH_MAX 600000

static int open_file(const struct driver *driver, long long fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%lld", (int)port_process_pid(driver->process), fd);
    return open(path, O_RDWR | O_CLOEXEC);
}

static unsigned char byte_at(int start, size_t offset)
{
    return (unsigned char)((size_t)start + offset);
}

/* -- to Python ---------------------------------------------------------------------------------------------------- */

static void give_back(struct driver *driver, struct request *request, struct span value)
{
    (void)value;
    driver->code_sent++; /* counted as a request */
    send_line(driver, "{give_back, [%lld]}", request->number);
}

static long long write_pattern(int file, size_t length, int start)
{
    static unsigned char bytes[LENGTH_MAX];
    long long sum = 0;
    for (size_t i = 0; i < length; i++) {
        bytes[i] = byte_at(start, i);
        sum += bytes[i];
    }
    if (pwrite(file, bytes, length, 0) != (ssize_t)length)
        finding("a segment takes no %zu bytes: %s", length, strerror(errno));
    return sum;
}

static void send_data(struct driver *driver, struct request *granted, long long number, long long sum)
{
    struct request *request = request_new(driver, granted->load, NULL);
    if (request == NULL) {
        driver->code_sent++;
        send_line(driver, "{give_back, [%lld]}", number);
        return;
    }
    bool is_tensor = driver->has_numpy && random_chance(&driver->random, 50);
    const char *tensor = "#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {%zu}, data => "
                         "{$segment, %lld, 0, %zu}}";
    char data[240];
    if (is_tensor)
        snprintf(data, sizeof data, tensor, granted->length, number, granted->length);
    else
        snprintf(data, sizeof data, "{$segment, %lld, 0, %zu}", number, granted->length);
    snprintf(request->body, sizeof request->body, "'checksum', [%s], #{}", data);
    snprintf(request->expected, sizeof request->expected, "%lld", sum);
    request->operation = "call";
    request->has_ticks = true;
    request->decodes_bytes = true;
    request->number = number;
    request->on_ended = give_back;
    request_send(driver, request);
}

static void use_segment(struct driver *driver, struct request *request, struct span value)
{
    struct span elements;
    if (value.length == 0 || find_segment(value, &elements) == 0)
        return; /* nil: the segments take as much as they may */
    long long number = take_integer(&elements), fd = take_integer(&elements);
    int file = open_file(driver, fd);
    if (file < 0)
        finding("segment %lld: its file %lld cannot be opened: %s", number, fd, strerror(errno));
    long long sum = write_pattern(file, request->length, random_below(&driver->random, 256));
    close(file);
    send_data(driver, request, number, sum);
}

void load_segment(struct driver *driver, struct request *request)
{
    request->operation = "segment";
    request->has_no_options = true;
    request->length = (size_t)random_between(&driver->random, 1, random_chance(&driver->random, 20) ? 300000 : 9000);
    snprintf(request->body, sizeof request->body, "%zu", request->length);
    request->on_reply = use_segment;
}

/* -- from Python -------------------------------------------------------------------------------------------------- */

static void check_pattern(const struct request *request, const unsigned char *bytes, size_t length)
{
    if (length != request->length)
        finding("request %lld: %zu bytes instead of %zu", request->id, length, request->length);
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != byte_at(request->start, i))
            finding("request %lld: byte %zu of %zu is %u instead of %u", request->id, i, length, bytes[i],
                    byte_at(request->start, i));
}

static void read_segment(struct driver *driver, struct request *request, struct span elements)
{
    static unsigned char bytes[LENGTH_MAX];
    long long number = take_integer(&elements), fd = take_integer(&elements), offset = take_integer(&elements);
    long long length = take_integer(&elements);
    int file = open_file(driver, fd);
    if (file < 0 || length > LENGTH_MAX)
        finding("request %lld: segment %lld, file %lld, %lld bytes: %s", request->id, number, fd, length,
                strerror(errno));
    ssize_t count = pread(file, bytes, (size_t)length, offset);
    close(file);
    check_pattern(request, bytes, count < 0 ? 0 : (size_t)count);
    driver->code_sent++;
    send_line(driver, "{give_back, [%lld]}", number);
}

static void check_received(struct driver *driver, struct request *request, struct span value)
{
    struct span found;
    if (value.length == 0)
        return;
    history_concern(request->id);
    if (find_segment(value, &found) > 0)
        read_segment(driver, request, found);
    else if (find_binary(value, request->length, &found))
        check_pattern(request, found.bytes, found.length);
    else
        finding("request %lld: no data in its value", request->id);
    history_forget();
}

void load_receive(struct driver *driver, struct request *request)
{
    bool is_tensor = driver->has_numpy && random_chance(&driver->random, 50);
    request->length = (size_t)random_between(&driver->random, 1, random_chance(&driver->random, 20) ? 600000 : 9000);
    request->start = random_below(&driver->random, 256);
    snprintf(request->body, sizeof request->body, "'%s(%zu, %d)'", is_tensor ? "array" : "pattern", request->length,
             request->start);
    if (random_chance(&driver->random, 80))
        request->segments = 1 << random_between(&driver->random, 8, 18);
    request->on_reply = check_received;
}
