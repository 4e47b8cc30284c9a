"""What a GPU gives: the CUDA tests, single precision against the CPU, and the cost of a step.

``python benchmarks/gpu.py --install`` on a bare machine with one GPU and a torch that sees it
installs what else is needed (pip's own variables, such as PIP_FIND_LINKS, say from where), runs the
tests that need CUDA, compares float32 results of the GPU with float64 ones of the CPU, and times a
training step of sklqkd on the GPU, of sklqkd on one CPU thread, and of PennyLane + torch on the
same GPU, with the default ansatz and probabilities. It takes some four minutes and writes
``gpu.md``. ``--device cpu`` tries the script out where there is no GPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What this script and the CUDA tests import, beside torch.
NEEDS = ("scikit-learn>=1.9", "skorch>=1.4", "pennylane>=0.45", "numba", "pytest", "hypothesis")
QUBITS, BATCHES = (4, 6, 8, 10, 12, 14, 16), (32, 256, 1024, 4096)
#: Amplitudes of a batch that are timed at most, by what runs it; a state of 2^27 is 1 GiB.
MOST = {"GPU": 2**27, "CPU": 2**23, "PennyLane": 2**23}
N_CLASSES = 10


def install():
    """Install what is missing, beside the torch that is there."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", *NEEDS]
    subprocess.run(command, check=True, cwd=ROOT)


