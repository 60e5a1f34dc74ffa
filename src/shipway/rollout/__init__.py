"""The sans-I/O state machine: events in, state and commands out. No clock, no ids of its own, no await.

``engine`` calls :func:`~shipway.rollout.evolve.evolve` for every event it has appended to the journal and then
:func:`~shipway.rollout.decide.decide` for what to do about it; the same two functions replay a history.
"""
