"""Data sets from folders of images, texts and sounds, and from time series."""

from __future__ import annotations

import os
import wave
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from .. import config
from ..data import AUTOTUNE, Dataset
from ..ops.image.resize import resize
from ..random import draw_seed
from .images import load_img

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_RESIZED = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5")
_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}


class _Files:
    """The files of a folder with their labels.

    Args:
        directory: The folder; with `labels="inferred"` each folder in it is a class.
        labels: `"inferred"`, `None`, or one whole number for each file, in the order of the sorted paths.
        label_mode: `"int"`, `"categorical"`, `"binary"` or `None`.
        class_names: The classes to take and their order.
        endings: How names of files end.
        follow_links: Whether links to folders are followed.
        shuffle: Whether paths come in random order.
        seed: What that order starts from.
        verbose: Whether what was found is printed.
    """

    def __init__(
        self,
        directory: Any,
        labels: Any,
        label_mode: str | None,
        class_names: Sequence[str] | None,
        endings: tuple[str, ...],
        follow_links: bool,
        shuffle: bool,
        seed: int,
        verbose: bool,
    ) -> None:
        if labels not in ("inferred", None) if isinstance(labels, (str, type(None))) else not isinstance(labels, (list, tuple, np.ndarray)):
            raise ValueError(f"`labels` must be 'inferred', None or a list of whole numbers. Received: labels={labels!r}")
        if label_mode not in ("int", "categorical", "binary", None):
            raise ValueError(f"`label_mode` must be 'int', 'categorical', 'binary' or None. Received: label_mode={label_mode!r}")
        inferred = isinstance(labels, str)
        if class_names and not inferred:
            raise ValueError(f"`class_names` can only be given where labels are inferred. Received: class_names={class_names!r}")
        if not os.path.isdir(directory):
            raise ValueError(f"`directory` must be a folder. Received: directory={os.fspath(directory)!r}")
        labels = None if label_mode is None else labels
        self.directory, self.endings, self.verbose = os.fspath(directory), endings, verbose
        self.label_mode = None if labels is None else label_mode
        folders = sorted(e.name for e in os.scandir(directory) if e.is_dir() and not e.name.startswith(".")) if inferred else [""]
        if inferred and class_names is not None:
            if not set(class_names) <= set(folders):
                raise ValueError(f"`class_names` must be folders of `directory`: {folders}. Received: class_names={list(class_names)!r}")
            folders = list(class_names)
        self.paths: list[str] = []
        found: list[int] = []
        for number, folder in enumerate(folders):
            paths = self._below(os.path.join(self.directory, folder) if folder else self.directory, follow_links)
            self.paths += paths
            found += [number] * len(paths)
        self.class_names: list[str] | None = None if labels is None and not inferred else folders
        self.labels: np.ndarray | None = None if labels is None else np.array(found, "int32")
        if labels is None:
            self.class_names = None
        elif not inferred:
            if len(labels) != len(self.paths):
                raise ValueError(f"`labels` must be one for each of the {len(self.paths)} files of the folder. Received: {len(labels)}")
            self.labels = np.array(labels, "int32")
            self.class_names = [str(label) for label in sorted(set(self.labels.tolist()))]
        if verbose:
            classes = "" if self.class_names is None else f" belonging to {len(self.class_names)} classes"
            print(f"Found {len(self.paths)} files{classes}.")
        if label_mode == "binary" and self.class_names is not None and len(self.class_names) != 2:
            raise ValueError(f"`label_mode='binary'` needs two classes. Received: class_names={self.class_names}")
        if shuffle:
            order = np.random.RandomState(seed).permutation(len(self.paths))
            self.paths = [self.paths[i] for i in order]
            self.labels = None if self.labels is None else self.labels[order]

    def _below(self, folder: str, follow_links: bool) -> list[str]:
        walked = sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0])
        return [os.path.join(place, name) for place, _, names in walked for name in sorted(names) if name.lower().endswith(self.endings)]

    def split(self, validation_split: float | None, subset: str | None) -> list[tuple[list[str], np.ndarray | None]]:
        """The paths and labels that are wanted: those of one subset, or of both."""
        whole = self.paths, self.labels
        if not validation_split:
            return [whole]
        cut = len(self.paths) - int(validation_split * len(self.paths))
        parts = {"training": slice(None, cut), "validation": slice(cut, None)}
        wanted = ["training", "validation"] if subset == "both" else [str(subset)]
        if self.verbose:
            for name in wanted:
                print(f"Using {len(self.paths[parts[name]])} files for {name}.")
        return [(self.paths[parts[n]], None if self.labels is None else self.labels[parts[n]]) for n in wanted]


