"""The server settings of the service, for `empty_app`: the same file, without its hooks and logs."""

from __future__ import annotations

import runpy
from pathlib import Path

_settings = runpy.run_path(str(Path(__file__).resolve().parent.parent / "gunicorn.conf.py"))

bind = _settings["bind"]
worker_class = _settings["worker_class"]
workers = _settings["workers"]
threads = _settings["threads"]
keepalive = _settings["keepalive"]
backlog = _settings["backlog"]
timeout = _settings["timeout"]
worker_tmp_dir = _settings["worker_tmp_dir"]
control_socket_disable = _settings["control_socket_disable"]
chdir = _settings["chdir"]
