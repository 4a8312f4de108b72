"""What the strategies of a plan share: the epochs that each needs, and those that only it uses."""

from __future__ import annotations

import dataclasses

from benchmarks.planning.plan import Plan


@dataclasses.dataclass(frozen=True)
class Share:
    """Epochs of a backbone with a strategy over all stages and seeds; `asked` is the sum of `shared` and `own`.

    `own`: in jobs that no other strategy's cells use; `on_features`: those of them that train only a classifier, on
    stored features.
    """

    backbone: str
    strategy: str
    asked: int
    own: int
    on_features: int

    @property
    def shared(self) -> int:
        """Epochs in jobs that other strategies' cells use as well."""
        return self.asked - self.own


def shares(plan: Plan) -> list[Share]:
    """Return a share per backbone and strategy, in the order of the plan's cells."""
    users: dict[str, set[str]] = {}
    keys: dict[tuple[str, str], list[str]] = {}
    for cell in plan.cells:
        for key in cell.needed:
            users.setdefault(key, set()).add(cell.strategy)
            keys.setdefault((cell.backbone, cell.strategy), []).append(key)
    found = []
    for (backbone, strategy), of_cell in keys.items():
        own = [plan.jobs[key] for key in of_cell if len(users[key]) == 1]
        on_features = sum(job.epochs for job in own if job.segment.phase.on == "features")
        asked = sum(plan.jobs[key].epochs for key in of_cell)
        found.append(Share(backbone, strategy, asked, sum(job.epochs for job in own), on_features))
    return found
