"""Health alarms while a detector trains: said once each, in plain words, early enough to stop the run."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from articulate.keypoints.health import check_keypoints


class HealthWatch:
    """Looks at every `every`-th batch once `after` of the training is done: before that, flat heatmaps are no fault.

    An alarm is said when it is new or names other keypoints than before.
    """

    def __init__(self, say: Callable[[str], None], *, every: int = 50, after: float = 0.25) -> None:
        self.say = say
        self.every = every
        self.after = after
        self.said: dict[str, tuple[int, ...]] = {}

    def look(
        self, xy: Float[Tensor, "F K 2"], score: Float[Tensor, "F K"], step: int, share: float
    ) -> dict[str, float]:
        """Say what is new about this batch; the number of keypoints with an alarm, by fault, as scalars to log."""
        if step % self.every != self.every - 1 or share < self.after:
            return {}
        return self.tell(xy, score, f"step {step + 1}")

    def tell(self, xy: Float[Tensor, "F K 2"], score: Float[Tensor, "F K"], when: str) -> dict[str, float]:
        """Check now."""
        alarms = check_keypoints(xy.detach(), score.detach())
        for alarm in alarms:
            if self.said.get(alarm.fault) != alarm.keypoints:
                self.say(f"keypoints, {when}: {alarm.message}")
        self.said = {alarm.fault: alarm.keypoints for alarm in alarms}
        counts = {"dead": 0, "merged": 0, "centre_stuck": 0, "unsure": 0}
        for alarm in alarms:
            counts[alarm.fault] += len(alarm.keypoints)
        return {f"keypoints.{fault}": float(count) for fault, count in counts.items()}