def _check_split(validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None) -> None:
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1. Received: validation_split={validation_split!r}")
    if (validation_split is None) != (subset is None):
        raise ValueError(
            f"`validation_split` and `subset` must be given together. Received: validation_split={validation_split!r}, subset={subset!r}"
        )
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f"`subset` must be 'training', 'validation', 'both' or None. Received: subset={subset!r}")
    if validation_split and shuffle and seed is None:
        raise ValueError("`seed` must be given where files are split and shuffled, so that the two subsets have no file in common.")


def _from_files(
    files: _Files,
    read: Callable[[str], Any],
    batch_size: int | None,
    shuffle: bool,
    seed: int,
    validation_split: float | None,
    subset: str | None,
    padded: bool = False,
) -> Any:
    """Data sets of what `read` makes of each file: one, or a list of two for both subsets."""
    made = []
    for number, (paths, labels) in enumerate(files.split(validation_split, subset)):
        if not paths:
            raise ValueError(
                f"`directory` must hold files that end in {', '.join(files.endings)}. Received: {files.directory!r}, with none."
            )
        mixed = shuffle and not (subset == "both" and number == 1)
        rows = Dataset.from_tensor_slices(paths if labels is None else (paths, _encoded(labels, files)))
        rows = rows.shuffle(1024 if batch_size is None else 8 * batch_size, seed=seed) if mixed else rows
        function: Callable[..., Any] = read if labels is None else (lambda path, label: (read(path), label))
        data = rows.map(function, num_parallel_calls=AUTOTUNE)
        if batch_size is not None:
            data = data.padded_batch(batch_size) if padded else data.batch(batch_size)
        data = data.prefetch(AUTOTUNE)
        data.__dict__.update(class_names=files.class_names, file_paths=list(paths))
        made.append(data)
    return made if subset == "both" else made[0]


def _encoded(labels: np.ndarray, files: _Files) -> torch.Tensor:
    numbers = torch.from_numpy(labels.copy())
    if files.label_mode == "binary":
        return numbers.float().unsqueeze(-1)
    if files.label_mode == "categorical":
        return F.one_hot(numbers.long(), len(files.class_names or ())).float()
    return numbers


