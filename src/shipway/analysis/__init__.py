"""Counts and samples in, a verdict with its evidence out. Arithmetic only: no clock, no fetching, no words about rollouts.

``../../docs/how-releases-are-judged.md`` explains the method; every formula here names its source.
"""

from shipway.analysis.stream import judge_stream

__all__ = ["judge_stream"]
