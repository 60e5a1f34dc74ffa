"""What waits in the queues that an application reads, as the usual exporter of each engine counts it. Used by :mod:`.scaling`.

A queue (topic, stream) is called like the dependency's logical name, or like the application; it is told by ``QUEUE_NAME``.
Kafka's consumer group and JetStream's consumer are called like the application.
"""

from collections.abc import Iterator, Mapping

import msgspec

from shipway.render.context import Context
from shipway.spec.application import Dependency

_NAME, _READER = "name", "reader"
_METRICS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    # RabbitMQ's own, with prometheus.return_per_object_metrics: https://www.rabbitmq.com/docs/prometheus
    "rabbitmq": ("rabbitmq_queue_messages_ready", {"queue": _NAME}),
    # https://github.com/danielqsj/kafka_exporter
    "kafka": ("kafka_consumergroup_lag", {"consumergroup": _READER, "topic": _NAME}),
    # https://github.com/nats-io/prometheus-nats-exporter, with -jsz=all
    "nats": ("jetstream_consumer_num_pending", {"stream_name": _NAME, "consumer_name": _READER}),
}


class Waiting(msgspec.Struct, frozen=True):
    """A gauge of messages that nobody has taken yet."""

    metric: str
    labels: Mapping[str, str]

    @property
    def selector(self) -> str:
        """As PromQL has it."""
        matchers = ", ".join(f'{key}="{value}"' for key, value in self.labels.items())
        return f"{self.metric}{{{matchers}}}"


def queue_name(context: Context, dependency: Dependency) -> str:
    """What the queue behind a dependency is called."""
    return dependency.name or context.name


def waiting(context: Context) -> Iterator[Waiting]:
    """One for each queue that it depends on, in the order of the file."""
    for dependency in context.resources("queue"):
        metric, labels = _METRICS[dependency.resource.engine if dependency.resource else ""]
        known = {_NAME: queue_name(context, dependency), _READER: context.name}
        yield Waiting(metric, {label: known[what] for label, what in labels.items()})
