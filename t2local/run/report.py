"""The figures of a run, as they stand in report.json: frozen dataclasses, made JSON at the edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from t2local.evaluate.association_maps import AssociationMaps
from t2local.evaluate.marginals import Marginal
from t2local.evaluate.privacy_report import PrivacyReport
from t2local.evaluate.rejected_examples import RejectedExample
from t2local.evaluate.subgroups import Subgroup, lost_subgroups
from t2local.llm.counters import Counters
from t2local.run.inputs import Inputs, Run
from t2local.run.ledger import CHOICE, BatchEntry, Ledger, rows_written
from t2local.run.measure import ClassShares, Measured
from t2local.run.models import ModelIdentity
from t2local.run.pictures import Pictures
from t2local.settings import Settings
from t2local.system.json_text import JsonObject
from t2local.tables.rule_counts import RuleReport, rule_report
from t2local.team.calibration import Calibration
from t2local.team.label_calibration import LabelCalibration
from t2local.team.labels import FORBIDDEN
from t2local.team.plan import Plan
from t2local.trim.benefit import Benefit
from t2local.trim.conclusion import Answers, Purpose, answers, conclusion, judged_sentence
from t2local.trim.shifts import Shifts
from t2local.trim.stage_effects import StageEffect, stage_effects
from t2local.trim.verdict import joined, overruled_sentence, reasons


@dataclass(frozen=True)
class RowCounts:
    """Rows by what became of them: generated = kept + rejected; failed were never written."""

    wanted: int
    generated: int
    kept: int
    rejected: int
    failed: int


@dataclass(frozen=True)
class TokenCounts:
    """Tokens that were decoded, by what they were for.

    * ``prefix``, ``rows``: the shared prompts and the rows, the calibration's included.
    * ``sampled``: those of them that were chosen, not forced; ``context``: size of the context.
    * ``calibration``: of prefix and rows, what the questions about real rows took.
    * ``plan``, ``texts``: the manager's, and those of short texts; decoded by themselves.
    """

    prefix: int
    rows: int
    sampled: int
    context: int
    rows_put_back: int
    failed_rows: int
    failed_decodes: int
    per_generated_row: float | None
    per_kept_row: float | None
    calibration: int
    plan: int
    texts: int


@dataclass(frozen=True)
class Seconds:
    """Seconds by part of the run; ``decode``: those inside the model while rows were written."""

    total: float
    read: float
    load: float
    plan: float
    calibration: float
    assembly: float
    trim: float
    benefit: float
    texts: float
    decode: float


@dataclass(frozen=True)
class LabelReport:
    """Whose word counted for the labels (docs/method.md, Labels), and the shares of the classes.

    The weights and losses are null where nobody was asked.
    """

    policy: str
    shares: ClassShares
    worker_weight: float | None = None
    ensemble_weight: float | None = None
    worker_loss: float | None = None
    ensemble_loss: float | None = None
    combined_loss: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class CellReport:
    """Who wrote the cells (docs/method.md, Cells), and how likely each source finds real ones.

    All but the policy as in `CellSummary`; null where nothing was measured.
    """

    policy: str
    rows: int | None = None
    nats_per_row: Mapping[str, float] | None = None
    worker_minus_independent: float | None = None
    standard_error: float | None = None
    components: Mapping[str, Mapping[str, float]] | None = None
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True)
class BeliefReport:
    """What a model believes of the columns, and whether the labels of new rows know it.

    ``rank``: the share of the beliefs' own permutations that explain the real labels worse; null
    where the dictionary leaves no column open. ``beliefs``: as in knowledge.yaml, but for levels:
    their numbers in the dictionary, as a report holds no cell.
    """

    model: str
    sha256: str
    rank: float | None
    used: bool
    beliefs: Sequence[JsonObject]


@dataclass(frozen=True)
class Given:
    """What was asked of the rows: given features, and how many rows of each label."""

    features: tuple[str, ...]
    rows_by_label: Mapping[str, int]


@dataclass(frozen=True)
class RunReport:
    """All figures of a run.

    ``overruled_by``: rows that are kept although a stage would have rejected them.
    """

    rows: RowCounts
    rejected_by: Mapping[str, int]
    overruled_by: Mapping[str, int]
    stage_effects: tuple[StageEffect, ...]
    reasons: Mapping[str, int]
    batches: tuple[BatchEntry, ...]
    tokens: TokenCounts
    seconds: Seconds
    plan: JsonObject
    model: ModelIdentity
    manager: ModelIdentity | None
    seed: int
    interrupted: bool
    rules: RuleReport
    labels: LabelReport
    beliefs: BeliefReport | None
    cells: CellReport
    given: Given
    benefit: Benefit | None
    shifts: Shifts | None
    marginals: tuple[Marginal, ...]
    association_maps: AssociationMaps | None
    rejected_classes: Mapping[str, float] | None
    subgroups: tuple[Subgroup, ...]
    rejected_examples: tuple[RejectedExample, ...]
    privacy: PrivacyReport | None
    answers: Answers
    verdict: str


@dataclass(frozen=True)
class TeamFacts:
    """What is decided once about the team of a run: its plan, models and calibration."""

    plan: Plan
    manager: ModelIdentity | None
    model: ModelIdentity
    label_policy: str
    calibration: Calibration = field(default_factory=Calibration)


def report_of(
    run: Run, inputs: Inputs, facts: TeamFacts, measured: Measured, pictures: Pictures
) -> RunReport:
    """Put the figures together."""
    ledger = run.ledger
    whole = joined([verdict for _, verdict in ledger.judged])
    written = rows_written(ledger.judged, inputs.dictionary)
    counted = _counted(ledger) + overruled_sentence(whole.overruled)
    counted += _left_for_shares(ledger) + judged_sentence(inputs.dictionary)
    findings = (measured.shifts, measured.benefit, _purpose(run, inputs))
    return RunReport(
        rows=_row_counts(ledger),
        rejected_by=ledger.rejected_by_stage(),
        overruled_by=dict(whole.overruled),
        stage_effects=stage_effects(written, whole, inputs.dictionary),
        reasons=reasons(verdict for _, verdict in ledger.judged),
        batches=tuple(ledger.batches),
        tokens=_token_counts(ledger),
        seconds=_seconds(ledger),
        plan=facts.plan.model_dump(mode="json"),
        model=facts.model,
        manager=facts.manager,
        seed=run.seed,
        interrupted=ledger.interrupted,
        rules=rule_report(inputs.dictionary, inputs.values, written, whole.kept),
        labels=_labels(facts, measured.class_shares),
        beliefs=_beliefs(inputs),
        cells=_cells(facts, run.settings),
        given=Given(inputs.conditions.given, inputs.conditions.quotas(ledger.wanted)),
        benefit=measured.benefit,
        shifts=measured.shifts,
        **vars(pictures),
        answers=_answers(run, inputs, measured, pictures),
        verdict=_warned(conclusion(counted, *findings), measured.privacy),
        privacy=measured.privacy,
    )


def _answers(run: Run, inputs: Inputs, measured: Measured, pictures: Pictures) -> Answers:
    ledger = run.ledger
    return answers(
        _plain_counts(ledger) + _left_for_shares(ledger) + judged_sentence(inputs.dictionary),
        measured.shifts,
        measured.benefit,
        _purpose(run, inputs),
        complete=ledger.kept >= ledger.wanted,
        warning=measured.privacy.warning if measured.privacy else "",
        lost_groups=lost_subgroups(pictures.subgroups, inputs.dictionary, ledger.kept),
    )


def _left_for_shares(ledger: Ledger) -> str:
    """That rows which passed are not kept although more were wanted, and why; else blank."""
    n_left = ledger.passed - ledger.kept
    if ledger.kept >= ledger.wanted or not n_left:
        return ""
    why = ""
    if ledger.predictions is not None and (ledger.predictions < FORBIDDEN / 2).any():
        why = "; rules forbid some labels in some rows"
    return (
        f" {n_left} of the rejected rows passed all else, but with them the classes would not have "
        f"their shares{why}."
    )


def _warned(verdict: str, privacy: PrivacyReport | None) -> str:
    """The verdict, after what the rows give away."""
    if privacy is None or not privacy.warning:
        return verdict
    return f"{privacy.warning} {verdict}"


def _purpose(run: Run, inputs: Inputs) -> Purpose | None:
    """What the rows are for; batches are judged in the same way for every purpose.

    Without a target there is no model to train.
    """
    settings = run.settings.trim
    if settings.gate != "source":
        return None
    if settings.purpose == "share" or inputs.dictionary.target is None:
        return "share"
    # Numbers are not chosen among: there the choice rejects what is more than was wanted.
    chosen = inputs.dictionary.classification and run.ledger.rejected_by[CHOICE] > 0
    return "train, the clearest" if chosen else "train"


def _row_counts(ledger: Ledger) -> RowCounts:
    rejected = ledger.generated - ledger.kept
    return RowCounts(ledger.wanted, ledger.generated, ledger.kept, rejected, ledger.failed)


def _token_counts(ledger: Ledger) -> TokenCounts:
    team = ledger.tokens.get("rows", Counters()) + ledger.earlier_tokens
    decoded = {part: c.decoded_tokens for part, c in {**ledger.tokens, "rows": team}.items()}
    return TokenCounts(
        prefix=team.prefix_tokens,
        rows=team.row_tokens,
        sampled=team.sampled_tokens,
        context=team.context_tokens,
        rows_put_back=team.requeued_rows,
        failed_rows=team.failed_rows,
        failed_decodes=team.failed_decodes,
        per_generated_row=_ratio(decoded.get("rows", 0), ledger.generated),
        per_kept_row=_ratio(decoded.get("rows", 0), ledger.kept),
        calibration=ledger.calibration_tokens,
        plan=decoded.get("plan", 0),
        texts=decoded.get("texts", 0),
    )


def _ratio(tokens: int, rows: int) -> float | None:
    return tokens / rows if rows else None


def _seconds(ledger: Ledger) -> Seconds:
    spent = ledger.clock.seconds
    return Seconds(
        total=ledger.clock.total,
        read=spent["read"],
        load=spent["load"],
        plan=spent["plan"],
        calibration=spent["calibration"],
        assembly=spent["assembly"],
        trim=spent["trim"],
        benefit=spent["benefit"],
        texts=spent["texts"],
        decode=ledger.tokens.get("rows", Counters()).decode_seconds,
    )


def _labels(facts: TeamFacts, shares: ClassShares) -> LabelReport:
    calibration: LabelCalibration | None = facts.calibration.labels
    if calibration is None:
        return LabelReport(facts.label_policy, shares)
    return LabelReport(facts.label_policy, shares, **vars(calibration))


def _beliefs(inputs: Inputs) -> BeliefReport | None:
    evidence = inputs.beliefs
    if evidence is None:
        return None
    knowledge = evidence.knowledge
    levels = {feature.name: feature.levels for feature in inputs.dictionary.features}
    beliefs = [
        {**b.model_dump(), "level": levels[b.feature].index(b.level) + 1 if b.level else None}
        for b in knowledge.beliefs
    ]
    return BeliefReport(knowledge.model, knowledge.sha256, evidence.rank, evidence.used, beliefs)


def _cells(facts: TeamFacts, settings: Settings) -> CellReport:
    cells = facts.calibration.cells
    if cells is None:
        return CellReport(settings.team.cells)
    return CellReport(settings.team.cells, **vars(cells.summary(facts.plan.line())))


def _counted(ledger: Ledger) -> str:
    """How many rows were kept, in one sentence."""
    refused = ", ".join(
        f"{stage} {count}" for stage, count in ledger.rejected_by_stage().items() if count
    )
    begin = "Interrupted: " if ledger.interrupted else ""
    end = f" (rejected by {refused})." if refused else "."
    kept = f"{ledger.kept} of the {ledger.wanted} rows asked for were kept"
    return f"{begin}{kept}, out of {ledger.generated} written{end}"


def _plain_counts(ledger: Ledger) -> str:
    """The same without the names of the stages."""
    begin = "Interrupted: " if ledger.interrupted else ""
    kept = f"{ledger.kept} of the {ledger.wanted} rows asked for are there"
    if ledger.kept == ledger.wanted > 1:
        kept = f"{'all' if begin else 'All'} {ledger.wanted} rows asked for are there"
    if not (rejected := ledger.generated - ledger.kept):
        return f"{begin}{kept}."
    rows, were = ("row", "was") if rejected == 1 else ("rows", "were")
    return f"{begin}{kept}; {rejected} more {rows} {were} written and rejected."
