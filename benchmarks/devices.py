"""How fast a trained student predicts on Qiskit Aer, beside Aer by hand and PennyLane's QNodes.

``python benchmarks/devices.py`` predicts 1,000 images with 4 qubits, amplitude encoding,
StronglyEntanglingLayers and 5,000 shots, and writes ``devices.csv`` and ``devices.md``. All run the
same gates with the same angles, and take turns; the median counts. The measured frequencies are
compared with the exact probabilities before anything is timed. ``--quick`` takes half a minute.
"""

from __future__ import annotations

import argparse
import copy
import csv
import importlib.metadata
import platform
import sys
import time
from pathlib import Path

import numpy as np
import pennylane as qml
from qiskit.circuit import ParameterVector
from qiskit_aer import AerSimulator

import sklqkd
from sklqkd.backends import make_backend
from sklqkd.backends.qiskit_circuits import quantum_circuit
from sklqkd.circuits.gates import ansatz_gates
from sklqkd.encodings import make_encoding

SEED, QUBITS, LAYERS, IMAGES, SHOTS, LOOPED = 0, 4, 3, 1000, 5000, 20
#: More standard deviations than the largest of so many frequencies has by chance.
TOLERANCE = 6.0
STUDENT = "student.predict_proba"
LOOP = "PennyLane qiskit.aer, a QNode call per image"
OWN = "student.predict_proba, own simulator"
LISTED = "Aer by hand, run(list of circuits)"
LISTED_ONE = f"{LISTED}, one thread"
BOUND_ONE = "Aer by hand, parameter_binds, one thread"
SHORTCUT = "Aer by hand, probabilities of a list, shots drawn from them"
PROMISES = {LISTED: 1, LISTED_ONE: 1, LOOP: 20}
PACKAGES = ("numpy", "scikit-learn", "pennylane", "PennyLane-qiskit", "qiskit", "qiskit-aer")


def make_problem():
    """Return a trained student, its images, and its circuit with the angles of every image."""
    rng = np.random.default_rng(SEED)
    X = rng.random((IMAGES, 784), dtype=np.float32)
    student = sklqkd.QNNClassifier(
        n_qubits=QUBITS, n_layers=LAYERS, max_iter=1, tol=0, random_state=SEED
    ).fit(X, np.arange(IMAGES) % 10)
    preparation = make_encoding("amplitude", QUBITS).preparation()
    ansatz = ansatz_gates("strongly_entangling", QUBITS, LAYERS)
    trained = np.tile(ansatz.angles(student.circuit_weights_.ravel()), (IMAGES, 1))
    encoded = preparation.angles(student.reducer_.transform(X))
    circuit = preparation.circuit.then(ansatz.circuit)
    return student, X, circuit, np.concatenate([encoded, trained], axis=1)


def make_circuits(circuit, angles, saves_probabilities=False):
    """Build a Qiskit circuit for every image."""
    circuits = [quantum_circuit(circuit, row) for row in angles]
    for built in circuits:
        if saves_probabilities:
            built.save_probabilities(range(QUBITS)[::-1])
        else:
            built.measure_all()
    return circuits


def frequencies(results):
    """Return the frequencies of Aer's results, qubit 0 in the most significant bit."""
    values = np.zeros((len(results), 2**QUBITS))
    for row, result in zip(values, results, strict=True):
        for outcome, count in result.data.counts.items():
            row[int(f"{int(outcome, 16):0{QUBITS}b}"[::-1], 2)] = count / SHOTS
    return values


def run_list(circuits, **options):
    """Run a list of circuits as most people would."""
    result = AerSimulator(**options).run(circuits, shots=SHOTS, seed_simulator=SEED).result()
    return frequencies(result.results)


def draw_list(circuits):
    """Run a list of circuits that save their probabilities, and draw the shots from them."""
    result = AerSimulator(max_parallel_threads=1).run(circuits, shots=1).result()
    probabilities = np.array([run.data.probabilities for run in result.results])
    return np.random.default_rng(SEED).multinomial(SHOTS, probabilities) / SHOTS


def run_bound(circuit, angles, **options):
    """Run one circuit with the angles as bound parameters."""
    parameters = ParameterVector("angle", circuit.n_angles)
    built = quantum_circuit(circuit, parameters)
    built.measure_all()
    binds = {p: column.tolist() for p, column in zip(parameters, angles.T, strict=True)}
    run_options = {"parameter_binds": [binds], "shots": SHOTS, "seed_simulator": SEED}
    result = AerSimulator(**options).run([built], **run_options).result()
    return frequencies(result.results)


def make_loop(circuit, angles):
    """Return a loop of QNode calls."""

    @qml.set_shots(SHOTS)
    @qml.qnode(qml.device("qiskit.aer", wires=QUBITS))
    def node(row):
        circuit.operations(row)  # PennyLane queues what is made here
        return qml.probs(wires=range(QUBITS))

    return lambda: np.array([node(row) for row in angles])


