"""The papers behind what a student uses, to be cited with it.

:func:`citation` looks at the parameters of a student. A part of your own, such as a loss, an
encoding or an ansatz, is cited by its attribute ``citation``, a text, where it has one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import import_module

from ._version import __version__

__all__ = ["REFERENCES", "USED_BY", "citation"]


@dataclass(frozen=True)
class Reference:
    """A publication; `venue` has its journal or conference, `eprint` its number on arXiv."""

    authors: tuple[str, ...]
    title: str
    year: int
    venue: str = ""
    eprint: str = ""
    kind: str = "article"

    def text(self) -> str:
        """Return it in one line."""
        names = ", ".join(self.authors[:-1])
        names = f"{names} and {self.authors[-1]}" if names else self.authors[-1]
        where = [part for part in (self.venue, self.eprint and f"arXiv:{self.eprint}") if part]
        return ", ".join([names, f'"{self.title}"', *where, str(self.year)]) + "."

    def bibtex(self, key: str) -> str:
        """Return it as an entry of BibTeX."""
        home = {"article": "journal", "inproceedings": "booktitle"}.get(self.kind, "howpublished")
        fields = {"author": " and ".join(self.authors), "title": f"{{{self.title}}}"}
        fields |= {home: self.venue or f"arXiv preprint arXiv:{self.eprint}"}
        fields |= {"year": str(self.year)}
        if self.eprint:
            fields |= {"eprint": self.eprint, "archivePrefix": "arXiv"}
        lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
        return f"@{self.kind}{{{key},\n{lines}}}"


REFERENCES = {
    "sklqkd": Reference(("sklqkd developers",), f"sklqkd {__version__}", 2026, kind="misc"),
    "hasan2023": Reference(
        ("M. J. Hasan", "M. R. C. Mahdy"),
        "Bridging Classical and Quantum Machine Learning: Knowledge Transfer From Classical to "
        "Quantum Neural Networks Using Knowledge Distillation",
        2023,
        eprint="2311.13810",
    ),
    "ba2014": Reference(
        ("J. Ba", "R. Caruana"),
        "Do Deep Nets Really Need to be Deep?",
        *(2014, "NIPS 2014", "1312.6184"),
        kind="inproceedings",
    ),
    "bergholm2018": Reference(
        ("V. Bergholm", "others"),
        "PennyLane: Automatic differentiation of hybrid quantum-classical computations",
        2018,
        eprint="1811.04968",
    ),
    "beyer2022": Reference(
        ("L. Beyer", "X. Zhai", "A. Royer", "L. Markeeva", "R. Anil", "A. Kolesnikov"),
        "Knowledge distillation: A good teacher is patient and consistent",
        *(2022, "CVPR 2022", "2106.05237"),
        kind="inproceedings",
    ),
    "byrd1995": Reference(
        ("R. H. Byrd", "P. Lu", "J. Nocedal", "C. Zhu"),
        "A Limited Memory Algorithm for Bound Constrained Optimization",
        *(1995, "SIAM Journal on Scientific Computing 16(5), 1190-1208"),
    ),
    "giurgica2020": Reference(
        ("T. Giurgica-Tiron", "Y. Hindy", "R. LaRose", "A. Mari", "W. J. Zeng"),
        "Digital zero noise extrapolation for quantum error mitigation",
        *(2020, "IEEE International Conference on Quantum Computing and Engineering", "2005.10921"),
        kind="inproceedings",
    ),
    "havlicek2019": Reference(
        (
            *("V. Havlíček", "A. D. Córcoles", "K. Temme", "A. W. Harrow", "A. Kandala"),
            *("J. M. Chow", "J. M. Gambetta"),
        ),
        "Supervised learning with quantum-enhanced feature spaces",
        *(2019, "Nature 567, 209-212", "1804.11326"),
    ),
    "hinton2015": Reference(
        ("G. Hinton", "O. Vinyals", "J. Dean"),
        "Distilling the Knowledge in a Neural Network",
        2015,
        eprint="1503.02531",
    ),
    "huang2022": Reference(
        ("T. Huang", "S. You", "F. Wang", "C. Qian", "C. Xu"),
        "Knowledge Distillation from A Stronger Teacher",
        *(2022, "NeurIPS 2022", "2205.10536"),
        kind="inproceedings",
    ),
    "javadi2024": Reference(
        ("A. Javadi-Abhari", "others"), "Quantum computing with Qiskit", 2024, eprint="2405.08810"
    ),
    "jin2023": Reference(
        ("Y. Jin", "J. Wang", "D. Lin"),
        "Multi-Level Logit Distillation",
        *(2023, "CVPR 2023, pages 24276-24285"),
        kind="inproceedings",
    ),
    "kim2021": Reference(
        ("T. Kim", "J. Oh", "N. Kim", "S. Cho", "S.-Y. Yun"),
        "Comparing Kullback-Leibler Divergence and Mean Squared Error Loss in Knowledge "
        "Distillation",
        *(2021, "IJCAI 2021", "2105.08919"),
        kind="inproceedings",
    ),
    "kingma2015": Reference(
        ("D. P. Kingma", "J. Ba"),
        "Adam: A Method for Stochastic Optimization",
        *(2015, "ICLR 2015", "1412.6980"),
        kind="inproceedings",
    ),
    "larose2020": Reference(
        ("R. LaRose", "B. Coyle"),
        "Robust data encodings for quantum classifiers",
        *(2020, "Physical Review A 102, 032420", "2003.01695"),
    ),
    "liu2025": Reference(
        ("C.-Y. Liu", "K.-C. Chen", "K. Murota", "S. Y.-C. Chen", "E. Rinaldi"),
        "Quantum Relational Knowledge Distillation",
        2025,
        eprint="2508.13054",
    ),
    "mottonen2005": Reference(
        ("M. Möttönen", "J. J. Vartiainen", "V. Bergholm", "M. M. Salomaa"),
        "Transformation of quantum states using uniformly controlled rotations",
        *(2005, "Quantum Information and Computation 5, 467", "quant-ph/0407010"),
    ),
    "park2019": Reference(
        ("W. Park", "D. Kim", "Y. Lu", "M. Cho"),
        "Relational Knowledge Distillation",
        *(2019, "CVPR 2019", "1904.05068"),
        kind="inproceedings",
    ),
    "pedregosa2011": Reference(
        ("F. Pedregosa", "others"),
        "Scikit-learn: Machine Learning in Python",
        *(2011, "Journal of Machine Learning Research 12, 2825-2830"),
    ),
    "perezsalinas2020": Reference(
        ("A. Pérez-Salinas", "A. Cervera-Lierta", "E. Gil-Fuster", "J. I. Latorre"),
        "Data re-uploading for a universal quantum classifier",
        *(2020, "Quantum 4, 226", "1907.02085"),
    ),
    "powell1994": Reference(
        ("M. J. D. Powell",),
        "A direct search optimization method that models the objective and constraint functions by "
        "linear interpolation",
        *(1994, "Advances in Optimization and Numerical Analysis, 51-67"),
    ),
    "schuld2020": Reference(
        ("M. Schuld", "A. Bocharov", "K. M. Svore", "N. Wiebe"),
        "Circuit-centric quantum classifiers",
        *(2020, "Physical Review A 101, 032308", "1804.00633"),
    ),
    "spall1992": Reference(
        ("J. C. Spall",),
        "Multivariate stochastic approximation using a simultaneous perturbation gradient "
        "approximation",
        *(1992, "IEEE Transactions on Automatic Control 37(3), 332-341"),
    ),
    "sun2024": Reference(
        ("S. Sun", "W. Ren", "J. Li", "R. Wang", "X. Cao"),
        "Logit Standardization in Knowledge Distillation",
        *(2024, "CVPR 2024", "2403.01427"),
        kind="inproceedings",
    ),
    "szegedy2016": Reference(
        ("C. Szegedy", "V. Vanhoucke", "S. Ioffe", "J. Shlens", "Z. Wojna"),
        "Rethinking the Inception Architecture for Computer Vision",
        *(2016, "CVPR 2016", "1512.00567"),
        kind="inproceedings",
    ),
    "virtanen2020": Reference(
        ("P. Virtanen", "others"),
        "SciPy 1.0: Fundamental Algorithms for Scientific Computing in Python",
        *(2020, "Nature Methods 17, 261-272", "1907.10121"),
    ),
    "yuan2020": Reference(
        ("L. Yuan", "F. E. H. Tay", "G. Li", "T. Wang", "J. Feng"),
        "Revisiting Knowledge Distillation via Label Smoothing Regularization",
        *(2020, "CVPR 2020", "1909.11723"),
        kind="inproceedings",
    ),
    "zhang2018": Reference(
        ("H. Zhang", "M. Cisse", "Y. N. Dauphin", "D. Lopez-Paz"),
        "mixup: Beyond Empirical Risk Minimization",
        *(2018, "ICLR 2018", "1710.09412"),
        kind="inproceedings",
    ),
    "zhao2022": Reference(
        ("B. Zhao", "Q. Cui", "R. Song", "Y. Qiu", "J. Liang"),
        "Decoupled Knowledge Distillation",
        *(2022, "CVPR 2022", "2203.08679"),
        kind="inproceedings",
    ),
}

#: The references of what has a name, by the parameter that takes it.
USED_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "encoding": {
        "amplitude": ("schuld2020", "mottonen2005"),
        "angle": ("hasan2023", "larose2020"),
        "qubit": ("hasan2023", "larose2020"),
        "hadamard_ry": ("hasan2023",),
        "iqp": ("havlicek2019", "bergholm2018"),
        "zz": ("havlicek2019",),
    },
    "reducer": {
        "fc": ("hasan2023",),
        "conv": ("hasan2023",),
        "pca": ("hasan2023", "pedregosa2011"),
        "avg_pool": ("hasan2023",),
        "max_pool": ("hasan2023",),
        "crop": ("hasan2023",),
    },
    "ansatz": {
        "strongly_entangling": ("schuld2020", "bergholm2018"),
        "basic_entangler": ("bergholm2018",),
        "rotations": ("hasan2023",),
        "none": ("hasan2023",),
    },
    "distillation": {
        "hinton": ("hinton2015",),
        "paper": ("hasan2023", "hinton2015"),
        "logit_mse": ("kim2021", "ba2014"),
        "standardized": ("sun2024",),
        "decoupled": ("zhao2022",),
        "dist": ("huang2022",),
        "multi_level": ("jin2023",),
        "relational": ("park2019", "liu2025"),
        "quantum_relational": ("liu2025",),
        "label_smoothing": ("szegedy2016",),
        "virtual_teacher": ("yuan2020",),
    },
    "augmentation": {
        "flip": ("beyer2022",),
        "mixup": ("beyer2022", "zhang2018"),
        "noise": ("beyer2022",),
        "shift": ("beyer2022",),
    },
    "optimizer": {
        "adam": ("kingma2015",),
        "cobyla": ("powell1994", "virtanen2020"),
        "lbfgs": ("byrd1995", "virtanen2020"),
        "spsa": ("spall1992",),
    },
}


class Citation(str):
    """A text that shows itself as it is."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