def _drawn(seed: int | None) -> int:
    return draw_seed() % 10**6 if seed is None else seed


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | Sequence[int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """A `data.Dataset` of the images in a folder, decoded by threads and read ahead.

    Args:
        directory: The folder. With inferred labels each folder in it is a class.
        labels: `"inferred"` for the names of the folders, `None` for images alone, or one whole number for each file in the order of the
            sorted paths.
        label_mode: `"int"` for numbers, `"categorical"` for vectors with a one, `"binary"` for 0.0 and 1.0, `None` for no labels.
        class_names: The folders to take, in the order of their numbers; all, sorted, without it.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: The number of images in a batch; single images for `None`.
        image_size: The height and width that images are resized to, in pixels, or one number for both.
        shuffle: Whether the order is random; it is that of the sorted paths otherwise.
        seed: A whole number that repeats the order and the split; drawn from the global seed without it.
        validation_split: The share of the files that is kept for validation, between 0 and 1.
        subset: Which files are wanted: `"training"`, `"validation"`, or `"both"` for a list of two data sets.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"area"`, `"lanczos3"` or `"lanczos5"`.
        follow_links: Whether links to folders are followed.
        crop_to_aspect_ratio: Whether the largest centred part of the new aspect ratio is cut out first, instead of distorting.
        pad_to_aspect_ratio: Whether images are filled up with zeros to the new aspect ratio first, instead of distorting.
        data_format: `"channels_last"`, `"channels_first"`, or `None` for `config.image_data_format()`.
        format: Kept for Keras's signature: `"tf"` and `"grain"` both give a `data.Dataset`.
        verbose: Whether the number of files is printed.

    Returns:
        A data set of float32 images from 0 to 255, with labels beside them, with `class_names` and `file_paths`.

    Raises:
        ValueError: If the folder holds no image, or an argument does not fit another.
    """
    if color_mode not in _CHANNELS:
        raise ValueError(f"`color_mode` must be 'rgb', 'rgba' or 'grayscale'. Received: color_mode={color_mode!r}")
    size: tuple[int, ...] = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2:
        raise ValueError(f"`image_size` must be the height and the width. Received: image_size={image_size!r}")
    interpolation = str(interpolation).lower()
    if interpolation not in _RESIZED:
        raise ValueError(f"`interpolation` must be one of {', '.join(map(repr, _RESIZED))}. Received: interpolation={interpolation!r}")
    if format not in ("tf", "grain"):
        raise ValueError(f"`format` must be 'tf' or 'grain'. Received: format={format!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("`crop_to_aspect_ratio` and `pad_to_aspect_ratio` must not both be True.")
    _check_split(validation_split, subset, shuffle, seed)
    layout, seed = config.standardize_data_format(data_format), _drawn(seed)

    def read(path: str) -> torch.Tensor:
        try:
            pixels = load_img(path, color_mode=color_mode)
        except OSError as error:
            raise ValueError(f"The file {path!r} is no image that can be read: {error}") from error
        image = torch.from_numpy(np.array(pixels, "float32"))
        image = image.unsqueeze(-1) if image.dim() == 2 else image
        if interpolation == "area":
            image = F.interpolate(image.permute(2, 0, 1)[None], size, mode="area")[0].permute(1, 2, 0)
        else:
            image = resize(
                image, size, interpolation, crop_to_aspect_ratio=crop_to_aspect_ratio, pad_to_aspect_ratio=pad_to_aspect_ratio,
                data_format="channels_last",
            )  # fmt: skip
        return image.permute(2, 0, 1) if layout == "channels_first" else image

    files = _Files(directory, labels, label_mode, class_names, _IMAGES, follow_links, shuffle, seed, verbose)
    return _from_files(files, read, batch_size, shuffle, seed, validation_split, subset)


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """A `data.Dataset` of the `.txt` files in a folder.

    Args:
        directory: The folder. With inferred labels each folder in it is a class.
        labels: `"inferred"` for the names of the folders, `None` for texts alone, or one whole number for each file in the order of the
            sorted paths.
        label_mode: `"int"` for numbers, `"categorical"` for vectors with a one, `"binary"` for 0.0 and 1.0, `None` for no labels.
        class_names: The folders to take, in the order of their numbers; all, sorted, without it.
        batch_size: The number of texts in a batch; single texts for `None`.
        max_length: The number of bytes after which texts are cut; whole texts without it.
        shuffle: Whether the order is random; it is that of the sorted paths otherwise.
        seed: A whole number that repeats the order and the split; drawn from the global seed without it.
        validation_split: The share of the files that is kept for validation, between 0 and 1.
        subset: Which files are wanted: `"training"`, `"validation"`, or `"both"` for a list of two data sets.
        follow_links: Whether links to folders are followed.
        format: Kept for Keras's signature: `"tf"` and `"grain"` both give a `data.Dataset`.
        verbose: Whether the number of files is printed.

    Returns:
        A data set of texts, with labels beside them, with `class_names` and `file_paths`.

    Raises:
        ValueError: If the folder holds no text, or an argument does not fit another.
    """
    _check_split(validation_split, subset, shuffle, seed)
    seed = _drawn(seed)

    def read(path: str) -> str:
        with open(path, "rb") as file:
            return file.read(-1 if max_length is None else max_length).decode("utf-8", "replace")

    files = _Files(directory, labels, label_mode, class_names, (".txt",), follow_links, shuffle, seed, verbose)
    return _from_files(files, read, batch_size, shuffle, seed, validation_split, subset)


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """A `data.Dataset` of the `.wav` files in a folder.

    Args:
        directory: The folder. With inferred labels each folder in it is a class.
        labels: `"inferred"` for the names of the folders, `None` for sounds alone, or one whole number for each file in the order of the
            sorted paths.
        label_mode: `"int"` for numbers, `"categorical"` for vectors with a one, `"binary"` for 0.0 and 1.0, `None` for no labels.
        class_names: The folders to take, in the order of their numbers; all, sorted, without it.
        batch_size: The number of sounds in a batch; single sounds for `None`.
        sampling_rate: The number of samples in a second that sounds are brought to; that of each file without it.
        output_sequence_length: The number of samples that sounds are cut or filled up to; the longest of a batch without it.
        ragged: Kept for Keras's signature; sounds of a batch are filled up with zeros, since torch's tensors have one length.
        shuffle: Whether the order is random; it is that of the sorted paths otherwise.
        seed: A whole number that repeats the order and the split; drawn from the global seed without it.
        validation_split: The share of the files that is kept for validation, between 0 and 1.
        subset: Which files are wanted: `"training"`, `"validation"`, or `"both"` for a list of two data sets.
        follow_links: Whether links to folders are followed.
        verbose: Whether the number of files is printed.

    Returns:
        A data set of float32 sounds `(samples, channels)` from -1 to 1, with labels beside them, with `class_names` and `file_paths`.

    Raises:
        ValueError: If the folder holds no sound, or an argument does not fit another.
    """
    if ragged and output_sequence_length is not None:
        raise ValueError("`output_sequence_length` must be None where `ragged` is True.")
    _check_split(validation_split, subset, shuffle, seed)
    seed = _drawn(seed)

    def read(path: str) -> torch.Tensor:
        sound, rate = _read_wave(path)
        if sampling_rate is not None and rate != sampling_rate:
            sound = _resampled(sound, round(len(sound) * sampling_rate / rate))
        if output_sequence_length is not None:
            sound = F.pad(sound[:output_sequence_length], (0, 0, 0, max(output_sequence_length - len(sound), 0)))
        return sound

    files = _Files(directory, labels, label_mode, class_names, (".wav",), follow_links, shuffle, seed, verbose)
    padded = output_sequence_length is None
    return _from_files(files, read, batch_size, shuffle, seed, validation_split, subset, padded)


_PCM = {1: "uint8", 2: "<i2", 4: "<i4"}


def _read_wave(path: str) -> tuple[torch.Tensor, int]:
    """The samples of a file, `(samples, channels)` from -1 to 1, and how many there are in a second."""
    try:
        with wave.open(path, "rb") as file:
            width, channels, rate, data = file.getsampwidth(), file.getnchannels(), file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"The file {path!r} is no WAV file of whole numbers that can be read: {error}") from error
    if width == 3:  # no NumPy type has three bytes
        padded = np.zeros((len(data) // 3, 4), "uint8")
        padded[:, 1:] = np.frombuffer(data, "uint8").reshape(-1, 3)
        data, width = padded.tobytes(), 4
    values = np.frombuffer(data, _PCM[width]).astype("float32")
    values = (values - 128) / 128 if width == 1 else values / float(1 << (8 * width - 1))
    return torch.from_numpy(values.reshape(-1, channels)), rate


def _resampled(sound: torch.Tensor, length: int) -> torch.Tensor:
    """A sound with another number of samples and the same frequencies, as far as these samples can hold them."""
    spectrum = torch.fft.rfft(sound, dim=0)
    kept = length // 2 + 1
    spectrum = spectrum[:kept] if len(spectrum) > kept else F.pad(spectrum, (0, 0, 0, kept - len(spectrum)))
    return torch.fft.irfft(spectrum, n=length, dim=0) * (length / len(sound))


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Dataset:
    """A `data.Dataset` of windows of a time series.

    Args:
        data: The series, whose first axis is the time.
        targets: What belongs to the window that begins at each time; `None` for windows alone.
        sequence_length: The number of steps in a window.
        sequence_stride: How many steps a window begins after the one before.
        sampling_rate: How many steps of the series lie between two of a window.
        batch_size: The number of windows in a batch; single windows for `None`.
        shuffle: Whether windows come in random order.
        seed: A whole number that repeats the order; drawn from the global seed without it.
        start_index: The first time that is used; the beginning without it.
        end_index: The time before which the last window ends; the end without it.
        format: Kept for Keras's signature: `"tf"` and `"grain"` both give a `data.Dataset`.

    Raises:
        ValueError: If a number does not fit the length of the series.

    >>> windows = timeseries_dataset_from_array([0, 1, 2, 3], [10, 11, 12, 13], sequence_length=2, batch_size=2)
    >>> [(x.tolist(), y.tolist()) for x, y in windows]
    [([[0, 1], [1, 2]], [10, 11]), ([[2, 3]], [12])]
    """
    series = torch.as_tensor(np.asarray(data)) if not isinstance(data, torch.Tensor) else data
    length = len(series)
    for name, value in (("start_index", start_index), ("end_index", end_index)):
        if value is not None and not 0 <= value < length:
            raise ValueError(f"`{name}` must be at least 0 and less than the length of the data, {length}. Received: {name}={value!r}")
    if end_index is not None and end_index <= (start_index or 0):
        raise ValueError(f"`end_index` must be higher than `start_index`. Received: start_index={start_index!r}, end_index={end_index!r}")
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if not 0 < value < length:
            raise ValueError(f"`{name}` must be positive and less than the length of the data, {length}. Received: {name}={value!r}")
    if format not in ("tf", "grain"):
        raise ValueError(f"`format` must be 'tf' or 'grain'. Received: format={format!r}")
    first, last = start_index or 0, length if end_index is None else end_index
    wanted = None if targets is None else torch.as_tensor(np.asarray(targets)) if not isinstance(targets, torch.Tensor) else targets
    count = last - first - (sequence_length - 1) * sampling_rate
    count = count if wanted is None else min(count, len(wanted))
    starts = np.arange(0, max(count, 0), sequence_stride)
    seed = _drawn(seed) if shuffle else 0
    if shuffle:
        np.random.RandomState(seed).shuffle(starts)
    steps = torch.arange(sequence_length) * sampling_rate

    def windows(at: torch.Tensor) -> Any:
        found = series[(at.unsqueeze(-1) + steps) + first]
        return found if wanted is None else (found, wanted[at + first])

    places = Dataset.from_tensor_slices(torch.from_numpy(starts))
    places = places.shuffle(1024 if batch_size is None else 8 * batch_size, seed=seed) if shuffle else places
    places = places if batch_size is None else places.batch(batch_size)
    return places.map(windows).prefetch(AUTOTUNE)
