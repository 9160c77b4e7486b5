"""The lab's AWS: moto's server plus the behaviour that forensic work depends on and moto 5.2.5 lacks.

    python emulator.py -H 127.0.0.1 -p 5066

Environment:
  LAB_DATA              folder of the bytes: <LAB_DATA>/volumes and <LAB_DATA>/snapshots hold sparse image files,
                        <LAB_DATA>/objects takes S3 objects too big for memory (default ./lab-data)
  LAB_SNAPSHOT_SECONDS  how long a new snapshot stays `pending` (default 2; 0 completes at once)
  LAB_COPY_SECONDS      the same for CopySnapshot (default 2); lab/durations.ts has all such variables
  LAB_COPY_LIMIT        snapshot copies at once per account and Region (default 20, the quota of AWS)
  LAB_TRUST             1 (default): AssumeRole needs a role whose trust policy names the caller; 0: moto's own rule

Beside AWS's API (all answers are JSON):
  GET|POST|PUT|DELETE /moto-api/lab/faults     what goes wrong next (POST adds, PUT replaces, DELETE clears)
  GET|PUT|POST|DELETE /moto-api/lab/held       which calls wait before and after they are carried out (held_calls.py)
  GET|PUT             /moto-api/lab/holds      what stays on its way: snapshots, copies, instances, volumes
  GET|DELETE          /moto-api/lab/calls      every call seen: the lab's CloudTrail
  GET|POST            /moto-api/lab/iam        whether requests are judged, and which by their action alone; ends a session
  GET                 /moto-api/lab/instances  every instance of every account
  GET                 /moto-api/lab/network    VPCs in which instances run, with rules and interfaces (network_state.py)
  GET                 /moto-api/lab/document?account&region&name&version   content of an SSM document
  GET                 /moto-api/lab/account?akid   the account of an access key

The overlay edits moto's own classes and not its traffic, so that tagging, IAM enforcement and the wire formats of all
protocols keep working. State is in memory, apart from image files: a restart loses it.
"""

import argparse
import os
import resource
import signal
import sys

# Before the import of moto: some of these are read once.
os.environ.setdefault("MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS", "true")  # overlay/s3_access.py decides, by bucket policy
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # 50 MB and 1,300 foreign snapshots that no one asked for
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

import overlay
from overlay.requests import FormBodies


def stop_quietly(_signal_number, _frame):
    sys.exit(0)


def allow_open_files():
    """Every S3 object and part over 1 MiB is an open file; the usual soft limit is 1024."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    parser = argparse.ArgumentParser(description="The lab's AWS endpoint")
    parser.add_argument("-H", "--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("-p", "--port", type=int, required=True)
    arguments = parser.parse_args()
    os.environ["MOTO_PORT"] = str(arguments.port)
    signal.signal(signal.SIGTERM, stop_quietly)
    signal.signal(signal.SIGINT, stop_quietly)
    allow_open_files()
    overlay.install()
    application = FormBodies(DomainDispatcherApplication(create_backend_app))
    run_simple(arguments.host, arguments.port, application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