def citation(student, *, style="text") -> Citation:
    r"""Return the references of what a student uses.

    Parameters
    ----------
    student : estimator
        A student of this package, fitted or not, alone, in a Pipeline or under a search.
    style : {"text", "bibtex"}, default="text"
        A line for each, which also says what it is for, or entries of BibTeX.

    Returns
    -------
    references : str
        At a prompt it shows its lines. The first two are this package and the paper whose method it
        implements.

    Raises
    ------
    TypeError
        If there is no student in it.
    ValueError
        For another style.

    Examples
    --------
    >>> import sklqkd
    >>> student = sklqkd.DistilledQNNClassifier(distillation="decoupled", augmentation="mixup")
    >>> print(sklqkd.citation(student, style="bibtex").split("\n\n")[-2])
    @inproceedings{zhang2018,
      author = {H. Zhang and M. Cisse and Y. N. Dauphin and D. Lopez-Paz},
      title = {{mixup: Beyond Empirical Risk Minimization}},
      booktitle = {ICLR 2018},
      year = {2018},
      eprint = {1710.09412},
      archivePrefix = {arXiv},
    }
    """
    if not isinstance(style, str) or style not in ("text", "bibtex"):
        raise ValueError(f'style={style!r} is unknown. Give "text" or "bibtex".')
    used, own = _uses(_student_in(student))
    if style == "bibtex":
        entries = [REFERENCES[key].bibtex(key) for key in used]
        return Citation("\n\n".join([*entries, *(f"% {what}: {text}" for what, text in own)]))
    lines = [f"{REFERENCES[key].text()} [{', '.join(uses)}]" for key, uses in used.items()]
    return Citation("\n".join([*lines, *(f"{text} [{what}]" for what, text in own)]))


