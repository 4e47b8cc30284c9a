"""The base class of the teachers: skorch's classifier with scikit-learn's manners.

2-D `X` of any real dtype, labels of any type, parameters that mean nothing before ``fit``, and
randomness from ``random_state`` alone.
"""

from __future__ import annotations

import copy
import sys
from contextlib import nullcontext, suppress
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_scalar
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet, NeuralNetClassifier
from skorch.history import History
from skorch.utils import params_for

from ..atomic import unchanged_on_error
from ..checks import check_classes
from ..images import check_rows, image_layout
from ..persistence import VersionedState
from ..random_states import random_generator
from ..threads import one_thread
from .modules import saved_description
from .torch_data import images_and_labels, validation_split
from .torch_training import Rows, StoppedByCallback, as_is, check_device, forked_generators

__all__ = ["ImageNetClassifier"]

# Predicting takes the memory of this many images, whatever `batch_size` is.
_PREDICTION_BATCH = 256

# Component parameters that would give predictions of other images than those asked for.
_OURS = frozenset(
    {"module__image_shape", "module__n_classes"}
    | {f"iterator_valid__{name}" for name in ("batch_sampler", "collate_fn", "drop_last")}
    | {f"iterator_valid__{name}" for name in ("sampler", "shuffle")}
)


class ImageNetClassifier(VersionedState, NeuralNetClassifier):
    """Base class of the teachers; a subclass names its torch module in `_network`."""

    _network: type[torch.nn.Module]
    train_split: Any
    _next_seed: int
    #: Whether mini-batches are too small to share between threads: on a busy machine a second one
    #: makes such a net many times slower.
    _is_small = False

    # skorch sets these in __init__, where scikit-learn allows nothing but the parameters. Those of
    # the components, which skorch has among the attributes, are in `_component_params`.
    initialized_ = False
    history_ = None
    virtual_params_: dict = {}  # noqa: RUF012  (skorch replaces it, and never writes into this one)

    _components = (
        "module",
        "criterion",
        "optimizer",
        "iterator_train",
        "iterator_valid",
        "callbacks",
    )

    def __init__(
        self,
        *,
        image_shape=None,
        max_epochs=10,
        lr=0.001,
        batch_size=128,
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
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument {name!r}"
                )
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
        self.random_state = random_state
        self._component_params = component__parameter

    def fit(self, X, y=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or torch data set
            Flattened images, of any real dtype. Scale the pixels to about [0, 1]. A data set of
            torch or skorch is read into memory once.
        y : array-like of shape (n_samples,), default=None
            Class labels of any type; ``None`` for those of a data set.

        Returns
        -------
        self : object
            The fitted classifier. A fit that fails or is interrupted leaves it as it was.
        """
        check_scalar(self.warm_start, "warm_start", (bool, np.bool_))
        resume = self.warm_start and self.__sklearn_is_fitted__()
        return self._train(X, y, resume=resume)

    def partial_fit(self, X, y=None, classes=None):
        """Train the network, or go on training it, for one epoch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur. Needed in the first call, optional in later ones.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        resume = self.__sklearn_is_fitted__()
        if classes is None and not resume:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._train(X, y, resume=resume, classes=classes, epochs=1)

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
        self._apply_virtual_params(params)
        return self

    def initialize(self):
        """Make the untrained network, as far as it is known how large it has to be.

        Before the first ``fit`` it is not: `load_params` makes the network that was saved.

        Returns
        -------
        self : object
            This classifier.
        """
        return super().initialize() if hasattr(self, "_layout") else self

    def load_params(self, f_params=None, *args, checkpoint=None, use_safetensors=False, **kwargs):
        """Load what ``save_params``, or a callback, has saved.

        Parameters
        ----------
        f_params : str, path or file, default=None
            The network. The images' shape and the labels are in it; in a file of sklqkd 0.1.0 they
            are not: state `image_shape` then, and classes are 0, 1, 2, ...
        *args : tuple
            Files of optimizer, criterion and history, as in skorch.
        checkpoint : skorch.callbacks.Checkpoint, default=None
            Whose files are loaded.
        use_safetensors : bool, default=False
            Whether they are safetensors'.
        **kwargs : dict
            As in skorch.

        Raises
        ------
        ValueError
            If the shape of the images is not known.
        """
        if f_params is None and checkpoint is not None:
            if self.history_ is None and checkpoint.f_history is not None:
                self.history_ = History.from_file(checkpoint.f_history_)  # names the files
            f_params = checkpoint.get_formatted_files(self)["f_params"]
        if f_params is not None and not hasattr(self, "_layout"):
            self._make_saved(f_params, use_safetensors)
        options = {"checkpoint": checkpoint, "use_safetensors": use_safetensors}
        super().load_params(f_params, *args, **options, **kwargs)
        self._set_training(False)

    def _make_saved(self, f_params, use_safetensors):
        """Make a network of the size of a saved one."""
        if use_safetensors:
            from safetensors.torch import load, load_file

            is_file = hasattr(f_params, "read")
            state = load(f_params.read()) if is_file else load_file(f_params)
        else:
            state = torch.load(f_params, map_location="cpu", weights_only=True)
        if hasattr(f_params, "seek"):
            f_params.seek(0)
        matrices = [value for value in state.values() if getattr(value, "ndim", 0) == 2]
        known = saved_description(state)
        shape = known["image_shape"] if known else self.image_shape
        if shape is None or not matrices:
            raise ValueError(
                f"{f_params!r} does not say what images its network takes. State their shape: "
                f"{type(self).__name__}(image_shape=(height, width))."
            )
        n_classes = len(matrices[-1])
        classes = np.asarray(known["classes"]) if known else np.arange(n_classes)
        self._check_parameters()
        self._layout = image_layout(int(np.prod(shape)), shape)
        self.n_features_in_ = int(np.prod(shape))
        self.classes_inferred_ = classes
        with forked_generators(int(random_generator(self.random_state).randint(2**31)), "cpu"):
            self._initialize(classes)
            self._next_seed = int(torch.randint(2**31, ()))
        self.n_parameters_ = sum(p.numel() for p in self.module_.parameters() if p.requires_grad)

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the images to train on, and those held out for a callback that watches them.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Flattened images.
        y : ndarray of shape (n_samples,), default=None
            Indices of their classes.
        **fit_params : dict
            Passed on to `train_split`.

        Returns
        -------
        dataset_train, dataset_valid : torch.utils.data.Dataset
            The second is None where no images are held out.

        Raises
        ------
        ValueError
            If images of a validation set of the user's have another size, or another class.
        """
        given = self.train_split
        self.train_split = validation_split(given, self.callbacks, self._component_params)
        try:
            trained, held_out = super().get_split_datasets(X, y, **fit_params)
        finally:
            self.train_split = given
        base = getattr(held_out, "dataset", held_out)
        if held_out is None or isinstance(base, Rows):
            return trained, held_out
        images, labels = images_and_labels(held_out)  # a data set of the user's
        images = check_array(images, dtype=np.float32, input_name="X of the validation set")
        labels = np.asarray(labels)
        if unknown := sorted(set(labels.tolist()) - set(self._labels.tolist())):
            raise ValueError(
                f"The validation set has the classes {unknown}, which are not among those that are "
                f"trained: {self._labels.tolist()}."
            )
        if images.shape[1] != self.n_features_in_:
            raise ValueError(
                f"The images of the validation set have {images.shape[1]} pixels, those that are "
                f"trained {self.n_features_in_}."
            )
        return trained, Rows(images, np.searchsorted(self._labels, labels))

    def initialize_history(self):
        """Start a new history; the old one may have to be put back if training fails."""
        self.history_ = History()
        return self

    def notify(self, method_name, **cb_kwargs):
        """Tell the callbacks; one that stops the training does so by a KeyboardInterrupt."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as stop:
            raise StoppedByCallback from stop

    def check_data(self, X, y):
        """Do nothing: X and y were validated before skorch sees them."""

    def get_params_for(self, prefix):
        """Return the arguments of a component: what follows from the data, then the user's."""
        params: dict = {}
        if prefix == "module":
            layout = self._layout
            params["image_shape"] = (layout.channels, layout.height, layout.width)
            params["n_classes"] = len(self.classes_)
        elif prefix == "iterator_train":
            # torch takes no integers of NumPy.
            params.update(batch_size=int(self.batch_size), shuffle=True, collate_fn=as_is)
        elif prefix == "iterator_valid":
            # A DataLoader draws a seed even if nothing is random: not from torch's generator.
            params.update(
                batch_size=_PREDICTION_BATCH, collate_fn=as_is, generator=torch.Generator()
            )
        return params | params_for(prefix, self._component_params)

    def infer(self, x, **fit_params):
        """Return the module's logits for a batch of flattened images."""
        return super().infer(self._layout.unflatten(np.asarray(x)), **fit_params)

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
    def _train(self, X, y, *, resume, classes=None, epochs=None):
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
        self._check_parameters()
        X, y = images_and_labels(X, y)
        X, y = check_rows(self, X, y, reset=not resume, dtype=np.float32)
        classes = check_classes(self, y, classes, self.classes_ if resume else None)
        y = np.searchsorted(classes, y)
        self._labels = classes
        # skorch's callbacks score against the encoded labels.
        self.classes_inferred_ = np.arange(len(classes))
        if not resume:
            self._layout = image_layout(X.shape[1], self.image_shape)
        threads = one_thread() if self._is_small else nullcontext()
        with forked_generators(seed, self.device), threads:
            if not resume:
                self._initialize(classes)
            self.notify("on_train_begin", X=X, y=y)
            with suppress(StoppedByCallback):
                self.fit_loop(X, y, epochs=epochs)
            self.notify("on_train_end", X=X, y=y)
            if self.history_ and not self.history_[-1]["batches"]:
                raise ValueError(
                    "There is no mini-batch to train on. Lower batch_size, or leave out "
                    "iterator_train__drop_last and iterator_train__sampler."
                )
            self._next_seed = int(torch.randint(2**31, ()))
        del self._labels  # for the validation sets of this training alone
        self._set_training(False)
        self._finite_logits(X[:_PREDICTION_BATCH])
        self.classes_inferred_ = classes
        self.n_parameters_ = sum(p.numel() for p in self.module_.parameters() if p.requires_grad)
        return self

    def _initialize(self, classes):
        try:
            self.initialize()
            layout = self._layout
            shape = (layout.channels, layout.height, layout.width)
            if not layout.channels_first:
                shape = (layout.height, layout.width, layout.channels)
            self.module_.describe(shape, classes.tolist())
        except torch.OutOfMemoryError:
            raise
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # skorch and torch check little of what they are given.
            raise ValueError(
                f"The network cannot be made with optimizer={self.optimizer!r}, "
                f"callbacks={self.callbacks!r} and {self._component_params}: {error}"
            ) from error

    def _check_parameters(self):
        for name in self._component_params:
            if name.split("__")[0] not in self._components:
                raise ValueError(
                    f"{type(self).__name__} has no component for the parameter {name!r}. "
                    f"The components are {', '.join(self._components)}."
                )
        check_scalar(self.verbose, "verbose", Integral)
        check_scalar(self.max_epochs, "max_epochs", Integral, min_val=1)
        check_scalar(self.batch_size, "batch_size", Integral, min_val=-1, max_val=sys.maxsize)
        if self.batch_size == 0 or isinstance(self.batch_size, bool):
            raise ValueError(
                f"batch_size == {self.batch_size}, must be >= 1, or -1 for all samples in one "
                "batch."
            )
        if not callable(self.optimizer):
            raise TypeError(f"optimizer={self.optimizer!r} is no class of torch.optim.")
        if self.train_split is not None and not callable(self.train_split):
            raise TypeError(
                f"train_split={self.train_split!r} is no function that splits a data set, such as "
                "skorch.dataset.ValidSplit(5), or None."
            )
        if not isinstance(self.callbacks, (list, tuple, type(None))):
            raise TypeError(f"callbacks={self.callbacks!r} is no list of skorch's callbacks.")
        check_device(self.device)
        if ours := sorted(_OURS.intersection(self._component_params)):
            raise ValueError(
                f"{', '.join(ours)} cannot be set: the shapes follow from the data, and each image "
                "is predicted once, in its place."
            )
        if not isinstance(self.lr, Real) or not 0 < float(self.lr) < np.inf:
            raise ValueError(f"lr == {self.lr}, must be a finite number > 0.")

    def _logits(self, X):
        check_is_fitted(self)
        # While it trains, skorch's scoring callbacks predict a data set of validated rows.
        if not isinstance(getattr(X, "dataset", X), Rows):
            X, _ = images_and_labels(X)
            X = check_rows(self, X, reset=False, dtype=np.float32)
        return self._finite_logits(X)

    def _finite_logits(self, X):
        logits = self.forward(X).detach().numpy()  # of a training step, callbacks may ask too
        if not np.isfinite(logits).all():
            raise ValueError(
                "Training diverged: the network's logits are not finite. Lower lr, and scale the "
                "images to about [0, 1]."
            )
        return logits
