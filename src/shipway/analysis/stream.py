"""Judge any stream of readings from first to last step. For benchmarks and for whoever brings scenarios of their own."""

from collections.abc import Iterable, Iterator, Sequence

from shipway.analysis.judge import begin, begin_step, judge, observe
from shipway.analysis.policy import JudgePolicy, Step
from shipway.analysis.readings import ArmReading, Reading
from shipway.analysis.verdict import Judgement, Verdict


def judge_stream(
    readings: Iterable[Reading],
    *,
    policy: JudgePolicy,
    steps: Sequence[Step],
    history: Sequence[tuple[float, ArmReading]] = (),
) -> Iterator[tuple[Reading, Judgement]]:
    """Yield every reading with the judgement right after it, moving to the next step on PASS.

    Ends after a FAIL, after the last step's PASS, or with the readings. ``readings`` may be a generator that reacts to
    what it was told last: it is asked for the next reading only when the caller asks for the next judgement. HOLD,
    INCONCLUSIVE and ERROR stay in the step, however long it lasts.

    Args:
        readings: cumulative counters of both arms, ascending in time; ``weight`` is the share in force, 0..1.
        policy: indicators and error budget.
        steps: in order; the first begins with the first reading.
        history: readings of the baseline from before the rollout, if there are any.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("a rollout needs at least one step")
    state, remaining = None, list(steps)
    for reading in readings:
        if state is None:
            state = begin_step(policy, begin(policy, reading.at, history), remaining.pop(0), reading.at)
        state = observe(policy, state, reading)
        judgement = judge(policy, state, reading.at)
        yield reading, judgement
        if judgement.verdict is Verdict.FAIL or (judgement.verdict is Verdict.PASS and not remaining):
            return
        if judgement.verdict is Verdict.PASS:
            state = begin_step(policy, state, remaining.pop(0), reading.at)
