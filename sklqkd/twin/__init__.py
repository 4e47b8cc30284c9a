"""The classical side of an encoding: transformers that give what any circuit behind it is made of.

:class:`FeatureScaler` and :class:`EncodingFeatures`, or :class:`FourierFeatures` with data
re-uploading, are the steps of the pipeline that ``student.to_classical()`` returns, and can be used
in any other.
"""

from .transformers import EncodingFeatures, FeatureScaler, FourierFeatures

__all__ = ["EncodingFeatures", "FeatureScaler", "FourierFeatures"]
