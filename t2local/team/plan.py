"""The plan: components of features, and the order in which they are written.

A plan comes from the manager model, from the data, or from a file that a person edited, and says
which. This is the only file that imports networkx.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import networkx as nx
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2local.errors import PlanError
from t2local.stats.arrays import FloatArray, IntArray
from t2local.stats.association import associations
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.yaml_file import YamlFault, read_yaml, yaml_text

#: The label's own component: written last, by the label worker, with all features as its parents.
LABEL_ROLE = "Label"
#: A manager names 2 to 6 roles, as in the paper (arXiv 2602.04785, Appendix B).
MOST_ROLES = 6
#: A person may name more roles. Each costs tokens in every row with conditioning ``parents``.
MOST_COMPONENTS = 60
#: Below this an association between two components is what unrelated columns show by chance.
_CHANCE = 0.1


class Component(BaseModel):
    """The features of one worker, and the components whose values it sees."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    role: str = Field(min_length=1, max_length=200)
    features: tuple[str, ...] = Field(min_length=1)
    parents: tuple[str, ...] = ()


class Plan(BaseModel):
    """A DAG of components; the last one writes the label, if there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["manager", "data", "file"]
    components: tuple[Component, ...] = Field(min_length=1)

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
        """Components in topological generations: those of one do not depend on each other."""
        by_role = {component.role: component for component in self.components}
        # networkx gives a generation in no order that a person would expect.
        order = [component.role for component in self.components]
        return [
            [by_role[role] for role in sorted(roles, key=order.index)]
            for roles in nx.topological_generations(self._graph())
        ]

    def line(self) -> list[Component]:
        """All components in the order of writing."""
        return [component for generation in self.generations() for component in generation]

    def check(self, dictionary: FeatureDictionary) -> list[str]:
        """Every fault of this plan for a table; none: it can be followed.

        A plan is a partition of the features and an acyclic graph, with the label alone and last.
        """
        n_roles = len(self.components)
        faults = [*self._feature_faults(dictionary.names), *self._graph_faults()]
        faults += self._label_faults(dictionary.target)
        if n_roles > MOST_COMPONENTS:
            faults.append(f"{n_roles} components are more than {MOST_COMPONENTS}")
        return faults

    def _feature_faults(self, names: Sequence[str]) -> Iterable[str]:
        """What keeps the components from being a partition of the features."""
        roles = Counter(component.role for component in self.components)
        for role in sorted(role for role, count in roles.items() if count > 1):
            yield f"the role {role!r} stands there twice"
        owners = Counter(name for component in self.components for name in component.features)
        for name in names:
            if not owners[name]:
                yield f"the feature {name!r} is in no component"
        for name in names:
            if owners[name] > 1:
                yield f"the feature {name!r} is in more than one component"
        for name in owners:
            if name not in names:
                yield f"{name!r} is not a feature of the table"

    def _graph_faults(self) -> Iterable[str]:
        """Parents that are not there, and components that wait for each other."""
        roles = {component.role for component in self.components}
        for component in self.components:
            for parent in component.parents:
                if parent not in roles:
                    yield f"{component.role!r} has an unknown parent {parent!r}"
        graph = self._graph()
        if not nx.is_directed_acyclic_graph(graph):
            cycle = " -> ".join(edge[0] for edge in nx.find_cycle(graph))
            yield f"these roles wait for each other: {cycle}"

    def _label_faults(self, target: str | None) -> Iterable[str]:
        roles = {component.role for component in self.components}
        for component in self.components:
            if target not in component.features:
                continue
            if component.features != (target,):
                yield f"the label {target!r} needs a component of its own"
            missing = roles - {component.role, *component.parents}
            if missing:
                names = ", ".join(sorted(missing))
                yield f"the label's component needs every other as parent; missing: {names}"

    def paths(self) -> set[tuple[str, str]]:
        """All pairs (earlier role, later role) with a path from one to the other."""
        return set(nx.transitive_closure_dag(self._graph()).edges)

    def to_yaml(self) -> str:
        """This plan as a file that a person can edit."""
        comment = (
            "Who writes which features, and what each sees. Edit and pass on with --plan; "
            "the label's component comes last."
        )
        return yaml_text(comment, self.model_dump(mode="json"))


def plan_of_roles(
    roles: Sequence[tuple[str, Sequence[str], Sequence[str]]],
    dictionary: FeatureDictionary,
    source: Literal["manager", "data"],
) -> Plan:
    """A plan of these roles, then the label's component, which has all others as its parents.

    Without a target there is no such component.

    **Parameters:**

    * **roles**: (role, features, parents) in order, of all features but the label. A component also
      depends on the earlier ones that share a rule with it: who writes one side of a rule has to
      see the other.
    """
    # The rules hold in every row that passes stage 1, whoever made the plan.
    rules = [rule.names for rule in dictionary.parsed_rules().values()]
    components = []
    for place, (role, features, parents) in enumerate(roles):
        by_rule = [
            earlier
            for earlier, other_features, _ in roles[:place]
            if any(names & set(features) and names & set(other_features) for names in rules)
        ]
        all_parents = tuple(dict.fromkeys([*parents, *by_rule]))
        components.append(Component(role=role, features=tuple(features), parents=all_parents))
    names = tuple(component.role for component in components)
    if dictionary.target is not None:
        role = f"{LABEL_ROLE} of the table" if LABEL_ROLE in names else LABEL_ROLE
        components.append(Component(role=role, features=(dictionary.target,), parents=names))
    return Plan(source=source, components=tuple(components))


def from_data(values: pd.DataFrame, dictionary: FeatureDictionary) -> Plan:
    """A plan from the real rows: associated features make a component, in dictionary order.

    Features are clustered by average linkage on 1 - association. A component depends on the earlier
    ones that it is associated with.

    **Parameters:**

    * **values**: frame of values (n, d).
    """
    matrix = associations(values, dictionary.input_features)
    groups = _clusters(matrix)
    roles = []
    for place, group in enumerate(groups):
        features = [dictionary.inputs[feature] for feature in group]
        parents = [
            f"Group {other + 1}"
            for other in range(place)
            if matrix[np.ix_(group, groups[other])].max() > _CHANCE
        ]
        roles.append((f"Group {place + 1}", features, parents))
    return plan_of_roles(roles, dictionary, "data")


def _clusters(matrix: FloatArray) -> list[IntArray]:
    """Columns that are associated with each other, by their places; the first column's come first.

    **Parameters:**

    * **matrix**: associations of the columns, shape (d, d).
    """
    from sklearn.cluster import AgglomerativeClustering

    n_columns = len(matrix)
    if n_columns < 2:
        return [np.arange(n_columns)]
    # About the square root of d components, as the paper's plans have: 3 for its 8 features.
    n_clusters = min(MOST_ROLES, n_columns, max(2, round(n_columns**0.5)))
    clustering = AgglomerativeClustering(n_clusters, metric="precomputed", linkage="average")
    labels = clustering.fit_predict(1 - matrix)
    return [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]


def read_plan(text: str, source: str, dictionary: FeatureDictionary) -> Plan:
    """The plan in a YAML text.

    **Parameters:**

    * **source**: the name of its file, for messages.

    **Raises** `PlanError` with every fault.
    """
    try:
        _, raw = read_yaml(text)
        plan = Plan.model_validate({**raw, "source": "file"} if isinstance(raw, dict) else raw)
        faults = plan.check(dictionary)
    except YamlFault as fault:
        faults = [str(fault)]
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False)
        ]
    if faults:
        raise PlanError(
            f"{source} has {len(faults)} faults:",
            faults=[f"{source}: {fault}" for fault in faults],
            next_step="mend the file; "
            "'python -m t2local plan data.csv -o plan.yaml' writes a correct one",
        )
    return plan
