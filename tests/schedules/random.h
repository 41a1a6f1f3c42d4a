/* Generates random numbers from a printed seed (splitmix64). */
#ifndef PYTHONX_TESTS_RANDOM_H
#define PYTHONX_TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t value = random->state += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

/* Returns a number from 0 to below `count`. */
static inline int random_below(struct random *random, int count)
{
    return (int)(random_next(random) % (uint64_t)count);
}

static inline int random_between(struct random *random, int least, int most)
{
    return least + random_below(random, most - least + 1);
}

/* Returns true in `percent` of 100 cases. */
static inline bool random_chance(struct random *random, int percent)
{
    return random_below(random, 100) < percent;
}

#endif
