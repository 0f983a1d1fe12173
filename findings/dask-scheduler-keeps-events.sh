#!/bin/sh
# The scheduler of Dask keeps the last 1,000 events of every topic that anybody ever logged to, whatever their size, also
# where nobody has subscribed, all subscribers have unsubscribed, and all clients are gone. Only topics that are called as
# a client (its id) or a worker (its address) are emptied, a while after that has gone. A topic for each run, as "run-<id>",
# makes a scheduler grow for as long as it lives; no method of Client or Worker empties one. The reference of
# Client.subscribe_topic, unsubscribe_topic and log_event does not say so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q dask==2026.8.0 distributed==2026.8.0
cat > "$folder/topics.py" <<'PYTHON'
import sys
import time

import dask
from distributed import Client, LocalCluster, __version__

RUNS, EVENTS, SIZE = 20, 200, 10_000


def run(address, topic):
    """A client that logs to its topic, which it hears as well, and leaves."""
    with Client(address, set_as_default=False) as client:
        topic = topic or client.id
        client.subscribe_topic(topic, lambda event: None)
        for number in range(EVENTS):
            client.log_event(topic, f"{number}".ljust(SIZE))
        client.unsubscribe_topic(topic)
    return topic


if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.events-cleanup-delay": "100ms"})
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        topics = [run(cluster.scheduler_address, f"run-{number}") for number in range(RUNS)]
        own = run(cluster.scheduler_address, None)
        time.sleep(1)
        assert set(cluster.scheduler.clients) <= {"fire-and-forget"}, "all of them are gone"
        kept = cluster.scheduler.get_events()
    of_runs = sum(len(kept.get(topic, ())) for topic in topics)
    sizes = sum(len(text) for topic in topics for _, text in kept.get(topic, ()))
    print(f"distributed {__version__}: {RUNS} clients have gone, each of which had a topic of its own")
    print(f"  the scheduler keeps {of_runs:,} events of {len(topics)} topics, {sizes / 1e6:.0f} MB (expected: 0)")
    print(f"  and {len(kept.get(own, ()))} of the topic that is called as its client is")
    sys.exit(of_runs == 0)
PYTHON
"$folder/venv/bin/python" "$folder/topics.py"
