"""Samples of use: what one is, several of them as one, one as several, and which are to be believed. Called around ``usages``."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from shipway.cost.usage import UsageRow

MOST_SPREAD = 60
"""Times that a sample is repeated at most; what covers more is wrong."""


class Sample(msgspec.Struct, frozen=True):
    """All instances of a release over the ``seconds`` that end at ``at``; see :class:`~shipway.cost.usage.UsageRow`."""

    at: float
    app: str
    release: str
    cpu: float
    """Cores, of all instances together."""
    memory: float
    """Bytes, of all instances together."""
    requests: int
    failed: int
    seconds: float
    each: tuple[tuple[float, float], ...] = ()
    """(cores, bytes) of every instance, in their order; of several samples as one, the mean of cores and the peak of bytes."""
    p95: float | None = None
    """Seconds in which 95 % of the requests were answered; None when there was none."""

    def row(self) -> UsageRow:
        """As it is paid for."""
        return UsageRow(
            at=self.at,
            app=self.app,
            release=self.release,
            cpu=self.cpu,
            memory=self.memory,
            requests=self.requests,
            seconds=self.seconds,
            failed=self.failed,
            p95=self.p95,
            instances=len(self.each) or None,
        )


def coarser(samples: Iterable[Sample], step: float, before: float) -> list[Sample]:
    """One for each release and whole ``step`` of the clock that ended before ``before``, the later ones as they are; by time."""

    def span(sample: Sample) -> tuple[str, float]:
        return sample.release, -(-sample.at // step)

    ordered = sorted(samples, key=lambda sample: (sample.release, sample.at))
    found: list[Sample] = []
    for (_, end), group in groupby(ordered, key=span):
        inside = list(group)
        found += [_one(inside)] if end * step <= before else inside
    return sorted(found, key=lambda sample: (sample.at, sample.release))


def spread(samples: Iterable[Sample], step: float) -> Iterator[Sample]:
    """Those that cover more than ``step`` seconds several times, ``step`` apart, so that nobody takes them for a gap.

    Only ``at`` differs: rates, shares and means hold for each, sums do not.
    """
    for sample in samples:
        for back in range(min(max(1, round(sample.seconds / step)), MOST_SPREAD) - 1, -1, -1):
            yield msgspec.structs.replace(sample, at=sample.at - back * step) if back else sample


def _one(samples: Sequence[Sample]) -> Sample:
    """What they say together. Time that two of them cover counts once: the clock was set back."""
    if len(samples) == 1:
        return samples[0]
    begin = samples[0].at - samples[0].seconds
    total = sum(one.seconds for one in samples) or 1.0
    timed = [(one.p95, one.requests) for one in samples if one.p95 is not None and one.requests]
    requests = sum(count for _, count in timed)
    return msgspec.structs.replace(
        samples[-1],
        cpu=sum(one.cpu * one.seconds for one in samples) / total,
        memory=sum(one.memory * one.seconds for one in samples) / total,
        requests=sum(one.requests for one in samples),
        failed=sum(one.failed for one in samples),
        seconds=min(total, samples[-1].at - begin),
        each=tuple(_instance(samples, place) for place in range(max(len(one.each) for one in samples))),
        p95=sum(time * count for time, count in timed) / requests if requests else None,
    )


def _instance(samples: Sequence[Sample], place: int) -> tuple[float, float]:
    there = [one.each[place] for one in samples if place < len(one.each)]
    return sum(cores for cores, _ in there) / len(there), max(size for _, size in there)


def credible(samples: Iterable[Sample], span: float) -> list[Sample]:
    """By time, each release and moment once (the first that was written), within the ``span`` seconds that hold the most of them."""
    once: dict[tuple[float, str], Sample] = {}
    for sample in samples:
        once.setdefault((sample.at, sample.release), sample)
    ordered = [once[key] for key in sorted(once)]
    best, first = slice(0, 0), 0
    for last, sample in enumerate(ordered):
        while sample.at - ordered[first].at > span:
            first += 1
        if last + 1 - first >= best.stop - best.start:
            best = slice(first, last + 1)
    return ordered[best]
