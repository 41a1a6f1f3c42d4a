"""Rents from size and rooms: a linear model, fitted by least squares when this file is run."""

import numpy as np

# Size in square metres, rooms, rent.
FLATS = np.array(
    [
        [28, 1, 460],
        [35, 1, 540],
        [47, 2, 690],
        [58, 2, 800],
        [66, 3, 930],
        [79, 3, 1070],
        [88, 4, 1200],
        [104, 4, 1370],
        [121, 5, 1590],
    ]
)


def with_constant(features):
    return np.column_stack([np.ones(len(features)), features])


weights = np.linalg.lstsq(with_constant(FLATS[:, :2]), FLATS[:, 2], rcond=None)[0]


def predict(flats):
    """The rent of each flat, given as (size, rooms)."""
    return np.rint(with_constant(flats) @ weights).astype(int).tolist()
