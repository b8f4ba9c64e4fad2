"""A plan for people: as text, as Mermaid, and what the real rows say against it."""

import warnings
from dataclasses import dataclass

import pandas as pd

from t2local.stats.association import associations
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.plan import Plan

#: An association (0 to 1) from which a missing path is worth a warning: far above what chance shows
#: in 30 rows.
_STRONG = 0.5


@dataclass(frozen=True)
class Drawing:
    """A plan with the association of any two of its components in the real rows.

    **Parameters:**

    * **associations**: by the roles of both, the earlier one first: the strongest association
      between a feature of the one and a feature of the other, 0 to 1.
    """

    plan: Plan
    associations: dict[tuple[str, str], float]

    @classmethod
    def of(cls, plan: Plan, values: pd.DataFrame, dictionary: FeatureDictionary) -> "Drawing":
        """Measure the associations in real rows.

        **Parameters:**

        * **values**: frame of values (n, d).
        """
        names = dictionary.names
        matrix = pd.DataFrame(associations(values, dictionary.features), index=names, columns=names)
        # The strongest pair, not the mean: one column that follows another is what a plan can lose.
        strongest = {}
        components = plan.line()
        for place, later in enumerate(components):
            for earlier in components[:place]:
                pairs = matrix.loc[list(earlier.features), list(later.features)]
                strongest[earlier.role, later.role] = float(pairs.to_numpy().max())
        return cls(plan, strongest)

    @property
    def ties(self) -> dict[tuple[str, str], float]:
        """The old name of ``associations``."""
        warnings.warn("Drawing.ties is now Drawing.associations", DeprecationWarning, stacklevel=2)
        return self.associations

    def text(self) -> str:
        """One line for each component in the order of writing, and one for each parent."""
        lines = []
        for number, generation in enumerate(self.plan.generations(), 1):
            for component in generation:
                lines.append(f"{number}. {component.role}: {', '.join(component.features)}")
                lines += [
                    f"     {self.associations[parent, component.role]:.2f}  after {parent}"
                    for parent in component.parents
                ]
        return "\n".join(lines)

    def mermaid(self) -> str:
        """A Mermaid flowchart; each arrow carries the association of its ends."""
        components = self.plan.line()
        number = {component.role: i for i, component in enumerate(components)}
        nodes = [
            f'  c{number[c.role]}["{_escaped(c.role)}<br/>{_escaped(", ".join(c.features))}"]'
            for c in components
        ]
        edges = [
            f"  c{number[parent]} -- {self.associations[parent, c.role]:.2f} --> c{number[c.role]}"
            for c in components
            for parent in c.parents
        ]
        return "\n".join(["flowchart TD", *nodes, *edges])

    def warnings(self) -> list[str]:
        """Strongly associated components of which neither sees the other, strongest first.

        A component also sees the other through components between them.
        """
        paths = self.plan.paths()
        lost = [
            (association, pair)
            for pair, association in self.associations.items()
            if association >= _STRONG and pair not in paths
        ]
        return [
            f"{one!r} and {other!r} hang together in the real rows ({association:.2f}), and the "
            f"plan has no path between them: with conditioning 'parents' that is lost"
            for association, (one, other) in sorted(lost, reverse=True)
        ]


def _escaped(text: str) -> str:
    """Mermaid writes any character by its number; those with a meaning in labels must be."""
    return "".join(char if char.isalnum() or char in " ,._-" else f"#{ord(char)};" for char in text)
