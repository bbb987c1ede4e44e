"""`arq workers.main.WorkerSettings`: arq's command reads a class, so importing this module reads the settings."""

from core.settings import read_settings
from workers.worker import worker_options

WorkerSettings = type("WorkerSettings", (), worker_options(read_settings()))
