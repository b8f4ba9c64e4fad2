"""A plan for people: as text, as Mermaid, and what the real rows say against it."""

from dataclasses import dataclass

import pandas as pd

from t2local.stats.association import associations
from t2local.tables.dictionary import FeatureDictionary
from t2local.team.plan import Plan

#: An association (0 to 1) from which a missing path is worth a warning: far above what chance shows in 30 rows.
_STRONG = 0.5


@dataclass(frozen=True)
class Drawing:
    """A plan with the strongest association in the real rows between any two of its components, by their roles."""

    plan: Plan
    ties: dict[tuple[str, str], float]

    @classmethod
    def of(cls, plan: Plan, values: pd.DataFrame, dictionary: FeatureDictionary) -> "Drawing":
        """Look at the real rows (values, shape (n, d))."""
        matrix = pd.DataFrame(
            associations(values, dictionary.features),
            index=dictionary.names,
            columns=dictionary.names,
        )
        line = plan.line()
        pairs = [(a, b) for place, b in enumerate(line) for a in line[:place]]
        return cls(
            plan,
            {
                (a.role, b.role): float(
                    matrix.loc[list(a.features), list(b.features)].to_numpy().max()
                )
                for a, b in pairs
            },
        )

    def text(self) -> str:
        """One line for each component in the order of writing, and one for each parent with its tie."""
        lines = []
        for number, generation in enumerate(self.plan.generations(), 1):
            for component in generation:
                lines.append(f"{number}. {component.role}: {', '.join(component.features)}")
                lines += [
                    f"     {self.ties[parent, component.role]:.2f}  after {parent}"
                    for parent in component.parents
                ]
        return "\n".join(lines)

    def mermaid(self) -> str:
        """A Mermaid flowchart; arrows carry the ties."""
        line = self.plan.line()
        number = {component.role: i for i, component in enumerate(line)}
        nodes = [
            f'  c{i}["{_escaped(component.role)}<br/>{_escaped(", ".join(component.features))}"]'
            for i, component in enumerate(line)
        ]
        edges = [
            f"  c{number[parent]} -- {self.ties[parent, c.role]:.2f} --> c{number[c.role]}"
            for c in line
            for parent in c.parents
        ]
        return "\n".join(["flowchart TD", *nodes, *edges])

    def warnings(self) -> list[str]:
        """Components that hang together in the real rows, and of which the plan lets none see the other, directly or through others."""
        lost = sorted(
            (
                (tie, pair)
                for pair, tie in self.ties.items()
                if tie >= _STRONG and pair not in self.plan.paths()
            ),
            reverse=True,
        )
        said = "{} and {} hang together in the real rows ({:.2f}), and the plan has no path between them: with conditioning 'parents' that is lost"
        return [said.format(repr(one), repr(other), tie) for tie, (one, other) in lost]


def _escaped(text: str) -> str:
    """Mermaid writes any character by its number; those with a meaning in labels must be."""
    return "".join(char if char.isalnum() or char in " ,._-" else f"#{ord(char)};" for char in text)
