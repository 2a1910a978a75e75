"""Every property, in the order in which they are checked: cheap and telling ones first."""

from manualnet.check.properties.form import gradient_form
from manualnet.check.properties.gradient import gradient, numeric_gradient, second_derivative
from manualnet.check.properties.layout import strides
from manualnet.check.properties.shapes import broadcasting
from manualnet.check.properties.transforms import (
    batched_cotangents,
    forward_mode,
    forward_over_forward,
    hessian,
    jacobian,
    per_sample_gradient,
    vmap,
)
from manualnet.check.properties.value import precision, value
from manualnet.check.property import Property

PROPERTIES: dict[str, Property] = {
    p.name: p
    for p in (
        value,
        precision,
        gradient,
        numeric_gradient,
        second_derivative,
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
    )
}
