"""`arq workers.main.WorkerSettings`: arq's command reads a class, so importing this module reads the settings, and
makes the command start our worker."""

import arq.worker

from core.settings import read_settings
from workers.engine import LeasedWorker
from workers.worker import worker_options

arq.worker.Worker = LeasedWorker  # type: ignore[misc]
WorkerSettings = type("WorkerSettings", (), worker_options(read_settings()))
