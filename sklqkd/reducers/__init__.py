"""Reducers: from the pixels of an image to the few features that a quantum encoding takes.

scikit-learn transformers over rows of pixels. :class:`PCAReducer`, :class:`PoolingReducer` and
:class:`CenterCropReducer` are fixed before a student is trained; :class:`FCReducer` and
:class:`ConvReducer` hold trainable weights, which a student trains together with its circuit. All
of them give exactly ``n_components`` features.
"""

from .fixed import CenterCropReducer, PCAReducer, PoolingReducer
from .learned import ConvReducer, FCReducer
from .teacher import TeacherReducer

__all__ = [
    "CenterCropReducer",
    "ConvReducer",
    "FCReducer",
    "PCAReducer",
    "PoolingReducer",
    "TeacherReducer",
]
