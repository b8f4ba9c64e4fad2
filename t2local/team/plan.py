"""The plan: components of features, and the order in which they are written. The only importer of networkx.

A plan comes from the manager model, from the data, or from a file that a person edited, and says which.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import networkx as nx
import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2local.errors import PlanError
from t2local.stats.association import associations
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import yaml_text

#: The label's own component: written last, by the label worker, with all features as its parents.
LABEL_ROLE = "Label"
#: METHOD section 1: a manager names 2 to 6 roles.
MOST_ROLES = 6
#: A person may name more; each is a segment with random numbers of its own (`Stream` has 6 bits for it).
MOST_COMPONENTS = 60
#: Below this a tie between two components is what unrelated columns show by chance.
_TIE = 0.1


class Component(BaseModel):
    """The features of one worker, and the components whose values it sees."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    role: str = Field(min_length=1, max_length=200)
    features: tuple[str, ...] = Field(min_length=1)
    parents: tuple[str, ...] = ()


class Plan(BaseModel):
    """A DAG of components; the last one writes the label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["manager", "data", "file"]
    components: tuple[Component, ...] = Field(min_length=2)

    def _graph(self) -> "nx.DiGraph[str]":
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(component.role for component in self.components)
        graph.add_edges_from(
            (parent, component.role)
            for component in self.components
            for parent in component.parents
        )
        return graph

    def generations(self) -> list[list[Component]]:
        """Components in topological generations: those of one generation do not depend on each other."""
        by_role = {component.role: component for component in self.components}
        order = [component.role for component in self.components]
        return [
            [by_role[role] for role in sorted(roles, key=order.index)]
            for roles in nx.topological_generations(self._graph())
        ]

    def line(self) -> list[Component]:
        """All components in the order of the assembly line."""
        return [component for generation in self.generations() for component in generation]

    def check(self, dictionary: FeatureDictionary) -> list[str]:
        """Every fault of this plan for a table: a partition, an acyclic graph, the label alone and last."""
        roles = [component.role for component in self.components]
        written = [feature for component in self.components for feature in component.features]
        faults = [
            f"the role {role!r} stands there twice"
            for role in sorted({role for role in roles if roles.count(role) > 1})
        ]
        faults += [
            f"the feature {name!r} is in no component"
            for name in dictionary.names
            if name not in written
        ]
        faults += [
            f"the feature {name!r} is in more than one component"
            for name in dictionary.names
            if written.count(name) > 1
        ]
        faults += [
            f"{name!r} is not a feature of the table"
            for name in dict.fromkeys(written)
            if name not in dictionary.names
        ]
        for component in self.components:
            faults += [
                f"{component.role!r} has an unknown parent {parent!r}"
                for parent in component.parents
                if parent not in roles
            ]
        graph = self._graph()
        if not nx.is_directed_acyclic_graph(graph):
            faults.append(
                "these roles wait for each other: "
                + " -> ".join(edge[0] for edge in nx.find_cycle(graph))
            )
        faults += self._label_faults(dictionary.target)
        if len(roles) > MOST_COMPONENTS:
            faults.append(f"{len(roles)} components are more than {MOST_COMPONENTS}")
        return faults

    def _label_faults(self, target: str) -> Iterable[str]:
        for component in self.components:
            if target in component.features:
                if component.features != (target,):
                    yield f"the label {target!r} needs a component of its own"
                if missing := {c.role for c in self.components} - {
                    component.role,
                    *component.parents,
                }:
                    yield f"the label's component needs every other as parent; missing: {', '.join(sorted(missing))}"

    def paths(self) -> set[tuple[str, str]]:
        """All (earlier role, later role) with a way from one to the other."""
        return set(nx.transitive_closure_dag(self._graph()).edges)

    def to_yaml(self) -> str:
        """This plan as a file that a person can edit."""
        comment = "Who writes which features, and what each sees. Edit and pass on with --plan; the label's component comes last."
        return yaml_text(comment, self.model_dump(mode="json"))


def with_label(
    roles: Sequence[tuple[str, Sequence[str], Sequence[str]]],
    dictionary: FeatureDictionary,
    source: Literal["manager", "data"],
) -> Plan:
    """A plan from (role, features, parents) in order: a component also depends on the earlier ones that share a rule with it; the label comes last."""
    ruled = [rule.names for rule in dictionary.parsed_rules().values()]
    components = []
    for place, (role, features, parents) in enumerate(roles):
        # Who writes one side of a rule has to see the other.
        bound = [
            r
            for r, other, _ in roles[:place]
            if any(names & set(features) and names & set(other) for names in ruled)
        ]
        components.append(
            Component(
                role=role,
                features=tuple(features),
                parents=tuple(dict.fromkeys([*parents, *bound])),
            )
        )
    label = (
        LABEL_ROLE
        if all(role != LABEL_ROLE for role, _, _ in roles)
        else f"{LABEL_ROLE} of the table"
    )
    last = Component(
        role=label,
        features=(dictionary.target,),
        parents=tuple(component.role for component in components),
    )
    return Plan(source=source, components=(*components, last))


def from_data(values: pd.DataFrame, dictionary: FeatureDictionary) -> Plan:
    """A plan from the real rows: features that hang together make a component, in the order of the dictionary.

    Average linkage on 1 - association; a component depends on the earlier ones that it is tied to.
    """
    from sklearn.cluster import AgglomerativeClustering

    names = dictionary.inputs
    tie = associations(values, dictionary.input_features)
    # About the square root of d components, as the paper's plans have: 3 for its 8 features.
    wanted = min(MOST_ROLES, len(names), max(2, round(len(names) ** 0.5)))
    clustering = AgglomerativeClustering(wanted, metric="precomputed", linkage="average")
    labels = clustering.fit_predict(1 - tie).tolist() if len(names) > 1 else [0]
    groups = [np.flatnonzero(np.array(labels) == label) for label in dict.fromkeys(labels)]
    roles = [
        (
            f"Group {i + 1}",
            [names[f] for f in group],
            [f"Group {j + 1}" for j in range(i) if tie[np.ix_(group, groups[j])].max() > _TIE],
        )
        for i, group in enumerate(groups)
    ]
    return with_label(roles, dictionary, "data")


def read_plan(text: str, source: str, dictionary: FeatureDictionary) -> Plan:
    """The plan in a YAML text. **Raises** `PlanError` with every fault."""
    next_step = "mend the file; 'python -m t2local plan data.csv -o plan.yaml' writes a correct one"
    try:
        raw = yaml.safe_load(text)
        plan = Plan.model_validate({**raw, "source": "file"} if isinstance(raw, dict) else raw)
        faults = plan.check(dictionary)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        faults = [
            f"line {mark.line + 1}, column {mark.column + 1}: not YAML" if mark else "not YAML"
        ]
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)
        ]
    if faults:
        raise PlanError(
            f"{source} has {len(faults)} faults:",
            faults=[f"{source}: {fault}" for fault in faults],
            next_step=next_step,
        )
    return plan
