/* A linked list under a lock. */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define COUNT_BOUND 16384
#define BYTES_BOUND ((size_t)256 * 1024 * 1024)

struct entry {
    struct request request;
    struct entry *next;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t room;
    struct entry *first, *last;
    size_t count, bytes;
};

struct queue *queue_new(void)
{
    struct queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return NULL;
    if (pthread_mutex_init(&queue->lock, NULL) != 0)
        goto no_lock;
    if (pthread_cond_init(&queue->room, NULL) != 0)
        goto no_condition;
    return queue;

no_condition:
    pthread_mutex_destroy(&queue->lock);
no_lock:
    free(queue);
    return NULL;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    struct request request;
    while (queue_take(queue, &request))
        request_free(&request);
    pthread_cond_destroy(&queue->room);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

bool queue_put(struct queue *queue, struct request *request)
{
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return false;
    *entry = (struct entry){.request = *request};
    pthread_mutex_lock(&queue->lock);
    if (queue->last == NULL)
        queue->first = entry;
    else
        queue->last->next = entry;
    queue->last = entry;
    queue->count++;
    queue->bytes += request->frame.length;
    pthread_mutex_unlock(&queue->lock);
    return true;
}

bool queue_take(struct queue *queue, struct request *request)
{
    pthread_mutex_lock(&queue->lock);
    struct entry *entry = queue->first;
    if (entry != NULL) {
        queue->first = entry->next;
        if (queue->first == NULL)
            queue->last = NULL;
        queue->count--;
        queue->bytes -= entry->request.frame.length;
        pthread_cond_signal(&queue->room);
    }
    pthread_mutex_unlock(&queue->lock);
    if (entry == NULL)
        return false;
    *request = entry->request;
    free(entry);
    return true;
}

static bool has_room(const struct queue *queue)
{
    return queue->count == 0 || (queue->count < COUNT_BOUND && queue->bytes < BYTES_BOUND);
}

bool queue_has_room(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool room = has_room(queue);
    pthread_mutex_unlock(&queue->lock);
    return room;
}

void queue_wait_room(struct queue *queue, unsigned milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(milliseconds / 1000);
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&queue->lock);
    if (!has_room(queue))
        (void)pthread_cond_timedwait(&queue->room, &queue->lock, &until);
    pthread_mutex_unlock(&queue->lock);
}

size_t queue_length(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}
