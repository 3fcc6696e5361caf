"""Training on several devices or machines with ``tf.distribute``: what the loop needs to know of it.

Every replica computes the gradients of its part of a batch; they are summed, and all replicas make the same step. Losses and
metrics are reduced over all replicas of all workers, so that every worker takes the same decisions: which epoch is the best,
when to stop, whether the loss is still a number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from tflitekit.core.errors import LostWorkerError, TflitekitError, UsageError
from tflitekit.training.distributed.members import Members, read_members

__all__ = ["ONE_DEVICE", "Distribution", "open_distribution"]


@dataclass(frozen=True)
class Distribution:
    """How one stage is trained.

    Attributes:
        description: For the record.
        devices: That compute.
        strategy: Of ``tf.distribute``; None for one device.
        members: The workers; None for one.
    """

    description: str
    devices: tuple[str, ...]
    strategy: Any = None
    members: Members | None = None

    @property
    def writes(self) -> bool:
        """Whether this process writes results: of several workers the chief alone does."""
        return self.members is None or self.members.is_chief

    @contextmanager
    def _replicated(self) -> Iterator[None]:
        import tensorflow as tf

        def aggregated(create: Callable[..., Any], **options: Any) -> Any:
            # Layers of tensorflow-model-optimization assign ranges, masks and step counts in every replica, and all
            # assign the same value.
            if options.get("aggregation") in (None, tf.VariableAggregation.NONE):
                options["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
            return create(**options)

        with self.strategy.scope(), tf.variable_creator_scope(aggregated):
            yield

    def scope(self) -> AbstractContextManager[None]:
        """Returns the context in which what trains is made: model, optimizer and metrics."""
        return nullcontext() if self.strategy is None else self._replicated()

    def spread(self, make: Callable[[tuple[int, int]], Any], samples: int) -> Any:
        """Makes the data set of training batches.

        Args:
            make: From the number of this worker and of all to its data set of parts of batches (see `train_batches`).
            samples: Of a batch, over all replicas.

        Raises:
            UsageError: A batch cannot be divided among the replicas.
        """
        if self.strategy is None:
            return make((0, 1))
        replicas = self.strategy.num_replicas_in_sync
        if samples % replicas:
            raise UsageError(
                f"A batch of {samples} samples cannot be divided evenly among {replicas} devices.",
                fix=f"Choose a --batch-size that is a multiple of {replicas}, and give at least that many samples.",
            )

        def of_worker(context: Any) -> Any:
            workers = context.num_input_pipelines
            return _in_parts(make((context.input_pipeline_id, workers)), replicas // workers)

        return self.strategy.distribute_datasets_from_function(of_worker)

    def divide(self, batches: Any) -> Any:
        """Returns validation batches so that Keras divides each among all replicas of all workers."""
        if self.members is None:
            return batches
        import tensorflow as tf

        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return batches.with_options(options)

    def agree(self, state: str) -> None:
        """Makes sure that all workers are in the same state.

        Raises:
            LostWorkerError: They are not.
        """
        if self.members is None:
            return
        import tensorflow as tf

        number = int.from_bytes(hashlib.sha256(state.encode()).digest()[:7], "big")

        @tf.function  # type: ignore[untyped-decorator]
        def gather() -> Any:
            return self.strategy.run(
                lambda: tf.distribute.get_replica_context().all_gather(tf.constant([number], tf.int64), axis=0)
            )

        found = self.strategy.experimental_local_results(gather())[0].numpy()
        if (found != number).any():
            raise LostWorkerError(
                "The workers do not see the same checkpoint.",
                why=f"This one sees {state}. Their shared folder may be slow to show what was written.",
            )


ONE_DEVICE = Distribution("one device", ("CPU",))


@contextmanager
def open_distribution(name: str) -> Iterator[Distribution]:
    """Opens a strategy by name (see `TrainingOptions`). TensorFlow must not have computed anything before.

    Raises:
        UsageError: ``TF_CONFIG`` is missing or malformed.
        LostWorkerError: Inside: another worker cannot be reached any more.
    """
    import tensorflow as tf

    if name == "multi-worker":
        members = read_members()
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
            kind = _kinds(strategy)[0].partition(":")[0]
            yield Distribution(
                f"multi-worker, {_count(len(members.workers), 'worker')}",
                tuple(f"{address} {kind}" for address in members.workers),
                strategy,
                members,
            )
        except (TflitekitError, tf.errors.OpError) as error:
            cause = _lost_worker(error)
            if cause is None:
                raise
            raise LostWorkerError("Another worker cannot be reached.", why=str(cause).strip()[-400:]) from error
    elif name == "mirrored":
        gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
        cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
        # CPUs of one process would otherwise meet in collective operations, which they do not start in the same order.
        strategy = tf.distribute.MirroredStrategy(
            gpus or cpus, cross_device_ops=None if gpus else tf.distribute.ReductionToOneDevice()
        )
        yield Distribution(
            f"mirrored, {_count(strategy.num_replicas_in_sync, 'replica')}", tuple(_kinds(strategy)), strategy
        )
    else:
        names = tuple(device.name for device in tf.config.list_physical_devices("GPU"))
        yield Distribution(ONE_DEVICE.description, names or ONE_DEVICE.devices)


def _in_parts(batches: Any, parts: int) -> Any:
    """Divides each batch into parts that follow each other: one for each device of this worker."""
    import tensorflow as tf

    if parts == 1:
        return batches

    def divide(*batch: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(lambda t: tf.reshape(t, [parts, t.shape[0] // parts, *t.shape[1:]]), batch)
        )

    return batches.flat_map(divide).prefetch(tf.data.AUTOTUNE).with_options(batches.options())


def _lost_worker(error: BaseException | None) -> BaseException | None:
    """Returns what an operation of several workers raised, where it is the cause of an error."""
    import tensorflow as tf

    errors = tf.errors
    kinds = (
        errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.InternalError,
        errors.DeadlineExceededError, errors.FailedPreconditionError,
    )  # fmt: skip
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__ or error.__context__
    return error


def _kinds(strategy: Any) -> list[str]:
    """Returns the devices of this process as 'CPU:0'."""
    return [device.partition("/device:")[2] for device in strategy.extended.worker_devices]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
