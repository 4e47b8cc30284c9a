"""What a student uses is cited: each name has its references, and each reference is whole."""

import functools
import re

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.random_projection import GaussianRandomProjection

from sklqkd import (
    DistilledLinearClassifier,
    DistilledQNNClassifier,
    DistilledQNNClassifierCV,
    QNNClassifier,
    citation,
)
from sklqkd.augmentation import AUGMENTATIONS
from sklqkd.circuits import ANSATZ_NAMES
from sklqkd.encodings import ENCODINGS
from sklqkd.losses import DISTILLATION_LOSSES, hinton, softened, with_constants
from sklqkd.references import REFERENCES, USED_BY
from sklqkd.students.features import REDUCERS

NAMES = {
    "encoding": ENCODINGS,
    "reducer": REDUCERS,
    "ansatz": ANSATZ_NAMES,
    "distillation": DISTILLATION_LOSSES,
    "augmentation": AUGMENTATIONS,
}


def keys(student):
    return re.findall(r"@\w+\{(\w+),", citation(student, style="bibtex"))


@pytest.mark.parametrize("parameter", NAMES)
def test_each_name_has_its_references(parameter):
    for name in NAMES[parameter]:
        expected = USED_BY[parameter][name]
        student = DistilledQNNClassifier(**{parameter: name})
        assert expected
        assert set(expected) <= set(keys(student)), name
        assert f"{parameter} {name}" in citation(student)


def test_references_are_whole_and_used():
    used = {key for names in USED_BY.values() for of_name in names.values() for key in of_name}
    assert used <= set(REFERENCES)
    for key, reference in REFERENCES.items():
        assert reference.venue or reference.eprint or key == "sklqkd"
        assert not reference.eprint or re.fullmatch(
            r"\d{4}\.\d{4,5}|quant-ph/\d{7}", reference.eprint
        )
        year = int(key[-4:]) if key[-4:].isdigit() else reference.year
        assert reference.year == year
        entry = reference.bibtex(key)
        assert entry.count("{") == entry.count("}")
        assert str(year) in reference.text()


def test_what_is_not_used_is_not_cited():
    plain = keys(QNNClassifier(reducer=None))
    assert plain == [
        "sklqkd",
        "hasan2023",
        "schuld2020",
        "mottonen2005",
        "bergholm2018",
        "kingma2015",
    ]
    assert keys(DistilledQNNClassifier(lam=0, reducer=None, distillation="dist")) == plain
    linear = keys(DistilledLinearClassifier(distillation="dist", reducer=None))
    assert linear == ["sklqkd", "hasan2023", "huang2022", "kingma2015"]
    assert "javadi2024" in keys(QNNClassifier(backend="qiskit.aer"))


def test_other_constants_and_parts_of_ones_own():
    assert "jin2023" in keys(
        DistilledQNNClassifier(distillation=with_constants("multi_level", beta=2.0))
    )

    def mine(*given):
        return hinton(*given)

    mine.citation = "A. Author, My loss, 2027."
    own = DISTILLATION_LOSSES["hinton"]._replace(targets=softened, loss=mine)
    student = DistilledQNNClassifier(distillation=own)
    assert citation(student).endswith("A. Author, My loss, 2027. [distillation]")
    assert "% distillation: A. Author" in citation(student, style="bibtex")
    assert "hinton2015" not in keys(student)
    unknown = own._replace(loss=functools.partial(lambda *given: hinton(*given)))
    assert "distillation" not in citation(
        DistilledQNNClassifier(distillation=unknown)
    ).lower().replace("knowledge distillation", "")
    reducer = GaussianRandomProjection()
    assert "reducer GaussianRandomProjection" in citation(QNNClassifier(reducer=reducer))
    views = DistilledQNNClassifier(augmentation=["shift", "mixup", lambda X, rng: X])
    assert "augmentation shift, augmentation mixup" in citation(views)


def test_students_are_found_in_pipelines_and_searches():
    student = DistilledQNNClassifier(distillation="decoupled")
    pipe = make_pipeline(GaussianRandomProjection(), student)
    for estimator in (
        pipe,
        GridSearchCV(pipe, {}),
        DistilledQNNClassifierCV(student=student),
    ):
        assert citation(estimator) == citation(student)
    assert repr(citation(student)) == str(citation(student))
    with pytest.raises(TypeError, match="no student of sklqkd in LogisticRegression"):
        citation(LogisticRegression())
    with pytest.raises(ValueError, match="style='apa' is unknown"):
        citation(student, style="apa")
