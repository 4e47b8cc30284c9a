"""The base class of the teachers: skorch's classifier with scikit-learn's manners.

2-D `X` of any real dtype, labels of any type, parameters that mean nothing before ``fit``, and
randomness from ``random_state`` alone.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager, nullcontext, suppress
from math import ceil
from numbers import Integral

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from ..atomic import unchanged_on_error
from ..checks import check_classes
from ..images import check_rows, image_layout
from ..random_states import random_generator
from ..threads import one_thread
from .labelled_net import PREDICTION_BATCH, LabelledNet
from .net_parameters import check_net_parameters, refuse_argument
from .recipe import OneCycle, batch_size_of, epochs_of, first_rate, has_schedule, start
from .torch_data import Rows, images_and_labels
from .torch_training import StoppedByCallback, forked_generators

__all__ = ["ImageNetClassifier"]


class ImageNetClassifier(LabelledNet):
    """Base class of the teachers; a subclass names its torch module in `_network`."""

    _network: type[torch.nn.Module]
    #: Whether mini-batches are too small to share between threads: on a busy machine a second one
    #: makes such a net many times slower.
    _is_small = False
    #: The highest learning rate of the one-cycle recipe.
    _peak_rate: float
    _n_images = None
    _cycle: OneCycle | None = None
    _cycle_epochs = 0
    # Of files of 0.1.0, which knew no others.
    recipe = "paper"
    loss = "cross_entropy"

    # skorch sets these in __init__, where scikit-learn allows nothing but the parameters. Those of
    # the components, which skorch has among the attributes, are in `_component_params`.
    initialized_ = False
    history_ = None
    virtual_params_: dict = {}  # noqa: RUF012  (skorch replaces it, and never writes into this one)

    def __init__(
        self,
        *,
        image_shape=None,
        recipe="one_cycle",
        loss="cross_entropy",
        max_epochs=None,
        lr=None,
        batch_size=None,
        optimizer=torch.optim.Adam,
        train_split=None,
        callbacks=None,
        warm_start=False,
        verbose=0,
        device="cpu",
        random_state=None,
        **component__parameter,
    ):
        # Whether there is such a component is seen in fit, as all that is wrong with a value.
        for name in component__parameter:
            if "__" not in name:
                refuse_argument(self, name)
        super().__init__(
            self._network,
            criterion=torch.nn.CrossEntropyLoss,
            max_epochs=max_epochs,
            lr=lr,
            batch_size=batch_size,
            optimizer=optimizer,
            dataset=Rows,
            train_split=train_split,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            device=device,
        )
        for name in ("initialized_", "history_", "virtual_params_"):
            del self.__dict__[name]
        self.image_shape = image_shape
        self.recipe = recipe
        self.loss = loss
        self.random_state = random_state
        self._component_params = component__parameter

    def fit(self, X, y=None, *, epochs=None, groups=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or torch data set
            Flattened images, of any real dtype. Scale the pixels to about [0, 1]. A data set of
            torch or skorch is read into memory once.
        y : array-like of shape (n_samples,), default=None
            Class labels of any type; ``None`` for those of a data set.
        epochs : int >= 1, default=None
            Passes over the training data; ``None`` for `max_epochs`. The one-cycle recipe spreads
            its learning rates over them.
        groups : array-like of shape (n_samples,), default=None
            What `train_split` is to keep together, such as ``ValidSplit(GroupKFold(5))``.

        Returns
        -------
        self : object
            The fitted classifier. A fit that fails or is interrupted leaves it as it was.
        """
        check_scalar(self.warm_start, "warm_start", (bool, np.bool_))
        resume = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, resume=resume, epochs=epochs, groups=groups, is_cycle=True)

    def partial_fit(self, X, y=None, classes=None, *, epochs=1):
        """Train the network, or go on training it, for one epoch (of skorch's nets: `max_epochs`).

        How many will follow is not known: the learning rate stays the same, `lr`, or a fifth of the
        recipe's peak.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur. Needed in the first call, optional in later ones.
        epochs : int >= 1, default=1
            Passes over the training data.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        resume = self.__sklearn_is_fitted__()
        if classes is None and not resume:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._train(X, y, resume=resume, classes=classes, epochs=epochs)

    def predict(self, X):
        """Return the most probable label of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, as in `classes_`.
        """
        indices = self._logits(X).argmax(axis=1)
        return self.classes_[indices]

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Softmax of the logits, columns in the order of `classes_`.
        """
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X):
        """Return the logarithm of each class's probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Log-softmax of the logits: finite where the probability itself underflows.
        """
        return log_softmax(self._logits(X), axis=1)

    def decision_function(self, X):
        """Return the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes) or (n_samples,)
            With two classes the logit of ``classes_[1]`` less that of ``classes_[0]``.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Pass once over mini-batches; the first pass tells how many steps there will be.

        Parameters
        ----------
        iterator : torch.utils.data.DataLoader or None
            The mini-batches.
        training : bool
            Whether to train on them.
        prefix : str
            Of what the history keeps.
        step_fn : callable
            What is done with a mini-batch.
        **fit_params : dict
            Passed on to `step_fn`.
        """
        if training and self._cycle_epochs and self._cycle is None:
            self._cycle = OneCycle(self, self._cycle_epochs * len(iterator))
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)

    def train_step(self, batch, **fit_params):
        """Take a step of training, at the learning rate that is due.

        Parameters
        ----------
        batch : tuple
            Images and labels.
        **fit_params : dict
            As in skorch.

        Returns
        -------
        step : dict
            The loss and the logits.
        """
        with nullcontext() if self._cycle is None else self._cycle.step():
            return super().train_step(batch, **fit_params)

    def set_params(self, **params):
        """Set parameters; a trained network keeps its weights until the next ``fit``.

        The learning rate and ``optimizer__...`` reach the optimizer of a trained network too, for
        ``partial_fit`` and warm starts.

        Parameters
        ----------
        **params : dict
            Parameters of the constructor, ``module__...`` and the like among them.

        Returns
        -------
        self : object
            This classifier.
        """
        # Not skorch's set_params: it would start the module anew.
        names = self._get_param_names()
        for name in params:
            if name not in names and "__" not in name:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}. "
                    f"Valid parameters are: {names}, and module__..., optimizer__... and the like."
                )
        for name, value in params.items():
            setattr(self, name, value)
        self._apply_virtual_params(params | ({"lr": first_rate(self)} if "lr" in params else {}))
        if "lr" in params:
            self.lr = params["lr"]  # skorch has set what the optimizer got
        return self

    def __repr__(self, N_CHAR_MAX=700):
        return BaseEstimator.__repr__(self, N_CHAR_MAX)

    def __getattr__(self, name):
        try:
            return self.__dict__["_component_params"][name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            ) from None

    def __setattr__(self, name, value):
        if "__" in name and not name.startswith("_"):
            # Not in place: the dict may be the one to go back to if training fails.
            self._component_params = self._component_params | {name: value}
        else:
            super().__setattr__(name, value)

    def _get_param_names(self):
        # skorch lists whatever is in __dict__, `module` and `criterion` among it.
        return super(NeuralNet, self)._get_param_names() + sorted(self._component_params)

    @unchanged_on_error
    def _train(self, X, y, *, resume, classes=None, epochs=None, groups=None, is_cycle=False):
        check_net_parameters(self)
        if epochs is not None:
            check_scalar(epochs, "epochs", Integral, min_val=1)
        seed = self._prepare(resume)
        X, y = images_and_labels(X, y)
        X, y = check_rows(self, X, y, reset=not resume, dtype=np.float32)
        classes = check_classes(self, y, classes, self.classes_ if resume else None)
        if not resume:
            self._layout = image_layout(X.shape[1], self.image_shape)
        split = {} if groups is None else {"groups": groups}
        threads = one_thread() if self._is_small else nullcontext()
        self._n_images = len(X)
        if epochs is None:
            epochs = epochs_of(self, ceil(len(X) / abs(batch_size_of(self, len(X)))))
        with forked_generators(seed, self.device), threads, threads, self._in_training():
            if resume:
                self._remake_what_changed()
            else:
                self._make(classes)
                start(self, X)
            self.notify("on_train_begin", X=X, y=y)
            with suppress(StoppedByCallback), self._in_cycle(epochs if is_cycle else 0):
                self.fit_loop(X, y, epochs=epochs, **split)
            self.notify("on_train_end", X=X, y=y)
        if self.history_ and not self.history_[-1]["batches"]:
            raise ValueError(
                "There is no mini-batch to train on. Lower batch_size, or leave out "
                "iterator_train__drop_last and iterator_train__sampler."
            )
        self._set_training(False)
        self._logits(Rows(X[:PREDICTION_BATCH], None))
        return self

    @contextmanager
    def _in_cycle(self, epochs):
        """Let the learning rate follow the one-cycle recipe, over so many epochs."""
        is_cycle = self.recipe != "paper" and not has_schedule(self)
        self._cycle, self._cycle_epochs = None, epochs if is_cycle else 0
        try:
            yield
        finally:  # a callback that stops the training does so by an exception
            self._cycle, self._cycle_epochs = None, 0

    def _prepare(self, resume):
        """Forget what an earlier fit found, or copy what goes on training, and return the seed."""
        if resume:
            trained = ("module_", "criterion_", "optimizer_", "history_")
            # In one call, so that the optimizer's copy steps the module's copy.
            self.__dict__.update(copy.deepcopy({name: vars(self)[name] for name in trained}))
            seed = self._next_seed
        else:
            for name in list(vars(self)):
                if name.endswith("_"):
                    del self.__dict__[name]
            seed = int(random_generator(self.random_state).randint(2**31))
        # Now, and not after training: a callback may save the net before.
        self._next_seed = int(np.random.RandomState(seed).randint(2**31))
        return seed

    def _logits(self, X):
        check_is_fitted(self)
        logits = self.forward(X).detach().numpy()  # of a training step, callbacks may ask too
        if not np.isfinite(logits).all():
            raise ValueError(
                "Training diverged: the network's logits are not finite. Lower lr, and scale the "
                "images to about [0, 1]."
            )
        return logits
