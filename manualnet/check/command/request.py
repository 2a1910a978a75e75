"""What the command line asks about every target."""

from dataclasses import dataclass, replace

from manualnet.check.command.inputs import samples
from manualnet.check.command.load import find, function
from manualnet.check.command.mistake import Mistake
from manualnet.check.spec import Spec


@dataclass(frozen=True)
class Request:
    """Plain text, so that it can be handed to another process; the fields are the options of the command line."""

    inputs: tuple[str, ...] = ()
    kwargs: tuple[str, ...] = ()
    reference: str | None = None
    seed: int = 0
    hand_written: bool = False
    properties: tuple[str, ...] = ()  # all if none is named

    def spec(self, target: str) -> Spec:
        """The spec of a target, changed as asked.

        Raises:
            Mistake: the target cannot be found or checked, or there is nothing to call it with.
        """
        spec = find(target)
        if self.inputs:
            spec = replace(spec, samples=samples(self.inputs, self.kwargs, self.seed))
        elif self.kwargs:
            raise Mistake("--kwarg needs --input: say what else to call the function with, as in --input 3x4")
        elif not spec.samples:
            raise Mistake(f"{target} has no samples: say what to call it with, as in --input 3x4 --input 4:int64:0..2")
        if self.reference:
            spec = replace(spec, reference=function(self.reference))
        return replace(spec, hand_written=True) if self.hand_written else spec
