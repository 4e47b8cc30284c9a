"""The quantum students: scikit-learn classifiers around a circuit of a few qubits.

:class:`QNNClassifier` learns from labels alone, :class:`DistilledQNNClassifier` from a teacher too.
"""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

from .._sklearn import Interval, StrOptions
from ..circuits import ANSATZ_NAMES
from ..encodings import ENCODINGS
from .base import TaughtStudent
from .circuit_export import CircuitMixin
from .inspection import InspectionMixin
from .quantum_student import QuantumStudent

__all__ = ["DistilledQNNClassifier", "QNNClassifier"]


class QNNClassifier(CircuitMixin, InspectionMixin, QuantumStudent):
    """Quantum neural network classifier, simulated exactly.

    An image is reduced to a few features, these are encoded into the state of `n_qubits` qubits, a
    trained circuit follows, and a linear layer maps what is measured to class logits. All of it is
    trained together on cross-entropy, with Adam and exact gradients unless told otherwise.

    Parameters
    ----------
    n_qubits : int, default=4
        Number of qubits, from 1 to 20.
    encoding : {"amplitude", "angle", "qubit", "hadamard_ry", "iqp", "zz"} or callable, \
default="amplitude"
        How features become a state, see :mod:`sklqkd.encodings`. It takes 2^n, n, 2n, n, n and n
        features; missing ones count as 0. Or any PennyLane embedding template or function
        ``f(features, wires)`` of the angles ``pi * tanh(x)``, of which it takes n unless its
        attribute `n_features` says another number; or a circuit in which data and weights
        interleave, ``f(features, weights, wires)`` with the `shape` of its weights. Its gates'
        angles have to be polynomials of features and weights, up to degree 4.
    n_uploads : int, default=1
        How often the features are encoded (data re-uploading, Pérez-Salinas et al.,
        arXiv:1907.02085): after each time the ansatz follows, with all of its `n_layers` layers
        and weights of its own. Not for the amplitude encoding, which prepares a state.
    trainable_scaling : bool, default=False
        Whether the features, as angles, are multiplied with a trained factor for each upload and
        feature, which starts from 1.
    reducer : {"fc", "conv", "pca", "avg_pool", "max_pool", "crop"}, transformer or None, \
default="fc"
        How an image becomes features, see :mod:`sklqkd.reducers`; ``None`` takes `X` as the
        features. "fc" and "conv" are trained together with the circuit. Any transformer will do;
        its ``n_components``, or that of the last step of a Pipeline, is set to what the encoding
        takes if it is None. Features of a reducer that is not trained, or of `X` itself, are scaled
        to the encoding's range (``feature_scale_``).
    ansatz : {"strongly_entangling", "basic_entangler", "rotations", "none"} or callable, \
default="strongly_entangling"
        The trained circuit: PennyLane's StronglyEntanglingLayers or BasicEntanglerLayers; RX, RY,
        RZ on each qubit (the paper's version 2); no trained gate (version 1); or any PennyLane
        template ``f(weights, wires)`` with a ``shape``.
    n_layers : int, default=3
        Number of layers of the ansatz, after each upload.
    measurement : {"probs", "expval"}, observable or list of observables, default="probs"
        What the linear layer sees: the 2^n probabilities of the basis states; the expectation of
        Pauli Z on each qubit; or that of each observable of a list, a PennyLane operator such as
        ``qml.X(0) @ qml.Z(1)``, sums of Pauli words, Hermitian matrices on up to 4 wires; or Pauli
        words in plain text, ``"XZ"`` or ``{"XZ": 0.5, "ZI": -1.0}``, letter k for wire k.
        Observables that do not commute qubit by qubit take more than one circuit, each with all
        `shots`. skops stores them in plain text alone, in which ``circuit_["measurement"]`` has
        them.
    image_shape : sequence of int, default=None
        (height, width), (channels, height, width) or (height, width, channels) of a row of `X`;
        ``None`` stands for a square grey-scale image (or the most square).
    backend : str, default="statevector"
        What runs the circuit, in `fit` and in `predict`, so that ``set_params(backend=...)`` runs a
        trained student elsewhere: the exact simulator, or the name of a PennyLane device such as
        "default.qubit", "default.mixed", "lightning.qubit", "qiskit.aer" or "qiskit.remote". On a
        device, training takes its gradients by the parameter-shift rule.
    shots : int, default=None
        Number of measurements of each image; ``None`` for exact probabilities. On the exact
        simulator they are drawn from the exact distribution, and training stays exact but for this
        noise. They are drawn row after row: with a `random_state` the same rows, in the same order,
        have the same shots in each call of `predict`, and an image among other ones has others.
    backend_options : dict, default=None
        Options of the backend, see :func:`sklqkd.backends.make_backend`. The exact simulator has
        one, "depolarizing": the probability that the register is replaced by the maximally mixed
        state.
    device : str, default="cpu"
        Where the exact simulator runs: "cpu", or a device of torch such as "cuda", which pays for
        many qubits and large batches.
    optimizer : {"adam", "sgd", "lbfgs", "spsa", "cobyla"} or object, default="adam"
        How it is trained, see :mod:`sklqkd.optimizers`: Adam or momentum on mini-batches; L-BFGS on
        all images, of which `max_iter` counts the iterations; or without gradients, for shots and
        hardware. An object sets other constants, or is one of your own or of PennyLane.
    max_iter : int, default=50
        Largest number of epochs.
    batch_size : int, default=32
        Images per mini-batch.
    learning_rate_init : float, default=0.01
        Step size of the optimizer.
    shuffle : bool, default=True
        Whether to draw new mini-batches in every epoch.
    early_stopping : bool, default=False
        Whether to hold out images, stop when the accuracy on them does not rise any more, and
        restore the best weights. Otherwise training stops when the training loss does not fall.
    validation_fraction : float, default=0.1
        Share of the images held out, in (0, 1).
    n_iter_no_change : int, default=10
        Epochs without an improvement of `tol` before training stops.
    tol : float, default=1e-4
        The least improvement of loss, or of accuracy with `early_stopping`, that counts.
    warm_start : bool, default=False
        Whether a further `fit` goes on from the weights of the last one.
    verbose : int, default=0
        If positive, print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Fixes initial weights, mini-batches, hold-out, dropout and shots. Nothing else is drawn
        from.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    parameters_ : ndarray of shape (n_parameters,)
        All trained parameters: front-end, circuit, head coefficients, head intercepts.
    circuit_weights_ : ndarray
        The ansatz's trained weights, in its own shape; with several uploads, one such array for
        each.
    encoding_weights_ : ndarray or None
        The same of an encoding that has weights.
    input_scales_ : ndarray of shape (n_uploads, n_features), (n_features,) or None
        With `trainable_scaling`, the factors of the features; the second shape for one upload.
    head_coef_ : ndarray of shape (n_classes, n_outputs)
        Coefficients of the linear head, on 2^n times the probabilities or on the expectations.
    head_intercept_ : ndarray of shape (n_classes,)
        Intercepts of the linear head.
    reducer_ : transformer or None
        The fitted reducer.
    feature_scale_ : ndarray of shape (2, n_reduced) or None
        Offsets and factors that bring features (or `X`, in front of a trained reducer) into the
        encoding's range, see :mod:`sklqkd.feature_scaling`; ``None`` leaves them as they are.
    n_parameters_ : dict
        Numbers of trained parameters: "quantum" (angles of the circuit) and "classical" (the
        trained reducer and the head).
    loss_curve_ : list of float
        Mean training loss of each epoch.
    validation_scores_ : list of float or None
        Accuracy on the hold-out after each epoch, with `early_stopping`.
    n_iter_ : int
        Number of epochs that ran.
    n_features_in_ : int
        Number of features (pixels) seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string names.

    See Also
    --------
    DistilledQNNClassifier : The same student, taught by a fitted classifier.

    References
    ----------
    Hasan and Mahdy, arXiv:2311.13810; Schuld et al., "Circuit-centric quantum classifiers",
    Phys. Rev. A 101, 032308.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklqkd import QNNClassifier
    >>> from sklqkd.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> student = QNNClassifier(n_qubits=4, max_iter=20, random_state=0).fit(X_train, y_train)
    >>> student.score(X_test, y_test) > 0.9
    True
    >>> student.n_parameters_
    {'quantum': 36, 'classical': 1210}
    """

    _parameter_constraints: ClassVar[dict] = {
        **QuantumStudent._parameter_constraints,
        "n_qubits": [Interval(Integral, 1, None, closed="left")],
        "encoding": [StrOptions(set(ENCODINGS)), callable],
        "n_uploads": [Interval(Integral, 1, None, closed="left")],
        "trainable_scaling": ["boolean"],
        "ansatz": [StrOptions(set(ANSATZ_NAMES)), callable],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "measurement": "no_validation",  # see sklqkd.circuits.observables
        "backend": [str],
        "shots": [Interval(Integral, 1, 2**31, closed="both"), None],
        "backend_options": [dict, None],
        "device": [str],
    }

    def __init__(
        self,
        *,
        n_qubits=4,
        encoding="amplitude",
        n_uploads=1,
        trainable_scaling=False,
        reducer="fc",
        ansatz="strongly_entangling",
        n_layers=3,
        measurement="probs",
        image_shape=None,
        backend="statevector",
        shots=None,
        backend_options=None,
        device="cpu",
        optimizer="adam",
        max_iter=50,
        batch_size=32,
        learning_rate_init=0.01,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_qubits = n_qubits
        self.encoding = encoding
        self.n_uploads = n_uploads
        self.trainable_scaling = trainable_scaling
        self.reducer = reducer
        self.ansatz = ansatz
        self.n_layers = n_layers
        self.measurement = measurement
        self.image_shape = image_shape
        self.backend = backend
        self.shots = shots
        self.backend_options = backend_options
        self.device = device
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state


class DistilledQNNClassifier(TaughtStudent, QNNClassifier):
    """Quantum neural network classifier that learns from a teacher and from labels.

    The student of :class:`QNNClassifier`, trained on ``(1 - lam) * cross-entropy + lam *
    distillation loss``. The teacher labels the training images once, before training starts; it is
    never changed, and not needed to predict.

    Parameters
    ----------
    teacher : classifier or list of classifiers, default=None
        Any classifier with ``predict_proba`` on the images of `X`, fitted before (unless `cv` says
        otherwise). Classes are matched by label; it may know more of them, or fewer. ``clone``
        hands a fitted teacher on, by reference. As a value in a parameter grid it has to be a
        ``FrozenEstimator``. ``None``: no distillation, or ``teacher_logits`` passed to `fit`. Of
        several teachers each has its own distillation loss, and their weighted mean counts. A
        trained module of torch comes as a :class:`sklqkd.TorchTeacher`. What the teacher says of
        the labelled images is compared with `y`: a :class:`sklqkd.exceptions.TeacherWarning` tells
        of a teacher that is no better than a guess there, and of classes that had to be matched by
        its favourites, since a meta-estimator has re-coded `y`.
    temperature : float, schedule or list, default=3.0
        Softens the teacher's probabilities and the student's, from 1e-3 to 1e3. A schedule over
        the epochs (a tuple such as ``("linear", 6, 1)`` or a function) is described in
        :func:`sklqkd.schedules.resolve_schedule`; a list has one for each teacher.
    lam : float or schedule, default=0.5
        Weight of the distillation loss, in [0, 1]. With 0 the student is a :class:`QNNClassifier`.
    distillation : {"hinton", "paper", "logit_mse", "standardized", "decoupled", "dist", \
"multi_level", "relational", "quantum_relational", \
"label_smoothing", "virtual_teacher"} or DistillationLoss, default="hinton"
        The distillation loss, see :mod:`sklqkd.losses`; with other constants, or of your own, as a
        :class:`sklqkd.losses.DistillationLoss`. The last two names are controls that need no
        teacher. "dist", "multi_level" and "relational" compare the images of a batch, so that
        `sample_weight` weights their terms only approximately. "quantum_relational" wants a
        trained reducer and the exact simulator.
    teacher_weights : array-like of shape (n_teachers,), default=None
        Non-negative weights of several teachers; ``None`` for equal ones.
    unlabelled : int, float, str or None, default=-1
        The value of `y` that marks images without a label, which learn from the teacher alone. It
        is a class like any other where there is no teacher or the teacher knows it; ``None`` turns
        this off. `y` has to be of a type that holds it: not unsigned integers, nor short strings.
    cv : "prefit", int or splitter, default="prefit"
        "prefit" takes the fitted teacher as it is. Otherwise each image's soft target comes from a
        clone of the teacher that was trained on the other folds (a teacher's targets for its own
        training images are over-confident).
    augmentation : {"flip", "mixup", "noise", "shift"}, callable, list of them or None, default=None
        How the training images are copied with changes, see :mod:`sklqkd.augmentation`: the teacher
        says what it thinks of each copy, which takes no further images. "shift" and "flip" move
        pixels, "noise" adds some, "mixup" puts two images on top of each other and is right for
        tables too; a function ``f(X, rng)`` returns changed copies of rows. Of a list all are
        applied, in its order. Labels stay, those of mixtures are mixed. Not with `teacher_logits`.
    n_views : int, default=8
        Copies of each image, all of them in memory. An epoch shows each image once: as it is, or
        one of its copies.
    n_qubits : int, default=4
        Number of qubits, from 1 to 20.
    encoding : {"amplitude", "angle", "qubit", "hadamard_ry", "iqp", "zz"} or callable, \
default="amplitude"
        How features become a state: a name, a PennyLane embedding template or a function.
    n_uploads : int, default=1
        How often the features are encoded, each time with the ansatz behind it.
    trainable_scaling : bool, default=False
        Whether the features are multiplied with trained factors, one per upload and feature.
    reducer : {"fc", "conv", "pca", "avg_pool", "max_pool", "crop"}, transformer or None, \
default="fc"
        How an image becomes features.
    ansatz : {"strongly_entangling", "basic_entangler", "rotations", "none"} or callable, \
default="strongly_entangling"
        The trained circuit.
    n_layers : int, default=3
        Number of layers of the ansatz.
    measurement : {"probs", "expval"}, observable or list of observables, default="probs"
        What the linear layer sees.
    image_shape : sequence of int, default=None
        Shape of the image behind a row of `X`; ``None`` for a square grey-scale image.
    backend : str, default="statevector"
        What runs the circuit: the exact simulator, or the name of a PennyLane device.
    shots : int, default=None
        Number of measurements of each image; ``None`` for exact probabilities. They
        are drawn row after row, so that an image has other shots among other ones.
    backend_options : dict, default=None
        Options of the backend.
    device : str, default="cpu"
        Where the exact simulator runs: "cpu", or a device of torch such as "cuda", which pays for
        many qubits and large batches.
    optimizer : {"adam", "sgd", "lbfgs", "spsa", "cobyla"} or object, default="adam"
        How it is trained, see :mod:`sklqkd.optimizers`.
    max_iter : int, default=50
        Largest number of epochs.
    batch_size : int, default=32
        Images per mini-batch.
    learning_rate_init : float, default=0.01
        Step size of the optimizer.
    shuffle : bool, default=True
        Whether to draw new mini-batches in every epoch.
    early_stopping : bool, default=False
        Whether to stop by the accuracy on held-out images and restore the best weights.
    validation_fraction : float, default=0.1
        Share of the images held out, in (0, 1).
    n_iter_no_change : int, default=10
        Epochs without an improvement of `tol` before training stops.
    tol : float, default=1e-4
        The least improvement that counts.
    warm_start : bool, default=False
        Whether a further `fit` goes on from the weights of the last one.
    verbose : int, default=0
        If positive, print a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Fixes initial weights, mini-batches, hold-out, dropout and shots.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    parameters_ : ndarray of shape (n_parameters,)
        All trained parameters; the other fitted attributes are those of :class:`QNNClassifier`.
    teacher_matching_ : list of ndarray of bool, shape (n_teacher_classes, n_classes)
        For each teacher, which of its classes counts as which of the student: by their labels, or
        by its favourites where those tell otherwise. Empty where nobody teaches.

    See Also
    --------
    QNNClassifier : The same student without a teacher; documents all fitted attributes.

    References
    ----------
    Hasan and Mahdy, arXiv:2311.13810; Hinton, Vinyals and Dean, arXiv:1503.02531.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklqkd import DistilledQNNClassifier
    >>> from sklqkd.datasets import load_digits, take_per_class
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X[:1200], y[:1200])
    >>> few, labels = take_per_class(X[:1200], y[:1200], 20)
    >>> student = DistilledQNNClassifier(teacher, max_iter=30, random_state=0).fit(few, labels)
    >>> student.score(X[1200:], y[1200:]) > 0.75
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **QNNClassifier._parameter_constraints,
        **TaughtStudent._parameter_constraints,
    }

    def __init__(
        self,
        teacher=None,
        *,
        temperature=3.0,
        lam=0.5,
        distillation="hinton",
        teacher_weights=None,
        unlabelled=-1,
        cv="prefit",
        augmentation=None,
        n_views=8,
        n_qubits=4,
        encoding="amplitude",
        n_uploads=1,
        trainable_scaling=False,
        reducer="fc",
        ansatz="strongly_entangling",
        n_layers=3,
        measurement="probs",
        image_shape=None,
        backend="statevector",
        shots=None,
        backend_options=None,
        device="cpu",
        optimizer="adam",
        max_iter=50,
        batch_size=32,
        learning_rate_init=0.01,
        shuffle=True,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        super().__init__(
            n_qubits=n_qubits,
            encoding=encoding,
            n_uploads=n_uploads,
            trainable_scaling=trainable_scaling,
            reducer=reducer,
            ansatz=ansatz,
            n_layers=n_layers,
            measurement=measurement,
            image_shape=image_shape,
            backend=backend,
            shots=shots,
            backend_options=backend_options,
            device=device,
            optimizer=optimizer,
            max_iter=max_iter,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
        )
        self.teacher = teacher
        self.temperature = temperature
        self.lam = lam
        self.distillation = distillation
        self.teacher_weights = teacher_weights
        self.unlabelled = unlabelled
        self.cv = cv
        self.augmentation = augmentation
        self.n_views = n_views
