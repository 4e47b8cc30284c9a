"""What a fitted quantum student is, and what may be wrong with it."""

from __future__ import annotations

from numbers import Integral

from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from ..random_states import numpy_generator
from .classical_twin import classical_twin
from .diagnosis import diagnose

__all__ = ["InspectionMixin"]


class InspectionMixin:
    """A student's exact classical twin, and its diagnosis."""

    def to_classical(self, *, max_coefficients=10**6):
        """Return the fitted student as an ordinary classifier: equal, and without a circuit.

        A logit is linear in the real numbers that the encoded state consists of
        (:class:`sklqkd.twin.EncodingFeatures`); with data re-uploading, trained input scales or an
        encoding with weights it is a Fourier series of finitely many frequencies
        (:class:`sklqkd.twin.FourierFeatures`). The pipeline computes these terms from the features,
        and has the coefficients that the trained circuit and head amount to.

        Parameters
        ----------
        max_coefficients : int, default=10**6
            The most coefficients that the twin may have, over all classes (for two classes there is
            one row of them). Of d features there are d (d + 1) / 2 a row with amplitude encoding,
            3^d with "angle" and "hadamard_ry", 4^n with "qubit" and any other on n qubits; L
            uploads of an angle make (2 L + 1)^d, and trained scales up to (3^L)^d.

        Returns
        -------
        twin : sklearn.pipeline.Pipeline
            Steps: "scale" or "check" (:class:`sklqkd.twin.FeatureScaler`), "reduce" (the fitted
            reducer, where there is one, with its scale behind it), "encode"
            (:class:`sklqkd.twin.EncodingFeatures` or :class:`sklqkd.twin.FourierFeatures`) and
            "classify" (a :class:`sklearn.linear_model.LogisticRegression` whose coefficients are
            set). Its decision function is the student's up to rounding, some 1e-12 of its size.
            skl2onnx exports it as it is, but for "conv" and "max_pool" reducers and encodings
            beyond the four named first.

        Raises
        ------
        ValueError
            If it would have more coefficients, which the message counts; or if trained scales give
            frequencies that cannot be told apart.
        NotFittedError
            Before `fit`.

        Warns
        -----
        UserWarning
            If the student is set to a device with options, whose noise the twin leaves out. It is
            the limit of many shots.

        Notes
        -----
        The twin is a statement about this circuit after training: so many classical numbers are all
        that its predictions use. It is trained no further, and no advantage in predicting is left
        to a device. Its time and memory go with the number of terms, all of which a prediction
        holds for all images: it is faster than the student with hundreds of terms, and slower with
        many thousands.

        References
        ----------
        Schuld, Sweke and Meyer, arXiv:2008.08605; Schreiber, Eisert and Meyer, arXiv:2206.11740.

        Examples
        --------
        >>> import numpy as np
        >>> from sklqkd import QNNClassifier
        >>> from sklqkd.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> student = QNNClassifier(n_qubits=4, max_iter=2, random_state=0).fit(X, y)
        >>> twin = student.to_classical()
        >>> twin[-1].coef_.shape
        (10, 136)
        >>> np.allclose(twin.decision_function(X), student.decision_function(X), atol=1e-9)
        True
        """
        check_is_fitted(self)
        check_scalar(max_coefficients, "max_coefficients", Integral, min_val=1)
        return classical_twin(self, int(max_coefficients))

    def diagnose(self, X, y, *, n_draws=50, max_samples=200, random_state=0):
        """Look for what may be wrong with the fitted student, and for the change that mends it.

        =========================== ================================================================
        code                        is found where
        =========================== ================================================================
        "SATURATED_FEATURES"        over 10 % of the encoded features are beyond 0.99 after tanh
        "FLAT_FEATURES"             over half of the features have a standard deviation below 0.01
                                    after tanh
        "BLACK_IMAGES"              over 1 % of the images are zero where amplitudes encode them
        "ALIKE_STATES"              encoded states have a mean fidelity over 0.9
        "CONCENTRATED_FIDELITIES"   fidelities have a mean below 0.1 and a deviation below 0.02
        "CLOSE_CLASSES"             the mean states of two classes have a trace distance below 0.1
        "VANISHING_GRADIENTS"       derivatives at random starts have a deviation below 1e-3
        "IDLE_PARAMETERS"           some angles move no logit
        "WEAK_TEACHER"              the teacher is no more accurate than the student
        "LOW_TEACHER_AGREEMENT"     it is, and they agree on less than 80 % of the images
        "STILL_LEARNING"            training ended by `max_iter`, and its loss fell by over 5 % in
                                    the last five epochs
        =========================== ================================================================

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Images, best those of the fit.
        y : array-like of shape (n_samples,)
            Their labels; images of no class of the student count for features and teacher alone.
        n_draws : int, default=50
            Random initial parameters at which gradients are taken, as `fit` draws them.
        max_samples : int, default=200
            Images, drawn from `X`, for gradients and encoded states.
        random_state : int, RandomState instance or None, default=0
            Fixes these draws.

        Returns
        -------
        diagnosis : sklqkd.students.diagnosis.Diagnosis
            The numbers, and `findings`, each with a code, a message, a remedy and its numbers.
            Nothing is printed; its repr is a page of text.

        Raises
        ------
        ValueError
            For bad input, or if no label is one of the student's classes.
        NotFittedError
            Before `fit`.

        References
        ----------
        McClean et al., "Barren plateaus in quantum neural network training landscapes",
        arXiv:1803.11173; Wang et al., "Limitations of amplitude encoding on quantum
        classification", arXiv:2503.01545.

        Examples
        --------
        >>> from sklqkd import QNNClassifier
        >>> from sklqkd.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> student = QNNClassifier(n_qubits=3, max_iter=2, random_state=0).fit(X, y)
        >>> diagnosis = student.diagnose(X, y)
        >>> diagnosis.codes
        ['IDLE_PARAMETERS']
        >>> print(diagnosis.findings[0].message[:32])
        3 of 27 angles move no logit, wh
        """
        check_is_fitted(self)
        check_scalar(n_draws, "n_draws", Integral, min_val=2)
        check_scalar(max_samples, "max_samples", Integral, min_val=2)
        return diagnose(self, X, y, int(n_draws), int(max_samples), numpy_generator(random_state))
