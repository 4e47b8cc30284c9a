"""Hypothesis profiles: a short one for every run, a long one for the fuzz.

The long one makes well over 10,000 inputs of tests/test_fuzz.py::

    python -m pytest tests/test_fuzz.py tests/test_fuzz_tools.py --hypothesis-profile=thorough
"""

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "thorough", settings.get_profile("quick"), max_examples=500, derandomize=False
)
settings.load_profile("quick")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each take all cores slow one another down many times over.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="module")
def fresh_workers():
    """Have each module start joblib's worker processes anew.

    One that has grown by 300 MB asks to be replaced, for which it may wait forever.
    """
    yield
    reusable = sys.modules.get("joblib.externals.loky.reusable_executor")
    if reusable is not None and reusable._executor is not None:
        reusable._executor.shutdown(wait=True)
