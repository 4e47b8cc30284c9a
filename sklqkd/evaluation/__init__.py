"""Compare classifiers on the same data with the same seeds: quantum or classical, or searches.

:func:`compare` fits and evaluates; the :class:`Comparison` that it returns holds the runs and tells
means, spreads and paired differences to a baseline. :func:`encoding_ceiling` tells what the best
circuit could make of a student's encoding, :func:`ablate` what each part of a student is worth.
"""

from .ablation import ablate
from .ceiling import EncodingCeiling, encoding_ceiling
from .comparison import Comparison
from .experiment import compare
from .runs import expected_calibration_error

__all__ = [
    "Comparison",
    "EncodingCeiling",
    "ablate",
    "compare",
    "encoding_ceiling",
    "expected_calibration_error",
]
