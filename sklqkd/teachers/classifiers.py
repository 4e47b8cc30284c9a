"""Teachers: the convolutional networks of the paper as scikit-learn classifiers."""

from __future__ import annotations

from .image_nets import ImageNetClassifier
from .modules import AlexNet, LeNet5, ResNet

__all__ = ["AlexNetClassifier", "LeNetClassifier", "ResNetClassifier"]


class LeNetClassifier(ImageNetClassifier):
    """LeNet-5 with tanh and average pooling [2]_, a teacher of the paper [1]_.

    Two 5 x 5 convolutions (6 and 16 channels), each followed by tanh and average pooling, then
    fully connected layers of 120 and 84 units with tanh. Images of less than 16 x 16 pixels are
    centred on a black one of that size. Trains on one thread.

    Parameters
    ----------
    image_shape : tuple of 2 or 3 int, default=None
        Shape of the image in a row of `X`: (height, width), (channels, height, width) or (height,
        width, channels). ``None`` stands for a square grey-scale image.
    recipe : {"one_cycle", "paper"}, default="one_cycle"
        How it is trained, see :mod:`sklqkd.teachers.recipe`: with a learning rate that rises and
        falls, on pixels of mean 0 and deviation 1; or as in the paper [1]_, with a constant one. A
        ``skorch.callbacks.LRScheduler`` among the callbacks takes the place of the rates.
    loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
        What is trained on. The squared error of the probabilities makes teachers that are less
        certain, and say more of the other classes (arXiv:2407.18041).
    max_epochs : int >= 1, default=None
        Passes over the training data. ``None`` stands for 10; in the one-cycle recipe for more of
        a small set, so that there are 300 steps, but at most 100.
    lr : float > 0, default=None
        Learning rate, in the one-cycle recipe the highest. ``None`` stands for 0.01 there, and
        for 0.001 in the paper's.
    batch_size : int >= 1 or -1, default=None
        Images per mini-batch; -1 puts all into one. ``None`` stands for 128; in the one-cycle
        recipe for less of a small set, so that there are 24 in a pass, but at least 16.
    optimizer : subclass of torch.optim.Optimizer, default=torch.optim.Adam
        What updates the weights.
    train_split : callable, None or False, default=None
        Split into training and validation data, such as ``skorch.dataset.ValidSplit(5)`` or
        ``skorch.helper.predefined_split(dataset)``. ``None`` trains on all data, unless a callback
        watches a validation score: a stratified fifth is held out for it then. ``False`` trains on
        all data.
    callbacks : list of skorch callbacks, "disable" or None, default=None
        Called during training, for example ``[EarlyStopping()]``, beside skorch's own, which
        ``"disable"`` leaves out too.
    warm_start : bool, default=False
        Whether a further ``fit`` goes on from the weights it finds.
    verbose : int, default=0
        Whether to print a line per epoch.
    device : str or torch.device, default="cpu"
        Where to train and predict: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    random_state : int, RandomState instance or None, default=None
        Source of the first weights and the order of the mini-batches. An int gives the
        same weights in each ``fit`` on the same machine. torch's and NumPy's global generators
        are neither read nor changed, except that ``numpy.random`` itself may be passed.
    **component__parameter : dict
        Parameters of skorch's components: ``optimizer__weight_decay``,
        ``criterion__label_smoothing``, ``iterator_train__drop_last``,
        ``iterator_valid__batch_size`` (256: how many images are predicted at a time), ...

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had names that are all strings.
    n_parameters_ : int
        Number of trained parameters.
    module_ : torch.nn.Module
        The trained network: images of shape (n, channels, height, width) to logits.
    history_ : skorch.history.History
        Losses and times of each epoch.

    Notes
    -----
    What is documented for ``skorch.NeuralNetClassifier`` works here, and callbacks see the labels
    of `y`, whatever their type. These differ: the network is made in ``fit`` or ``load_params``,
    not before; ``partial_fit`` trains for one epoch; images are rows of pixels; the loss is
    named by `loss`; a data set is read into memory, so an ``IterableDataset`` is refused.
    Arguments of skorch's that are not listed here are refused with what does the same.

    References
    ----------
    .. [1] M. J. Hasan, M. R. C. Mahdy, "Bridging Classical and Quantum Machine Learning:
       Knowledge Transfer From Classical to Quantum Neural Networks Using Knowledge
       Distillation", arXiv:2311.13810.
    .. [2] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
       recognition", Proc. IEEE 86(11), 1998.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklqkd import LeNetClassifier
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> teacher = LeNetClassifier(max_epochs=5, lr=0.01, random_state=0)
    >>> teacher.fit(X / 16, y).score(X / 16, y) > 0.9
    True
    """

    _network = LeNet5
    _peak_rate = 0.01
    _is_small = True


