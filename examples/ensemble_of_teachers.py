"""An ensemble of teachers: the mean of their probabilities (equation 16 of arXiv:2311.13810).

scikit-learn's VotingClassifier does it. FrozenEstimator keeps it from training the nets again:

    python examples/ensemble_of_teachers.py
"""

from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sklqkd import DistilledQNNClassifier, LeNetClassifier, ResNetClassifier
from sklqkd.datasets import load_digits, take_per_class


def main():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    X_few, y_few = take_per_class(X, y, 20)

    lenet = LeNetClassifier(max_epochs=40, batch_size=32, random_state=0).fit(X, y)
    resnet = ResNetClassifier(max_epochs=10, batch_size=32, module__n_blocks=1, random_state=0).fit(
        X, y
    )
    ensemble = VotingClassifier(
        [("lenet", FrozenEstimator(lenet)), ("resnet", FrozenEstimator(resnet))], voting="soft"
    ).fit(X, y)

    for name, teacher in {"LeNet": lenet, "ResNet": resnet, "ensemble": ensemble}.items():
        student = DistilledQNNClassifier(teacher, random_state=0).fit(X_few, y_few)
        print(
            f"{name:8}  teacher {100 * teacher.score(X_test, y_test):.1f} %, "
            f"distilled student {100 * student.score(X_test, y_test):.1f} %"
        )


if __name__ == "__main__":
    main()
