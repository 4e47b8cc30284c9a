"""skorch's classifier for rows of pixels and labels of any type.

What skorch and its callbacks see of the labels are the user's own. They become the indices that
torch's losses want in one place, :meth:`LabelledNet.get_loss`, and come back in ``predict``.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_array
from skorch import NeuralNetClassifier
from skorch.history import History
from skorch.utils import params_for

from ..images import ImageLayout, check_rows, image_layout
from ..persistence import VersionedState
from ..random_states import random_generator
from .modules import saved_description
from .net_parameters import check_net_parameters, is_same
from .recipe import BATCH_SIZE, BATCHES, batch_size_of, first_rate, squared_error
from .torch_data import Rows, as_array, collate, images_and_labels
from .torch_training import StoppedByCallback, forked_generators
from .validation import validation_rows, validation_split

__all__ = ["PREDICTION_BATCH", "LabelledNet"]

#: Predicting takes the memory of this many images, whatever `batch_size` is.
PREDICTION_BATCH = 256

# The net that trains now: its callbacks predict arrays that have lost the names of their columns.
_TRAINING: ContextVar[Any] = ContextVar("_TRAINING", default=None)


class LabelledNet(VersionedState, NeuralNetClassifier):
    """skorch's classifier as the teachers use it: see :class:`ImageNetClassifier`."""

    train_split: Any
    image_shape: Any
    loss: Any
    random_state: Any
    _component_params: dict
    _layout: ImageLayout
    _next_seed: int
    _n_images: int | None
    n_features_in_: int

    # What callbacks, criterion, optimizer and module were made of.
    _made_of: dict | None = None

    def get_dataset(self, X, y=None):
        """Return images, checked, and their labels as a data set.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), torch.Tensor or torch data set
            Flattened images.
        y : array-like of shape (n_samples,), default=None
            Their labels.

        Returns
        -------
        dataset : Rows
            Of single-precision rows.
        """
        if isinstance(getattr(X, "dataset", X), Rows):
            return X
        X, y = images_and_labels(X, y)
        if _TRAINING.get() is self and isinstance(X, np.ndarray):
            return Rows(check_array(X, dtype=np.float32), y)
        if y is None:
            return Rows(check_rows(self, X, reset=False, dtype=np.float32), None)
        return Rows(*check_rows(self, X, y, reset=False, dtype=np.float32))

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the images to train on, and those held out for a callback that watches them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Flattened images.
        y : array-like of shape (n_samples,), default=None
            Their labels.
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
        if held_out is not None and not isinstance(base, Rows):
            held_out = validation_rows(held_out, self.classes_, self.n_features_in_)
        return trained, held_out

    def get_params_for(self, prefix):
        """Return the arguments of a component: what follows from the data, then the user's."""
        given = params_for(prefix, self._component_params)
        params: dict = {}
        if prefix == "module":
            layout = self._layout
            params["image_shape"] = (layout.channels, layout.height, layout.width)
            params["n_classes"] = len(self.classes_)
        elif prefix == "iterator_train":
            params["collate_fn"] = collate
            if given.get("batch_sampler") is not None:
                params["batch_size"] = 1  # which a DataLoader takes for no word about it
            else:
                params["batch_size"] = batch_size_of(self, self._n_images or BATCH_SIZE * BATCHES)
                params["shuffle"] = given.get("sampler") is None
        elif prefix == "iterator_valid":
            # A DataLoader draws a seed even if nothing is random: not from torch's generator.
            params.update(
                batch_size=PREDICTION_BATCH, collate_fn=collate, generator=torch.Generator()
            )
        elif prefix == "optimizer":
            params["lr"] = first_rate(self)
        return params | given

    def forward_iter(self, X, training=False, device="cpu"):
        """Yield the logits of each batch, in the order of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), torch.Tensor or torch data set
            Flattened images.
        training : bool, default=False
            Whether the network is in the mode of training: dropout drops.
        device : str, default="cpu"
            Where the logits go.

        Yields
        ------
        logits : torch.Tensor of shape (n_batch, n_classes)
        """
        # Not skorch's, which reads the shuffled batches of training where `training` is set.
        for batch in self.get_iterator(self.get_dataset(X), training=False):
            logits = self.evaluation_step(batch, training=training)
            yield logits if device is None else logits.to(device)

    def infer(self, x, **fit_params):
        """Return the module's logits for a batch of flattened images, an array or a tensor."""
        weights = next(self.module_.parameters())
        x = x if torch.is_tensor(x) else torch.from_numpy(as_array(x))
        x = x.to(weights.device, weights.dtype)
        layout = self._layout
        if layout.channels_first:
            images = x.reshape(len(x), layout.channels, layout.height, layout.width)
        else:
            images = x.reshape(len(x), layout.height, layout.width, layout.channels)
            images = images.movedim(-1, 1)
        return super().infer(images)  # fit_params are for train_split alone

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        """Return the loss of a batch's logits.

        Parameters
        ----------
        y_pred : torch.Tensor of shape (n_samples, n_classes)
            Logits.
        y_true : array-like of shape (n_samples,), or (n_samples, n_classes)
            Labels, or a probability of each class, such as a collate function makes that mixes
            images.
        *args, **kwargs
            As in skorch.

        Returns
        -------
        loss : torch.Tensor
            A scalar.

        Raises
        ------
        ValueError
            If there is a label that the network does not know.
        """
        labels = as_array(y_true)
        if labels.ndim == 1:
            indices = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
            unknown = labels[self.classes_[indices] != labels]
            if len(unknown):
                raise ValueError(
                    f"A mini-batch has the labels {np.unique(unknown).tolist()}, and the network "
                    f"knows the classes {self.classes_.tolist()}. Does iterator_train__collate_fn "
                    "return the labels as it got them?"
                )
            y_true = torch.from_numpy(indices)
        if self.loss == "squared_error":
            return squared_error(y_pred, y_true)
        return super().get_loss(y_pred, y_true, *args, **kwargs)

    def initialize(self):
        """Make the untrained network, as far as it is known how large it has to be.

        Before the first ``fit`` it is not: `load_params` makes the network that was saved.

        Returns
        -------
        self : object
            This classifier.
        """
        if not hasattr(self, "_layout"):
            return self
        super().initialize()
        self._made_of = self._parts()
        return self

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
        if not hasattr(self, "_layout"):
            saved = f_params
            if saved is None and checkpoint is not None:
                if checkpoint.f_history is not None:  # which names the files
                    self.history_ = History.from_file(checkpoint.f_history_)
                saved = checkpoint.get_formatted_files(self)["f_params"]
            if saved is not None:
                self._make_saved(saved, use_safetensors)
        options = {"checkpoint": checkpoint, "use_safetensors": use_safetensors}
        super().load_params(f_params, *args, **options, **kwargs)
        self._set_training(False)

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

    @contextmanager
    def _in_training(self):
        token = _TRAINING.set(self)
        try:
            yield
        finally:
            _TRAINING.reset(token)

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
        check_net_parameters(self)
        self._layout = image_layout(int(np.prod(shape)), shape)
        self.n_features_in_ = int(np.prod(shape))
        classes = np.asarray(known["classes"]) if known else np.arange(len(matrices[-1]))
        with forked_generators(int(random_generator(self.random_state).randint(2**31)), "cpu"):
            self._make(classes)
            self._next_seed = int(torch.randint(2**31, ()))

    def _make(self, classes):
        """Make the network, and what trains it, for images as the layout says."""
        self.classes_inferred_ = classes
        layout = self._layout
        shape = (layout.channels, layout.height, layout.width)
        if not layout.channels_first:
            shape = (layout.height, layout.width, layout.channels)
        with self._torch_refusals():
            self.initialize()
            self.module_.describe(shape, classes.tolist())
        self.n_parameters_ = sum(p.numel() for p in self.module_.parameters() if p.requires_grad)

    @contextmanager
    def _torch_refusals(self):
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # skorch and torch check little of what they are given.
            raise ValueError(
                f"The network cannot be made with optimizer={self.optimizer!r}, "
                f"callbacks={self.callbacks!r} and {self._component_params}: {error}"
            ) from error

    def _parts(self):
        """Return the parameters that the parts of a network are made of."""
        parts: dict = {"callbacks": self.callbacks, "optimizer": self.optimizer}
        return parts | {
            name: value
            for name, value in self._component_params.items()
            if name.split("__")[0] in ("callbacks", "criterion", "module")
        }

    def _remake_what_changed(self):
        """Make those parts anew whose parameters were set since, before training goes on."""
        if self._made_of is None:  # of a file of an earlier release
            return
        before, now = self._made_of, self._parts()
        changed = {
            name
            for name in before | now
            if (name in before) != (name in now) or not is_same(before.get(name), now.get(name))
        }
        parts = {name.split("__")[0] for name in changed}
        if "module" in parts:
            raise ValueError(
                f"{', '.join(sorted(changed))} changed since the network was trained, which makes "
                "another network. Call fit, with warm_start=False, to train it from the start."
            )
        with self._torch_refusals():
            if "callbacks" in parts:
                self._initialize_callbacks()
            if "criterion" in parts:
                self._initialize_criterion()
            if "optimizer" in parts:
                self._initialize_optimizer()
        self._made_of = now