class AlexNetClassifier(ImageNetClassifier):
    """AlexNet for small images [2]_, a teacher of the paper [1]_.

    Three 3 x 3 convolutions (64, 192, 384 channels) with ReLU, max pooling after the first two,
    then two fully connected layers of 4096 units with ReLU and dropout: 95 million parameters for
    an image of 28 x 28 pixels. Images of less than 4 x 4 pixels are centred on a black one of that
    size.

    Parameters
    ----------
    image_shape : tuple of 2 or 3 int, default=None
        Shape of the image in a row of `X`: (height, width), (channels, height, width) or (height,
        width, channels). ``None`` stands for a square grey-scale image.
    recipe : {"one_cycle", "paper"}, default="one_cycle"
        How it is trained, see :mod:`sklqkd.teachers.recipe`: with a learning rate that rises and
        falls, on pixels of mean 0 and deviation 1; or as in the paper [1]_, with a constant one. A
        ``skorch.callbacks.LRScheduler`` among the callbacks takes the place of the rates.
    loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
        What is trained on. The squared error of the probabilities makes teachers that are less
        certain, and say more of the other classes (arXiv:2407.18041).
    max_epochs : int >= 1, default=None
        Passes over the training data. ``None`` stands for 10; in the one-cycle recipe for more of
        a small set, so that there are 300 steps, but at most 100.
    lr : float > 0, default=None
        Learning rate, in the one-cycle recipe the highest. ``None`` stands for 0.001 there, and
        for 0.001 in the paper's.
    batch_size : int >= 1 or -1, default=None
        Images per mini-batch; -1 puts all into one. ``None`` stands for 128; in the one-cycle
        recipe for less of a small set, so that there are 24 in a pass, but at least 16.
    optimizer : subclass of torch.optim.Optimizer, default=torch.optim.Adam
        What updates the weights.
    train_split : callable, None or False, default=None
        Split into training and validation data, such as ``skorch.dataset.ValidSplit(5)`` or
        ``skorch.helper.predefined_split(dataset)``. ``None`` trains on all data, unless a callback
        watches a validation score: a stratified fifth is held out for it then. ``False`` trains on
        all data.
    callbacks : list of skorch callbacks, "disable" or None, default=None
        Called during training, for example ``[EarlyStopping()]``, beside skorch's own, which
        ``"disable"`` leaves out too.
    warm_start : bool, default=False
        Whether a further ``fit`` goes on from the weights it finds.
    verbose : int, default=0
        Whether to print a line per epoch.
    device : str or torch.device, default="cpu"
        Where to train and predict: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    random_state : int, RandomState instance or None, default=None
        Source of the first weights, the order of the mini-batches and dropout. An int gives the
        same weights in each ``fit`` on the same machine. torch's and NumPy's global generators
        are neither read nor changed, except that ``numpy.random`` itself may be passed.
    **component__parameter : dict
        Parameters of skorch's components: ``module__hidden_size`` (4096),
        ``module__dropout`` (0.5), ``optimizer__weight_decay``, ``criterion__label_smoothing``,
        ``iterator_train__drop_last``, ``iterator_valid__batch_size`` (256: how many images are
        predicted at a time), ...

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had names that are all strings.
    n_parameters_ : int
        Number of trained parameters.
    module_ : torch.nn.Module
        The trained network: images of shape (n, channels, height, width) to logits.
    history_ : skorch.history.History
        Losses and times of each epoch.

    Notes
    -----
    What is documented for ``skorch.NeuralNetClassifier`` works here, and callbacks see the labels
    of `y`, whatever their type. These differ: the network is made in ``fit`` or ``load_params``,
    not before; ``partial_fit`` trains for one epoch; images are rows of pixels; the loss is
    named by `loss`; a data set is read into memory, so an ``IterableDataset`` is refused.
    Arguments of skorch's that are not listed here are refused with what does the same.

    References
    ----------
    .. [1] M. J. Hasan, M. R. C. Mahdy, "Bridging Classical and Quantum Machine Learning:
       Knowledge Transfer From Classical to Quantum Neural Networks Using Knowledge
       Distillation", arXiv:2311.13810.
    .. [2] A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep
       convolutional neural networks", NIPS 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklqkd import AlexNetClassifier
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> teacher = AlexNetClassifier(max_epochs=5, module__hidden_size=64, random_state=0)
    >>> teacher.fit(X / 16, y).score(X / 16, y) > 0.9
    True
    """

    _network = AlexNet
    _peak_rate = 0.001


