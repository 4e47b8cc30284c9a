"""The classical side of an encoding: transformers that give what any circuit behind it is made of.

:class:`EncodingFeatures` and :class:`FeatureScaler` are the steps of the pipeline that
``student.to_classical()`` returns, and can be used in any other.
"""

from .transformers import EncodingFeatures, FeatureScaler

__all__ = ["EncodingFeatures", "FeatureScaler"]
