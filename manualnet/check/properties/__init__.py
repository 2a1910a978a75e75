"""Every property, in the order in which they are checked: cheap and telling ones first."""

from manualnet.check.properties.autocast import autocast
from manualnet.check.properties.batching import batched_cotangents, per_sample_gradient, vmap
from manualnet.check.properties.compiled import compile_, compile_dynamic, inductor
from manualnet.check.properties.device import device
from manualnet.check.properties.edges import empty_and_scalar
from manualnet.check.properties.exported import export
from manualnet.check.properties.extremes import extremes
from manualnet.check.properties.form import gradient_form
from manualnet.check.properties.forward import forward_mode
from manualnet.check.properties.gradient import gradient, numeric_gradient, second_derivative
from manualnet.check.properties.kept import compile_keeps_the_rule
from manualnet.check.properties.kinks import kinks
from manualnet.check.properties.layout import strides
from manualnet.check.properties.linear import linear_in_cotangent
from manualnet.check.properties.matrices import forward_over_forward, hessian, jacobian
from manualnet.check.properties.memory import memory, no_cycle
from manualnet.check.properties.needs import needs_input_grad
from manualnet.check.properties.repetition import deterministic, same_tensor_twice
from manualnet.check.properties.shapes import broadcasting
from manualnet.check.properties.side_effects import changes_noticed, nothing_mutated
from manualnet.check.properties.value import precision, value
from manualnet.check.properties.written import hand_written
from manualnet.check.property import Property

PROPERTIES: dict[str, Property] = {
    p.name: p
    for p in (
        value,
        gradient,
        numeric_gradient,
        second_derivative,
        precision,
        forward_mode,
        vmap,
        batched_cotangents,
        per_sample_gradient,
        jacobian,
        hessian,
        forward_over_forward,
        strides,
        broadcasting,
        gradient_form,
        needs_input_grad,
        nothing_mutated,
        memory,
        no_cycle,
        extremes,
        hand_written,
        device,
        autocast,
        kinks,
        same_tensor_twice,
        linear_in_cotangent,
        deterministic,
        empty_and_scalar,
        changes_noticed,
        compile_,
        compile_keeps_the_rule,
        compile_dynamic,
        export,
        inductor,
    )
}
