"""Transformers as ONNX graphs, for skl2onnx.

skl2onnx asks a step that it does not know for its ``onnx_shape_calculator()`` and its
``onnx_converter()``. Graphs compute in the precision of their input: float32, or float64.
"""

from __future__ import annotations

import numpy as np

__all__ = ["affine", "converter", "shape_calculator"]


def shape_calculator(n_columns):
    """Return what sets the output's type, of ``n_columns(model)`` columns."""

    def calculate(operator):
        from skl2onnx.common.data_types import guess_tensor_type

        given = operator.inputs[0]
        shape = [given.get_first_dimension(), n_columns(operator.raw_operator)]
        operator.outputs[0].type = type(guess_tensor_type(given.type))(shape)

    return calculate


def converter(build):
    """Make what builds a graph from its input, operations by name, into what skl2onnx calls."""

    def convert(scope, operator, container):
        from skl2onnx.algebra import onnx_ops
        from skl2onnx.common.data_types import guess_numpy_type, guess_proto_type, guess_tensor_type

        given, version = operator.inputs[0], container.target_opset
        dtype = guess_numpy_type(guess_tensor_type(given.type))

        def apply(name, *inputs, **options):
            arrays = [
                x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
                for x in inputs
            ]
            return getattr(onnx_ops, f"Onnx{name}")(*arrays, op_version=version, **options)

        x = apply("Cast", given, to=guess_proto_type(guess_tensor_type(given.type)))
        result = build(operator.raw_operator, x, apply, dtype)
        apply("Identity", result, output_names=operator.outputs[:1]).add_to(scope, container)

    return convert


def affine(of_reducer):
    """Return the converter of a transformer that computes ``X @ coef.T + intercept``.

    Parameters
    ----------
    of_reducer : callable
        From the transformer to coef, (n_outputs, n_features), and intercept, (n_outputs,).
    """

    @converter
    def convert(model, x, apply, dtype):
        coef, intercept = of_reducer(model)
        product = apply("MatMul", x, np.ascontiguousarray(coef.T, float))
        return apply("Add", product, np.asarray(intercept, float)[None])

    return convert