class ResNetClassifier(ImageNetClassifier):
    """ResNet-20 for small images [2]_, a stronger teacher than those of the paper [1]_.

    Three stages of three residual blocks (16, 32, 64 channels) with batch normalisation and
    parameter-free shortcuts, then the mean over the pixels and one fully connected layer. Images
    of less than 5 x 5 pixels are centred on a black one of that size.

    Parameters
    ----------
    image_shape : tuple of 2 or 3 int, default=None
        Shape of the image in a row of `X`: (height, width), (channels, height, width) or (height,
        width, channels). ``None`` stands for a square grey-scale image.
    recipe : {"one_cycle", "paper"}, default="one_cycle"
        How it is trained, see :mod:`sklqkd.teachers.recipe`: with a learning rate that rises and
        falls, on pixels of mean 0 and deviation 1; or as in the paper [1]_, with a constant one. A
        ``skorch.callbacks.LRScheduler`` among the callbacks takes the place of the rates.
    loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
        What is trained on. The squared error of the probabilities makes teachers that are less
        certain, and say more of the other classes (arXiv:2407.18041).
    max_epochs : int >= 1, default=None
        Passes over the training data. ``None`` stands for 10; in the one-cycle recipe for more of
        a small set, so that there are 300 steps, but at most 100.
    lr : float > 0, default=None
        Learning rate, in the one-cycle recipe the highest. ``None`` stands for 0.01 there, and
        for 0.001 in the paper's.
    batch_size : int >= 1 or -1, default=None
        Images per mini-batch; -1 puts all into one. ``None`` stands for 128; in the one-cycle
        recipe for less of a small set, so that there are 24 in a pass, but at least 16.
    optimizer : subclass of torch.optim.Optimizer, default=torch.optim.Adam
        What updates the weights.
    train_split : callable, None or False, default=None
        Split into training and validation data, such as ``skorch.dataset.ValidSplit(5)`` or
        ``skorch.helper.predefined_split(dataset)``. ``None`` trains on all data, unless a callback
        watches a validation score: a stratified fifth is held out for it then. ``False`` trains on
        all data.
    callbacks : list of skorch callbacks, "disable" or None, default=None
        Called during training, for example ``[EarlyStopping()]``, beside skorch's own, which
        ``"disable"`` leaves out too.
    warm_start : bool, default=False
        Whether a further ``fit`` goes on from the weights it finds.
    verbose : int, default=0
        Whether to print a line per epoch.
    device : str or torch.device, default="cpu"
        Where to train and predict: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    random_state : int, RandomState instance or None, default=None
        Source of the first weights and the order of the mini-batches. An int gives the
        same weights in each ``fit`` on the same machine. torch's and NumPy's global generators
        are neither read nor changed, except that ``numpy.random`` itself may be passed.
    **component__parameter : dict
        Parameters of skorch's components: ``module__n_blocks`` (3 per stage, which
        makes 6 * 3 + 2 = 20 layers), ``module__width`` (16 channels in the first stage),
        ``optimizer__weight_decay``, ``criterion__label_smoothing``,
        ``iterator_train__drop_last``, ``iterator_valid__batch_size`` (256: how many images are
        predicted at a time), ...

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had names that are all strings.
    n_parameters_ : int
        Number of trained parameters.
    module_ : torch.nn.Module
        The trained network: images of shape (n, channels, height, width) to logits.
    history_ : skorch.history.History
        Losses and times of each epoch.

    Notes
    -----
    What is documented for ``skorch.NeuralNetClassifier`` works here, and callbacks see the labels
    of `y`, whatever their type. These differ: the network is made in ``fit`` or ``load_params``,
    not before; ``partial_fit`` trains for one epoch; images are rows of pixels; the loss is
    named by `loss`; a data set is read into memory, so an ``IterableDataset`` is refused.
    Arguments of skorch's that are not listed here are refused with what does the same.

    References
    ----------
    .. [1] M. J. Hasan, M. R. C. Mahdy, "Bridging Classical and Quantum Machine Learning:
       Knowledge Transfer From Classical to Quantum Neural Networks Using Knowledge
       Distillation", arXiv:2311.13810.
    .. [2] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition",
       arXiv:1512.03385, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklqkd import ResNetClassifier
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> teacher = ResNetClassifier(max_epochs=5, module__n_blocks=1, random_state=0)
    >>> teacher.fit(X / 16, y).score(X / 16, y) > 0.9
    True
    """

    _network = ResNet
    _peak_rate = 0.01
