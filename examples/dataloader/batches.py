"""The work of loader.py's workers: batches of augmented images from numbers alone, the same in every process that makes them. It
knows numpy, and neither torch nor shmalloc."""
import numpy

SIDE, DECODED, CHANNELS = 64, 80, 3
IMAGE = CHANNELS * SIDE * SIDE
SAMPLES = 64  # so many images are the data set


def shape_of(batch_bytes):
    """Whole images, as many as fit, one at least."""
    return max(1, batch_bytes // IMAGE), CHANNELS, SIDE, SIDE


class Maker:
    """Makes batches. Images are "decoded" once: a worker that reads files would have them in the system's cache, too."""

    def __init__(self, work):
        self.work = work
        random = numpy.random.default_rng(0)
        self.images = random.integers(0, 256, (SAMPLES, CHANNELS, DECODED, DECODED), dtype=numpy.uint8)

    def fill(self, batch, index):
        """Crop, flip and brighten: what comes out is written into `batch`, wherever that lies."""
        if not self.work:
            batch[:, 0, 0, 0] = index & 255
            return
        random = numpy.random.default_rng(index)
        choices = random.integers(0, (SAMPLES, DECODED - SIDE, DECODED - SIDE, 2, 8), (len(batch), 5)).tolist()
        for image, (which, top, left, flip, light) in zip(batch, choices):
            crop = self.images[which, :, top:top + SIDE, left:left + SIDE]
            numpy.right_shift(crop[:, :, ::-1] if flip else crop, light, out=image)
