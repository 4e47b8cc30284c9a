"""Compare classifiers on the same data with the same seeds: quantum or classical, or searches.

:func:`compare` fits and evaluates; the :class:`Comparison` that it returns holds the runs and tells
means, spreads and paired differences to a baseline.
"""

from .comparison import Comparison
from .experiment import compare
from .runs import expected_calibration_error

__all__ = ["Comparison", "compare", "expected_calibration_error"]
