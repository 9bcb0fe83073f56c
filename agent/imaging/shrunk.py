"""A picture in so few pixels that two can be told apart by numbers, and nothing small on them can be seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64


def shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`SIDE` rows and columns of mean grey values, whatever the shape of the picture."""
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))
