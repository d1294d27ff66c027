"""Every test starts from the same seeds and keeps to one core, so that the tests may run side by side and in any order."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: its threads would fight over the cores with other workers

import random

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seeds():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
