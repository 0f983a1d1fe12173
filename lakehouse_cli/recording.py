"""stub"""

from contextlib import contextmanager


@contextmanager
def recording(folder, environment, run_id, wait, on_event):
    yield on_event or (lambda e: None)


def past_durations(folder):
    return {}


def last_not_done(folder, environment):
    return ()
