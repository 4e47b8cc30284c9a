"""A search on several machines: scikit-learn's interface, joblib's Dask backend.
==============================================================================

Starts a cluster of local processes, or uses the one whose scheduler is named. Students are put into
stacks, and each stack is a task of the cluster; the images are sent to a machine once. Workers may
join during the search or die: what they had is done again by others.

    python examples/distributed_search.py [--scheduler tcp://ADDRESS:8786] [--dataset digits|mnist]

A real cluster is `dask scheduler` on one machine and `dask worker ADDRESS --nworkers 8 --nthreads
1` on each, all with this package installed. One thread each is best: a stack uses one core.
"""

import argparse
import time
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
from dask.distributed import Client, LocalCluster
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sklqkd import DistilledQNNClassifier, datasets
from sklqkd.search import StackedGridSearchCV

GRID = {
    "reducer": ["pca", "fc"],
    "temperature": [1, 2, 4, 8],
    "lam": [0.1, 0.5, 0.9],
    "learning_rate_init": [0.01, 0.03],
}
plt.style.use("sklqkd.plotting.style")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scheduler", help="address of a Dask scheduler")
    parser.add_argument("--workers", type=int, default=2, help="processes of the local cluster")
    parser.add_argument("--dataset", choices=["digits", "mnist"], default="digits")
    parser.add_argument("--checkpoint", help="file of finished fits, to go on from")
    parser.add_argument("--output", type=Path, default=Path("example_results"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    is_small = options.dataset == "digits"
    X, y = (datasets.load_digits if is_small else datasets.fetch_mnist)(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    X_few, y_few = datasets.take_per_class(X, y, 20 if is_small else 150)
    teacher = RandomForestClassifier(random_state=0).fit(X[:10_000], y[:10_000])
    student = DistilledQNNClassifier(teacher, n_qubits=4, max_iter=20, random_state=0)
    search = StackedGridSearchCV(student, GRID, verbose=1, checkpoint=options.checkpoint)

    local = None
    if options.scheduler is None:
        local = LocalCluster(options.workers, threads_per_worker=1, dashboard_address=":0")
    with Client(options.scheduler or local) as client, joblib.parallel_config(backend="dask"):
        n_cores = sum(client.ncores().values())
        start = time.perf_counter()
        search.fit(X_few, y_few)
        print(f"The search took {time.perf_counter() - start:.1f} s on {n_cores} cores.")
    if local is not None:
        local.close()

    scores = 100 * search.cv_results_["mean_test_score"]
    print(f"Best settings: {search.best_params_}, cross-validated accuracy {scores.max():.1f} %,")
    print(f"on the test images {100 * search.score(X_test, y_test):.1f} %.")
    tried = zip(search.cv_results_["params"], scores, strict=True)
    best = {}  # over the learning rates
    for setting, score in tried:
        key = setting["reducer"], setting["lam"], setting["temperature"]
        best[key] = max(score, best.get(key, 0))
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)
    for axes, reducer in zip(panels, GRID["reducer"], strict=True):
        for lam, marker in zip(GRID["lam"], "o^s", strict=True):
            curve = [best[reducer, lam, value] for value in GRID["temperature"]]
            axes.plot(GRID["temperature"], curve, marker=marker, label=f"lam={lam}")
        axes.set(title=f'reducer="{reducer}"', xlabel="temperature", xscale="log")
        axes.set_xticks(GRID["temperature"], GRID["temperature"])
        axes.minorticks_off()
    panels[0].set_ylabel("cross-validated accuracy, %\n(better learning rate)")
    panels[0].legend()
    path = options.output / f"distributed_search_{options.dataset}.png"
    figure.savefig(path)
    print(f"Written: {path}")


if __name__ == "__main__":
    main()