def run_tests():
    """Run the tests that need CUDA and return pytest's closing line."""
    command = [sys.executable, "-m", "pytest", "-q", "-k", "cuda", "-p", "no:cacheprovider"]
    command += ["-o", "addopts=", "tests/test_torch_simulation.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    print(done.stdout[-3000:], done.stderr[-1000:], flush=True)
    return (done.stdout.strip().splitlines() or ["no output"])[-1]


def compare(device):
    """Return rows of the largest differences between `device` in float32 and the CPU in float64."""
    import numpy as np

    from sklqkd.circuits import compile_ansatz
    from sklqkd.encodings import ENCODINGS, make_encoding
    from sklqkd.simulation import ExactCircuit
    from sklqkd.simulation.torch_circuit import TorchCircuit

    rng, rows = np.random.default_rng(0), []
    for n_qubits in (2, 4, 8, 12):
        worst = np.zeros(3)
        for name in ENCODINGS:
            encodings = [make_encoding(name, n_qubits) for _ in range(2)]
            program = compile_ansatz("strongly_entangling", n_qubits, 3)
            single = TorchCircuit(encodings[0], program, np.float32, device=device)
            double = ExactCircuit(encodings[1], program, np.float64)
            features = rng.normal(size=(32, encodings[0].n_features))
            weights = rng.uniform(0, 2 * np.pi, program.n_weights)
            gradient = rng.uniform(-1, 1, (2**n_qubits, 32))
            found = []
            for circuit, dtype in ((single, np.float32), (double, np.float64)):
                circuit.prepare(weights.astype(dtype))
                probabilities = circuit.values(features.astype(dtype)).copy()
                found.append((probabilities, *circuit.backward(gradient.astype(dtype), True)))
            differences = [np.abs(a - b).max() for a, b in zip(*found, strict=True)]
            worst = np.maximum(worst, differences)
        rows.append((n_qubits, *worst))
    return rows


def student_step(n_qubits, batch, device):
    """Return a function that trains a student so many steps and returns the seconds of one."""
    import numpy as np

    from sklqkd import QNNClassifier

    rng = np.random.default_rng(0)
    X = rng.standard_normal((batch, 2**n_qubits), dtype=np.float32)
    y = np.arange(batch) % N_CLASSES

    def seconds(steps):
        student = QNNClassifier(
            n_qubits=n_qubits, reducer=None, batch_size=batch, device=device, random_state=0
        )
        student.set_params(n_iter_no_change=10**6)
        times = []
        for max_iter in (1, 1 + steps):
            start = time.perf_counter()
            student.set_params(max_iter=max_iter).fit(X, y)
            times.append(time.perf_counter() - start)
        return max(times[1] - times[0], 1e-9) / steps

    return seconds


def pennylane_step(n_qubits, batch, device):
    """Return the same of a QNode on default.qubit with torch's backpropagation on `device`."""
    import numpy as np
    import pennylane as qml
    import torch

    wires = range(n_qubits)
    rng = np.random.default_rng(0)
    states = rng.standard_normal((batch, 2**n_qubits), dtype=np.float32)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    states = torch.tensor(states, device=device)
    labels = torch.arange(batch, device=device) % N_CLASSES
    angles = rng.uniform(0, 2 * np.pi, (3, n_qubits, 3)).astype(np.float32)
    weights = torch.tensor(angles, device=device, requires_grad=True)
    head = torch.nn.Linear(2**n_qubits, N_CLASSES, device=device)
    optimizer = torch.optim.Adam([weights, *head.parameters()], lr=0.01)

    @qml.qnode(qml.device("default.qubit", wires=wires), interface="torch", diff_method="backprop")
    def circuit(weights):
        qml.StatePrep(states, wires=wires, validate_norm=False)
        qml.StronglyEntanglingLayers(weights, wires=wires)
        return qml.probs(wires=wires)

    def synchronize():
        if states.is_cuda:
            torch.cuda.synchronize()

    def seconds(steps):
        synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            logits = head(circuit(weights).to(torch.float32))
            loss = torch.nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        synchronize()
        return (time.perf_counter() - start) / steps

    return seconds


def time_case(makers, repeats, time_limit=3.0):
    """Return the median seconds of a step of each maker, taken in turns; NaN where it fails."""
    import numpy as np

    runs, steps, times = {}, {}, {name: [] for name in makers}
    for name, make in makers.items():
        try:
            runs[name] = make()
            runs[name](1)  # what is compiled, or chosen, at the first step
            once = runs[name](2)
            steps[name] = int(np.clip(0.1 / once, 1, 200))
            if once > time_limit:
                times[name] = [once]
        except (RuntimeError, ValueError) as error:  # out of memory
            print(f"{name}: {str(error)[:200]}", flush=True)
    for _ in range(repeats):
        for name in steps:
            if times[name][:1] < [time_limit]:
                try:
                    times[name].append(runs[name](steps[name]))
                except RuntimeError as error:  # out of memory, for what the others have left
                    print(f"{name}: {str(error)[:200]}", flush=True)
    return {name: float(np.median(t)) if t else float("nan") for name, t in times.items()}


def time_steps(device, seconds, repeats):
    """Return rows of the cost of a step, by qubits and batch, until the time is used up."""
    rows, start = [], time.perf_counter()
    for n_qubits in QUBITS:
        for batch in BATCHES:
            size = batch << n_qubits
            if size > MOST["GPU"] or time.perf_counter() - start > seconds:
                continue
            makers = {
                "GPU": lambda n=n_qubits, b=batch: student_step(n, b, device),
                "CPU": lambda n=n_qubits, b=batch: student_step(n, b, "cpu"),
                "PennyLane": lambda n=n_qubits, b=batch: pennylane_step(n, b, device),
            }
            chosen = {name: make for name, make in makers.items() if size <= MOST[name]}
            medians = time_case(chosen, repeats)
            rows.append((n_qubits, batch, *(1000 * medians.get(n, float("nan")) for n in makers)))
            print("step, ms (GPU, CPU, PennyLane):", rows[-1], flush=True)
    return rows


def report(arguments, tests, differences, steps):
    """Return the report in Markdown."""
    import numpy as np
    import pennylane
    import torch

    import sklqkd

    is_cuda = arguments.device.startswith("cuda")
    gpu = torch.cuda.get_device_name() if is_cuda else f"no GPU: {arguments.device}"
    lines = [
        "# Students on a GPU",
        "",
        f"{gpu}; sklqkd {sklqkd.__version__}, torch {torch.__version__}, NumPy {np.__version__}, "
        f"PennyLane {pennylane.__version__}, Python {platform.python_version()}; seed 0: "
        f"`python benchmarks/gpu.py --seconds {arguments.seconds:.0f} "
        f"--repeats {arguments.repeats}`",
        "",
        f"CUDA tests: {tests}",
        "",
        "## float32 on the GPU against float64 on the CPU",
        "",
        "Largest difference over the four encodings, default ansatz, 32 rows:",
        "",
        "| qubits | probabilities | gradient of the weights | gradient of the features |",
        "| ---: | ---: | ---: | ---: |",
        *(f"| {n} | {a:.1e} | {b:.1e} | {c:.1e} |" for n, a, b, c in differences),
        "",
        "## A training step",
        "",
        "Default ansatz, probabilities, ten classes, features given; milliseconds, medians of "
        "interleaved runs. The CPU column is one thread. PennyLane works in complex128. Empty: not "
        f"timed above {MOST['CPU']:,} amplitudes a batch.",
        "",
        "| qubits | batch | sklqkd, GPU | sklqkd, CPU | GPU is faster by | PennyLane + torch, GPU "
        "| sklqkd on the GPU is faster by |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for n_qubits, batch, *times in steps:
        ours, cpu, other = (f"{t:.3g}" if np.isfinite(t) else "" for t in times)
        ratios = (
            f"{t / times[0]:.2g}" if np.isfinite(t) and np.isfinite(times[0]) else ""
            for t in times[1:]
        )
        columns = (str(n_qubits), str(batch), ours, cpu, next(ratios), other, next(ratios))
        lines.append("| " + " | ".join(columns) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", action="store_true", help="install what is missing first")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=150, help="for the timings")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if arguments.install:
        install()
    sys.path.insert(0, str(ROOT))
    tests = run_tests()
    differences = compare(arguments.device)
    for row in differences:
        print("largest differences (qubits, probabilities, weights, features):", row, flush=True)
    steps = time_steps(arguments.device, arguments.seconds, arguments.repeats)
    text = report(arguments, tests, differences, steps)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "gpu.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
