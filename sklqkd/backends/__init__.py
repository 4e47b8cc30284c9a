"""What runs a student's circuit: the exact simulator, PennyLane's devices, Qiskit Aer, hardware."""
