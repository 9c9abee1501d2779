"""Health alarms while a detector trains: said once each, in plain words, early enough to stop the run."""

from collections.abc import Callable
from typing import get_args

from jaxtyping import Float
from torch import Tensor

from articulate.keypoints.health import Alarm, Fault, check_keypoints


class HealthWatch:
    """Looks at every `every`-th batch once `after` of the training is done: before that, flat heatmaps are no fault.

    An alarm is said when it is new or names other keypoints than before; with `at_end` only by `tell`: a detector that
    is taught by seeds comes to lie right, and its half-way places say nothing about the end.
    """

    def __init__(
        self, say: Callable[[str], None], *, every: int = 50, after: float = 0.25, at_end: bool = False
    ) -> None:
        self.say = say
        self.at_end = at_end
        self.every = every
        self.after = after
        self.said: set[tuple[str, tuple[int, ...]]] = set()

    def look(
        self,
        xy: Float[Tensor, "F K 2"],
        score: Float[Tensor, "F K"],
        step: int,
        share: float,
        covariance: Float[Tensor, "F K 2 2"] | None = None,
    ) -> dict[str, float]:
        """Say what is new about this batch; the number of keypoints with an alarm, by fault, as scalars to log."""
        if step % self.every != self.every - 1 or share < self.after:
            return {}
        spread = None if covariance is None else covariance.detach()
        alarms = check_keypoints(xy.detach(), score.detach(), covariance=spread)
        if not self.at_end:
            self.announce(alarms, f"step {step + 1}")
        counts = dict.fromkeys(get_args(Fault), 0)
        for alarm in alarms:
            counts[alarm.fault] += len(alarm.keypoints)
        return {f"keypoints.{fault}": float(count) for fault, count in counts.items()}

    def tell(self, xy: Float[Tensor, "F K 2"], score: Float[Tensor, "F K"], when: str) -> None:
        """Check now, and say what is new."""
        self.announce(check_keypoints(xy.detach(), score.detach()), when)

    def announce(self, alarms: list[Alarm], when: str) -> None:
        """Say the alarms that were not said the last time."""
        for alarm in alarms:
            if (alarm.fault, alarm.keypoints) not in self.said:
                self.say(f"keypoints, {when}: {alarm.message}")
        self.said = {(alarm.fault, alarm.keypoints) for alarm in alarms}
