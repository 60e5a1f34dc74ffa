"""A virtual cluster for tests, benchmarks and `what if`: virtual time, seeded chance, programmable services and faults.

``loop``       an asyncio event loop whose clock jumps instead of waiting
``behaviour``  what a release does and what traffic an application gets
``histogram``  latency in the bins that Envoy uses
``arm``        the counters of one release, drawn per interval, not per request
``cluster``    what outlives a controller: releases, routes, traffic, and the timeline of what will happen to them
``timeline``   what will happen and when
``adapters``   the ports over a cluster, with faults
"""
