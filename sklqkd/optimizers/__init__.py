"""How a student is trained: the ``optimizer`` parameter, by name or as an object.

- ``"adam"``: Adam (Kingma and Ba, arXiv:1412.6980) on mini-batches; the default.
- ``"sgd"``: :class:`SGD` with Nesterov's momentum, on mini-batches.
- ``"spsa"``: :class:`SPSA`, two evaluations of the loss of a mini-batch in a step and no gradient:
  for shots and hardware.
- ``"lbfgs"``: :class:`ScipyMinimizer` by L-BFGS-B, on the exact gradient for all images.
- ``"cobyla"``: :class:`ScipyMinimizer` by COBYLA, on the loss of all images without a gradient.

An object sets other constants, as ``optimizer=SGD(momentum=0.5)``, which a search reaches as
``optimizer__momentum``. An optimizer of your own obeys :class:`GradientOptimizer` or
:class:`GradientFreeOptimizer`; those of PennyLane that turn a gradient into a step, such as
``qml.AdagradOptimizer(0.1)``, are taken as they are. A fit works on a copy.
"""

from __future__ import annotations

from .adam import Adam as Adam
from .protocols import GradientFreeOptimizer, GradientOptimizer
from .scipy_minimizer import ScipyMinimizer
from .sgd import SGD
from .spsa import SPSA

__all__ = ["SGD", "SPSA", "GradientFreeOptimizer", "GradientOptimizer", "ScipyMinimizer"]