def _student_in(estimator):
    """Return the student in a pipeline, a search, or both."""
    Student = import_module(".students.base", __package__).Student
    for _ in range(10):
        if isinstance(estimator, Student):
            return estimator
        for name in ("best_estimator_", "student_", "student", "estimator", "_final_estimator"):
            if (inner := getattr(estimator, name, None)) is not None:
                estimator = inner
                break
    raise TypeError(f"There is no student of sklqkd in {estimator!r}.")


def _uses(student):
    """Return what each reference is for, by its key, and the texts of parts of the user's own."""
    used: dict[str, list[str]] = {"sklqkd": ["the software"], "hasan2023": ["the method"]}
    own = []

    def add(keys, what):
        for key in keys:
            used.setdefault(key, []).append(what)

    parameters = student.get_params(deep=False)
    parameters.setdefault("optimizer", "adam")
    is_taught = parameters.get("lam", 0) != 0
    for name, known in USED_BY.items():
        values = parameters.get(name)
        if name == "augmentation" and (values is None or isinstance(values, str)):
            values = [values]
        if name in ("distillation", "augmentation") and not is_taught:
            continue
        for value in values if name == "augmentation" and not callable(values) else [values]:
            label = _name_of_loss(value) if name == "distillation" else value
            label = _name_of_optimizer(value) if name == "optimizer" else label
            if isinstance(label, str):
                add(known.get(label, ()), f"{name} {label}")
            elif text := getattr(getattr(value, "loss", value), "citation", None):
                own.append((name, str(text)))
            elif type(value).__module__.startswith("sklearn."):
                add(["pedregosa2011"], f"{name} {type(value).__name__}")
    if parameters.get("n_uploads", 1) != 1:
        add(["perezsalinas2020"], "data re-uploading")
    backend = parameters.get("backend", "statevector")
    if backend != "statevector":
        add(["bergholm2018"], f"backend {backend}")
    if (parameters.get("backend_options") or {}).get("zne"):
        add(["giurgica2020"], "zero-noise extrapolation")
    if "qiskit" in backend:
        add(["javadi2024"], f"backend {backend}")
    return used, own


def _name_of_loss(loss):
    """Return the name of a loss of the package, with whatever constants, or the loss."""
    losses = import_module(".losses", __package__).DISTILLATION_LOSSES
    for name, known in losses.items():
        if isinstance(loss, type(known)) and _function(loss) is _function(known):
            return name
    return loss


def _name_of_optimizer(optimizer):
    """Return the name of an optimizer of the package, with whatever constants, or the optimizer."""
    kinds = {"L-BFGS-B": "lbfgs", "COBYLA": "cobyla", "SPSA": "spsa"}
    if not type(optimizer).__module__.startswith("sklqkd."):
        return optimizer
    return kinds.get(getattr(optimizer, "method", type(optimizer).__name__), optimizer)


def _function(loss):
    function = loss[1]
    return function.func if isinstance(function, functools.partial) else function
