"""Runs on several machines: a Dask cluster does the work that a run would do on one.

`open_cluster` connects, `ClusterCrew` takes the place of this machine in a run, `tasks` is what its workers do, and `kinds` are the places
where clusters come from.
"""
