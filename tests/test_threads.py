"""Thread limits: one inside, as found outside."""

import threading

import numpy as np
import torch
from threadpoolctl import threadpool_info

from sklqkd.threads import one_thread


def limits():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def test_torch_and_numpy_run_on_one_thread():
    before, torch_before = limits(), torch.get_num_threads()
    with one_thread():
        assert set(limits().values()) == {1}
        assert torch.get_num_threads() == 1
        with one_thread():
            np.ones((300, 300)) @ np.ones((300, 300))
        assert set(limits().values()) == {1}
    assert limits() == before
    assert torch.get_num_threads() == torch_before


def test_limits_are_restored_after_an_error():
    before = limits()
    try:
        with one_thread():
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert limits() == before


def test_limits_are_restored_when_threads_overlap():
    before = limits()
    inside, leave = threading.Event(), threading.Event()

    def overlap():
        with one_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=overlap)
    with one_thread():
        thread.start()
        inside.wait(10)
    leave.set()
    thread.join()
    assert limits() == before