def compare(name, measured, exact):
    """Stop if measured frequencies do not belong to the exact probabilities."""
    variance = np.maximum(exact * (1 - exact), 1 / SHOTS) / SHOTS
    largest = (np.abs(measured - exact[: len(measured)]) / np.sqrt(variance[: len(measured)])).max()
    if not largest < TOLERANCE:
        sys.exit(f"{name}: a frequency is {largest:.1f} standard deviations off.")


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def take_turns(calls, repeats):
    """Return {name: seconds of each repetition}."""
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
            print(f"{name}: {times[name][-1]:.3f} s", flush=True)
    return times


def versions():
    packages = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return ", ".join([f"Python {platform.python_version()}", *packages])


def write(times, notes, directory, command):
    """Write the table and the report; return the promises that do not hold."""
    directory.mkdir(parents=True, exist_ok=True)
    columns = ("implementation", "unit", "median", "iqr", "repeats", "ratio", "note")
    rows, base = [], np.median(times[STUDENT])
    for name, values in times.items():
        low, median, high = np.percentile(values, (25, 50, 75))
        cells = f"{median:.4g}", f"{high - low:.2g}", len(values), f"{median / base:.3g}"
        rows.append(dict(zip(columns, (name, "s", *cells, notes[name]), strict=True)))
    with open(directory / "devices.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    table = [
        f"| {row['implementation']} | {row['median']} | {row['ratio']} | {row['note']} |"
        for row in rows
    ]
    ratios = {name: np.median(times[name]) / base for name in PROMISES}
    promises = [
        f"- {name}: {ratios[name]:.3g} times slower than the student; promised: {promise}."
        for name, promise in PROMISES.items()
    ]
    lines = [
        "# A student on Qiskit Aer",
        "",
        f"`{command}`, seed {SEED}; {versions()}.",
        "",
        f"{IMAGES} images, {QUBITS} qubits, amplitude encoding as gates, "
        f"{LAYERS} StronglyEntanglingLayers, {SHOTS} shots; medians of {len(times[STUDENT])} "
        "interleaved repetitions (spread in `devices.csv`). The same gates and angles everywhere; "
        "all frequencies were compared with the exact probabilities before timing. The student "
        "uses one thread, reduces and encodes the images and maps the frequencies to classes; the "
        "others start from angles or circuits.",
        "",
        "| implementation | s | / student | |",
        "| --- | ---: | ---: | --- |",
        *table,
        "",
        *promises,
        "",
        "Where the student's time is saved: Aer computes the probabilities of each run once, in "
        "one job of one circuit with bound parameters, and the shots are drawn from them; Aer's "
        "own sampling costs about a microsecond per shot.",
        "",
    ]
    (directory / "devices.md").write_text("\n".join(lines))
    return [name for name, promise in PROMISES.items() if ratios[name] < promise]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repetition")
    parser.add_argument("--repeats", type=int, default=7, help="of each implementation (7)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    student, X, circuit, angles = make_problem()
    circuits, saving = (make_circuits(circuit, angles, saves) for saves in (False, True))
    loop = make_loop(circuit, angles[:LOOPED])
    rng = np.random.default_rng(SEED)
    exact = make_backend("default.qubit", QUBITS).probabilities(circuit, angles, rng)
    aer = make_backend("qiskit.aer", QUBITS, SHOTS)
    compare("qiskit.aer", aer.probabilities(circuit, angles, rng), exact)
    compare(LISTED, run_list(circuits), exact)
    compare("parameter_binds", run_bound(circuit, angles), exact)
    compare(SHORTCUT, draw_list(saving), exact)
    compare(LOOP, loop(), exact)
    on_aer = copy.deepcopy(student).set_params(backend="qiskit.aer", shots=SHOTS)
    student.set_params(shots=SHOTS)
    calls = {
        STUDENT: lambda: on_aer.predict_proba(X),
        OWN: lambda: student.predict_proba(X),
        BOUND_ONE: lambda: run_bound(circuit, angles, max_parallel_threads=1),
        LISTED_ONE: lambda: run_list(circuits, max_parallel_threads=1),
        LISTED: lambda: run_list(circuits),
        SHORTCUT: lambda: draw_list(saving),
        LOOP: loop,
    }
    notes = {
        STUDENT: "backend='qiskit.aer'",
        OWN: "backend='statevector'",
        BOUND_ONE: "one circuit, Aer's shots",
        LISTED_ONE: "circuits built beforehand",
        LISTED: "Aer's default, all cores; suffers most if others use them",
        SHORTCUT: "as the student does, a circuit per image",
        LOOP: f"scaled from {LOOPED} images",
    }
    times = take_turns(calls, 1 if arguments.quick else arguments.repeats)
    times[LOOP] = [value * IMAGES / LOOPED for value in times[LOOP]]
    broken = write(times, notes, arguments.output, " ".join(["python", *sys.argv]))
    if broken:
        sys.exit(f"Slower than promised, beside: {', '.join(broken)}.")


if __name__ == "__main__":
    main()
