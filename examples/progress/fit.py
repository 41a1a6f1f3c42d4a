"""A classifier for points in a plane, fitted by gradient descent: slow enough to be worth watching."""

import logging
import math
import random

import erlang

log = logging.getLogger("fit")
log.setLevel("INFO")


def points(count):
    """Points around two centres, each with the number of its centre."""
    chance = random.Random(count)
    for n in range(count):
        label = n % 2
        yield chance.gauss(2.0 * label, 0.8), chance.gauss(1.0 - label, 0.8), label


def steps(data, rate=0.5):
    """Without end: the weights after each pass over the data, and how wrong they are (the mean logistic loss)."""
    weights = [0.0, 0.0, 0.0]
    while True:
        gradient, loss = [0.0, 0.0, 0.0], 0.0
        for x, y, label in data:
            guess = 1.0 / (1.0 + math.exp(-(weights[0] + weights[1] * x + weights[2] * y)))
            loss -= math.log(guess if label else 1.0 - guess)
            for i, value in enumerate((1.0, x, y)):
                gradient[i] += (guess - label) * value
        weights = [weight - rate * slope / len(data) for weight, slope in zip(weights, gradient)]
        yield weights, loss / len(data)


def fit(watcher, passes):
    """The weights after so many passes. The watcher, a process, gets a message for each."""
    log.info("fitting 400 points in %d passes", passes)
    for number, (weights, loss) in enumerate(steps(list(points(400))), start=1):
        erlang.send(watcher, (erlang.Atom("progress"), number, passes, loss))
        if number == passes:
            return weights
